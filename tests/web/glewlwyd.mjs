// SPDX-License-Identifier: Apache-2.0
// One person signs in through glewlwyd's own pages, looks at the account, and signs out.
// tests/scenarios/test_glewlwyd.py starts both servers and runs this.
import { strict as assert } from 'node:assert';
import { chromium } from 'playwright-core';

const { SERVER: server, ISSUER: issuer, TENANT: tenant, REALM: realm, PERSON: person, PASSWORD: password } = process.env;

function held(what) {
  console.log(`ok: ${what}`);
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
});
let page;
try {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, locale: 'en-US' });
  page = await context.newPage();
  await page.goto(`${server}/login`);
  await page.getByLabel('Tenant').fill(tenant);
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByRole('link', { name: new RegExp(`Sign in with ${realm}`) }).click();
  await page.locator('input#username').fill(person);
  await page.locator('input#password').fill(password);
  await page.locator('input#password').press('Enter');
  // It asks once what the client may have; then, as later, its button leads back here.
  const grant = page.getByRole('button', { name: 'Grant access' });
  const go = page.locator('button:enabled', { hasText: 'Continue' });
  await grant.or(go).first().waitFor();
  if (await grant.isVisible()) {
    for (const scope of ['profile', 'email']) {
      await page.locator(`input#grant-${scope}`).check();
    }
    await grant.click();
    await grant.waitFor({ state: 'hidden' });
    held('granted');
  }
  await go.click();
  await page.waitForURL(`${server}/account`);
  held('signed in');
  assert.equal(await page.locator('#tenant').textContent(), tenant);
  assert.equal(await page.locator('#name').textContent(), `${person} of glewlwyd`);
  assert.equal(await page.locator('.role').textContent(), 'operator');
  const whoami = await (await context.request.get(`${server}/v1/whoami`)).json();
  console.log(`whoami: ${JSON.stringify(whoami)}`);
  held('the account shows who it is');

  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
  const after = await context.request.get(`${server}/v1/whoami`);
  assert.equal(after.status(), 401);
  held('signed out');
} catch (error) {
  console.log(`at ${page?.url()}\n${(await page?.locator('body').innerText().catch(() => '')) ?? ''}\n${issuer}`);
  throw error;
} finally {
  await browser.close();
}
