// A real server with a real case: the lab's PostgreSQL, the billing job that must
// keep working, accounts, an inventory, and a scanner's report with the leaked
// password. Everything is driven by the command line and the API alone.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import Ajv from "ajv/dist/2020.js";

const built = process.env.QUELL_BIN ?? join(process.env.CARGO_TARGET_DIR ?? "../target", "debug");
export const binary = (name) => resolve(built, name);
export const PASSWORD = "correct horse battery staple";
export const PEOPLE = { rosa: ["response_owner"], lea: ["lead", "secops"], sam: ["secops"], ian: ["iam"], bea: ["business_owner"], pat: ["platform_owner"], aud: ["auditor"] };

/** Starts a program and reads its first line as JSON. */
async function started(name, args, log) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith("QUELL_")));
  const child = spawn(binary(name), args, { stdio: ["ignore", "pipe", openSync(log, "a")], env });
  const line = await new Promise((done, fail) => {
    createInterface({ input: child.stdout }).once("line", done);
    child.once("exit", (code) => fail(new Error(`${name} ended with ${code}: ${readFileSync(log, "utf8").slice(-2000)}`)));
    child.once("error", fail);
  });
  return { child, ready: JSON.parse(line) };
}

async function ended(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((done) => child.once("exit", done));
  child.kill("SIGTERM");
  await gone;
}

export async function until(what, condition, seconds = 120) {
  const over = Date.now() + seconds * 1000;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > over) throw new Error(`${what}: not within ${seconds} s`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

export class World {
  tokens = {};
  secrets = [];
  #children = [];

  static async open({ plane = true } = {}) {
    const world = new World();
    world.dir = mkdtempSync(join(tmpdir(), "quell-console-"));
    try {
      world.private("key", randomBytes(32).toString("hex"));
      world.private("password", PASSWORD);
      if (plane) await world.#plane();
      else writeFileSync(world.file("quell.toml"), "");
      await world.serve();
      await world.#people();
      if (plane) await world.#estate();
    } catch (error) {
      await world.close();
      throw error;
    }
    return world;
  }

  file(name) {
    return join(this.dir, name);
  }

  private(name, text) {
    writeFileSync(this.file(name), text, { mode: 0o600 });
    chmodSync(this.file(name), 0o600);
    return this.file(name);
  }

  quell(args) {
    const env = { PATH: process.env.PATH, QUELL_CONFIG: this.file("quell.toml") };
    return execFileSync(binary("quell"), args, { encoding: "utf8", env, stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 26 });
  }

  sql(text) {
    execFileSync("psql", ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", this.postgres.socket_dir, "-p", String(this.postgres.port), "-U", "postgres", "-d", "billing"], { input: text });
  }

  async #plane() {
    const { child, ready } = await started("quell-lab-postgres", [], this.file("postgres.log"));
    this.#children.push(child);
    this.postgres = ready;
    const secret = () => {
      const made = randomBytes(18).toString("hex");
      this.secrets.push(made);
      return made;
    };
    const logins = ready.logins.map((path) => JSON.parse(readFileSync(path, "utf8")));
    this.app = logins[0];
    this.secrets.push(...logins.map((l) => l.password));
    this.export = { user: "export_job", password: secret() };
    this.sql(`CREATE ROLE export_job LOGIN PASSWORD '${this.export.password}' IN ROLE app_rw;`);
    this.private("billing-job.json", JSON.stringify(this.app));
    this.private("quell.secret", secret());
    this.private("control.secret", secret());
    writeFileSync(
      this.file("quell.toml"),
      `[automation]\nwatch_every = "2s"\n[[connector]]\nname = "pg-main"\nkind = "postgresql"\nurl = "postgresql://localhost:${ready.port}/billing?hostaddr=127.0.0.1"\nca_file = "${ready.ca}"\nusername = "quell"\nsecret_file = "quell.secret"\nsettle = "250ms"\n[connector.control]\nidentity = "quell_control"\nsecret_file = "control.secret"\n[[sink]]\nname = "billing-file"\nkind = "file"\npath = "${this.file("billing-job.json")}"\n`,
    );
    this.sql(this.quell(["connector", "bootstrap", "pg-main", "--scope", "billing_app", "--scope", "export_job", "--config", this.file("quell.toml")]));
    const job = spawn(binary("quell-lab-billing-job"), ["--port", String(ready.port), "--dbname", "billing", "--ca", ready.ca, "--sink", this.file("billing-job.json"), "--out", this.file("job.jsonl")], {
      stdio: ["ignore", "ignore", openSync(this.file("job.log"), "a")],
    });
    this.#children.push(job);
  }

  /** Starts the server; again on the same port, where it had one. */
  async serve() {
    const listen = this.url ? new URL(this.url).host : "127.0.0.1:0";
    const args = ["serve", "--json", "--listen", listen, "--config", this.file("quell.toml"), "--data-dir", this.file("data"), "--fingerprint-key-file", this.file("key")];
    const { child, ready } = await started("quell", args, this.file("server.log"));
    this.server = child;
    this.url = ready.url;
    this.code = ready.setup_code;
  }

  async stop() {
    await ended(this.server);
  }

  async call(who, method, path, body, headers = {}) {
    const raw = typeof body === "string";
    const answer = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: { ...(this.tokens[who] ? { authorization: `Bearer ${this.tokens[who]}` } : {}), ...(body === undefined || raw ? {} : { "content-type": "application/json" }), ...headers },
      body: body === undefined ? undefined : raw ? body : JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path} as ${who}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  get(who, path) {
    return this.call(who, "GET", path);
  }

  post(who, path, body) {
    return this.call(who, "POST", path, body);
  }

  async #people() {
    this.tokens.ada = (await this.post("", "/setup", { code: this.code, name: "ada", password: PASSWORD, email: "ada@corp.example" })).token;
    for (const [name, roles] of Object.entries(PEOPLE)) {
      await this.post("ada", "/users", { name, roles, email: `${name}@corp.example`, password: PASSWORD });
      this.tokens[name] = (await this.post("", "/login", { user: name, password: PASSWORD })).token;
    }
    this.tokens.gitleaks = (await this.post("ada", "/sources", { name: "gitleaks-ci", detector: "gitleaks", systems: ["pg-main"] })).token;
  }

  async #estate() {
    const inventory = [
      { type: "system", id: "pg-main", kind: "postgresql", environment: "production", criticality: "high", process: "payments" },
      { type: "identity", id: "pg-main/billing_app", kind: "service_account", name: "Billing", environment: "production", criticality: "critical", shared: false, rotation: { method: "failover", sink: "billing-file" } },
      { type: "identity", id: "pg-main/export_job", kind: "service_account", name: "Export", environment: "production", criticality: "normal", shared: false },
      { type: "owner", of: "pg-main/*", role: "business", person: "bea@corp.example", confirmed_at: "2026-10-01" },
      { type: "dependency", consumer: "billing-job", on: "pg-main/billing_app", criticality: "critical", reads_from: "billing-file" },
      { type: "entitlement", identity: "pg-main/billing_app", permission: "write", resource: "pg-main/db:billing" },
      { type: "derivation", from: "pg-main/billing_app", to: "pg-main/billing_app#password", via: "login", basis: "observed" },
      { type: "derivation", from: "pg-main/billing_app", to: "pg-main/export_job", via: "can SET ROLE", basis: "possible" },
    ];
    const change = await this.call("ada", "POST", "/inventory?source=cmdb", inventory.map((o) => JSON.stringify(o)).join("\n"));
    if (change.errors.length > 0) throw new Error(JSON.stringify(change));
  }

  async arm(until = "1h") {
    const planes = await this.get("pat", "/connectors");
    await this.post("pat", "/connectors/pg-main/arm", { actions: planes[0].actions.map((a) => a.action), until });
  }

  /** A scanner reports a secret; answers the case it was filed in. */
  async report(login, over = {}) {
    const finding = {
      RuleID: "generic-api-key", Description: "Generic API Key", StartLine: 7, EndLine: 7, StartColumn: 12, EndColumn: 52, Match: `DB_PASSWORD=${login.password}`, Secret: login.password, File: "config/prod.env",
      SymlinkFile: "", Commit: randomBytes(4).toString("hex"), Entropy: 4, Author: "Dev Eloper", Email: "dev@corp.example", Date: new Date().toISOString().replace(/\.\d+/, ""), Message: "wip", Tags: [], Fingerprint: "", ...over,
    };
    const { alert_id } = await this.call("gitleaks", "POST", "/alerts/gitleaks-ci", JSON.stringify([finding]));
    return until("the alert is filed", async () => (await this.get("lea", `/alerts/${alert_id}`)).cases[0]);
  }

  /** Does an answer of the server have the shape that its description says? */
  async isDescribed(name, value) {
    const description = await this.get("lea", "/openapi.json");
    const ajv = new Ajv({ strict: false, validateFormats: false });
    ajv.addSchema(description, "api");
    const fits = ajv.getSchema(`api#/components/schemas/${name}`);
    assert.ok(fits(value), `${name}: ${JSON.stringify(fits.errors)}`);
  }

  /** The case, once it is as wanted. */
  case(id, wanted, seconds) {
    return until(`case ${id}`, async () => {
      const found = await this.get("lea", `/cases/${id}`);
      return wanted(found) ? found : null;
    }, seconds);
  }

  async close() {
    if (this.server) await ended(this.server);
    for (const child of this.#children.reverse()) await ended(child);
    if (this.dir) rmSync(this.dir, { recursive: true, force: true });
  }
}
