import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// A running `quell serve` for `npm run dev`.
const server = process.env["QUELL_URL"] ?? "http://127.0.0.1:7447";

export default defineConfig({
  plugins: [react()],
  build: {
    // The folder keeps a tracked file; `tools/clean.mjs` empties the rest.
    emptyOutDir: false,
    // The policy allows no data: scripts or styles, and small pictures gain nothing.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      input: { index: "index.html", page: "src/page.ts" },
      output: { entryFileNames: (chunk) => (chunk.name === "page" ? "assets/page.js" : "assets/[name]-[hash].js") },
    },
  },
  server: { host: "127.0.0.1", proxy: Object.fromEntries(["/api", "/sign-in", "/sign-out", "/waiting", "^/cases/.*/(approval|evidence)", "/assets"].map((p) => [p, server])) },
  test: { include: ["src/**/*.test.ts", "src/**/*.test.tsx"] },
});
