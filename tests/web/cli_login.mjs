// SPDX-License-Identifier: Apache-2.0
// `countersign login` in a real browser: from the address that the command prints, by the log-in page and
// the question, to the command's own answer on the loopback address. tests/scenarios/test_web_login.py runs it.
import { strict as assert } from 'node:assert';
import { chromium } from 'playwright-core';

const { URL_TO_OPEN, TENANT, LOGIN, PASSWORD, SECURE } = process.env;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
});
try {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled: false });
  const page = await context.newPage();
  page.setDefaultTimeout(20000);
  const complaints = [];
  page.on('console', (message) => complaints.push(message.text()));
  await page.goto(URL_TO_OPEN);
  await page.fill('#f-tenant', TENANT);
  await page.click('main button[type=submit]');
  await page.click('a[href^="/login/local"]');
  await page.fill('input[name=login]', LOGIN);
  await page.fill('input[name=password]', PASSWORD);
  await page.click('main button[type=submit]');
  await page.waitForURL('**/oauth2/authorize?**');
  console.log('ok: logged in and sent back');
  const cookie = (await context.cookies()).find((one) => one.value.startsWith('css_'));
  assert.equal(cookie.name, SECURE ? '__Host-countersign' : 'countersign');
  assert.equal(cookie.secure, Boolean(SECURE));
  assert(cookie.httpOnly);
  assert.equal(cookie.sameSite, 'Lax');
  assert.equal(cookie.path, '/');
  console.log('ok: the cookie is as it should be');
  await page.click('button[value=allow]');
  await page.waitForURL('http://127.0.0.1:*/callback?**');
  assert.match(await page.textContent('body'), /You are logged in/);
  console.log('ok: the command line answered');
  assert.deepEqual(complaints.filter((text) => /Content Security Policy/.test(text)), []);
} finally {
  await browser.close();
}
