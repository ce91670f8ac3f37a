// The lab's OpenID provider: npm `oidc-provider` with a login page of its own, accounts
// and clients in memory, and the admin plane beside it. One argument: a file of settings.
// It listens on 127.0.0.1 alone, with TLS on one port and clear on another.
import { generateKeyPairSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { pathToFileURL } from 'node:url';
import { Admin } from './admin.mjs';
import { ACRS, Store, now } from './store.mjs';

const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const module = `${settings.modules}/oidc-provider`;
const { Provider, interactionPolicy } = await import(pathToFileURL(`${module}/lib/index.js`).href);
const { version } = JSON.parse(readFileSync(`${module}/package.json`, 'utf8'));

const store = new Store(settings.state);
const own = 'quell';
const control = 'quell-control';
const RESOURCE = 'urn:lab:billing';

if (!existsSync(settings.jwks)) {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
  const keys = [{ ...key, kid: 'lab', use: 'sig', alg: 'ES256' }];
  writeFileSync(settings.jwks, JSON.stringify({ keys }), { mode: 0o600 });
}

const { Check, base } = interactionPolicy;
const policy = base();
policy.get('login').checks.add(
  new Check('asks_again', 'the session is not good any more', 'login_required', (ctx) =>
    ctx.oidc.session.accountId && store.asksAgain(ctx.oidc.session) ? Check.REQUEST_PROMPT : Check.NO_NEED_TO_PROMPT,
  ),
);

function findAccount(_ctx, id) {
  const account = store.account(id);
  return account && !account.disabled ? { accountId: id, claims: async () => ({ sub: id, email: account.email }) } : undefined;
}

const provider = new Provider(settings.issuer, {
  acrValues: ACRS,
  adapter: store.adapter(),
  claims: { openid: ['sub'], email: ['email'] },
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  cookies: { keys: [settings.cookie_key] },
  discovery: { global_token_revocation_endpoint: settings.global_token_revocation ? `${settings.issuer}/global-token-revocation` : undefined },
  enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
  expiresWithSession: (_ctx, token) => !token.client.offline,
  extraClientMetadata: { properties: ['offline'] },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true, allowedPolicy: (_ctx, client, token) => client.clientId === own || client.clientId === token.clientId },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      useGrantedResource: () => true,
      getResourceServerInfo: (_ctx, resource) => {
        if (resource !== RESOURCE) throw new Error('unknown resource');
        return { scope: 'billing:read', audience: RESOURCE, accessTokenFormat: 'jwt', accessTokenTTL: settings.ttl.jwt, jwt: { sign: { alg: 'ES256' } } };
      },
    },
    revocation: { enabled: true, allowedPolicy: (_ctx, client, token) => client.clientId === token.clientId },
    rpInitiatedLogout: { enabled: false },
  },
  findAccount,
  // Written down with the end that is signed, before anybody is handed it.
  formats: { customizers: { jwt: (_ctx, token, jwt) => store.remember(token, jwt.payload) } },
  interactions: { policy, url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  jwks: JSON.parse(readFileSync(settings.jwks, 'utf8')),
  // First-party applications: nobody is asked for consent.
  loadExistingGrant: async (ctx) => {
    const { accountId } = ctx.oidc.session;
    const { clientId } = ctx.oidc.client;
    const known = ctx.oidc.session.grantIdFor(clientId);
    const found = known && (await provider.Grant.find(known));
    if (found) return found;
    const grant = new provider.Grant({ accountId, clientId });
    grant.addOIDCScope('openid email billing:read');
    grant.addResourceScope(RESOURCE, 'billing:read');
    await grant.save();
    return grant;
  },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  scopes: ['openid', 'email', 'quell:admin', 'billing:run', 'billing:read'],
  ttl: {
    AccessToken: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? settings.ttl.access,
    AuthorizationCode: 60,
    ClientCredentials: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? settings.ttl.access,
    Grant: settings.ttl.refresh,
    IdToken: 600,
    Interaction: 600,
    RefreshToken: settings.ttl.refresh,
    Session: settings.ttl.session,
  },
});
provider.proxy = true;
provider.on('server_error', (_ctx, error) => console.error('server_error', error.message, error.stack?.split('\n')[1]));

// A session and a grant of the control, which nobody holds: what a listing must show.
function standing() {
  const account = store.account(control);
  if (!account) return;
  if (!store.live('Session').some(([, one]) => one.accountId === control)) {
    const [jti, uid] = [randomBytes(32).toString('base64url'), `control-${randomBytes(8).toString('hex')}`];
    const payload = { kind: 'Session', jti, uid, accountId: control, loginTs: now(), acr: ACRS[0], iat: now(), exp: now() + 10 * 365 * 86400 };
    store.put('Session', jti, payload, 10 * 365 * 86400);
  }
  if (!store.live('Grant').some(([, one]) => one.accountId === control)) {
    const jti = `control-${randomBytes(8).toString('hex')}`;
    store.put('Grant', jti, { kind: 'Grant', jti, accountId: control, clientId: control, iat: now(), exp: now() + 10 * 365 * 86400 }, 10 * 365 * 86400);
  }
}

const admin = new Admin({ store, version: `oidc-provider ${version}`, own, control });
const callback = provider.callback();

function bearer(req) {
  const [scheme, value] = (req.headers.authorization ?? '').split(' ');
  return scheme?.toLowerCase() === 'bearer' ? value : undefined;
}

function isRoot(token) {
  const [one, other] = [Buffer.from(token ?? ''), Buffer.from(settings.root_token)];
  return one.length === other.length && timingSafeEqual(one, other);
}

async function mayAdmin(req) {
  const value = bearer(req);
  if (!value) return false;
  const token = await provider.ClientCredentials.find(value);
  return Boolean(token?.isValid && token.clientId === own && token.scopes.has('quell:admin'));
}

async function bodyOf(req) {
  let text = '';
  for await (const chunk of req) {
    text += chunk;
    if (text.length > 65_536) throw new SyntaxError('too long');
  }
  return text;
}

function json(res, status, body) {
  const text = body === undefined ? '' : JSON.stringify(body);
  res.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', 'content-length': Buffer.byteLength(text) });
  res.end(text);
}

const escape = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

async function interaction(req, res, url) {
  const details = await provider.interactionDetails(req, res);
  if (req.method === 'GET') {
    res.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
    const asks = details.prompt.reasons.includes('asks_again') ? 'a second factor is asked for' : 'please log in';
    res.end(`<!doctype html><title>login</title><p>${escape(asks)}</p><form method="post" action="${escape(url.pathname)}">
<input name="login"><input name="password" type="password"><input name="otp"><button>log in</button></form>`);
    return;
  }
  const form = new URLSearchParams(await bodyOf(req));
  const login = form.get('login') ?? '';
  const account = store.account(login);
  const required = account?.required_acr ?? null;
  const second = Boolean(account) && form.get('otp') === account.otp;
  const strong = !required || (required === ACRS[1] && second);
  if (!account || account.disabled || !store.matches(login, form.get('password') ?? '') || !strong) {
    res.writeHead(401, { 'content-type': 'text/html; charset=utf-8' });
    res.end('<!doctype html><title>login</title><p>refused</p>');
    return;
  }
  await provider.interactionFinished(req, res, { login: { accountId: login, acr: ACRS[second ? 1 : 0] } }, { mergeWithLastSubmission: false });
}

// Global Token Revocation (draft-parecki-oauth-global-token-revocation): sessions, and
// every grant with its tokens.
async function globalRevocation(req, res) {
  if (!(await mayAdmin(req))) return json(res, 401, { error: 'invalid_token' });
  const { sub_id: subject } = JSON.parse(await bodyOf(req));
  if (subject?.format !== 'iss_sub' || subject.iss !== settings.issuer) return json(res, 400, { error: 'invalid_request' });
  if (!store.account(subject.sub)) return json(res, 404, { error: 'not_found' });
  if (subject.sub === control) return json(res, 403, { error: 'protected' });
  admin.cutSessions(subject.sub, (one) => one.account === subject.sub);
  for (const grant of admin.grants().filter((one) => one.account === subject.sub)) store.cutGrant(grant.id);
  res.writeHead(204);
  return res.end();
}

// What the owner of the lab does: accounts and clients, and things behind Quell's back.
async function lab(req, res, path) {
  if (!isRoot(bearer(req))) return json(res, 401, { error: 'invalid_token' });
  const body = JSON.parse((await bodyOf(req)) || '{}');
  const [what, id] = path.map(decodeURIComponent);
  if (what === 'account') {
    const salt = randomBytes(16).toString('hex');
    const fresh = { disabled: false, required_acr: null, password_version: 1, password_changed_at: now(), salt, otp: body.otp, email: body.email };
    store.state.accounts[id] = fresh;
    fresh.password = store.hash(id, body.password);
    standing();
  } else if (what === 'client') {
    store.state.clients[id] = { disabled: false, redirect_uris: [], grant_types: [], scope: '', secret_version: 1, secret_changed_at: now(), ...body };
  } else if (what === 'enable') {
    store.account(id).disabled = false;
  } else if (what === 'drop') {
    // `Session` or `Grant` of an account.
    for (const [key, one] of store.live(id)) if (one.accountId === body.account) store.drop(id, key);
  } else if (what === 'forget') {
    // Tokens of a client.
    for (const [key, one] of store.live(id)) if (one.clientId === body.client) store.drop(id, key);
  } else if (what === 'standing') {
    standing();
  } else if (what === 'secret') {
    Object.assign(store.state.clients[id], { secret: body.secret });
  } else if (what === 'state') {
    return json(res, 200, store.state);
  } else {
    return json(res, 404, { error: 'not_found' });
  }
  store.save();
  return json(res, 200, {});
}

async function handle(req, res) {
  req.headers['x-forwarded-proto'] = 'https';
  req.headers['x-forwarded-host'] = new URL(settings.issuer).host;
  const url = new URL(req.url, settings.issuer);
  const [, first, second, ...rest] = url.pathname.split('/');
  if (first === 'admin' && second === 'v1') {
    if (!(await mayAdmin(req))) return json(res, 401, { error: 'invalid_token' });
    const text = await bodyOf(req);
    const [status, body] = admin.handle(req.method, rest, text ? JSON.parse(text) : {}, url.searchParams);
    return json(res, status, body);
  }
  if (first === 'lab') return lab(req, res, [second, ...rest]);
  if (first === 'interaction') return interaction(req, res, url);
  if (first === 'global-token-revocation' && req.method === 'POST' && settings.global_token_revocation) return globalRevocation(req, res);
  return callback(req, res);
}

function listener(req, res) {
  handle(req, res).catch((error) => {
    console.error('handler', error.message);
    if (!res.headersSent) json(res, error instanceof SyntaxError ? 400 : 500, { error: 'server_error' });
  });
}

const tls = () => ({ cert: readFileSync(settings.cert), key: readFileSync(settings.key) });
const secure = https.createServer(tls(), listener);
process.on('SIGHUP', () => {
  secure.setSecureContext(tls());
  console.log('certificate read again');
});
secure.listen(settings.tls_port, '127.0.0.1', () => {
  http.createServer(listener).listen(settings.clear_port, '127.0.0.1', () => console.log('ready'));
});
