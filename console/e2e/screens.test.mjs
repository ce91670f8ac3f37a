// The screens beside the case, on a real server with a real plane: what they show is
// what the server says, they claim no more, and they work by keyboard, on a phone,
// and while the server is away.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { createServer } from "vite";
import { Desk, launch } from "./browser.mjs";
import { binary, World } from "./world.mjs";

const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
const SCREENS = ["/planes", "/identities", "/identities?ref=pg-main%2Fbilling_app", "/policy", "/ledger", "/audit", "/measures", "/start"];
let world, browser, id, source;

before(async () => {
  world = await World.open();
  browser = await launch();
  id = await world.report(world.app);
  await world.case(id, (c) => c.waiting_for.some((w) => w.missing));
  // The modules of the page's own check, for forging and for comparing.
  source = await createServer({ configFile: false, root: new URL("..", import.meta.url).pathname, server: { middlewareMode: true, hmr: false, watch: null }, appType: "custom", logLevel: "error", optimizeDeps: { noDiscovery: true } });
});
after(async () => {
  await source?.close();
  await browser?.close();
  await world?.close();
});

const live = (page) => page.locator("[data-connection=live]").waitFor();
const sideways = (page) => page.evaluate(() => document.documentElement.scrollWidth);

test("what the screens read has the shape that is described", async () => {
  for (const plane of [...(await world.get("lea", "/connectors")), ...(await world.get("lea", "/connectors/check"))]) await world.isDescribed("Plane", plane);
  await world.isDescribed("Identities", await world.get("lea", "/identities"));
  await world.isDescribed("IdentityCases", await world.get("lea", "/identities/cases?ref=pg-main/billing_app"));
  await world.isDescribed("InventoryAnswer", await world.get("lea", "/inventory?ref=pg-main/billing_app"));
  await world.isDescribed("PolicyTable", await world.get("lea", "/policy"));
  await world.isDescribed("PolicyTests", await world.get("lea", "/policy/tests"));
  await world.isDescribed("Explained", await world.post("lea", "/policy/explain", { question: { action: "suspend_identity" } }));
  await world.isDescribed("Ledger", await world.get("lea", "/ledger"));
  await world.isDescribed("LedgerLines", await world.get("lea", "/ledger/events?limit=200"));
  await world.isDescribed("Leaf", await world.get("lea", "/ledger/events/0"));
  await world.isDescribed("LedgerWhole", await world.get("aud", "/ledger/verify"));
  await world.isDescribed("LedgerWhole", await world.post("ada", "/ledger/checkpoint", {}));
  await world.isDescribed("Measures", await world.get("lea", "/measures"));
  await world.isDescribed("WhoCould", await world.get("aud", "/evidence/who"));
});

test("a search of the log pages to its first line, and never skips or repeats one", async () => {
  const { size } = await world.get("lea", "/ledger");
  const seen = [];
  for (let before = size; before !== null; ) {
    const page = await world.get("lea", `/ledger/events?limit=7&before=${before}`);
    assert.ok(page.events.length <= 7);
    seen.push(...page.events.map((e) => e.index));
    before = page.next;
  }
  assert.deepEqual(seen, Array.from({ length: size }, (_, n) => size - 1 - n));
  const opened = await world.get("lea", "/ledger/events?type=case_opened");
  assert.deepEqual(opened.events.map((e) => [e.type, e.case]), [["case_opened", id]]);
  const nobody = await world.get("lea", "/ledger/events?text=no-line-says-this");
  assert.deepEqual([nobody.events, nobody.next], [[], null]);
  // A machine token without the scope to read reads nothing of it.
  const { token } = await world.post("ada", "/tokens", { name: "w", user: (await world.get("lea", "/whoami")).user, scopes: ["alerts:write"] }).catch(() => ({ token: world.tokens.gitleaks }));
  for (const path of ["/ledger", "/ledger/events", "/ledger/events/0", "/measures", "/identities", "/identities/cases?ref=x", "/policy/tests"]) {
    const answer = await fetch(`${world.url}/api/v1${path}`, { headers: { authorization: `Bearer ${token}` } });
    assert.equal(answer.status, 403, path);
  }
});

test("planes: asked, told apart, armed by a named person, seen by everybody without reload", async () => {
  const [pat, lea] = [await Desk.open(browser, world), await Desk.open(browser, world)];
  await pat.signIn("pat", "/planes");
  await lea.signIn("lea", "/planes");
  await live(lea.page);
  const { page } = pat;
  await page.getByText("answers, control alive").first().waitFor();
  const [asked] = await world.get("pat", "/connectors/check");
  const shown = await page.locator(".plane table tbody tr").count();
  assert.equal(shown, asked.privileges.needed.length + asked.privileges.excess.length, "every privilege, granted against needed");
  await page.getByText("observes: changes nothing").waitFor();
  await page.getByRole("table").filter({ hasText: "suspend identity" }).waitFor();
  assert.equal(await page.getByText("proved here by a case").count(), 0, "nothing was proved here yet, and the page does not say so");
  assert.ok((await page.getByText(/only in a lab drill, on PostgreSQL/).count()) > 0);
  await page.getByText("gitleaks-ci").waitFor();
  await pat.isAccessible("planes");
  await pat.pictures("planes", { full: true });
  await page.getByRole("button", { name: /^Arm \d+ of/ }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText(/changes accounts on/).waitFor();
  await pat.isAccessible("arming");
  await dialog.getByLabel(/Until when/).fill("nonsense");
  await dialog.getByRole("button", { name: "Arm it" }).click();
  await dialog.getByRole("alert").waitFor();
  await dialog.getByLabel(/Until when/).fill("1h");
  await dialog.getByRole("button", { name: "Arm it" }).click();
  await lea.page.getByText(/armed, ends/).waitFor();
  await lea.page.getByText(/ARMED pg-main/).waitFor();
  await page.getByRole("button", { name: "Disarm…" }).click();
  await dialog.getByRole("button", { name: "Disarm it" }).click();
  await lea.page.getByText("observes: changes nothing").waitFor();
  await page.getByText(/\d+ needed, all granted/).waitFor();
  // Whoever may not arm is told so, and nothing is armed.
  await lea.page.getByRole("button", { name: /^Arm \d+ of/ }).click();
  await lea.page.getByRole("dialog").getByRole("button", { name: "Arm it" }).click();
  await lea.page.getByRole("dialog").getByRole("alert").waitFor();
  assert.equal((await world.get("pat", "/connectors"))[0].armed_until, null);
  await pat.close();
  await lea.close();
});

test("an identity: owners with their freshness, credentials by what was proved, what policy would say", async () => {
  const desk = await Desk.open(browser, world);
  const { page } = desk;
  await desk.signIn("lea", "/identities");
  await page.getByRole("link", { name: "Billing" }).waitFor();
  assert.match(await page.locator("main").innerText(), /2 of 2 have an owner/);
  await desk.isAccessible("identities");
  await desk.pictures("identities");
  await page.keyboard.press("/");
  await page.keyboard.type("export");
  await page.waitForURL(/q=export/);
  await page.getByRole("link", { name: "Billing" }).waitFor({ state: "detached" });
  await page.getByLabel("Search identities").fill("");
  await page.getByRole("link", { name: "Billing" }).click();
  await page.getByRole("heading", { name: "Billing", level: 1 }).waitFor();
  await page.getByText("bea@corp.example").waitFor();
  await page.getByText(/confirmed \d+ days ago/).first().waitFor();
  await page.getByText("billing-job").first().waitFor();
  await page.getByText(/Fails over/).waitFor();
  await page.getByRole("link", { name: id }).first().waitFor();
  const table = page.getByRole("region", { name: "Credentials and sessions" });
  assert.equal(await table.locator(".state.good").count(), 0, "nothing was proved dead, so nothing is green");
  await page.getByRole("button", { name: "Ask policy" }).click();
  const foretold = page.getByRole("region", { name: "What policy would say" });
  await foretold.locator("tbody tr").first().waitFor();
  const size = (await world.get("lea", "/ledger")).size;
  await page.getByRole("button", { name: "Ask policy" }).click();
  await page.waitForTimeout(300);
  assert.equal((await world.get("lea", "/ledger")).size, size, "asking records nothing");
  assert.ok((await foretold.getByText("ask people first").count()) > 0, "a critical identity is not cut unasked");
  await desk.isAccessible("identity");
  await desk.pictures("identity", { full: true });
  // One that nobody knows is said to be unknown, and no page breaks.
  await page.goto("/identities?ref=pg-main%2Fnobody%3Cscript%3E");
  await page.getByText("The inventory has no such identity").waitFor();
  await page.goto("/identities?ref=elsewhere%2Fnobody");
  await page.getByRole("alert").first().waitFor();
  await desk.close();
});

test("policy: every rule in English, its tests, and why", async () => {
  const desk = await Desk.open(browser, world);
  const { page } = desk;
  await desk.signIn("lea", "/policy");
  const { rows } = await world.get("lea", "/policy");
  await page.locator(".rules tbody tr").first().waitFor();
  assert.equal(await page.locator(".rules tbody tr").count(), rows.length);
  const tests = await world.get("lea", "/policy/tests");
  assert.ok(tests.ok && tests.cases > 50, JSON.stringify(tests));
  await page.getByText(`all ${tests.cases} cases come out as they say`).waitFor();
  await desk.isAccessible("policy");
  await desk.pictures("policy");
  await page.getByRole("button", { name: "forbids", exact: true }).click();
  assert.equal(await page.locator(".rules tbody tr").count(), rows.filter((r) => r.forbids).length);
  await page.getByLabel("Kind of identity").selectOption("human");
  await page.getByRole("button", { name: "Explain", exact: true }).click();
  await page.getByText("it waits for people").waitFor();
  await page.getByText("iam.human-needs-iam").last().waitFor();
  await page.getByText(/Replaying past cases/).waitFor();
  await desk.isAccessible("policy explained");
  await page.getByRole("heading", { name: "Explain" }).scrollIntoViewIfNeeded();
  await desk.pictures("policy-explain");
  await desk.close();
});

/** The real bundle of the case, and the key that its log tells. */
async function bundle() {
  const answer = await fetch(`${world.url}/api/v1/cases/${id}/evidence`, { method: "POST", headers: { authorization: `Bearer ${world.tokens.aud}` } });
  assert.equal(answer.status, 200);
  return { bytes: new Uint8Array(await answer.arrayBuffer()), key: answer.headers.get("quell-key") };
}

/** What the program says of the same bytes. */
function byProgram(bytes, key) {
  const file = world.file("checked.zip");
  writeFileSync(file, bytes);
  const { stdout } = spawnSync(binary("quell"), ["evidence", "verify", file, ...(key ? ["--key", key] : []), "--json"], { encoding: "utf8" });
  return JSON.parse(stdout);
}

/** What somebody might do to a bundle; each must be refused. */
async function forgeries({ bytes }) {
  const { pack, unpack } = await source.ssrLoadModule("/src/evidence/zip.ts");
  const entries = unpack(bytes);
  const events = entries.filter((e) => e.name.startsWith("events/"));
  const leaf = (e) => JSON.parse(new TextDecoder().decode(e.data));
  const without = (names) => pack(entries.filter((e) => !names.includes(e.name)));
  const both = (e) => [e.name, e.name.replace("events", "proofs").replace(".json", ".tlog-proof")];
  const flipped = bytes.slice();
  flipped[Math.floor(flipped.length / 2)] ^= 1;
  const inLeaf = entries.map((e) => {
    if (e.name !== events[0].name) return e;
    const data = e.data.slice();
    data[data.length - 20] ^= 1;
    return { ...e, data };
  });
  const own = events.filter((e) => leaf(e).stream === `case/${id}`);
  const target = events.filter((e) => leaf(e).stream.startsWith("plan/"));
  // An export before the last one is an end of its own, so a cut tail is one without any.
  const exports = own.filter((e) => leaf(e).type === "case_exported");
  assert.ok(exports.length > 0);
  return {
    "a flipped bit": flipped,
    "a flipped bit under a checksum made to fit": pack(inLeaf),
    "an omitted event": without(both(own[1])),
    "a truncated tail": without(exports.flatMap(both)),
    "the end of a linked stream cut off": without(both(target.at(-1))),
    "a whole stream left out": without(target.flatMap(both)),
    "a byte behind the end": new Uint8Array([...bytes, 0]),
    "a file cut in two": bytes.slice(0, Math.floor(bytes.length / 2)),
    "an extra file": pack([...entries, { name: "more.txt", data: new Uint8Array([1]) }]),
    "an exchanged proof": pack(entries.map((e) => (e.name === both(events[0])[1] ? { ...e, data: entries.find((o) => o.name === both(events[1])[1]).data } : e))),
    "a damaged checkpoint": pack(entries.map((e) => (e.name === "checkpoint" ? { ...e, data: e.data.slice(0, -2) } : e))),
  };
}

test("the page's own check agrees with the program about a real bundle and every forgery of it", async () => {
  const real = await bundle();
  const { verify } = await source.ssrLoadModule("/src/evidence/verify.ts");
  const wrong = real.key.replace(/\+[^+]+\+.*/, "") + "+00000000+" + real.key.split("+").slice(2).join("+");
  assert.deepEqual([(await verify(real.bytes, real.key)).ok, byProgram(real.bytes, real.key).ok], [true, true]);
  const unpinned = await verify(real.bytes, null);
  assert.deepEqual([unpinned.ok, unpinned.integrity, unpinned.errors.map((e) => e.code)], [false, true, byProgram(real.bytes, null).errors.map((e) => e.code)]);
  assert.equal((await verify(real.bytes, wrong)).ok, false);
  for (const [what, bytes] of Object.entries(await forgeries(real))) {
    const [mine, theirs] = [await verify(bytes, real.key), byProgram(bytes, real.key)];
    assert.deepEqual([what, mine.ok, mine.integrity], [what, false, false]);
    assert.deepEqual([what, theirs.ok, theirs.integrity], [what, false, false]);
    const codes = (errors) => [...new Set(errors.map((e) => e.code))].sort();
    // A note that cannot be read has a code of its own there.
    if (what !== "a damaged checkpoint") assert.deepEqual([what, codes(mine.errors)], [what, codes(theirs.errors)]);
  }
  // Bits all over the file, each alone.
  for (let n = 0; n < 200; n += 1) {
    const changed = real.bytes.slice();
    changed[Math.floor((n * changed.length) / 200)] ^= 1 << n % 8;
    assert.equal((await verify(changed, real.key)).ok, false, `bit ${n}`);
  }
});

test("so does its check of every case of a range", async () => {
  const { size } = await world.get("lea", "/ledger");
  const answer = await fetch(`${world.url}/api/v1/evidence/population`, { method: "POST", headers: { authorization: `Bearer ${world.tokens.aud}`, "content-type": "application/json" }, body: JSON.stringify({ from: "3", to: String(size - 1) }) });
  assert.equal(answer.status, 200, await answer.clone().text());
  const [bytes, key] = [new Uint8Array(await answer.arrayBuffer()), answer.headers.get("quell-key")];
  const { verify } = await source.ssrLoadModule("/src/evidence/verify.ts");
  const { pack, unpack } = await source.ssrLoadModule("/src/evidence/zip.ts");
  const [mine, theirs] = [await verify(bytes, key), byProgram(bytes, key)];
  assert.deepEqual([mine.ok, mine.errors, theirs.ok], [true, [], true]);
  assert.deepEqual([mine.population.from, mine.population.to, mine.population.cases.length], [theirs.population.from, theirs.population.to, theirs.population.cases]);
  assert.deepEqual(mine.population.cases.map((c) => c.case), [`case/${id}`]);
  assert.equal((await verify(bytes, null)).ok, false);
  const entries = unpack(bytes);
  const changed = (name, change) => pack(entries.map((e) => (e.name === name ? { ...e, data: new TextEncoder().encode(change(new TextDecoder().decode(e.data))) } : e)));
  const listed = (change) => changed("population.json", (text) => `${JSON.stringify(change(JSON.parse(text)), null, 2)}\n`);
  const lines = (change) => changed("leaves.jsonl", (text) => change(text.trimEnd().split("\n")).map((l) => `${l}\n`).join(""));
  const forged = {
    "a case off the list": listed((p) => ({ ...p, cases: [] })),
    "a case off the events": lines((all) => all.filter((l) => !l.includes(`case/${id}`))),
    "a cut tail": lines((all) => all.slice(0, -1)),
    "another end": listed((p) => ({ ...p, to: p.from })),
    "another stage": listed((p) => ({ ...p, cases: p.cases.map((c) => ({ ...c, state: "closed" })) })),
  };
  for (const [what, file] of Object.entries(forged)) {
    const codes = (errors) => [...new Set(errors.map((e) => e.code))].sort();
    const [here, there] = [await verify(file, key), byProgram(file, key)];
    assert.deepEqual([what, here.ok, there.ok], [what, false, false]);
    assert.deepEqual([what, codes(here.errors)], [what, codes(there.errors)]);
  }
});

test("a bundle that is dropped is checked in the browser, also while the server is away", async () => {
  const real = await bundle();
  const forged = await forgeries(real);
  const desk = await Desk.open(browser, world);
  const { page } = desk;
  await desk.signIn("aud", "/ledger");
  await live(page);
  const drop = async (name, bytes) => {
    const transfer = await page.evaluateHandle(([name, data]) => {
      const made = new DataTransfer();
      made.items.add(new File([new Uint8Array(data)], name, { type: "application/zip" }));
      return made;
    }, [name, [...bytes]]);
    await page.locator(".drop").dispatchEvent("drop", { dataTransfer: transfer });
    await page.locator(".verdict").filter({ hasText: name }).waitFor();
    return page.locator(".verdict");
  };
  let verdict = await drop("unpinned.zip", real.bytes);
  assert.equal(await verdict.getAttribute("data-verdict"), "refused", "without a key of one's own it is not verified");
  assert.match(await verdict.innerText(), /NOT VERIFIED: whole in itself/);
  assert.equal(await verdict.locator(".state.good").count(), 0);
  await page.getByLabel(/The log's key/).fill(real.key);
  await page.locator("[data-verdict=ok]").waitFor();
  assert.match(await page.locator(".verdict").innerText(), /VERIFIED under the key that you gave[\s\S]*What it does not say[\s\S]*that the events are true/i);
  await desk.isAccessible("a verified bundle");
  await page.locator(".verdict").scrollIntoViewIfNeeded();
  await desk.pictures("ledger-verified");
  for (const what of ["a flipped bit", "an omitted event", "a truncated tail"]) {
    verdict = await drop(`${what}.zip`, forged[what]);
    assert.deepEqual([what, await verdict.getAttribute("data-verdict")], [what, "refused"]);
    assert.match(await verdict.innerText(), /REFUSED: do not rely on any part of it/);
  }
  await desk.isAccessible("a refused bundle");
  await page.locator(".verdict").scrollIntoViewIfNeeded();
  await desk.pictures("ledger-refused");
  await page.getByLabel(/The log's key/).fill(real.key.slice(0, -4));
  verdict = await drop("with half a key.zip", real.bytes);
  assert.equal(await verdict.getAttribute("data-verdict"), "refused");
  await page.getByLabel(/The log's key/).fill(real.key);
  const asked = [];
  page.on("request", (request) => asked.push(request.method()));
  await desk.context.setOffline(true);
  verdict = await drop("offline.zip", real.bytes);
  assert.equal(await verdict.getAttribute("data-verdict"), "ok");
  assert.ok(!asked.includes("POST"), "the file goes nowhere");
  await desk.context.setOffline(false);
  await desk.close();
});

test("the ledger: what is asked stands in the address, and a leaf is checked here", async () => {
  const desk = await Desk.open(browser, world);
  const { page } = desk;
  await desk.signIn("lea", "/ledger");
  await page.locator(".log tbody tr").first().waitFor();
  await page.getByText("unwitnessed").first().waitFor();
  await page.getByText("signature checked in this browser").waitFor();
  await desk.isAccessible("ledger");
  await desk.pictures("ledger");
  await page.getByRole("button", { name: "Proofs", exact: true }).click();
  await page.waitForURL(/type=target_probed/);
  await page.getByRole("button", { name: "Everything" }).click();
  await page.waitForURL(/ledger$/);
  await page.getByText(/down to the first of the log/).waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  await dialog.getByText("checked in this browser: these bytes lead to that root").waitFor();
  await desk.isAccessible("a leaf");
  await page.keyboard.press("Escape");
  // A server that shows another leaf than the log holds is found out.
  await page.route("**/api/v1/ledger/events/*", async (route) => {
    const answer = await route.fetch();
    const leaf = await answer.json();
    await route.fulfill({ response: answer, json: { ...leaf, leaf: leaf.leaf.replace("automation", "autonation").replace("person:", "parson:") } });
  });
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await dialog.getByText(/IT DOES NOT HOLD/).waitFor();
  await page.keyboard.press("Escape");
  // What only those who audit may do is refused in words.
  await page.getByRole("button", { name: "Have the server verify all of it" }).click();
  await page.getByRole("alert").waitFor();
  await desk.close();
});

test("audit: what left the ordinary way stands first, and nothing on it changes anything", async () => {
  await world.post("lea", "/automation/pause", { until: "1h", reason: "a wrong reading" });
  await world.post("rosa", "/automation/resume", {});
  const desk = await Desk.open(browser, world);
  const { page } = desk;
  await desk.signIn("aud", "/audit");
  const changes = [];
  page.on("request", (request) => request.method() !== "GET" && changes.push(request.url()));
  await page.getByText("a wrong reading").waitFor();
  const order = await page.locator("main h2").allInnerTexts();
  assert.deepEqual(order.slice(0, 3), ["Acceptances: what somebody let stand", "Break-glass: what ran without those who must be asked", "Pauses of automation"]);
  const pauses = page.getByRole("region", { name: "Pauses", exact: true });
  assert.match(await pauses.innerText(), /lea[\s\S]*rosa/);
  await page.getByRole("region", { name: "Who could decide" }).getByText("bea").waitFor();
  await desk.isAccessible("audit");
  await desk.pictures("audit", { full: true });
  assert.equal(await page.locator("main button.danger, main button.primary").count(), 0);
  assert.deepEqual(changes, []);
  await page.getByLabel(/At \(UTC/).fill("2020-01-01T00:00");
  await page.getByText(/As of 2020-01-01/).waitFor();
  assert.equal(await page.getByRole("region", { name: "Who could decide" }).locator("tbody tr").count(), 0, "nobody could, before there was anybody");
  await desk.close();
});

test("metrics: not measured is said, and what is measured is what the record says", async () => {
  const desk = await Desk.open(browser, world);
  const { page } = desk;
  await desk.signIn("lea", "/measures");
  await live(page);
  const figure = (name) => page.getByRole("region", { name, exact: true });
  await figure("Time to prove").getByText("not measured").waitFor();
  assert.match(await figure("Running now").innerText(), /\b1\b/);
  assert.match(await figure("Fallback share").innerText(), /0 %/);
  await desk.isAccessible("metrics, nothing proved");
  await desk.pictures("measures-unproved");

  // The case is carried out, and the figures come without reload.
  const BY_ROLE = { secops: "sam", iam: "ian", lead: "lea", response_owner: "rosa", business_owner: "bea" };
  for (let asking = true; asking; ) {
    const c = await world.get("lea", `/cases/${id}`);
    const waits = c.waiting_for.find((w) => w.missing);
    asking = Boolean(waits);
    if (waits) await world.post(BY_ROLE[waits.role], `/cases/${id}/approve`, { digest: c.plans.find((p) => p.id === waits.plan).digest, as: waits.role });
  }
  await world.arm();
  const proven = await world.case(id, (c) => c.state === "proven", 60);
  await figure("Time to prove").getByText(/of 1 case alone/).first().waitFor();
  const seconds = Math.floor((Date.parse(proven.exposure.at_most_until) - Date.parse(proven.exposure.from)) / 1000);
  const shown = await figure("Exposure, proved over").innerText();
  assert.ok(shown.includes(seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`), `${shown} for ${seconds}`);
  const table = page.locator(".chart").nth(2);
  await table.getByText("The same as a table").click();
  const today = new Date().toISOString().slice(0, 10);
  assert.deepEqual(await table.getByRole("row").filter({ hasText: today }).getByRole("cell").allInnerTexts(), ["1", "0", "0"]);
  await desk.isAccessible("metrics");
  await page.evaluate(() => window.scrollTo(0, 0));
  await desk.pictures("measures");
  await page.goto("/planes");
  await page.getByText("proved here by a case").first().waitFor();
  await page.goto("/identities?ref=pg-main%2Fbilling_app");
  await page.getByRole("region", { name: "Credentials and sessions" }).getByText("DEAD").first().waitFor();
  await desk.pictures("identity-proven");
  await desk.close();
});

test("everything is found by name, and helped with, by keyboard alone", async () => {
  const desk = await Desk.open(browser, world);
  const { page } = desk;
  await desk.signIn("lea");
  await live(page);
  await page.keyboard.press("Control+k");
  const palette = page.getByRole("dialog");
  await palette.getByRole("combobox").waitFor();
  await desk.isAccessible("palette");
  await palette.getByRole("option").filter({ hasText: "Identity" }).first().waitFor();
  await desk.pictures("palette");
  await page.keyboard.type("metrics");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/measures");
  await page.keyboard.press("Control+k");
  await page.keyboard.type(id);
  await page.getByRole("option").filter({ hasText: id }).waitFor();
  await page.keyboard.press("Enter");
  await page.waitForURL(`**/cases/${id}`);
  await page.locator("[data-order=undo]").waitFor();
  // An order from the palette opens its dialog, and changes nothing by itself.
  await page.keyboard.press("Control+k");
  await page.keyboard.type("take the lead");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").getByRole("button", { name: "Take the lead" }).waitFor();
  assert.equal((await world.get("lea", `/cases/${id}`)).lead, null);
  await page.keyboard.press("Escape");
  await page.keyboard.press(".");
  const sheet = page.getByRole("dialog");
  for (const command of [`quell case why ${id}`, `quell case undo ${id} --mode reinstate`, "quell automation pause"]) await sheet.getByText(command).first().waitFor();
  await desk.isAccessible("commands");
  await page.keyboard.press("Escape");
  for (const [key, path] of [["q", "/"], ["i", "/inbox"], ["p", "/planes"], ["o", "/identities"], ["y", "/policy"], ["x", "/ledger"], ["v", "/audit"], ["m", "/measures"], ["s", "/start"]]) {
    await page.keyboard.press(key);
    await page.waitForURL((url) => url.pathname === path);
    await page.locator("main h1").first().waitFor();
    await page.getByText(/ARMED pg-main/).waitFor();
    await page.keyboard.press("?");
    await page.getByRole("dialog").getByRole("heading", { name: "Help" }).waitFor();
    for (const name of ["Planes", "Identities", "Policy", "Ledger", "Audit", "Metrics", "Start"]) assert.ok((await page.getByRole("dialog").getByText(name, { exact: false }).count()) > 0, `${path}: ${name}`);
    if (key === "q") {
      await desk.isAccessible("help");
      await desk.pictures("help");
    }
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
  }
  await desk.close();
});

test("one order to several cases: each is asked by itself, and what is refused is told", async () => {
  // Nobody knows whose this secret is, so the case has no end state yet.
  const other = await world.report({ password: randomBytes(20).toString("hex") });
  const desk = await Desk.open(browser, world);
  const { page } = desk;
  await desk.signIn("lea");
  await page.locator(`#row-${other}`).waitFor();
  await page.locator(`#row-${id}`).waitFor();
  await live(page);
  await page.keyboard.press("z");
  await page.keyboard.press("j");
  await page.keyboard.press("z");
  const bulk = page.getByRole("group", { name: "Orders to the marked cases" });
  await bulk.getByText("2 marked").waitFor();
  await desk.isAccessible("queue with marks");
  await desk.pictures("queue-bulk");
  await bulk.getByRole("button", { name: "Note…" }).click();
  const dialog = page.getByRole("dialog");
  assert.match(await dialog.innerText(), new RegExp(`${id}[\\s\\S]*${other}|${other}[\\s\\S]*${id}`));
  await dialog.getByLabel("Note").fill("seen by the night shift");
  await dialog.getByRole("button", { name: "Write it down" }).click();
  await dialog.getByText("2 of 2 done").waitFor();
  await page.keyboard.press("Escape");
  for (const one of [id, other]) assert.ok((await world.get("lea", `/cases/${one}`)).notes.some((n) => n.untrusted === "seen by the night shift"));
  await bulk.getByRole("button", { name: "Close…" }).click();
  await dialog.getByRole("button", { name: "Close them" }).click();
  await dialog.getByText(/of 2 done/).waitFor();
  // Which of them may close is the server's to say; the page tells exactly that.
  const told = await dialog.innerText();
  for (const one of [id, other]) {
    const found = await world.get("lea", `/cases/${one}`);
    assert.equal(new RegExp(`${one}: .*cannot close`).test(told), found.closed_at === null, `${one}: ${told}`);
  }
  assert.match(told, /cannot close/, "a refusal is told");
  await page.keyboard.press("Escape");
  await desk.close();
});

test("the first run in three steps, and a self-test that says what it tried", async () => {
  const desk = await Desk.open(browser, world);
  const { page } = desk;
  await desk.signIn("lea", "/start");
  await live(page);
  await page.locator(".firststeps li").nth(2).waitFor();
  assert.deepEqual(await page.locator(".firststeps li").evaluateAll((all) => all.map((e) => e.dataset.done)), ["true", "true", "true"]);
  await page.keyboard.press("t");
  await page.locator("[data-selftest=passed]").waitFor();
  await desk.isAccessible("start");
  await desk.pictures("start");
  await desk.close();
});

test("on a phone nothing scrolls sideways, and dark and light are both readable", async () => {
  const desk = await Desk.open(browser, world, PHONE);
  const { page } = desk;
  await desk.signIn("lea");
  for (const path of SCREENS) {
    await page.goto(path);
    await page.locator("main h1").first().waitFor();
    await page.waitForFunction(() => !document.querySelector(".loading"));
    const name = path.replace(/\W+/g, "-").replace(/^-/, "").slice(0, 24);
    await desk.isAccessible(`${path} on a phone`);
    await desk.pictures(`phone-${name}`);
    assert.ok((await sideways(page)) <= 390, `${path}: ${await sideways(page)}`);
  }
  await desk.close();
});

test("light is as accessible as dark, on every screen", async () => {
  const desk = await Desk.open(browser, world, { colorScheme: "light" });
  const { page } = desk;
  await desk.signIn("lea");
  for (const path of ["/", ...SCREENS]) {
    await page.goto(path);
    await page.locator("main h1").first().waitFor();
    await page.waitForFunction(() => !document.querySelector(".loading"));
    await desk.isAccessible(`${path} in light`);
    assert.ok((await sideways(page)) <= 1440, path);
    // On paper: what was read, the mode, and no control.
    await page.emulateMedia({ media: "print", colorScheme: "light" });
    assert.equal(await page.locator("main button:visible, main input:visible, main select:visible").count(), 0, `${path} on paper`);
    assert.ok(await page.locator("main h1").first().innerText());
    assert.ok(await page.locator(".bar .mode .state").isVisible(), `${path}: the mode is on paper, too`);
    assert.equal(await page.evaluate(() => [...document.querySelectorAll(".wide")].filter((e) => getComputedStyle(e).overflowX !== "visible").length), 0, path);
    await page.emulateMedia({ media: "screen", colorScheme: "light" });
  }
  await desk.close();
});

test("while the server is away nothing stays green, and a screen that cannot be read says so", async () => {
  const [desk, other] = [await Desk.open(browser, world), await Desk.open(browser, world)];
  const { page } = desk;
  await desk.signIn("lea", "/planes");
  await other.signIn("sam", "/identities?ref=pg-main%2Fbilling_app");
  await live(page);
  await live(other.page);
  await page.locator(".plane .state.good").first().waitFor();
  await other.page.locator("main .tone-good").first().waitFor();
  await other.page.locator("main .state.good").first().waitFor();
  await world.stop();
  await other.page.locator("[data-connection=reconnecting]").waitFor();
  await other.page.getByText("DEAD when last heard of").first().waitFor();
  assert.equal(await other.page.locator("main .state.good, main .tone-good").count(), 0, "no stale green of an identity");
  await page.locator("[data-connection=reconnecting]").waitFor();
  await page.locator(".plane .state.good").first().waitFor({ state: "detached" });
  assert.equal(await page.locator("main .state.good").count(), 0, "no stale green");
  await page.keyboard.press("o");
  await page.getByRole("alert").first().waitFor();
  await desk.isAccessible("away");
  await desk.pictures("away");
  await world.serve();
  await live(page);
  await page.getByRole("link", { name: "Billing" }).waitFor();
  await other.page.locator("main .tone-good").first().waitFor();
  await desk.close();
  await other.close();
});
