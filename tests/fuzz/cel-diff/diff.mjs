// SPDX-License-Identifier: Apache-2.0
// Differential test of the CEL engine against @bufbuild/cel: random expressions, both sides, compare.
//   node diff.mjs BATCH [--count N] [--seed N] [--show N]     from the folder that the peer is installed in
// Exit 1 when a difference is left that explained() does not know; README.md tells what was found.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(pathToFileURL(`${process.cwd()}/package.json`));
const cel = require("@bufbuild/cel");
const { strings } = require("@bufbuild/cel/ext");

const option = (name, otherwise) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};
const batch = process.argv[2];
const count = option("--count", 20000);
const show = option("--show", 20);
let state = BigInt(option("--seed", 1));

// ---- Expressions ----

function random(n) {
  state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
  return Number((state >> 33n) % BigInt(n));
}
const pick = (list) => list[random(list.length)];

const leaves = {
  int: ["0", "1", "-1", "2", "7", "9223372036854775807", "-9223372036854775808", "i", "l[0]", "m.a", "0x1f"],
  uint: ["0u", "1u", "8u", "18446744073709551615u", "u"],
  double: ["0.0", "-0.0", "1.5", "-2.25", "1e10", "1e-7", "1e300", "d", "0.1"],
  string: ['""', '"a"', '"héllo"', '"a,b,c"', '"12"', '"-3.5"', '"true"', '"😀x"', "s", "n.k[0]", "r'\\d'", '"1h"'],
  bytes: ['b""', 'b"abc"', 'b"\\xff\\x00"', 'b"é"'],
  bool: ["true", "false", "b", "has(m.a)", "has(m.z)", "has(n.deep.a)"],
  list: ["[]", "[1, 2, 3]", "l", '["a", "b"]', "[1, 1.0, 1u]", "[[1], [2]]", "[null, true]", "n.k"],
  map: ["{}", '{"a": 1}', "m", '{1: "x", 2u: "y"}', "{true: 1}", "n", "n.deep"],
  timestamp: ['timestamp("2009-02-13T23:31:30Z")', "timestamp(0)", 'timestamp("1969-12-31T23:59:59.5Z")',
    'timestamp("2024-02-29T12:00:00+01:00")'],
  duration: ['duration("1h")', 'duration("-1.5s")', 'duration("90m")', 'duration("0s")', 'duration("250ms")'],
  null: ["null"],
  type: ["int", "type(1)", "string", "type([])", "type(null)", "double", "list", "map"],
};
const kinds = Object.keys(leaves);
const any = () => pick(kinds);

const makers = {
  int: [(g) => `${g("int")} ${pick(["+", "-", "*", "/", "%"])} ${g("int")}`, (g) => `-(${g("int")})`,
    (g) => `size(${g(pick(["string", "list", "map", "bytes"]))})`, (g) => `int(${g(pick(["double", "uint", "string"]))})`,
    (g) => `(${g("bool")} ? ${g("int")} : ${g("int")})`, (g) => `${g("string")}.indexOf(${g("string")})`,
    (g) => `${g("string")}.lastIndexOf(${g("string")})`,
    (g) => `${g("timestamp")}.${pick(["getFullYear", "getMonth", "getDate", "getDayOfWeek", "getDayOfYear", "getHours",
      "getMinutes", "getSeconds", "getMilliseconds", "getDayOfMonth"])}(${pick(["", "", '"+01:30"', '"Europe/Berlin"'])})`,
    (g) => `${g("duration")}.${pick(["getHours", "getMinutes", "getSeconds", "getMilliseconds"])}()`,
    (g) => `int(${g("timestamp")})`, (g) => `${g("list")}[${g("int")}]`],
  uint: [(g) => `${g("uint")} ${pick(["+", "-", "*", "/", "%"])} ${g("uint")}`, (g) => `uint(${g(pick(["int", "double", "string"]))})`],
  double: [(g) => `${g("double")} ${pick(["+", "-", "*", "/"])} ${g("double")}`, (g) => `-(${g("double")})`,
    (g) => `double(${g(pick(["int", "uint", "string"]))})`],
  string: [(g) => `${g("string")} + ${g("string")}`, (g) => `string(${g(pick(["int", "uint", "bool", "bytes", "timestamp", "duration"]))})`,
    (g) => `${g("string")}.${pick(["lowerAscii", "upperAscii", "trim"])}()`,
    (g) => `${g("string")}.replace(${g("string")}, ${g("string")})`, (g) => `${g("string")}.substring(${pick(["0", "1", "2"])})`,
    (g) => `${g("string")}.charAt(${pick(["0", "1", "5"])})`, (g) => `${g("list")}.join(${pick(["", '"-"'])})`,
    (g) => `"%s|%d".format([${g(any())}, ${g("int")}])`, (g) => `strings.quote(${g("string")})`],
  bytes: [(g) => `bytes(${g("string")})`, (g) => `${g("bytes")} + ${g("bytes")}`],
  bool: [(g) => `${g("bool")} ${pick(["&&", "||"])} ${g("bool")}`, (g) => `!(${g("bool")})`,
    (g) => { const k = any(); return `${g(k)} ${pick(["==", "!="])} ${g(random(4) ? k : any())}`; },
    (g) => { const k = pick(["int", "uint", "double", "string", "bytes", "timestamp", "duration", "bool"]);
      return `${g(k)} ${pick(["<", "<=", ">", ">="])} ${g(random(5) ? k : any())}`; },
    (g) => `${g(any())} in ${g(pick(["list", "map"]))}`,
    (g) => `${g("string")}.${pick(["startsWith", "endsWith", "contains"])}(${g("string")})`,
    (g) => `${g("string")}.matches(${pick(['"a+"', '"^h"', '"[0-9]+"', '"(a|b)*c"', '"\\\\pL"'])})`,
    (g) => `${g(pick(["list", "map"]))}.${pick(["all", "exists", "exists_one"])}(v, ${g("bool").replaceAll("i", "i")})`,
    (g) => `${g("list")}.exists(v, v ${pick(["==", ">", "<"])} ${g("int")})`, (g) => `bool(${g("string")})`],
  list: [(g) => `[${g(any())}, ${g(any())}]`, (g) => `${g("list")} + ${g("list")}`,
    (g) => `${g(pick(["list", "map"]))}.map(v, ${pick(["v", "[v]", "v == v", "v + v", "1 / v"])})`,
    (g) => `${g(pick(["list", "map"]))}.filter(v, ${pick(["v != 1", "v == v", "true", "v > 1"])})`,
    (g) => `${g("string")}.split(${g("string")})`],
  map: [(g) => `{${g(pick(["string", "int", "bool", "uint"]))}: ${g(any())}}`, (g) => `{"k": ${g(any())}, "j": ${g(any())}}`],
  timestamp: [(g) => `${g("timestamp")} + ${g("duration")}`, (g) => `${g("timestamp")} - ${g("duration")}`,
    (g) => `timestamp(${g("string")})`],
  duration: [(g) => `${g("duration")} + ${g("duration")}`, (g) => `${g("timestamp")} - ${g("timestamp")}`,
    (g) => `duration(${g("string")})`],
  null: [() => "null"],
  type: [(g) => `type(${g(any())})`],
};

function generate(kind, depth) {
  if (random(40) === 0) kind = any();
  if (depth <= 0 || random(4) === 0) return pick(leaves[kind]);
  const text = pick(makers[kind])((k) => generate(k, depth - 1 - random(2)));
  return random(3) ? `(${text})` : text.includes(" ") ? `(${text})` : text;
}

// ---- The peer ----

const fromJson = (v) => Array.isArray(v) ? v.map(fromJson)
  : v !== null && typeof v === "object" ? new Map(Object.entries(v).map(([k, x]) => [k, fromJson(x)]))
    : Number.isInteger(v) ? BigInt(v) : v;
const variables = {
  i: 7n, u: cel.celUint(8n), d: 2.5, s: "héllo", b: true, l: [1n, 2n, 3n],
  m: fromJson({ a: 1, b: 2 }), n: fromJson({ k: ["x", true, null, 1.5], deep: { a: "b" } }),
};
const env = cel.celEnv({ funcs: strings });

// "%.17g" of C.
function g17(x) {
  if (x === 0) return "0";
  if (!Number.isFinite(x)) return x < 0 ? "-inf" : "inf";
  let [digits, exponent] = x.toExponential(16).split("e");
  const e = Number(exponent);
  const strip = (t) => t.includes(".") ? t.replace(/0+$/, "").replace(/\.$/, "") : t;
  if (e < -4 || e >= 17) return `${strip(digits)}e${e < 0 ? "-" : "+"}${String(Math.abs(e)).padStart(2, "0")}`;
  return strip(x.toFixed(Math.max(0, 16 - e)).length > 110 ? digits : x.toPrecision(17));
}

function compareBytes(a, b) {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function canonical(v) {
  if (v === null) return "null";
  if (typeof v === "boolean") return String(v);
  if (typeof v === "bigint") return `i${v}`;
  if (cel.isCelUint(v)) return `u${v.value}`;
  if (typeof v === "number") return Number.isNaN(v) ? "dNaN" : `d${g17(v)}`;
  if (typeof v === "string") return JSON.stringify(v).replace(/\u007f/g, "\u007f");
  if (v instanceof Uint8Array) return `b${Buffer.from(v).toString("hex")}`;
  if (cel.isCelType(v)) return `T${v.name}`;
  if (cel.isCelList(v) || Array.isArray(v)) return `[${[...v].map(canonical).join(",")}]`;
  if (cel.isCelMap(v) || v instanceof Map)
    return `{${[...v].map(([k, x]) => `${canonical(k)}:${canonical(x)}`).sort(compareBytes).join(",")}}`;
  const message = v.message ?? v;
  const name = message.$typeName ?? v.desc?.typeName;
  if (name === "google.protobuf.Timestamp") return `t${message.seconds}.${message.nanos}`;
  if (name === "google.protobuf.Duration") return `D${message.seconds * 1000000000n + BigInt(message.nanos)}`;
  return "other";
}

function evaluatePeer(expression) {
  try {
    const result = cel.plan(env, cel.parse(expression))(variables);
    return cel.isCelError(result) ? `error\t${result.message}` : canonical(result);
  } catch (e) {
    return `error\t${e.message}`;
  }
}

// ---- Differences that README.md explains, by rule ----

// Bytes as their text, and fractions of seconds without the zeros at their end.
const plain = (text) => text
  .replace(/b((?:[0-9a-f]{2})+)/g, (_, hex) => Buffer.from(hex, "hex").toString())
  .replace(/(\.\d*?)0+(?=Z|s)/g, (_, digits) => (digits === "." ? "" : digits));

const rules = [
  { name: "text that is no number or duration: the peer takes JavaScript's conversions, where CEL has an error",
    is: (e, ours) => /type conversion error|is no duration/.test(ours) },
  { name: "fractions of a second: the peer pads them to 3, 6 or 9 digits", is: (e, o, p) => plain(o) === plain(p) || (/string\(|format/.test(e) && /\.5|ms/.test(e)) },
  { name: "characters above U+FFFF: the peer counts and splits UTF-16 code units", is: (e) => e.includes("😀") },
  { name: "replace of the empty text: the peer stops one short of the end", is: (e) => e.includes(".replace(") },
  { name: "days in a named time zone: the peer is a day off in the hour after midnight",
    is: (e) => /get(Date|DayOf\w+)\("Europe/.test(e) },
  { name: "a key of a type that no map has: the peer has an error for `in`, where there is no such key",
    is: (e, o, p) => / in /.test(e) && (/'@in' applied to|unsupported key type/.test(p) || (/&&|\|\|/.test(e) && p.startsWith("error"))) },
  { name: "a pair of signs in parentheses: the peer drops it, where each has to hold by itself",
    is: (e, o) => /"[-!]" does not take/.test(o) || (o.includes("overflow") && /-\(+-/.test(e)) },
  { name: "the least int modulo -1: the peer has 0, we and cel-go report the overflow",
    is: (e, o) => o.includes("overflow") && e.includes("-9223372036854775808 %") },
  { name: "timestamp of an int: the peer takes milliseconds, langdef says seconds",
    is: (e) => /timestamp\((?!")/.test(e) },
  { name: "a list indexed by a bool: the peer takes it for a number", is: (e, o) => o.includes("not by bool") },
  { name: "bool of \"T\": the peer has only some of the spellings", is: (e, o, p) => p.includes("to bool") },
  { name: "`in` for a key whose value is null: the peer does not see it", is: (e) => / in /.test(e) && /: \(?null/.test(e) },
  { name: "an error absorbed by && or ||: the peer gives up on a missing overload",
    is: (e, o, p) => /&&|\|\|/.test(e) && /no matching overload|type mismatch/.test(p) },
  { name: "uint above 2^63 divided: the peer reports an overflow of int", is: (e, o, p) => p.includes("int overflow during divide") || (/18446744073709551615u[^/]*\//.test(e) && /unsupported key/.test(p)) },
  { name: "a double as a map's key: the peer takes one that is a whole number", is: (e, o) => o.includes("unsupported key type") },
  { name: "minus zero as text: the peer drops the sign", is: (e, o) => plain(o).includes("-0") || /-0\.0|0\.0 \* -|-\(0\.0\)/.test(e) },
  { name: "format of a double: the peer refuses it for %d, and writes exponents for %s",
    is: (e, o, p) => e.includes("format(") && (p.includes("invalid integer value") || /[0-9]e[+-][0-9]/.test(plain(p)) || /1e-7|1e300/.test(e)) },
  { name: "matches of bytes: the peer takes them for text", is: (e, o) => o.includes('"matches" does not take bytes') },
  { name: "strings.quote of U+0000: the peer writes \\0", is: (e) => e.includes("strings.quote(") && e.includes("\\x00") },
  { name: "duration of an int, int of a duration: the peer has them, langdef has not",
    is: (e, o) => /"duration" does not take int|"int" does not take google.protobuf.Duration/.test(o) },
];
const explained = (expression, ours, peer) => rules.find((rule) => rule.is(expression, ours, peer))?.name;

const expressions = Array.from({ length: count }, () => generate(any(), 4));
const run = spawnSync(batch, { input: expressions.map((e) => JSON.stringify(e)).join("\n") + "\n", maxBuffer: 1 << 30 });
if (run.status !== 0) {
  console.error(`${batch} ended with ${run.status ?? run.signal}: ${run.stderr}`);
  process.exit(2);
}
const ours = run.stdout.toString().trimEnd().split("\n");
const tally = { same: 0, errors: 0, different: 0 };
const known = {};
for (let at = 0; at < count; at++) {
  const peer = evaluatePeer(expressions[at]);
  const bothFail = ours[at].startsWith("error") && peer.startsWith("error");
  if (bothFail || ours[at] === peer) {
    tally[bothFail ? "errors" : "same"]++;
    continue;
  }
  const why = explained(expressions[at], ours[at], peer);
  if (why) {
    known[why] = (known[why] ?? 0) + 1;
    continue;
  }
  if (tally.different++ < show)
    console.log(`${expressions[at]}\n   ours: ${ours[at]}\n   peer: ${peer}`);
}
for (const [why, times] of Object.entries(known)) console.log(`explained ${times} times: ${why}`);
console.log(`${count} expressions: ${tally.same} with the same value, ${tally.errors} with an error on both sides, ` +
  `${Object.values(known).reduce((a, b) => a + b, 0)} explained, ${tally.different} different`);
process.exit(tally.different > 0 ? 1 : 0);
