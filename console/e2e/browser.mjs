// A real Chromium, and what every page is held against: no violation of its own
// content security policy, no error, nothing loaded from elsewhere, no secret of
// the lab in anything that came over the wire, no serious finding of axe.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import { PASSWORD } from "./world.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const ARTEFACTS = process.env.CONSOLE_ARTEFACTS ?? "artefacts";

export async function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-component-update", "--disable-sync"],
  });
}

/** Pages of one person, each watched. */
export class Desk {
  faults = [];
  bodies = [];

  static async open(browser, world, options = {}) {
    const desk = new Desk();
    desk.world = world;
    desk.context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: "dark", reducedMotion: "reduce", acceptDownloads: true, baseURL: world.url, ...options });
    // It only bounds a failure: a machine that does much else is slow.
    desk.context.setDefaultTimeout(120_000);
    desk.page = await desk.context.newPage();
    const { page } = desk;
    page.on("pageerror", (error) => desk.faults.push(`error: ${error.message}`));
    page.on("dialog", (dialog) => {
      desk.faults.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on("console", (message) => {
      const text = message.text();
      if (/Content Security Policy|Refused to/i.test(text)) desk.faults.push(text);
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(world.url) && !/^(data|blob|about):/.test(request.url())) desk.faults.push(`loaded from elsewhere: ${request.url()}`);
    });
    page.on("response", (response) => {
      if (/event-stream|zip/.test(response.headers()["content-type"] ?? "")) return;
      desk.bodies.push(response.text().catch(() => ""));
    });
    if (options.javaScriptEnabled !== false) {
      await page.addInitScript(() => document.addEventListener("securitypolicyviolation", (e) => console.error(`Content Security Policy: ${e.violatedDirective} ${e.blockedURI}`)));
    }
    return desk;
  }

  async signIn(name, path = "/") {
    await this.page.goto(`/sign-in?next=${encodeURIComponent(path)}`);
    await this.page.getByLabel("Name or e-mail address").fill(name);
    await this.page.getByLabel("Password").fill(PASSWORD);
    await this.page.getByRole("button", { name: "Sign in" }).click();
    await this.page.waitForURL((url) => url.pathname + url.search === path);
  }

  /** Axe finds nothing serious on what is shown now. */
  async isAccessible(what) {
    const { page } = this;
    // Evaluated by the debugger, which a page's policy does not bind.
    await page.evaluate(axe);
    const found = await page.evaluate(async () => (await globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })).violations.map((v) => ({ id: v.id, impact: v.impact, at: v.nodes.slice(0, 4).map((n) => `${n.target} ${n.failureSummary}`) })));
    const grave = found.filter((v) => v.impact === "serious" || v.impact === "critical");
    assert.deepEqual(grave, [], `${what}: ${JSON.stringify(grave, null, 1)}`);
  }

  async picture(name, { full = false } = {}) {
    mkdirSync(ARTEFACTS, { recursive: true });
    await this.page.screenshot({ path: `${ARTEFACTS}/${name}.png`, fullPage: full });
  }

  /** Dark and light, one picture each. */
  async pictures(name, options) {
    for (const colorScheme of ["dark", "light"]) {
      await this.page.emulateMedia({ colorScheme });
      await this.picture(`${name}-${colorScheme}`, options);
    }
    await this.page.emulateMedia({ colorScheme: "dark" });
  }

  async close() {
    const page = await this.page.content();
    await this.context.close();
    const seen = [page, ...(await Promise.all(this.bodies))].join("\n");
    const shown = this.world.secrets.filter((secret) => seen.includes(secret));
    assert.equal(shown.length, 0, "a secret of the lab was in a page or an answer");
    assert.deepEqual(this.faults, []);
  }
}
