// SPDX-License-Identifier: Apache-2.0
// A person signs in through the tenant's own issuer in a real browser, and sees who and where they are.
// tools/dev/exit_gate.py runs this; it prints one line of JSON with what was seen.
import { strict as assert } from 'node:assert';
import { chromium } from 'playwright-core';
import { makeIssuer, signIn } from './issuer.mjs';

const tenant = JSON.parse(process.env.TENANT); // {id, name, key}
const { issuer, realm, listener } = await makeIssuer(tenant, 0);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
});
try {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled: false });
  const page = await context.newPage();
  await signIn(page, tenant, realm, 'alice');
  const reply = await context.request.get(`${process.env.SERVER}/v1/whoami`);
  assert.equal(reply.status(), 200);
  if (process.env.SCREENSHOT) {
    await page.screenshot({ path: process.env.SCREENSHOT });
  }
  console.log(JSON.stringify({
    issuer,
    whoami: await reply.json(),
    page: {
      tenant: await page.locator('#tenant').textContent(),
      name: await page.locator('#name').textContent(),
      workspaces: await page.locator('.workspace').allTextContents(),
    },
  }));
} finally {
  await browser.close();
  listener.closeAllConnections();
  listener.close();
}
process.exit(0);
