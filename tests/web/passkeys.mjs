// SPDX-License-Identifier: Apache-2.0
// Passkeys in a real browser with Chromium's virtual authenticator: added on the page, logged in with alone, and
// a decision signed. tests/scenarios/test_web_passkeys.py runs it, and puts the passkey on the roster in between.
import { strict as assert } from 'node:assert';
import readline from 'node:readline';
import { chromium } from 'playwright-core';
import { checkAccessible, checkKeyboard } from './accessible.mjs';

const { SERVER, TENANT, LOGIN, PASSWORD } = process.env;
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
});
try {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(20000);
  const complaints = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  const devtools = await context.newCDPSession(page);
  await devtools.send('WebAuthn.enable');
  const { authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true,
      isUserVerified: true, automaticPresenceSimulation: true,
    },
  });

  await page.goto(`${SERVER}/login/local?tenant=${TENANT}`);
  await page.fill('input[name=login]', LOGIN);
  await page.fill('input[name=password]', PASSWORD);
  await page.click('main form button[type=submit]');
  await page.waitForURL('**/account');
  await page.goto(`${SERVER}/account/passkeys`);
  await page.fill('input[name=name]', 'virtual');
  await page.click('main form button[type=submit]');
  await page.waitForSelector('h2:has-text("virtual")');
  const { credentials } = await devtools.send('WebAuthn.getCredentials', { authenticatorId });
  assert.equal(credentials.length, 1);
  assert.equal(credentials[0].rpId, 'localhost');
  console.log('ok: added');

  await context.clearCookies();
  await page.goto(`${SERVER}/login/passkey?tenant=${TENANT}`);
  await page.click('main form button[type=submit]');
  await page.waitForURL('**/account');
  console.log('ok: logged in');

  // A person who is not verified does not get in with it.
  await context.clearCookies();
  await devtools.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false });
  await page.goto(`${SERVER}/login/passkey?tenant=${TENANT}`);
  await page.click('main form button[type=submit]');
  await page.waitForSelector('[data-webauthn-error]:not([hidden])');
  console.log('ok: not verified, not in');
  await devtools.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: true });
  await page.click('main form button[type=submit]');
  await page.waitForURL('**/account');

  const { value: path } = await lines.next();
  await page.goto(SERVER + path);
  assert.match(await page.textContent('main'), /container\.remove/);
  await checkAccessible(page, 'the decision');
  await checkKeyboard(page, 'the decision');
  await page.click('form:has(input[value=approve]) button[type=submit]');
  await page.waitForSelector('dd:text-is("approved")');
  console.log('ok: approved');
  assert.deepEqual(complaints.filter((text) => !/favicon/.test(text)), []);
} finally {
  await browser.close();
}
process.exit(0);
