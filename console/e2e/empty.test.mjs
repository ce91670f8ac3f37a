// A new installation: no plane, no inventory, no case. Every screen says what is not
// there and what to do next, and the self-test passes nothing that it could not try.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Desk, launch } from "./browser.mjs";
import { World } from "./world.mjs";

let world, browser;

before(async () => {
  world = await World.open({ plane: false });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await world?.close();
});

test("an empty installation says what is missing, and the next command", async () => {
  const desk = await Desk.open(browser, world);
  const { page } = desk;
  await desk.signIn("ada");
  await page.locator("[data-connection=live]").waitFor();
  await page.getByText("No case is open").waitFor();
  await page.getByRole("link", { name: /Start in three steps/ }).click();
  await page.waitForURL("**/start");
  await page.locator(".firststeps li").nth(2).waitFor();
  // A source was made; nothing else was.
  assert.deepEqual(await page.locator(".firststeps li").evaluateAll((all) => all.map((e) => e.dataset.done)), ["false", "false", "true"]);
  await page.getByText("quell connector bootstrap NAME").waitFor();
  await page.keyboard.press("t");
  await page.locator("[data-selftest=failed]").waitFor();
  await page.getByText("no plane is connected").waitFor();
  await desk.isAccessible("start, empty");
  await desk.pictures("empty-start");
  for (const [path, says] of [
    ["/planes", /No plane is connected/],
    ["/identities", /The inventory is empty/],
    ["/audit", /None, of 0 cases/],
    ["/measures", /nothing is measured/],
    ["/ledger", /None was signed yet|signature checked/],
    ["/policy", /No plane is connected/],
  ]) {
    await page.goto(path);
    await page.getByText(says).first().waitFor();
    await desk.isAccessible(`${path}, empty`);
    assert.equal(await page.locator("main .state.good").count(), path === "/policy" ? await page.getByText(/cases come out as they say/).count() : 0, `${path}: nothing is green where nothing was proved`);
    await desk.pictures(`empty-${path.slice(1)}`);
  }
  await page.goto("/measures");
  await page.locator(".figure").nth(6).waitFor();
  const figures = await page.locator(".figure").allInnerTexts();
  assert.ok(figures.every((said) => /not measured/.test(said)), JSON.stringify(figures));
  await desk.close();
});
