# SPDX-License-Identifier: Apache-2.0
"""Tokens of SQL, and mistakes with their place. A part of sqlgen.py."""

import re

TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?\*/)|(?P<string>[xX]?'(?:[^']|'')*')|(?P<quoted>"[^"]*"|`[^`]*`|\[[^\]]*\])"""
    r"""|(?P<param>\$[0-9]+)|(?P<badparam>[?:@][A-Za-z0-9_]*)|(?P<number>[0-9][0-9.eE]*)"""
    r"""|(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<op>\|\||<=|>=|<>|!=|==|->>|->|.)""",
    re.S,
)


class Mistake(Exception):
    def __init__(self, path, line, text):
        super().__init__(f"{path}:{line}: {text}")


class Token:
    __slots__ = ("kind", "text", "low", "line")

    def __init__(self, kind, text, line):
        self.kind, self.text, self.low, self.line = kind, text, text.lower(), line


def tokenize(text, line):
    tokens = []
    for match in TOKEN.finditer(text):
        if match.lastgroup != "space":
            tokens.append(Token(match.lastgroup, match.group(), line + text.count("\n", 0, match.start())))
    return tokens


def sqlite_text(statement):
    """With SQLite $1 is a name, and ?1 the first parameter."""
    return "".join(
        "?" + m.group()[1:] if m.lastgroup == "param" else m.group() for m in TOKEN.finditer(statement.text)
    )


# A column of SQLite's STRICT tables, and the one of PostgreSQL that orders and compares alike.
POSTGRES_TYPES = {"integer": "BIGINT", "blob": "BYTEA", "text": 'TEXT COLLATE "C"'}


def postgres_migration(text):
    """A migration as PostgreSQL wants it: other types, and no STRICT or WITHOUT ROWID."""
    text = re.sub(r"\)\s*STRICT(\s*,\s*WITHOUT\s+ROWID)?\s*;", ");", text)
    out = []
    for match in TOKEN.finditer(text):
        is_word = match.lastgroup == "word"
        out.append(POSTGRES_TYPES.get(match.group().lower(), match.group()) if is_word else match.group())
    return "".join(out)
