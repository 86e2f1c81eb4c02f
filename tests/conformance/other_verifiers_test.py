#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Our log, read by implementations that are not ours.

    other_verifiers_test.py LOG_FILES GO_SOURCE [RECIPE]

LOG_FILES writes a log into files. Go's note and tlog packages (as Debian has them) then verify
checkpoint, tiles, entries, consistency and a receipt, and must refuse each of them when a byte is
changed. RECIPE is docs/log-format.md, whose Python verifier is run in the same way on the export.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
GOCODE = pathlib.Path("/usr/share/gocode")


def go_build(source: pathlib.Path, folder: pathlib.Path):
    """The verifier's program, or None where Go or its packages are not installed."""
    go = "/usr/bin/go" if os.path.exists("/usr/bin/go") else shutil.which("go")
    if not go or not (GOCODE / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        return None
    env = dict(os.environ, GO111MODULE="off", GOPATH=str(GOCODE), GOFLAGS="", GOTOOLCHAIN="local")
    env.setdefault("GOCACHE", str(source.resolve().parents[3] / "build" / "go-cache"))
    program = folder / "tlogverify"
    subprocess.run([go, "build", "-o", str(program), str(source)], check=True, env=env)
    return program


def flip(path: pathlib.Path, at: int):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def check_go(program: pathlib.Path, log: pathlib.Path, changes: bool):
    command = [
        str(program), "-vkey", (log / "vkey").read_text(), "-old", str(log / "checkpoint.old"),
        "-receipt", str(log / "receipt"), "-entry", str(log / "entry"), str(log),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"the log was refused: {done.stderr}")
    print(done.stdout.strip())
    files = [path for path in sorted(log.rglob("*")) if path.is_file() and path.name not in ("vkey", "export.ndjson")]
    for path in files if changes else []:
        for at in (3, path.stat().st_size // 2):
            flip(path, at)
            if subprocess.run(command, capture_output=True).returncode == 0:
                sys.exit(f"byte {at} of {path.relative_to(log)} was changed, and the log was accepted")
            flip(path, at)
    if changes:
        print(f"refused: a changed byte in each of {len(files)} files")


def check_recipe(text: str, log: pathlib.Path, folder: pathlib.Path):
    program = folder / "verify.py"
    program.write_text(re.search(r"```python\n(.*?)```", text, re.S).group(1))
    command = [sys.executable, str(program), str(log / "export.ndjson"), (log / "vkey").read_text()]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"the export was refused: {done.stdout}{done.stderr}")
    print(done.stdout.strip())
    size = (log / "export.ndjson").stat().st_size
    for at in (20, 2000, size // 2, size - 400):
        flip(log / "export.ndjson", at)
        if subprocess.run(command, capture_output=True).returncode == 0:
            sys.exit(f"byte {at} of the export was changed, and it was accepted")
        flip(log / "export.ndjson", at)


def make_log(program: str, folder: pathlib.Path, size: int) -> pathlib.Path:
    log = folder / f"log-{size}"
    log.mkdir()
    subprocess.run([program, str(log), str(size)], check=True)
    return log


def main():
    log_files, source, *recipe = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        program = go_build(pathlib.Path(source), folder)
        small = make_log(log_files, folder, 700)
        large = make_log(log_files, folder, 66000)  # more than a tile of tiles
        if recipe:
            check_recipe(pathlib.Path(recipe[0]).read_text(encoding="utf-8"), small, folder)
        if not program:
            print("SKIPPED: no Go with golang-golang-x-mod-dev")
            sys.exit(SKIPPED)
        check_go(program, large, changes=False)
        check_go(program, small, changes=True)


if __name__ == "__main__":
    main()
