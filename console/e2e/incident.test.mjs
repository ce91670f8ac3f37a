// The demo incident in a browser, from the report to the bundle, on real servers.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { Desk, launch } from "./browser.mjs";
import { binary, PASSWORD, World } from "./world.mjs";

const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
let world, browser, id;

before(async () => {
  world = await World.open();
  browser = await launch();
  id = await world.report(world.app);
  await world.case(id, (c) => c.waiting_for.some((w) => w.missing));
});
after(async () => {
  await browser?.close();
  await world?.close();
});

const BY_ROLE = { secops: "sam", iam: "ian", lead: "lea", response_owner: "rosa", business_owner: "bea" };

/** Whom policy asks now, by name, and about which plan. */
async function asked() {
  const waiting = (await world.get("lea", `/cases/${id}`)).waiting_for.find((w) => w.missing);
  assert.ok(waiting, "somebody is asked");
  return { name: BY_ROLE[waiting.role], role: waiting.role, plan: waiting.plan };
}

async function everythingIsDescribed() {
  await world.isDescribed("Case", await world.get("lea", `/cases/${id}`));
  await world.isDescribed("Cases", await world.get("lea", "/cases?state=all"));
  await world.isDescribed("Events", await world.get("lea", `/cases/${id}/events`));
  await world.isDescribed("Why", await world.get("lea", `/cases/${id}/why`));
  await world.isDescribed("Inbox", await world.get("bea", "/inbox"));
  await world.isDescribed("Me", await world.get("lea", "/whoami"));
  await world.isDescribed("Users", await world.get("lea", "/users"));
  await world.isDescribed("Mode", await world.get("lea", "/automation"));
  await world.isDescribed("ReachAnswer", await world.get("lea", "/inventory/reach?ref=pg-main/billing_app"));
  const { events } = await world.get("lea", `/cases/${id}/events`);
  await world.isDescribed("Leaf", await world.get("lea", `/cases/${id}/events/${events[0].index}`));
}

test("signing in works without script, says what is wrong, and leads back", async () => {
  const desk = await Desk.open(browser, world, { javaScriptEnabled: false });
  const { page } = desk;
  await page.goto(`/cases/${id}/evidence`);
  assert.equal(new URL(page.url()).pathname, "/sign-in");
  await page.getByLabel("Name or e-mail address").fill("lea");
  await page.getByLabel("Password").fill("wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  assert.match(await page.getByRole("alert").innerText(), /name or password is wrong/);
  await page.getByLabel("Name or e-mail address").fill("lea");
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  assert.equal(new URL(page.url()).pathname, `/cases/${id}/evidence`);
  const cookie = (await desk.context.cookies()).find((c) => c.name === "quell_session");
  assert.deepEqual([cookie.httpOnly, cookie.sameSite], [true, "Strict"]);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.goto("/waiting");
  assert.equal(new URL(page.url()).pathname, "/sign-in");
  // The session is over on the server, too, and not only forgotten here.
  const answer = await fetch(`${world.url}/api/v1/whoami`, { headers: { cookie: `quell_session=${cookie.value}` } });
  assert.equal(answer.status, 401);
  await desk.close();
});

test("a cookie alone changes nothing: not without the session's CSRF value, not from elsewhere", async () => {
  const entered = await fetch(`${world.url}/sign-in`, { method: "POST", redirect: "manual", body: new URLSearchParams({ user: "lea", password: PASSWORD }) });
  assert.equal(entered.status, 303);
  const cookie = entered.headers.get("set-cookie").split(";")[0];
  const { csrf } = await (await fetch(`${world.url}/api/v1/whoami`, { headers: { cookie } })).json();
  const note = (headers) => fetch(`${world.url}/api/v1/cases/${id}/note`, { method: "POST", headers: { cookie, "content-type": "application/json", ...headers }, body: JSON.stringify({ text: "x" }) });
  assert.equal((await note({})).status, 403);
  assert.equal((await note({ "quell-csrf": csrf.replace(/^./, (c) => (c === "0" ? "1" : "0")) })).status, 403);
  assert.equal((await note({ "quell-csrf": csrf, origin: "http://evil.example" })).status, 403);
  assert.equal((await note({ "quell-csrf": csrf, "sec-fetch-site": "cross-site" })).status, 403);
  assert.equal((await note({ "quell-csrf": csrf, authorization: "Basic x" })).status, 401);
  const form = (fields, headers = {}) => fetch(`${world.url}/cases/${id}/evidence`, { method: "POST", redirect: "manual", headers: { cookie, ...headers }, body: new URLSearchParams(fields) });
  assert.equal((await form({ csrf: "00" })).status, 403);
  assert.equal((await form({ csrf }, { origin: "http://evil.example" })).status, 403);
  const elsewhere = await fetch(`${world.url}/sign-in`, { method: "POST", redirect: "manual", headers: { origin: "http://evil.example" }, body: new URLSearchParams({ user: "lea", password: PASSWORD }) });
  assert.equal(elsewhere.status, 403);
  assert.equal((await world.get("lea", `/cases/${id}`)).notes.length, 0);
  assert.equal((await note({ "quell-csrf": csrf })).status, 200);
  // A machine token in a cookie is nobody who signed in.
  const { token } = await world.post("ada", "/tokens", { name: "m", user: (await world.get("lea", "/whoami")).user, scopes: ["cases:read"] });
  assert.equal((await fetch(`${world.url}/api/v1/cases`, { headers: { cookie: `quell_session=${token}` } })).status, 401);
});

test("every page carries a policy without inline script or style", async () => {
  for (const path of ["/", "/inbox", `/cases/${id}`, "/sign-in", "/assets/base.css"]) {
    const answer = await fetch(`${world.url}${path}`);
    const policy = answer.headers.get("content-security-policy") ?? "";
    assert.match(policy, /default-src 'none'/, path);
    assert.match(policy, /frame-ancestors 'none'/, path);
    assert.doesNotMatch(policy, /unsafe|https?:|\*/, path);
    assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
  }
});

test("the queue and the case show what decides, in the first viewport, and claim nothing", async () => {
  const desk = await Desk.open(browser, world);
  const { page } = desk;
  await desk.signIn("lea");
  await page.locator("table.rows tbody tr").first().waitFor();
  await desk.isAccessible("queue");
  await desk.pictures("queue");
  await page.keyboard.press("Enter");
  await page.waitForURL(`**/cases/${id}`);
  await page.locator(".bigclock").waitFor();
  await page.locator("[data-connection=live]").waitFor();
  await desk.isAccessible("case before approval");
  await desk.pictures("case-waiting");
  const told = page.locator("[data-told] li").first();
  await told.waitFor();
  assert.match(await told.innerText(), /paged over inbox/, "who is asked is told, and the page says over what");
  assert.equal(await page.locator(".bigclock").getAttribute("data-running"), "true");
  for (const place of [".bigclock", ".strip", "#part-identities .holding", "#part-plan .digest", "#part-plan .steps li >> nth=0", "[data-order=run]", "[data-order=dry-run]", "#part-people .awaited >> nth=0", ".lines li >> nth=0"]) {
    const box = await page.locator(place).first().boundingBox();
    assert.ok(box && box.y >= 0 && box.y + box.height <= 900, `${place} is in the first viewport: ${JSON.stringify(box)}`);
  }
  // The exposure clock is the largest number, and nothing else comes near it.
  const sizes = await page.evaluate(() => [...document.querySelectorAll("body *")].filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())).map((e) => [parseFloat(getComputedStyle(e).fontSize), e.className]));
  sizes.sort((a, b) => b[0] - a[0]);
  assert.equal(sizes[0][1], "number");
  assert.ok(sizes[0][0] > 1.5 * sizes[1][0]);
  const said = await page.locator("main").innerText();
  assert.doesNotMatch(said, /contained|PROVED DEAD/, "nothing is called contained before it is");
  assert.match(said, /Not looked at/i);
  await everythingIsDescribed();

  await page.keyboard.press("d");
  await page.getByRole("dialog").getByRole("button", { name: "Ask whether it would run" }).click();
  await page.getByRole("dialog").getByText(/It would not run/).waitFor();
  await desk.isAccessible("dry-run");
  await page.keyboard.press("Escape");
  await page.keyboard.press("g");
  await page.getByRole("dialog").getByRole("table").waitFor();
  await desk.isAccessible("reach");
  await desk.picture("reach");
  await page.keyboard.press("Escape");
  await page.locator(".lines button").first().click();
  await page.getByText(/Inclusion proof/).waitFor();
  await desk.isAccessible("leaf");
  await page.keyboard.press("Escape");
  await page.keyboard.press("w");
  await page.getByRole("dialog").getByText("The next command").waitFor();
  await page.keyboard.press("Escape");
  await desk.close();
});

test("two people on one case see each other's work without reload", async () => {
  const [lea, sam] = [await Desk.open(browser, world), await Desk.open(browser, world)];
  await lea.signIn("lea", `/cases/${id}`);
  await sam.signIn("sam", `/cases/${id}`);
  await sam.page.locator("[data-connection=live]").waitFor();
  await lea.page.locator("[data-connection=live]").waitFor();
  await lea.page.keyboard.press("n");
  await lea.page.getByRole("dialog").getByLabel("Note").fill("called the payments lead");
  await lea.page.getByRole("dialog").getByRole("button", { name: "Write it down" }).click();
  await sam.page.getByText("called the payments lead").waitFor();
  await sam.page.locator("[data-order=lead]").click();
  await sam.page.getByRole("dialog").getByRole("button", { name: "Take the lead" }).click();
  await lea.page.getByText("Lead: sam").waitFor();
  await lea.close();
  await sam.close();
});

test("the phone shows the question first, and a stale digest is no yes", async () => {
  const desk = await Desk.open(browser, world, PHONE);
  const { page } = desk;
  const { name, role, plan } = await asked();
  await desk.signIn(name, `/cases/${id}/approval/${plan}`);
  await desk.isAccessible("approval on a phone");
  await desk.pictures("approval-phone", { full: true });
  await desk.pictures("approval-phone-first");
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= 390, `no sideways scrolling, ${wide}`);
  await page.goto(`/cases/${id}`);
  await page.locator(".bigclock").waitFor();
  await desk.isAccessible("case on a phone");
  await desk.pictures("case-phone");
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 390);
  const { csrf } = await page.evaluate(async () => (await fetch("/api/v1/whoami")).json());
  const status = await page.evaluate(async ([path, body]) => (await fetch(path, { method: "POST", body: new URLSearchParams(body) })).status, [`/cases/${id}/approval/${plan}`, { csrf, digest: "00".repeat(32), role, answer: "approve" }]);
  assert.equal(status, 409);
  await desk.close();
});

test("not knowing is an answer: recorded, and the lead has a task; without script", async () => {
  const desk = await Desk.open(browser, world, { ...PHONE, javaScriptEnabled: false });
  const { page } = desk;
  const { name, plan } = await asked();
  await desk.signIn(name, "/waiting");
  await desk.picture("waiting-no-script");
  await page.getByRole("link", { name: "Answer" }).click();
  assert.equal(new URL(page.url()).pathname, `/cases/${id}/approval/${plan}`);
  await page.getByRole("button", { name: "I don't know: call me" }).click();
  await page.getByText(/your answer is recorded/i).waitFor();
  const found = await world.get("lea", `/cases/${id}`);
  assert.ok(found.tasks.some((t) => t.owner === "lead" && t.untrusted.includes(name)), JSON.stringify(found.tasks));
  assert.ok(found.verdicts.some((v) => v.verdict === "do_not_know"));
  assert.equal(found.plans[0].approvals.length, 0, "not knowing is no yes");
  await desk.close();
});

test("the inbox leads to the approval, and the answer is given by keyboard alone", async () => {
  const desk = await Desk.open(browser, world);
  const { page } = desk;
  const { name, role } = await asked();
  await desk.signIn(name);
  await page.locator("[data-connection=live]").waitFor();
  await page.keyboard.press("i");
  await page.locator("[data-answer]").first().waitFor();
  await desk.isAccessible("inbox");
  await desk.pictures("inbox");
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/approval\//);
  const order = ["Someone may be using Billing's password", "If you approve", "If you refuse", "If you do nothing", "How it is taken back", "Switch over safely", "Refuse, say why", "I don't know: call me", "Digest and details"];
  const text = await page.locator("main").innerText();
  const places = order.map((part) => text.indexOf(part));
  assert.ok(places.every((place, n) => place >= 0 && (n === 0 || place > places[n - 1])), `${JSON.stringify(places)}\n${text}`);
  assert.match(text, /Moves over: billing-job/);
  assert.match(text, /How long: unknown/);
  await desk.isAccessible("approval");
  // Tab until the button has the focus: nothing on the way is a trap.
  const focused = () => page.evaluate(() => document.activeElement?.textContent);
  for (let n = 0; n < 30 && (await focused()) !== "Switch over safely"; n += 1) await page.keyboard.press("Tab");
  assert.equal(await focused(), "Switch over safely");
  await page.keyboard.press("Enter");
  await page.getByText(/You approved this plan/).waitFor();
  const found = await world.get("lea", `/cases/${id}`);
  assert.deepEqual(found.plans[0].approvals.map((a) => a.role), [role]);
  await desk.close();
});

test("the clock stops at the proof and not before, live and without reload", async () => {
  const desk = await Desk.open(browser, world);
  const { page } = desk;
  await desk.signIn("lea", `/cases/${id}`);
  await page.locator("[data-connection=live]").waitFor();
  // Every state that the page shows from now on, as it shows it.
  await page.evaluate(() => {
    globalThis.seen = [];
    const look = () => {
      const clock = document.querySelector(".bigclock");
      const held = [...document.querySelectorAll(".holding:not(.new) .state")].map((e) => e.textContent.replace(/[^A-Z]/g, ""));
      globalThis.seen.push({ running: clock.dataset.running, tone: clock.className, held, proven: document.querySelector(".strip .proven").className });
    };
    new MutationObserver(look).observe(document.getElementById("root"), { subtree: true, childList: true, attributes: true, characterData: true });
  });
  await world.arm();
  const proven = await world.case(id, (c) => {
    return c.state === "proven";
  }, 60);
  await page.locator(".bigclock[data-running=false]").waitFor();
  await page.locator(".strip .proven.now").waitFor();
  await desk.isAccessible("case proven");
  await desk.pictures("case-proven");
  const seen = await page.evaluate(() => globalThis.seen);
  assert.ok(seen.length > 3, "the page changed without reload");
  for (const look of seen) {
    if (look.running === "false") assert.ok(look.held.length > 0 && look.held.every((h) => h === "DEAD"), JSON.stringify(look));
    if (/tone-good/.test(look.tone)) assert.equal(look.running, "false", JSON.stringify(look));
  }
  const shown = await page.locator(".bigclock .number").innerText();
  const seconds = (Date.parse(proven.exposure.at_most_until) - Date.parse(proven.exposure.from)) / 1000;
  assert.equal(shown.split(":").reduce((n, part) => n * 60 + Number(part), 0), Math.floor(seconds), "the number is that of the proof");
  await everythingIsDescribed();
  await desk.close();
});

test("nothing stays green while the server is not heard, and it comes back by itself", async () => {
  const desk = await Desk.open(browser, world);
  const { page } = desk;
  await desk.signIn("lea", `/cases/${id}`);
  await page.locator("[data-connection=live]").waitFor();
  await page.locator(".bigclock.tone-good").waitFor();
  await world.stop();
  await page.locator("[data-connection=reconnecting]").waitFor();
  await page.locator(".bigclock.tone-amber").waitFor();
  assert.equal(await page.locator("main .state.good").count(), 0, "no stale green");
  const [green, proven] = await page.evaluate(() => [getComputedStyle(document.documentElement).getPropertyValue("--good"), getComputedStyle(document.querySelector(".strip .proven")).color]);
  assert.ok(green && proven !== (await page.evaluate(() => {
    const probe = document.body.appendChild(document.createElement("i"));
    probe.className = "tone-good";
    const colour = getComputedStyle(probe).color;
    probe.remove();
    return colour;
  })));
  await desk.isAccessible("reconnecting");
  await desk.pictures("case-reconnecting");
  await world.serve();
  await page.locator("[data-connection=live]").waitFor();
  await page.locator(".bigclock.tone-good").waitFor();
  await desk.close();
});

test("the evidence is downloaded without script, and a stranger's check finds it whole", async () => {
  const desk = await Desk.open(browser, world, { javaScriptEnabled: false });
  const { page } = desk;
  await desk.signIn("aud", `/cases/${id}/evidence`);
  await desk.picture("evidence-no-script");
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download the evidence bundle" }).click()]);
  const file = world.file("bundle.zip");
  await download.saveAs(file);
  const verify = () => {
    const { stdout } = spawnSync(binary("quell"), ["evidence", "verify", file, "--json"], { encoding: "utf8" });
    return JSON.parse(stdout);
  };
  const checked = verify();
  assert.equal(checked.integrity, true, JSON.stringify(checked));
  assert.deepEqual(checked.errors.map((e) => e.code), ["unpinned_key"]);
  const bytes = readFileSync(file);
  bytes[2000] ^= 1;
  writeFileSync(file, bytes);
  assert.equal(verify().integrity, false, "one changed bit is seen");
  await desk.close();
});

test("a hostile alert is shown harmlessly", async () => {
  const evil = `<script>alert(1)</script><img src=x onerror=alert(2)>"'><svg onload=alert(3)> \u202egnp.exe\u200b \u0007 ${"A".repeat(10_000)} <a href="javascript:alert(4)">x</a>`;
  const hostile = await world.report({ user: "ghost", password: "not-a-password-of-anybody-1234" }, { Description: evil, File: evil.slice(0, 300), Author: evil.slice(0, 200), Message: evil.slice(0, 300) });
  const desk = await Desk.open(browser, world);
  const { page } = desk;
  await desk.signIn("lea");
  await page.locator(`#row-${hostile}`).waitFor();
  await page.goto(`/cases/${hostile}`);
  await page.locator(".outside").first().waitFor();
  assert.match(await page.locator(".outside").first().innerText(), /<script>|generic/i);
  const raw = await page.content();
  assert.ok(!/<img src=.?x|<svg onload|<a href=.?javascript/i.test(raw), "no markup of the alert");
  assert.ok(!raw.includes("\u202e") && !raw.includes("\u200b"), "no deceptive character");
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 1440);
  await desk.picture("case-hostile");
  await page.goto("/waiting");
  const served = await page.content();
  assert.ok(!served.includes("\u202e") && !/<img src=.?x|<svg onload/i.test(served));
  await desk.close();
});

test("undo is drafted from the page and keeps the old dead", async () => {
  const desk = await Desk.open(browser, world);
  const { page } = desk;
  await desk.signIn("lea", `/cases/${id}`);
  await page.locator("[data-order=undo]").waitFor();
  await page.keyboard.press("u");
  const dialog = page.getByRole("dialog");
  await dialog.getByText(/the old ones stay dead/).waitFor();
  await dialog.getByRole("button", { name: "Draft a reinstate" }).click();
  await page.getByRole("heading", { name: /Plan: undo/ }).waitFor();
  await desk.pictures("case-undo");
  const found = await world.get("lea", `/cases/${id}`);
  assert.ok(found.credentials.filter((c) => !c.issued_by_quell).every((c) => c.state === "DEAD"));
  await desk.close();

  // The way back is approved without script, and then the page says so.
  const plain = await Desk.open(browser, world, { ...PHONE, javaScriptEnabled: false });
  const approved = [];
  for (let asking = true; asking; ) {
    const found = await world.case(id, (c) => c.state === "restored" || c.waiting_for.some((w) => w.missing) || c.plans.some((p) => p.kind === "undo" && p.state === "running"), 60);
    asking = found.waiting_for.some((w) => w.missing);
    if (!asking) break;
    const { name, plan } = await asked();
    assert.ok(!approved.includes(name), "nobody is asked twice");
    approved.push(name);
    await plain.signIn(name, `/cases/${id}/approval/${plan}`);
    await plain.picture("approval-undo-no-script", { full: true });
    await plain.page.getByRole("button", { name: "Let it work again" }).click();
    await plain.page.getByText(/You approved this plan/).waitFor();
    await plain.context.clearCookies();
  }
  assert.ok(approved.length > 0, "somebody was asked");
  await plain.close();
  const back = await world.case(id, (c) => c.state === "restored", 60);
  assert.ok(back.credentials.filter((c) => !c.issued_by_quell).every((c) => c.state === "DEAD"), "the old stay dead");
  await everythingIsDescribed();
});

test("pausing stands on every page, and another person ends it", async () => {
  const [lea, rosa] = [await Desk.open(browser, world), await Desk.open(browser, world)];
  await lea.signIn("lea");
  await lea.page.locator("[data-connection=live]").waitFor();
  await lea.page.getByRole("button", { name: "Pause" }).click();
  await lea.page.getByRole("dialog").getByLabel("Why?").fill("a wrong reading");
  await lea.page.getByRole("dialog").getByRole("button", { name: "Pause for one hour" }).click();
  await lea.page.getByText(/PAUSED until/).waitFor();
  await lea.page.getByRole("button", { name: "Resume" }).click();
  await lea.page.getByRole("dialog").getByRole("button", { name: "Resume" }).click();
  await lea.page.getByRole("dialog").getByRole("alert").waitFor();
  await lea.page.keyboard.press("Escape");
  await rosa.signIn("rosa", "/inbox");
  await rosa.page.getByText(/PAUSED until/).waitFor();
  await rosa.page.getByRole("button", { name: "Resume" }).click();
  await rosa.page.getByRole("dialog").getByRole("button", { name: "Resume" }).click();
  await lea.page.getByText(/ARMED pg-main/).waitFor();
  await lea.close();
  await rosa.close();
});
