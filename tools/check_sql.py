#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""No SQL in C strings: statements live in .sql files, where the build checks them.

    check_sql.py FOLDER...     exits 1 and names each place

Only the drivers (src/store/sqlite*.c, postgres*.c, libpq*.c) may speak to a database, for
transactions and settings; the store's own tests and bench may, to play another program. Strings of
other tests are text that no database sees.
"""

import pathlib
import re
import sys

LITERAL = re.compile(r'"(?:[^"\\\n]|\\.)*"')
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
CHARACTER = re.compile(r"'(?:[^'\\\n]|\\.)'")
JOINED = re.compile(r'(?:"(?:[^"\\\n]|\\.)*"[\s\\]*)+')
SQL = re.compile(
    r"\bSELECT\s.*\bFROM\b|\bINSERT\s+(OR\s+\w+\s+)?INTO\b|\bUPDATE\s+\w+\s+SET\b|\bDELETE\s+FROM\s|\bPRAGMA\s"
    r"|\b(CREATE|ALTER|DROP)\s+(TABLE|UNIQUE INDEX|INDEX|TRIGGER|VIEW|POLICY|ROLE)\b|\bBEGIN IMMEDIATE\b|\bROLLBACK TO\b"
    r"|^\s*(select\s.*\sfrom\s|insert\s+into\s|update\s+\w+\s+set\s|delete\s+from\s|pragma\s)",
    re.S,
)
LIBRARY = re.compile(r'#include\s*[<"](sqlite3\.h|libpq-fe\.h|(postgresql/)?libpq[^">]*)[>"]')
MAY = re.compile(r"src/store/(sqlite|postgres|libpq)\w*\.[ch]$|src/store/\w+_test\.c$|src/store/test/|tests/bench/(store|log)/")


def blank(match):
    """White space of the same lines, so that places stay true."""
    return re.sub(r"[^\n]", " ", match.group())


def strip_comments(text):
    """Without comments and characters, with strings as they are."""
    both = re.compile(f"{LITERAL.pattern}|{COMMENT.pattern}|{CHARACTER.pattern}", re.S)
    return both.sub(lambda m: m.group() if m.group().startswith('"') else blank(m), text)


def check(path):
    text = strip_comments(path.read_text())
    for match in JOINED.finditer(text) if not path.name.endswith("_test.c") else ():
        words = "".join(literal.group()[1:-1] for literal in LITERAL.finditer(match.group()))
        words = words.replace("\\n", "\n")
        if SQL.search(words):
            yield text.count("\n", 0, match.start()) + 1, f"SQL in a string: {words[:60]!r}; put it into a .sql file"
    for match in LIBRARY.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, f"{match[1]} outside the store's drivers"


def main(folders):
    found = 0
    for folder in map(pathlib.Path, folders):
        if not folder.is_dir():
            print(f"check_sql: no folder {folder}", file=sys.stderr)
            return 2
        for path in sorted(p for p in folder.rglob("*") if p.suffix in (".c", ".h", ".cc")):
            if not MAY.search(path.as_posix()):
                for line, what in check(path):
                    print(f"{path}:{line}: {what}", file=sys.stderr)
                    found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
