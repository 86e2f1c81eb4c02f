#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Finds scoped buffers and arenas that a return could reach before they are initialised.

  check_scoped.py FOLDER …

The cleanup runs at every return. A `BUF_SCOPED buf;` that is initialised only after the first
`return` would then free what happened to lie on the stack: write `BUF_SCOPED buf = {0};`.
"""
import pathlib
import re
import sys

DECLARATION = re.compile(r"\b(BUF_SCOPED|ARENA_SCOPED)\s+([a-z_0-9, ]+);")


def findings(text):
    for match in DECLARATION.finditer(text):
        body = text[match.end():]
        end = body.find("\n}\n")
        body = body[:end] if end >= 0 else body
        for name in (part.strip() for part in match.group(2).split(",")):
            start = re.search(rf"\b(buf_init|arena_init(_zeroing)?)\(&{name}\b", body)
            before = body[: start.start()] if start else body
            if re.search(r"\breturn\b", before):
                yield text.count("\n", 0, match.start()) + 1, name


def main(folders):
    bad = 0
    for folder in folders:
        for path in sorted(pathlib.Path(folder).rglob("*.c")):
            for line, name in findings(path.read_text()):
                print(f"{path}:{line}: \"{name}\" may be cleaned up before it is initialised; begin with = {{0}}")
                bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
