#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run the libFuzzer targets of build/fuzz, each on its kept corpus.

What finds new ways through a parser goes into build/corpus/NAME; the corpus
that is kept in the repository is tests/fuzz/corpus/NAME and is only read.
`--merge` adds to it the smallest set of new inputs that covers more.
"""
import argparse
import os
import pathlib
import stat
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "fuzz"
KEPT = ROOT / "tests" / "fuzz" / "corpus"
GROWN = ROOT / "build" / "corpus"
CRASHES = ROOT / "build" / "crashes"


def targets():
    """Executables whose name ends with _fuzz or begins with fuzz_, by name."""
    found = {}
    for path in BUILD.rglob("*"):
        name = path.name
        if not (name.endswith("_fuzz") or name.startswith("fuzz_")) or not path.is_file():
            continue
        if path.stat().st_mode & stat.S_IXUSR and path.suffix == "":
            found[name] = path
    return dict(sorted(found.items()))


def run(name, path, seconds):
    """True when the target found nothing. Prints the end of its output otherwise."""
    grown = GROWN / name
    kept = KEPT / name
    for folder in (grown, CRASHES):
        folder.mkdir(parents=True, exist_ok=True)
    command = [str(path), f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1",
               f"-artifact_prefix={CRASHES}/{name}-", str(grown)]
    if kept.is_dir():
        command.append(str(kept))
    dictionary = ROOT / "tests" / "fuzz" / f"{name}.dict"
    if dictionary.exists():
        command.append(f"-dict={dictionary}")
    log = BUILD / f"{name}.log"
    with log.open("w") as out:
        code = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, cwd=ROOT, check=False,
                              env={**os.environ, "ASAN_OPTIONS": "detect_leaks=1"}).returncode
    text = log.read_text(errors="replace")
    executed = next((line.split()[-1] for line in text.splitlines() if "number_of_executed_units" in line), "?")
    if code != 0:
        print(f"fuzz {name}: FAILED; the input is in build/crashes, the output in {log.relative_to(ROOT)}")
        print("\n".join(text.splitlines()[-25:]))
        return False
    print(f"fuzz {name}: {executed} inputs in {seconds} s, nothing found", flush=True)
    return True


def merge(name, path):
    kept = KEPT / name
    kept.mkdir(parents=True, exist_ok=True)
    subprocess.run([str(path), "-merge=1", str(kept), str(GROWN / name)], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main():
    parser = argparse.ArgumentParser(prog="./dev fuzz", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="TARGET", help="only these; all unless told")
    parser.add_argument("--seconds", type=int, default=60, help="for each target; 60 unless told")
    parser.add_argument("--list", action="store_true", help="only print the targets")
    parser.add_argument("--merge", action="store_true", help="afterwards keep the new inputs that cover more")
    arguments = parser.parse_args()
    known = targets()
    if arguments.list:
        print("\n".join(known))
        return 0
    unknown = [name for name in arguments.names if name not in known]
    if unknown or not known:
        print(f"no such target: {', '.join(unknown)}" if unknown else "build/fuzz has no targets", file=sys.stderr)
        return 2
    failed = 0
    chosen = arguments.names or list(known)
    for name in chosen:
        ok = run(name, known[name], arguments.seconds)
        failed += not ok
        if ok and arguments.merge:
            merge(name, known[name])
    print(f"{len(chosen) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
