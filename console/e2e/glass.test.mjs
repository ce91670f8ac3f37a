// A plan that runs without those who must be asked: who may, what it says before, and
// how long it is shown.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Desk, launch } from "./browser.mjs";
import { World } from "./world.mjs";

let world, browser, id;

before(async () => {
  world = await World.open();
  browser = await launch();
  id = await world.report(world.app);
});
after(async () => {
  await browser?.close();
  await world?.close();
});

test("break-glass says whom it passes over, and is shown until they have reviewed it", async () => {
  await world.arm();
  await world.case(id, (c) => c.waiting_for.some((w) => w.missing));
  const desk = await Desk.open(browser, world);
  const { page } = desk;
  await desk.signIn("lea", `/cases/${id}`);
  await page.locator("[data-connection=live]").waitFor();
  await page.getByRole("button", { name: "Break glass" }).click();
  const dialog = page.getByRole("dialog");
  assert.match(await dialog.innerText(), /without .*(identity team|security operations|business owner|lead)/);
  await dialog.getByLabel(/Why is nobody waited for/).fill("too short");
  await dialog.getByRole("button", { name: "Run it without them" }).click();
  await dialog.getByText(/at least 10 characters/).waitFor();
  await dialog.getByLabel(/Why is nobody waited for/).fill("payments are being drained now");
  await dialog.getByRole("button", { name: "Run it without them" }).click();
  const badge = page.getByText(/Not reviewed yet/);
  await badge.waitFor();
  const found = await world.case(id, (c) => c.plans.some((p) => p.break_glass));
  await world.isDescribed("Case", found);
  const { break_glass: glass } = found.plans.find((p) => p.break_glass);
  assert.deepEqual([glass.untrusted, glass.reviews.length > 0, glass.skipped.length], ["payments are being drained now", true, glass.reviews.length]);
  await desk.isAccessible("case with broken glass");
  await desk.picture("case-break-glass");
  await assert.rejects(world.post("lea", `/cases/${id}/task/${glass.reviews[0].task}/done`, { attested: "fine" }), /another person/);
  await page.goto(new URL("/audit", world.url).href);
  await page.getByRole("region", { name: "Break-glass", exact: true }).getByText("payments are being drained now").waitFor();
  for (const review of glass.reviews) await world.post("ian", `/cases/${id}/task/${review.task}/done`, { attested: "it was right" });
  await page.goto(new URL(`/cases/${id}`, world.url).href);
  await page.getByText("Reviewed.").waitFor();
  await desk.close();
});
