#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the marks of src/io/fiber.h: who can wait, and who must not block.

A function marked FIBER_FN may be called only from functions marked FIBER_FN,
FIBER_ENTRY or BLOCKING_FN (the blocking forms share their code with the
fibers'); a function marked BLOCKING_FN never from one marked FIBER_FN or
FIBER_ENTRY. A mark on the declaration or on the definition is enough. Calls
through pointers are not seen.

Usage: check_fibers.py FOLDER...
"""
import pathlib
import re
import sys

MARKS = {"FIBER_FN", "FIBER_ENTRY", "BLOCKING_FN"}
NOT_NAMES = {"if", "for", "while", "switch", "return", "sizeof", "PRINTF_LIKE", "__attribute__", "_cleanup_",
             "_Atomic", "_Alignas", "alignas", "defined", "_Static_assert"}
NOISE = re.compile(r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.S)
CALL = re.compile(r"\b([A-Za-z_]\w*)\s*\(")


def blank(match):
    """Spaces instead of what was there, so that line numbers stay."""
    return re.sub(r"[^\n]", " ", match.group())


def clean(text):
    text = NOISE.sub(blank, text)
    # Preprocessor lines, with what they continue on.
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", blank, text, flags=re.M)


def name_of(head):
    """The function that a declaration names: the first identifier before a parenthesis that is no attribute."""
    for match in CALL.finditer(head):
        if match.group(1) not in NOT_NAMES:
            return match.group(1)
    return None


def top_level(text):
    """(head, body, line of body) of every definition and declaration outside of all braces."""
    depth = begin = body = 0
    head = ""
    for at, char in enumerate(text):
        if char == "{":
            if depth == 0:
                head, body = text[begin:at], at + 1
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                yield head, text[body:at], text.count("\n", 0, body) + 1
                begin = at + 1
        elif char == ";" and depth == 0:
            yield text[begin:at], None, 0
            begin = at + 1


class Function:
    def __init__(self, path, name, is_static, marks, body, line):
        self.path, self.name, self.is_static = path, name, is_static
        self.marks, self.body, self.line = marks, body, line


def read(path):
    for head, body, line in top_level(clean(path.read_text(encoding="utf-8"))):
        name = name_of(head)
        if name and "typedef" not in head and not re.search(r"=\s*$", head):
            words = set(re.findall(r"\w+", head))
            yield Function(path, name, "static" in words, words & MARKS, body, line)


def check(folders):
    functions = []
    for folder in folders:
        for path in sorted(pathlib.Path(folder).rglob("*.[ch]")):
            functions.extend(read(path))
    everywhere, in_file = {}, {}
    for function in functions:
        if function.is_static:
            in_file.setdefault((function.path, function.name), set()).update(function.marks)
        else:
            everywhere.setdefault(function.name, set()).update(function.marks)

    def marks_of(path, name):
        return in_file.get((path, name), everywhere.get(name, set()))

    mistakes = []
    for function in functions:
        if function.body is None:
            continue
        own = marks_of(function.path, function.name)
        for call in CALL.finditer(function.body):
            called = marks_of(function.path, call.group(1))
            line = function.line + function.body.count("\n", 0, call.start())
            place = f"{function.path}:{line}: {function.name} calls {call.group(1)}"
            if called & {"FIBER_FN", "FIBER_ENTRY"} and not own & MARKS:
                mistakes.append(f"{place}, which can wait: mark {function.name} FIBER_FN (or FIBER_ENTRY)")
            if "BLOCKING_FN" in called and own & {"FIBER_FN", "FIBER_ENTRY"}:
                mistakes.append(f"{place}, which blocks the thread: a fiber must not (fiber_offload can)")
    return mistakes, sum(1 for f in functions if f.body is not None and marks_of(f.path, f.name))


def main():
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    mistakes, n_marked = check(sys.argv[1:])
    for mistake in mistakes:
        print(mistake, file=sys.stderr)
    print(f"{n_marked} marked functions, {len(mistakes)} mistakes")
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
