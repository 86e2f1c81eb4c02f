// SPDX-License-Identifier: Apache-2.0
// Two tenants, two issuers (the certified oidc-provider), one real browser. tests/scenarios/test_web.py
// starts the server and runs this; it prints a line for each thing that held and exits with 1 at the first
// that did not.
import { strict as assert } from 'node:assert';
import { chromium } from 'playwright-core';
import { makeIssuer, signIn } from './issuer.mjs';

const server = process.env.SERVER; // https://127.0.0.1:port
const tenants = JSON.parse(process.env.TENANTS); // [{id, name, key}]

// Whether this browser is signed in here: without a session its account's page leads to the log-in.
async function isSignedIn(context) {
  const reply = await context.request.get(`${server}/account`, { maxRedirects: 0 });
  assert([200, 303].includes(reply.status()), String(reply.status()));
  return reply.status() === 200;
}

function held(what) {
  console.log(`ok: ${what}`);
}

const issuers = [];
for (const [number, tenant] of tenants.entries()) {
  issuers.push(await makeIssuer(tenant, number));
}
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
});
let failed = true;
try {
  // Our pages need no script; oidc-provider's own need none either until signing out.
  const contexts = [];
  for (const [number, tenant] of tenants.entries()) {
    const context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled: false });
    const page = await context.newPage();
    await signIn(page, tenant, issuers[number].realm, 'alice');
    assert.equal(await page.locator('#tenant').textContent(), tenant.name);
    assert.equal(await page.locator('#name').textContent(), `alice of ${number}`);
    assert.equal(await page.locator('.workspace').count(), 1);
    assert.equal(await page.locator('.role').textContent(), 'operator');
    assert.equal(await page.locator('html').getAttribute('lang'), 'en');
    const cookie = (await context.cookies(server)).find((c) => c.name === '__Host-countersign');
    assert(cookie && cookie.httpOnly && cookie.secure && cookie.sameSite === 'Lax' && cookie.path === '/');
    contexts.push({ context, page, principal: await page.locator('#principal').textContent() });
    held(`tenant ${number}: signed in through its own issuer, without script`);
  }
  assert.notEqual(contexts[0].principal, contexts[1].principal);
  held('the same name at two issuers is two people');

  // The issuer still knows the browser: a second way in asks for nothing, and finds the same person.
  const again = await contexts[0].context.newPage();
  await again.goto(`${server}/login?tenant=${tenants[0].name}`);
  await again.getByRole('link', { name: /Sign in with corp-0/ }).click();
  await again.waitForURL(`${server}/account`);
  assert.equal(await again.locator('#principal').textContent(), contexts[0].principal);
  held('a second sign-in is the same person');

  // For a fresh second factor the issuer asks again, although it knows the browser.
  const before = (await contexts[0].context.cookies(server)).find((c) => c.name === '__Host-countersign').value;
  await again.goto(`${server}/account/sessions`);
  assert.equal(await again.getByText('Second factor shown').count(), 0);
  await again.goto(`${server}/account/step-up?return_to=/account/sessions`);
  await again.getByRole('link', { name: /Show it at corp-0/ }).click();
  await again.locator('input[name=login]').fill('alice');
  await again.locator('input[name=password]').fill('anything');
  await again.locator('button[type=submit]').click();
  await again.waitForURL(`${server}/account/sessions`);
  assert.equal(await again.getByText('Second factor shown').count(), 1);
  const after = (await contexts[0].context.cookies(server)).find((c) => c.name === '__Host-countersign').value;
  assert.notEqual(after, before);
  held('the second factor is shown again at the issuer');

  // A page of ours in a frame, or sending a form from elsewhere, is refused by the browser itself.
  const reply = await again.goto(`${server}/account`);
  const policy = reply.headers()['content-security-policy'];
  assert(policy.includes("default-src 'none'") && policy.includes("frame-ancestors 'none'"));
  held('a strict content security policy');

  // Signing out here ends the session; signing out there ends those that are left here (back-channel).
  const other = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await other.newPage();
  await signIn(page, tenants[0], issuers[0].realm, 'alice');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
  assert(!await isSignedIn(other));
  held('signed out here');
  assert(await isSignedIn(contexts[0].context));

  await page.goto(`${server}/login?tenant=${tenants[0].name}`);
  await page.getByRole('link', { name: /Sign in with corp-0/ }).click();
  await page.waitForURL(`${server}/account`);
  const tab = await other.newPage();
  const end = new URL(`${issuers[0].issuer}/session/end`);
  end.searchParams.set('client_id', 'countersign');
  end.searchParams.set('post_logout_redirect_uri', `${server}/login`);
  await tab.goto(end.href);
  await tab.getByRole('button', { name: /Yes, sign me out/ }).click();
  await tab.waitForURL(`${server}/login`);
  assert(!await isSignedIn(other));
  assert(await isSignedIn(contexts[0].context));
  held('signed out there ends this browser\'s session here, and no other\'s');

  // The keyboard alone is enough: skip link, field, button, in this order.
  const keys = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
  await keys.goto(`${server}/login`);
  assert.equal(await keys.evaluate(() => document.activeElement.id), 'f-tenant');
  await keys.keyboard.press('Tab');
  assert.equal(await keys.evaluate(() => document.activeElement.tagName), 'BUTTON');
  held('the focus begins at the first field and goes on to the button');
  failed = false;
} finally {
  await browser.close();
  for (const { listener } of issuers) {
    listener.closeAllConnections();
    listener.close();
  }
}
process.exit(failed ? 1 : 0);
