#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every test and check of the repository, in phases, on two cores.

Prints a table of the phases and ends with one line, the sum over all of them:

    N passed, N failed, N skipped

Exit code 0 when nothing failed. A phase that cannot run on this machine is
skipped with the reason. Logs are in build/test-logs.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOGS = ROOT / "build" / "test-logs"
SUMMARY = re.compile(r"(\d+) passed, (\d+) failed, (\d+) skipped")
TIDY_FOLDERS = ("src",)


class Result:
    """What one phase came to."""

    def __init__(self, name):
        self.name = name
        self.passed = self.failed = self.skipped = 0
        self.seconds = 0.0
        self.notes = []

    def add(self, ok, note=""):
        if ok:
            self.passed += 1
        else:
            self.failed += 1
            self.notes.append(note)

    def skip(self, why, count=1):
        self.skipped += count
        self.notes.append(f"skipped: {why}")


def run(command, log, env=None, timeout=1200):
    """Exit code and output; the output is kept in the log."""
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / f"{log}.log"
    with path.open("w") as out:
        try:
            code = subprocess.run(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, check=False,
                                  stdin=subprocess.DEVNULL, timeout=timeout, env={**os.environ, **(env or {})}).returncode
        except subprocess.TimeoutExpired:
            out.write(f"\nended after {timeout} seconds\n")
            code = 124
    return code, path.read_text(errors="replace")


def tail(text, lines=25):
    return "\n".join("    " + line for line in text.splitlines()[-lines:])


def phase_format(result):
    files = subprocess.run(["git", "ls-files", "-z", "--", "*.c", "*.h", "*.cc"], cwd=ROOT, check=True,
                           stdout=subprocess.PIPE).stdout.decode().split("\0")[:-1]
    files = [name for name in files if (ROOT / name).exists()]
    code, text = run(["clang-format", "--dry-run", "-Werror", *files], "format")
    wrong = sorted({line.split(":")[0] for line in text.splitlines() if "error:" in line})
    result.passed += len(files) - len(wrong)
    for name in wrong:
        result.add(False, f"{name} is not formatted; run ./dev fmt")
    if code and not wrong:
        result.add(False, tail(text))


def phase_checks(result):
    """tools/check_*.py that meson does not run, and the shell scripts; check_exchanges.py needs a finished run."""
    meson = "".join(path.read_text() for path in ROOT.glob("*/**/meson.build") if "build" not in path.parts[:-1])
    for path in sorted((ROOT / "tools").glob("check_*.py")):
        if path.name in meson or path.name == "check_exchanges.py":
            continue
        code, text = run([sys.executable, str(path)], path.stem)
        if code == 77:
            result.skip(f"{path.name}: {text.strip().splitlines()[-1] if text.strip() else 'says no reason'}")
            continue
        result.add(code == 0, f"{path.name} fails:\n{tail(text)}")
    shell = ["dev", ".ci/run", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "tools" / "dev").glob("*.sh"))]
    for name in shell:
        code, text = run(["bash", "-n", name], "shell-syntax")
        result.add(code == 0, f"{name}: {tail(text)}")


def build(kind, result, log=None):
    code, text = run(["./dev", "build", kind], log or f"build-{kind}")
    result.add(code == 0, f"the {kind} build fails:\n{tail(text, 60)}")
    return code == 0


def phase_build(kind):
    def phase(result):
        build(kind, result)
    return phase


def cmocka_counts(text):
    """Cases within one cmocka program's output, or None when it is no such output."""
    if "[==========]" not in text and "[ RUN      ]" not in text:
        return None
    ok = len(re.findall(r"^\[       OK \]", text, re.M))
    bad = len(re.findall(r"^\[  (?:FAILED|ERROR ) +\] (?!\d+ test)", text, re.M))
    skipped = len(re.findall(r"^\[  SKIPPED \] (?!\d+ test)", text, re.M))
    summary = re.search(r"^\[  FAILED  \] .*?(\d+) test\(s\)", text, re.M)
    if summary:
        bad = int(summary.group(1))
    summary = re.search(r"^\[  SKIPPED \] .*?(\d+) test\(s\)", text, re.M)
    if summary:
        skipped = int(summary.group(1))
    return ok, bad, skipped


def count_meson_test(result, test):
    """Adds what one line of meson's testlog.json says."""
    text = (test.get("stdout") or "") + "\n" + (test.get("stderr") or "")
    outcome = test["result"]
    if outcome == "SKIP":
        reason = text.strip().splitlines()
        result.skip(f"{test['name']}: {reason[-1] if reason else 'says no reason'}")
        return
    counts = None
    summary = SUMMARY.findall(text)
    if summary:
        counts = tuple(int(n) for n in summary[-1])
    else:
        counts = cmocka_counts(text)
    passed, failed, skipped = counts or (0, 0, 0)
    if outcome not in ("OK", "EXPECTEDFAIL"):
        failed = max(failed, 1)
        result.notes.append(f"{test['name']} ({outcome}):\n{tail(text, 30)}")
    elif passed + failed + skipped == 0:
        passed = 1
    result.passed += passed
    result.failed += failed
    if skipped:
        why = [line.strip() for line in text.splitlines() if line.lower().startswith("skip")]
        result.skip(f"{test['name']}: {why[0] if why else 'see its log'}", skipped)


SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "halt_on_error=1:abort_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


def folder_in_memory():
    """For unit tests' files: those that break a disk do it inside the process and need no real one to wait for."""
    folder = pathlib.Path("/dev/shm")
    if folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > 1 << 30:
        return {"TMPDIR": str(folder)}
    return {}


def phase_unit(kind, multiplier=1, suite=("--no-suite", "conformance"), wrap=()):
    """`wrap` as in phase_scenarios."""
    def phase(result):
        folder = ROOT / "build" / kind
        name = "-".join(word.strip("-") for word in suite)
        logs = folder / "meson-logs" / f"testlog-{name}.json"
        logs.unlink(missing_ok=True)
        code, text = run([*wrap, "meson", "test", "-C", str(folder), "--no-rebuild", "--num-processes", "2",
                          "--timeout-multiplier", str(multiplier), *suite, "--logbase", logs.stem],
                         f"unit-{kind}-{name}", env={**SANITIZERS, **folder_in_memory()})
        if wrap and code == 77:
            result.skip(text.strip())
            return
        if not logs.exists():
            result.add(False, f"meson test ran nothing:\n{tail(text)}")
            return
        for line in logs.read_text(errors="replace").splitlines():
            count_meson_test(result, json.loads(line))
        if code and not result.failed:
            result.add(False, tail(text))
    return phase


def binary(kind):
    for place in ("src/server/countersign", "src/cli/countersign", "countersign"):
        path = ROOT / "build" / kind / place
        if path.is_file():
            return path
    return None


# What takes long and adds no code that the other scenarios do not run: under AddressSanitizer these would
# push the whole beyond its 20 minutes. They run on the plain build, on both stores.
LEFT_TO_OTHER_BUILDS = [f"--ignore=tests/scenarios/test_{name}.py" for name in (
    "failover", "move", "nodes", "rotation", "rotation_nodes")]
# gdb writes AddressSanitizer's shadow into the core file, terabytes of nothing.
LEFT_TO_OTHER_BUILDS.append("--deselect=tests/scenarios/test_memory.py::"
                            "test_a_core_file_and_the_most_talkative_log_under_load_hold_no_key")


# Scenarios wait more than they compute: this many run beside each other on two cores.
WORKERS = 4


def phase_scenarios(kind, name, extra=(), record=False, wrap=()):
    """`wrap` is a program of ours, with arguments, that runs pytest: postgres.py starts a database first.

    The stories of one file stay together, since they share servers and engines.
    """
    def phase(result):
        program = binary(kind)
        if program is None:
            result.add(False, f"build/{kind} has no countersign program")
            return
        report = LOGS / f"scenarios-{name}.xml"
        report.unlink(missing_ok=True)
        env = {**SANITIZERS, "COUNTERSIGN_BINARY": str(program)}
        if record:
            exchanges = ROOT / "build" / "exchanges"
            shutil.rmtree(exchanges, ignore_errors=True)
            exchanges.mkdir(parents=True)
            env["COUNTERSIGN_EXCHANGES"] = str(exchanges)
        code, text = run([*wrap, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs",
                          "--numprocesses", str(WORKERS), "--dist", "loadfile", f"--junitxml={report}",
                          "tests/scenarios", *extra], f"scenarios-{name}", env=env)
        if code == 77:
            result.skip(text.strip())
            return
        if not report.exists():
            result.add(False, f"pytest ran nothing:\n{tail(text)}")
            return
        count_junit(result, report)
        if code not in (0, 5) and not result.failed:
            result.add(False, tail(text))
    return phase


def what_failed(message):
    """The first line; more where it is what a sanitizer found, or a server's last words."""
    lines = message.splitlines() or [""]
    many = "SUMMARY: " in lines[0] or " ended with " in lines[0]
    return "\n    ".join(lines[:30 if many else 1])


def count_junit(result, report):
    reasons = {}
    for case in xml.etree.ElementTree.parse(report).getroot().iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        bad = case.find("failure")
        if bad is None:
            bad = case.find("error")
        skipped = case.find("skipped")
        if bad is not None:
            result.add(False, f"{name}: {what_failed(bad.get('message') or '')}")
        elif skipped is not None:
            reasons[skipped.get("message")] = reasons.get(skipped.get("message"), 0) + 1
        else:
            result.passed += 1
    for reason, count in reasons.items():
        result.skip(f"{count} scenarios: {reason}", count)


def phase_exchanges(result):
    """Every response held against the contract, and every operation exercised."""
    check = ROOT / "tools" / "check_exchanges.py"
    if not check.exists():
        result.add(False, "tools/check_exchanges.py is missing")
        return
    code, text = run([sys.executable, str(check), str(ROOT / "build" / "exchanges")], "exchanges")
    summary = SUMMARY.findall(text)
    if summary:
        passed, failed, skipped = (int(n) for n in summary[-1])
        result.passed += passed
        result.failed += failed
        result.skipped += skipped
        if failed:
            result.notes.append(tail(text, 40))
    else:
        result.add(code == 0, tail(text, 40))


def phase_fuzz(seconds):
    def phase(result):
        if not build("fuzz", result):
            return
        names = subprocess.run([sys.executable, "tools/dev/fuzz.py", "--list"], cwd=ROOT, check=False,
                               stdout=subprocess.PIPE, text=True).stdout.split()

        def one(name):
            return name, run([sys.executable, "tools/dev/fuzz.py", "--seconds", str(seconds), name], f"fuzz-{name}")

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for name, (code, text) in pool.map(one, names):
                result.add(code == 0, f"{name}:\n{tail(text, 40)}")
        if not names:
            result.add(False, "there are no fuzz targets")
    return phase


def tidy_key(entry, headers):
    """Changes when the file, any header of ours or the list of checks does."""
    digest = hashlib.sha256(headers)
    digest.update(pathlib.Path(entry["file"]).read_bytes())
    digest.update(entry["command"].encode())
    return digest.hexdigest()


def phase_tidy(result):
    """clang-tidy over our C files, two at a time; a file that was clean and has not changed is not read again."""
    database = ROOT / "build" / "fuzz" / "compile_commands.json"
    if not database.exists():
        result.add(False, "build/fuzz has no compile_commands.json")
        return
    cache = ROOT / "build" / "tidy"
    cache.mkdir(parents=True, exist_ok=True)
    headers = b"".join(hashlib.sha256(path.read_bytes()).digest() for path in
                       [ROOT / ".clang-tidy", *sorted((ROOT / "src").rglob("*.h"))])
    entries = {}
    for entry in json.loads(database.read_text()):
        path = (pathlib.Path(entry["directory"]) / entry["file"]).resolve()
        inside = path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in TIDY_FOLDERS
        if inside and path.suffix == ".c" and not path.name.endswith("_test.c"):
            entries[path] = {**entry, "file": str(path)}

    def one(item):
        path, entry = item
        mark = cache / tidy_key(entry, headers)
        if mark.exists():
            return path, 0, ""
        name = str(path.relative_to(ROOT))
        code, text = run(["clang-tidy", "--quiet", "-p", str(database.parent), str(path)], "tidy-" + name.replace("/", "-"))
        bad = code != 0 or "warning:" in text or "error:" in text
        if not bad:
            mark.touch()
        return path, int(bad), text

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for path, bad, text in pool.map(one, entries.items()):
            found = [line for line in text.splitlines() if "warning:" in line or "error:" in line]
            result.add(not bad, f"{path.relative_to(ROOT)}:\n" + "\n".join("    " + line for line in found[:8]))


# The quick ones first, so that a mistake shows early. Then two lanes beside each other: one mostly
# waits (for servers, engines, timers), the other mostly computes.
FIRST = [
    ("format", phase_format),
    ("checks", phase_checks),
    ("build test", phase_build("test")),
]
WAITING = [
    ("unit", phase_unit("test")),
    ("unit postgres", phase_unit("test", 3, suite=("--suite", "either-store"), wrap=(
        sys.executable, "tests/scenarios/postgres.py", "run"))),
    ("conformance", phase_unit("test", suite=("--suite", "conformance"))),
    ("scenarios", phase_scenarios("test", "test", record=True)),
    ("contract", phase_exchanges),
    ("scenarios postgres", phase_scenarios("test", "postgres", wrap=(
        sys.executable, "tests/scenarios/postgres.py", "run"))),
    ("scenarios asan", phase_scenarios("asan", "asan", LEFT_TO_OTHER_BUILDS)),
    ("scenarios tsan", phase_scenarios("tsan", "tsan", ("-m", "threads"))),
]
COMPUTING = [
    ("build asan", phase_build("asan")),
    ("build tsan", phase_build("tsan")),
    ("unit asan", phase_unit("asan", 3)),
    ("unit tsan", phase_unit("tsan", 5)),
    ("build release", phase_build("release")),
    ("fuzz", phase_fuzz(10)),
    ("clang-tidy", phase_tidy),
]
# What cannot begin before another phase of the other lane has ended.
AFTER = {"scenarios asan": "build asan", "scenarios tsan": "build tsan"}


class Run:
    """The chosen phases and what they came to."""

    def __init__(self, wanted):
        self.wanted = wanted
        self.results = {}
        self.ended = {name: threading.Event() for name, _ in FIRST + WAITING + COMPUTING}

    def lane(self, phases):
        for name, phase in phases:
            if name in self.wanted:
                before = AFTER.get(name)
                if before in self.wanted:
                    self.ended[before].wait()
                self.one(name, phase)
            self.ended[name].set()

    def one(self, name, phase):
        result = Result(name)
        begun = time.monotonic()
        try:
            phase(result)
        except Exception as error:  # one phase's accident must not hide what the others say
            result.add(False, f"the phase itself failed: {error!r}")
        result.seconds = time.monotonic() - begun
        self.results[name] = result
        print(f"{name}: {result.passed} passed, {result.failed} failed, {result.skipped} skipped "
              f"in {result.seconds:.0f} s", flush=True)

    def all(self):
        self.lane(FIRST)
        lanes = [threading.Thread(target=self.lane, args=(phases,)) for phases in (WAITING, COMPUTING)]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()
        return [self.results[name] for name, _ in FIRST + WAITING + COMPUTING if name in self.results]


def report(results, elapsed):
    print()
    print(f"{'phase':<16} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}")
    for result in results:
        print(f"{result.name:<16} {result.passed:>7} {result.failed:>7} {result.skipped:>8} {result.seconds:>8.0f}")
    print(f"{'':<16} {'':>7} {'':>7} {'':>8} {elapsed:>8.0f}")
    for result in results:
        for note in result.notes:
            print(f"\n{result.name}: {note}")
    print()
    print(f"{sum(r.passed for r in results)} passed, {sum(r.failed for r in results)} failed, "
          f"{sum(r.skipped for r in results)} skipped")


def names():
    return [name for name, _ in FIRST + WAITING + COMPUTING]


def main():
    parser = argparse.ArgumentParser(prog="./dev test", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="phases: " + ", ".join(names()))
    parser.add_argument("--only", action="append", metavar="PHASE", help="run only this phase; may be repeated")
    parser.add_argument("--skip", action="append", default=[], metavar="PHASE", help="leave this phase out")
    arguments = parser.parse_args()
    for name in (arguments.only or []) + arguments.skip:
        if name not in names():
            parser.error(f"there is no phase \"{name}\"")
    os.chdir(ROOT)
    started = time.monotonic()
    wanted = [name for name in arguments.only or names() if name not in arguments.skip]
    results = Run(wanted).all()
    report(results, time.monotonic() - started)
    return 1 if any(result.failed for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
