// SPDX-License-Identifier: Apache-2.0
// A person's own account in a real browser, from the one-time link on: an authenticator app and recovery codes set up
// and logged in with, sessions ended, the second factor shown again; every page as a screen reader is given it. Without
// any script until passkeys come. tests/scenarios/test_web_account.py runs it, and moves the server's clock.
import { strict as assert } from 'node:assert';
import { createHmac } from 'node:crypto';
import readline from 'node:readline';
import jsQR from 'jsqr';
import { chromium } from 'playwright-core';
import { checkAccessible, checkKeyboard } from './accessible.mjs';

const { SERVER, TENANT, LOGIN, PASSWORD, LINK } = process.env;
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
let clockMs = 0; // what the server's clock is ahead

function held(what) {
  console.log(`ok: ${what}`);
}

async function later(minutes) {
  clockMs = minutes * 60000;
  console.log(`clock: ${clockMs}`);
  await lines.next();
}

// RFC 6238, `steps` steps from now.
function totp(seed, steps) {
  const bits = [...seed].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor((Date.now() + clockMs) / 30000) + steps));
  const hash = createHmac('sha1', key).update(step).digest();
  const at = hash[19] & 15;
  return String((hash.readUInt32BE(at) & 0x7fffffff) % 1000000).padStart(6, '0');
}

async function newPage(browser, script) {
  const context = await browser.newContext({ javaScriptEnabled: script });
  const page = await context.newPage();
  page.setDefaultTimeout(20000);
  return page;
}

const press = (page, name) => page.getByRole('button', { name, exact: true }).click();
const heading = (page, name) => page.getByRole('heading', { name, exact: true, level: 1 }).waitFor();

async function logIn(page, code) {
  await page.goto(`${SERVER}/login/local?tenant=${TENANT}`);
  await page.getByLabel('Login name').fill(LOGIN);
  await page.getByLabel('Password').fill(PASSWORD);
  await press(page, 'Sign in');
  if (code) {
    await heading(page, 'Second factor');
    await page.getByLabel('Code', { exact: true }).fill(code);
    await press(page, 'Continue');
  }
  await page.waitForURL('**/account');
}

async function checkLogin(page) {
  for (const path of ['/login', '/login?tenant=nobody', `/login?tenant=${TENANT}`, `/login/passkey?tenant=${TENANT}`,
    '/logout', '/login/local?tenant=nobody']) {
    await page.goto(SERVER + path);
    await checkAccessible(page, path);
    await checkKeyboard(page, path);
  }
  await page.goto(LINK);
  await checkAccessible(page, 'the link');
  await page.getByLabel('Password').fill(PASSWORD);
  await press(page, 'Set the password');
  await heading(page, 'Sign in');
  await checkAccessible(page, 'the log-in form');
  await checkKeyboard(page, 'the log-in form');
  await page.getByLabel('Login name').fill(LOGIN);
  await page.getByLabel('Password').fill('not the password at all');
  await press(page, 'Sign in');
  await page.getByRole('alert').filter({ hasText: 'is wrong' }).waitFor();
  await checkAccessible(page, 'the log-in form with a mistake');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'f-password');
  assert.equal(await page.getByLabel('Login name').inputValue(), LOGIN);
  await page.getByLabel('Password').fill(PASSWORD);
  await press(page, 'Sign in');
  await page.waitForURL('**/account');
  held('a password is set and logged in with');
}

// What a camera reads of the page's QR code, as it is shown.
async function readCode(page) {
  const picture = (await page.getByRole('img', { name: /QR code/ }).screenshot()).toString('base64');
  const reader = await newPage(page.context().browser(), true);
  const { pixels, width, height } = await reader.evaluate(async (text) => {
    const image = new Image();
    image.src = `data:image/png;base64,${text}`;
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height).getContext('2d');
    canvas.drawImage(image, 0, 0);
    const { width, height } = image;
    return { pixels: [...canvas.getImageData(0, 0, width, height).data], width, height };
  }, picture);
  await reader.context().close();
  return jsQR(new Uint8ClampedArray(pixels), width, height)?.data;
}

async function setUp(page) {
  await page.getByRole('link', { name: 'Your second factors' }).click();
  await heading(page, 'Your second factors');
  await checkAccessible(page, 'no factors yet');
  await press(page, 'Set up an authenticator app');
  const seed = (await page.locator('#seed').textContent()).replaceAll(' ', '');
  const uri = await page.getByRole('link', { name: 'Open in an app' }).getAttribute('href');
  assert(uri.includes(`secret=${seed}`));
  assert.equal(await readCode(page), uri);
  await page.getByLabel('Code', { exact: true }).fill('12345');
  await press(page, 'Confirm');
  await page.getByRole('alert').waitFor();
  await checkAccessible(page, 'a wrong code');
  await page.getByLabel('Code', { exact: true }).fill(totp(seed, 0));
  await press(page, 'Confirm');
  await page.getByText('Your authenticator app is set up.').waitFor();
  await checkAccessible(page, 'factors');
  await checkKeyboard(page, 'factors');
  await press(page, 'Make ten new recovery codes');
  await heading(page, 'Your new recovery codes');
  const codes = await page.getByRole('listitem').allTextContents();
  assert.equal(codes.length, 10);
  await checkAccessible(page, 'recovery codes');
  held('an authenticator app and recovery codes');
  return { seed, codes };
}

async function endSessions(page, others) {
  await page.goto(`${SERVER}/account/sessions`);
  await checkAccessible(page, 'sessions');
  await checkKeyboard(page, 'sessions');
  assert.equal(await page.getByRole('button', { name: /^End the session/ }).count(), others.length);
  await page.getByRole('button', { name: /^End the session/ }).first().click();
  await page.waitForURL('**/account/sessions');
  const states = async () => Promise.all(others.map(async (one) => {
    const reply = await one.context().request.get(`${SERVER}/account`, { maxRedirects: 0 });
    return reply.status();
  }));
  assert.deepEqual((await states()).sort(), [200, 303]);
  await press(page, 'End all other sessions');
  await page.getByText('You are signed in nowhere else.').waitFor();
  assert.deepEqual(await states(), [303, 303]);
  held('sessions are seen and ended');
}

async function showAgain(page, seed) {
  await page.goto(`${SERVER}/account/factors`);
  assert.equal(await page.getByRole('button').count(), 0);
  await checkAccessible(page, 'factors, too old');
  await page.getByRole('link', { name: 'Show your second factor again' }).click();
  await heading(page, 'Show your second factor again');
  await checkAccessible(page, 'the factor again');
  await checkKeyboard(page, 'the factor again');
  await page.getByLabel('Code', { exact: true }).fill('12345');
  await press(page, 'Continue');
  await page.getByRole('alert').waitFor();
  await checkAccessible(page, 'the factor again, with a mistake');
  await page.getByLabel('Code', { exact: true }).fill(totp(seed, 0));
  await press(page, 'Continue');
  await page.waitForURL('**/account/factors');
  await page.getByRole('button', { name: 'Make ten new recovery codes' }).waitFor();
  held('a code makes the session fresh');
}

// With a script from here on: passkeys have no other way.
async function usePasskey(browser, code) {
  const page = await newPage(browser, true);
  const complaints = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('WebAuthn.enable');
  await devtools.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true,
      isUserVerified: true, automaticPresenceSimulation: true,
    },
  });
  await logIn(page, code);
  await page.goto(`${SERVER}/account/passkeys`);
  await page.getByLabel('Name').fill('laptop');
  await press(page, 'Add a passkey or security key');
  await page.getByRole('heading', { name: 'laptop' }).waitFor();
  await checkAccessible(page, 'passkeys');
  await later(22);
  await page.goto(`${SERVER}/account/passkeys`);
  await heading(page, 'Show your second factor again');
  await checkAccessible(page, 'the factor again, with a passkey');
  await checkKeyboard(page, 'the factor again, with a passkey');
  await press(page, 'Use a passkey or security key');
  await page.waitForURL('**/account/passkeys');
  held('a passkey makes the session fresh');
  await press(page, 'Remove laptop');
  await page.getByText('You have no passkey yet.').waitFor();
  assert.deepEqual(complaints, []);
  held('a passkey is removed');
}

async function checkOthers(page) {
  await page.goto(`${SERVER}/account`);
  await checkAccessible(page, 'the account');
  await checkKeyboard(page, 'the account');
  await page.getByRole('link', { name: 'Change your password' }).click();
  await heading(page, 'Change your password');
  await checkAccessible(page, 'the password');
  await checkKeyboard(page, 'the password');
  await page.getByLabel('The password that you have now').fill(PASSWORD);
  await page.getByLabel('New password').fill('too short');
  await press(page, 'Change the password');
  await page.getByRole('alert').waitFor();
  await checkAccessible(page, 'the password, with a mistake');
  await page.goto(`${SERVER}/device`);
  await checkAccessible(page, 'the device');
  await page.getByLabel('Code', { exact: true }).fill('BBBB-BBBB');
  await press(page, 'Continue');
  await page.getByRole('alert').waitFor();
  await checkAccessible(page, 'the device, with a mistake');
  await page.goto(`${SERVER}/oauth2/authorize?response_type=code&client_id=countersign-cli&state=ssssssssssssssss&`
    + 'redirect_uri=http%3A%2F%2F127.0.0.1%3A9%2Fcallback&code_challenge_method=S256&'
    + `code_challenge=${'x'.repeat(43)}`);
  await checkAccessible(page, 'the command line');
  await checkKeyboard(page, 'the command line');
  const german = await page.context().browser().newContext({ locale: 'de-DE', javaScriptEnabled: false });
  const there = await german.newPage();
  await there.goto(`${SERVER}/login/local?tenant=${TENANT}`);
  await checkAccessible(there, 'in German');
  assert.equal(await there.evaluate(() => document.documentElement.lang), 'de');
  held('the other pages, and another language');
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
});
try {
  const page = await newPage(browser, false);
  await checkLogin(page);
  const { seed, codes } = await setUp(page);
  const byCode = await newPage(browser, false);
  await logIn(byCode, totp(seed, 1)); // the next one: this one was used to confirm
  const byRecovery = await newPage(browser, false);
  await logIn(byRecovery, codes[0]);
  held('logged in with a code and with a recovery code');
  await endSessions(page, [byCode, byRecovery]);
  await checkOthers(page);
  await later(11);
  await showAgain(page, seed);
  await usePasskey(browser, codes[1]);
  console.log('done');
} finally {
  await browser.close();
}
process.exit(0);
