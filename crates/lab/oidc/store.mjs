// Everything that the provider remembers, in memory, and in one file so that it
// outlives a restart. The provider sees it as its adapter; the admin plane reads the
// same maps, so what is listed is what decides.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

/** SHA-256 of a token's value, in hex: what a token is called outside. */
export const sha256 = (text) => createHash('sha256').update(text).digest('hex');

export const now = () => Math.floor(Date.now() / 1000);

/** Kinds whose stored id is their value, and that somebody can hold. */
export const TOKENS = ['AccessToken', 'RefreshToken', 'ClientCredentials', 'AuthorizationCode'];

/** Authentication contexts, the weakest first. */
export const ACRS = ['urn:lab:password', 'urn:lab:otp'];

export class Store {
  constructor(file) {
    this.file = file;
    this.state = { accounts: {}, clients: {}, models: {}, issued: {} };
    if (existsSync(file)) this.state = JSON.parse(readFileSync(file, 'utf8'));
  }

  /** Whole or not at all: a kill between two lines leaves the former file. */
  save() {
    writeFileSync(`${this.file}.new`, JSON.stringify(this.state), { mode: 0o600 });
    renameSync(`${this.file}.new`, this.file);
  }

  of(model) {
    this.state.models[model] ??= {};
    return this.state.models[model];
  }

  /** Entries of a kind that are not over: `[id, payload]`. */
  live(model) {
    return Object.entries(this.of(model)).filter(([, entry]) => !entry.until || entry.until > now()).map(([id, entry]) => [id, entry.payload]);
  }

  get(model, id) {
    const entry = Object.hasOwn(this.of(model), id) ? this.of(model)[id] : undefined;
    return entry && (!entry.until || entry.until > now()) ? entry.payload : undefined;
  }

  put(model, id, payload, seconds) {
    this.of(model)[id] = { payload, until: seconds ? now() + seconds : null };
    this.save();
  }

  drop(model, id) {
    delete this.of(model)[id];
    this.save();
  }

  /** A JWT is remembered by its id and its end; its value is nowhere. */
  remember(token, { jti, iat, exp, aud }) {
    for (const [jti, one] of Object.entries(this.state.issued)) if (one.exp + 3600 < now()) delete this.state.issued[jti];
    const { clientId, accountId, grantId } = token;
    this.state.issued[jti] = { iat, exp, client: clientId, account: accountId ?? null, grant: grantId ?? null, audience: [aud].flat().join(' ') };
    this.save();
  }

  /** A grant with everything that hangs on it. */
  cutGrant(id) {
    const had = Boolean(this.get('Grant', id));
    for (const model of TOKENS) for (const [key, payload] of Object.entries(this.of(model))) if (payload.payload.grantId === id) delete this.of(model)[key];
    delete this.of('Grant')[id];
    this.save();
    return had;
  }

  /** The class that the provider makes an adapter of for each of its kinds. */
  adapter() {
    const store = this;
    return class Adapter {
      constructor(model) {
        this.model = model;
      }

      async upsert(id, payload, seconds) {
        store.put(this.model, id, payload, seconds);
      }

      async find(id) {
        if (this.model === 'Client') return store.client(id);
        return store.get(this.model, id);
      }

      async findByUid(uid) {
        return store.live(this.model).map(([, payload]) => payload).find((payload) => payload.uid === uid);
      }

      async findByUserCode(code) {
        return store.live(this.model).map(([, payload]) => payload).find((payload) => payload.userCode === code);
      }

      async destroy(id) {
        store.drop(this.model, id);
      }

      async consume(id) {
        store.of(this.model)[id].payload.consumed = now();
        store.save();
      }

      async revokeByGrantId(grantId) {
        for (const [id, entry] of Object.entries(store.of(this.model))) if (entry.payload.grantId === grantId) delete store.of(this.model)[id];
        store.save();
      }
    };
  }

  /** A client as the provider wants it; one that is disabled is unknown to it. */
  client(id) {
    const client = Object.hasOwn(this.state.clients, id) ? this.state.clients[id] : undefined;
    if (!client || client.disabled) return undefined;
    return {
      client_id: id,
      client_secret: client.public ? undefined : client.secret,
      token_endpoint_auth_method: client.public ? 'none' : 'client_secret_basic',
      application_type: 'web',
      grant_types: client.grant_types,
      redirect_uris: client.redirect_uris,
      response_types: client.redirect_uris.length ? ['code'] : [],
      scope: client.scope,
      offline: Boolean(client.offline),
    };
  }

  account(id) {
    return Object.hasOwn(this.state.accounts, id) ? this.state.accounts[id] : undefined;
  }

  /** The provider asks somebody with this session for another sign-in, as it stands now. */
  asksAgain({ accountId, acr }) {
    const account = this.account(accountId);
    return !account || account.disabled || (Boolean(account.required_acr) && ACRS.indexOf(acr) < ACRS.indexOf(account.required_acr));
  }

  hash(account, password) {
    return sha256(`${this.account(account).salt}:${password}`);
  }

  matches(account, password) {
    const one = this.account(account);
    return Boolean(one) && one.password === this.hash(account, password);
  }
}
