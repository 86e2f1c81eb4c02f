// SPDX-License-Identifier: Apache-2.0
// Reads QR codes as another implementation does: a line of JSON on standard input for each, its side and its path of
// runs ("M4 4h7v1h-7z"), and what it says on standard output. tests/scenarios/test_web_account.py runs it.
import readline from 'node:readline';
import jsQR from 'jsqr';

const SCALE = 4;

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { side, path } = JSON.parse(line);
  const width = side * SCALE;
  const pixels = new Uint8ClampedArray(width * width * 4).fill(255);
  for (const [, x, y, run] of path.matchAll(/M(\d+) (\d+)h(\d+)v1h-\d+z/g)) {
    for (let row = y * SCALE; row < (Number(y) + 1) * SCALE; row++) {
      for (let at = x * SCALE; at < (Number(x) + Number(run)) * SCALE; at++) {
        pixels.fill(0, (row * width + at) * 4, (row * width + at) * 4 + 3);
      }
    }
  }
  console.log(JSON.stringify(jsQR(pixels, width, width)?.data ?? null));
}
