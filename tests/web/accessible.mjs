// SPDX-License-Identifier: Apache-2.0
// What every page must be for people who do not see it or have no mouse. It looks at Chromium's accessibility
// tree, which is what a screen reader is given, and at the document where the tree does not say enough.
import { strict as assert } from 'node:assert';

const CONTROLS = ['button', 'link', 'textbox', 'checkbox', 'radio', 'combobox', 'searchbox', 'spinbutton'];
const AUTOFILL = ['username webauthn', 'username', 'current-password', 'new-password', 'one-time-code', 'organization',
  'off'];

const sessions = new WeakMap();

function look() {
  const all = [...document.querySelectorAll('*')];
  const ids = all.map((one) => one.id).filter(Boolean);
  const fields = [...document.querySelectorAll('input:not([type=hidden]):not([hidden])')];
  const missing = [];
  for (const one of all) {
    for (const name of ['aria-describedby', 'aria-labelledby', 'for']) {
      for (const id of (one.getAttribute(name) || '').split(' ').filter(Boolean)) {
        if (!document.getElementById(id)) missing.push(`${name}=${id}`);
      }
    }
  }
  return {
    language: document.documentElement.lang,
    title: document.title,
    headings: [...document.querySelectorAll('h1,h2,h3')].map((one) => Number(one.tagName[1])),
    twice: ids.filter((id, at) => ids.indexOf(id) !== at),
    missing,
    ordered: all.some((one) => Number(one.getAttribute('tabindex')) > 0),
    styled: all.filter((one) => one.hasAttribute('style') || [...one.attributes].some((a) => a.name.startsWith('on')))
      .length,
    fields: fields.map((one) => ({
      id: one.id, labels: one.labels.length, invalid: one.getAttribute('aria-invalid'),
      describedBy: one.getAttribute('aria-describedby') || '', autocomplete: one.getAttribute('autocomplete'),
    })),
    mistakes: [...document.querySelectorAll('.field .alert')].map((one) => one.id),
  };
}

// Each control has a name and no two do different things under one; landmarks, headings, language, labels, hints and
// mistakes are there and tied to what they are about.
export async function checkAccessible(page, where) {
  // Kept: a session that ends takes the page's virtual authenticator along.
  if (!sessions.has(page)) sessions.set(page, await page.context().newCDPSession(page));
  const { nodes } = await sessions.get(page).send('Accessibility.getFullAXTree');
  const shown = nodes.filter((node) => !node.ignored && node.role);
  const role = (name) => shown.filter((node) => node.role.value === name);
  const controls = shown.filter((node) => CONTROLS.includes(node.role.value));
  for (const node of controls) {
    assert(node.name?.value?.trim(), `${where}: a ${node.role.value} without a name`);
  }
  const buttons = role('button').map((node) => node.name.value);
  assert.deepEqual(buttons, [...new Set(buttons)], `${where}: two buttons of one name`);
  assert.equal(role('main').length, 1, `${where}: one main landmark`);
  assert(controls.length > 1, `${where}: the tree is empty`);

  const found = await page.evaluate(look);
  assert.match(found.language, /^(en|de)$/, where);
  assert.match(found.title, /\S.* – Countersign$/, where);
  assert.equal(found.headings.filter((level) => level === 1).length, 1, `${where}: one heading of the first level`);
  found.headings.forEach((level, at) => assert(at === 0 ? level === 1 : level <= found.headings[at - 1] + 1,
    `${where}: a heading's level is left out`));
  assert.deepEqual(found.twice, [], `${where}: an id comes twice`);
  assert.deepEqual(found.missing, [], `${where}: what is referred to is not there`);
  assert.equal(found.ordered, false, `${where}: the order of focus is the order of reading`);
  assert.equal(found.styled, 0, `${where}: nothing that the policy forbids`);
  for (const field of found.fields) {
    assert(field.labels > 0, `${where}: ${field.id} has no label`);
    assert(field.autocomplete === null || AUTOFILL.includes(field.autocomplete), `${where}: ${field.autocomplete}`);
    const mistake = found.mistakes.includes(`e-${field.id.slice(2)}`);
    assert.equal(field.invalid === 'true', mistake, `${where}: ${field.id} and its mistake`);
    assert(!mistake || field.describedBy.split(' ').includes(`e-${field.id.slice(2)}`),
      `${where}: ${field.id} does not refer to its mistake`);
  }
}

// By the keyboard alone: Tab goes through every control of the page, in the order in which they stand there.
export async function checkKeyboard(page, where) {
  const focusable = 'main a[href], main button, main input:not([type=hidden]):not([hidden])';
  const wanted = await page.locator(focusable).count();
  const seen = [];
  await page.evaluate(() => document.getElementById('main').focus());
  for (let at = 0; at < wanted; at++) {
    await page.keyboard.press('Tab');
    seen.push(await page.evaluate((selector) => [...document.querySelectorAll(selector)]
      .indexOf(document.activeElement), focusable));
  }
  assert.deepEqual(seen, [...Array(wanted).keys()], `${where}: the order of focus`);
}
