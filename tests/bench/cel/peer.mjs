// SPDX-License-Identifier: Apache-2.0
// Times @bufbuild/cel on the same cases as cel_bench: node peer.mjs CASES, from the folder that it is installed in.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const require = createRequire(pathToFileURL(`${process.cwd()}/package.json`));
const { celEnv, parse, plan } = require("@bufbuild/cel");
const { STRINGS_EXT } = (() => {
  try {
    return { STRINGS_EXT: require("@bufbuild/cel/ext").strings };
  } catch {
    return { STRINGS_EXT: [] };
  }
})();

const ROUNDS = 301;
const ROUND_NS = 200_000;

// JSON's whole numbers are CEL's ints: bigint there.
function input(value) {
  if (Array.isArray(value)) return value.map(input);
  if (value !== null && typeof value === "object")
    return new Map(Object.entries(value).map(([k, v]) => [k, input(v)]));
  return Number.isInteger(value) ? BigInt(value) : value;
}

function medianNs(work) {
  let times = 1;
  const round = () => {
    const start = process.hrtime.bigint();
    for (let i = 0; i < times; i++) work();
    return Number(process.hrtime.bigint() - start);
  };
  for (let i = 0; i < 2000; i++) work();
  while (round() < ROUND_NS) times *= 2;
  const rounds = Array.from({ length: ROUNDS }, () => round() / times);
  return rounds.sort((a, b) => a - b)[ROUNDS >> 1];
}

const env = celEnv({ funcs: STRINGS_EXT });
for (const item of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
  const vars = Object.fromEntries(Object.entries(item.vars).map(([k, v]) => [k, input(v)]));
  const evaluate = plan(env, parse(item.expr));
  const result = evaluate(vars);
  if (result !== true) {
    console.error(`peer: ${item.name} yields ${result}`);
    process.exit(1);
  }
  console.log(JSON.stringify({
    name: item.name,
    eval_ns: Math.round(medianNs(() => evaluate(vars)) * 10) / 10,
    compile_ns: Math.round(medianNs(() => plan(env, parse(item.expr)))),
  }));
}
