// Empties `dist` except for the tracked file that keeps the folder there.
import { readdirSync, rmSync } from "node:fs";

for (const name of readdirSync("dist")) if (name !== ".keep") rmSync(`dist/${name}`, { recursive: true });
