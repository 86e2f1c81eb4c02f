// SPDX-License-Identifier: Apache-2.0
// An issuer of a tenant's own (the certified oidc-provider), registered as its realm; and signing in through it.
import { strict as assert } from 'node:assert';
import { randomBytes } from 'node:crypto';
import http from 'node:http';
import Provider from 'oidc-provider';

const server = process.env.SERVER; // https://127.0.0.1:port

export async function api(tenant, method, path, body) {
  const reply = await fetch(server + path, {
    method,
    headers: { Authorization: `Bearer ${tenant.key}`, 'Content-Type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  const text = await reply.text();
  assert(reply.ok, `${method} ${path}: ${reply.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

// The issuer's URL holds its port, and its client our redirect URI, which holds the realm's id: the realm
// comes first, on a socket that listens already.
export async function makeIssuer(tenant, number) {
  const listener = http.createServer();
  await new Promise((done) => listener.listen(0, '127.0.0.1', done));
  const issuer = `http://127.0.0.1:${listener.address().port}`;
  const secret = randomBytes(16).toString('base64url');
  const realm = await api(tenant, 'POST', `/v1/tenants/${tenant.id}/realms`, {
    name: `corp-${number}`,
    issuer,
    client_id: 'countersign',
    client_secret: secret,
    scopes: 'openid profile email roles',
    roles_expression: 'claims.roles',
  });
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'countersign',
      client_secret: secret,
      redirect_uris: [realm.redirect_uri],
      post_logout_redirect_uris: [`${server}/login`],
      backchannel_logout_uri: realm.backchannel_logout_uri,
      backchannel_logout_session_required: true,
    }],
    claims: { openid: ['sub', 'sid', 'amr'], profile: ['name'], email: ['email'], roles: ['roles'] },
    conformIdTokenClaims: false,
    features: { backchannelLogout: { enabled: true }, rpInitiatedLogout: { enabled: true } },
    cookies: { keys: [randomBytes(16).toString('hex')] },
    async findAccount(_, sub) {
      return {
        accountId: sub,
        claims: async () => ({ sub, name: `${sub} of ${number}`, email: `${sub}@example.com`, roles: ['operator'] }),
      };
    },
  });
  // Whoever was asked has shown two factors; when, it says only where that is asked for (max_age).
  const finished = provider.interactionFinished.bind(provider);
  provider.interactionFinished = (request, reply, result, options) => finished(request, reply,
    result.login ? { ...result, login: { ...result.login, amr: ['pwd', 'otp', 'mfa'] } } : result, options);
  provider.on('server_error', (_, error) => console.log(`issuer ${number}: ${error}`));
  provider.on('backchannel.error', (_, error) => console.log(`issuer ${number}: back-channel: ${error}`));
  listener.on('request', provider.callback());
  return { issuer, realm, listener };
}

export async function signIn(page, tenant, realm, person) {
  await page.goto(`${server}/login`);
  await page.getByLabel('Tenant').fill(tenant.name);
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByRole('link', { name: new RegExp(`Sign in with ${realm.name}`) }).click();
  await page.locator('input[name=login]').fill(person);
  await page.locator('input[name=password]').fill('anything');
  await page.locator('button[type=submit]').click();
  await page.locator('button[type=submit]').click(); // what is asked for
  await page.waitForURL(`${server}/account`);
}
