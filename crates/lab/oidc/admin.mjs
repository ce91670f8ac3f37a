// The admin plane `quell-oidc-admin/1`: what no standard says of sessions, grants and
// accounts. Bearer token of Quell's own client with the scope `quell:admin`. Every answer
// is JSON; what is not there is 404 with `{"error":"not_found"}` and nothing else.
import { randomBytes } from 'node:crypto';
import { TOKENS, now, sha256 } from './store.mjs';

const KINDS = { AccessToken: 'access_token', RefreshToken: 'refresh_token', ClientCredentials: 'access_token', AuthorizationCode: 'code' };

class Refusal extends Error {
  constructor(status, error, description) {
    super(error);
    Object.assign(this, { status, error, description });
  }
}

const absent = () => new Refusal(404, 'not_found', 'there is none of that name');

export class Admin {
  constructor({ store, version, own, control }) {
    Object.assign(this, { store, version, own, control });
    // Quell's own way in is no target, whoever asks.
    this.protectedClients = new Set([own, control]);
    this.protectedAccounts = new Set([control]);
  }

  /** Answers `[status, body]`. */
  handle(method, path, body, query) {
    try {
      return [200, this.route(method, path.map(decodeURIComponent), body ?? {}, query)];
    } catch (error) {
      if (error instanceof Refusal) return [error.status, { error: error.error, error_description: error.description }];
      if (error instanceof URIError) return [404, { error: 'not_found', error_description: 'there is none of that name' }];
      throw error;
    }
  }

  route(method, path, body, query) {
    const [what, id, part] = path;
    const most = Math.min(Number(query.get('limit') ?? 2000), 2000);
    const list = (name, all) => ({ [name]: all.slice(0, most), truncated: all.length > most });
    switch (`${method} ${what}/${id === undefined ? '' : '*'}${part === undefined ? '' : `/${part}`}`) {
      case 'GET about/':
        return { contract: 'quell-oidc-admin/1', server: this.version, now: now(), self_contained: 'recorded' };
      case 'GET accounts/':
        return list('accounts', Object.keys(this.store.state.accounts).sort().map((name) => this.account(name)));
      case 'GET accounts/*':
        return this.account(id);
      case 'PATCH accounts/*':
        return this.changeAccount(id, body);
      case 'POST accounts/*/verify':
        this.account(id);
        return { matches: this.store.matches(id, String(body.password ?? '')) };
      case 'GET accounts/*/sessions':
        return list('sessions', this.sessions().filter((one) => one.account === id));
      case 'DELETE accounts/*/sessions':
        return { ended: this.cutSessions(id, (one) => one.account === id) };
      case 'GET accounts/*/grants':
        return list('grants', this.grants().filter((one) => one.account === id));
      case 'GET accounts/*/tokens':
        return list('tokens', this.tokens().filter((one) => one.account === id));
      case 'GET sessions/*':
        return this.one(this.sessions().find((session) => session.uid === id));
      case 'DELETE sessions/*':
        return { ended: this.cutSessions(this.one(this.sessions().find((one) => one.uid === id)).account, (one) => one.uid === id) };
      case 'GET grants/*':
        return this.one(this.grants().find((grant) => grant.id === id));
      case 'DELETE grants/*': {
        const grant = this.one(this.grants().find((one) => one.id === id));
        this.free(grant.account, grant.client);
        this.store.cutGrant(id);
        return { ended: 1 };
      }
      case 'GET tokens/*':
        return this.one(this.tokens().find((token) => token.id === id));
      case 'DELETE tokens/*': {
        const token = this.one(this.tokens().find((one) => one.id === id && one.format === 'opaque'));
        this.free(token.account, token.client);
        for (const model of TOKENS) for (const value of Object.keys(this.store.of(model))) if (sha256(value) === id) this.store.drop(model, value);
        return { ended: 1 };
      }
      case 'GET clients/':
        return list('clients', Object.keys(this.store.state.clients).sort().map((name) => this.client(name)));
      case 'GET clients/*':
        return this.client(id);
      case 'PATCH clients/*':
        return this.changeClient(id, body);
      case 'POST clients/*/verify':
        this.client(id);
        return { matches: !this.client(id).public && this.store.state.clients[id].secret === String(body.password ?? '') };
      case 'GET clients/*/tokens':
        // Those that belong to no account: what is done to a person leaves them alone.
        return list('tokens', this.tokens().filter((one) => one.client === id && one.account === null));
      default:
        throw new Refusal(405, 'no_such_call', 'this plane has no such call');
    }
  }

  one(found) {
    if (!found) throw absent();
    return found;
  }

  /** Refuses what is Quell's own. */
  free(account, client) {
    if ((account !== null && this.protectedAccounts.has(account)) || (account === null && this.protectedClients.has(client))) {
      throw new Refusal(403, 'protected', "it is Quell's own");
    }
  }

  account(id) {
    const one = this.store.account(id);
    if (!one) throw absent();
    return {
      id,
      disabled: one.disabled,
      required_acr: one.required_acr,
      password_version: one.password_version,
      password_changed_at: one.password_changed_at,
    };
  }

  changeAccount(id, change) {
    this.account(id);
    this.free(id, null);
    const one = this.store.account(id);
    for (const key of Object.keys(change)) {
      if (!['disabled', 'required_acr', 'password'].includes(key)) throw new Refusal(400, 'unknown_field', `no account has \`${key}\``);
    }
    if (typeof change.disabled === 'boolean') one.disabled = change.disabled;
    if ('required_acr' in change) one.required_acr = change.required_acr;
    if (typeof change.password === 'string') {
      one.salt = randomBytes(16).toString('hex');
      one.password = this.store.hash(id, change.password);
      one.password_version += 1;
      one.password_changed_at = now();
    }
    this.store.save();
    return this.account(id);
  }

  client(id) {
    const one = Object.hasOwn(this.store.state.clients, id) ? this.store.state.clients[id] : undefined;
    if (!one) throw absent();
    return {
      id,
      disabled: one.disabled,
      public: Boolean(one.public),
      grant_types: one.grant_types,
      secret_version: one.secret_version,
      secret_changed_at: one.secret_changed_at,
    };
  }

  changeClient(id, change) {
    this.client(id);
    this.free(null, id);
    const one = this.store.state.clients[id];
    for (const key of Object.keys(change)) {
      if (!['disabled', 'secret'].includes(key)) throw new Refusal(400, 'unknown_field', `no client has \`${key}\``);
    }
    if (typeof change.disabled === 'boolean') one.disabled = change.disabled;
    if (typeof change.secret === 'string') {
      if (one.public) throw new Refusal(400, 'no_secret', 'a public client has no secret');
      one.secret = change.secret;
      one.secret_version += 1;
      one.secret_changed_at = now();
    }
    this.store.save();
    return this.client(id);
  }

  sessions() {
    return this.store
      .live('Session')
      .filter(([, one]) => one.accountId)
      .map(([, one]) => ({
        uid: one.uid,
        account: one.accountId,
        acr: one.acr ?? null,
        asks_again: this.store.asksAgain(one),
        logged_in_at: one.loginTs,
        expires_at: one.exp,
        clients: Object.keys(one.authorizations ?? {}),
      }));
  }

  cutSessions(account, which) {
    this.free(account, null);
    const ended = this.sessions().filter(which).map((one) => one.uid);
    for (const [id, one] of this.store.live('Session')) if (ended.includes(one.uid)) this.store.drop('Session', id);
    return ended.length;
  }

  grants() {
    const tokens = this.tokens();
    return this.store.live('Grant').map(([id, one]) => {
      const mine = tokens.filter((token) => token.grant === id && token.format === 'opaque');
      const count = (kind) => mine.filter((token) => token.kind === kind && !token.consumed).length;
      return {
        id,
        account: one.accountId,
        client: one.clientId,
        issued_at: one.iat,
        expires_at: one.exp ?? null,
        refresh_tokens: count('refresh_token'),
        access_tokens: count('access_token'),
        codes: count('code'),
      };
    });
  }

  tokens() {
    const stored = TOKENS.flatMap((model) =>
      this.store.live(model).map(([value, one]) => ({
        id: sha256(value),
        kind: KINDS[model],
        format: 'opaque',
        account: one.accountId ?? null,
        client: one.clientId,
        grant: one.grantId ?? null,
        issued_at: one.iat,
        expires_at: one.exp,
        consumed: Boolean(one.consumed),
      })),
    );
    const issued = Object.entries(this.store.state.issued)
      .filter(([, one]) => one.exp + 3600 > now())
      .map(([jti, one]) => ({
        id: jti,
        kind: 'access_token',
        format: 'jwt',
        account: one.account,
        client: one.client,
        grant: one.grant,
        issued_at: one.iat,
        expires_at: one.exp,
        consumed: false,
      }));
    return [...stored, ...issued];
  }
}
