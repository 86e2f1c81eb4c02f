#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
The documentation names what exists: tests, files and folders in backticks, and relative links. And what exists is named:
decisions in their index, pages in the first one, folders of src in the picture of the house.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
TEST_NAME = re.compile(r"`((?:test_)?[a-z0-9]+(?:_[a-z0-9]+){2,})`")
FILE_NAME = re.compile(r"`((?:src|tests|tools|docs|api)/[\w./-]+|test_\w+\.py)`")
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def tests_in_the_sources():
    """Names of pytest functions and of cmocka cases."""
    text = "".join(path.read_text() for path in [*ROOT.glob("tests/**/*.py"), *ROOT.glob("tools/*_test.py")])
    names = set(re.findall(r"^def (test_\w+)", text, re.M))
    text = "".join(path.read_text() for path in [*ROOT.glob("src/**/*_test.c"), *ROOT.glob("tests/**/*.c")])
    return names | set(re.findall(r"cmocka_unit_test\w*\(\s*(\w+)", text)) | set(re.findall(r"^static void (\w+)\(", text, re.M))


def not_named():
    """What somebody who reads from the beginning would not find."""
    index = (ROOT / "docs" / "decisions" / "README.md").read_text()
    numbers = re.findall(r"^- \[(\d{4})\]", index, re.M)
    if numbers != sorted(set(numbers)):
        yield "docs/decisions/README.md: the index is not in order"
    for path in sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md")):
        if f"]({path.name})" not in index:
            yield f"docs/decisions/README.md: {path.name} is not in the index"
        if not path.read_text().startswith(f"# {path.name[:4]}: "):
            yield f"docs/decisions/{path.name}: the title does not begin with its number"
    first = (ROOT / "README.md").read_text()
    for path in sorted((ROOT / "docs").glob("*.md")):
        if f"](docs/{path.name})" not in first:
            yield f"README.md: docs/{path.name} is not in the table of pages"
    house = (ROOT / "docs" / "architecture.md").read_text()
    for path in sorted((ROOT / "src").iterdir()):
        if path.is_dir() and f"`src/{path.name}`" not in house:
            yield f"docs/architecture.md: the room src/{path.name} is missing"
        if path.is_dir() and not (path / "README.md").exists():
            yield f"src/{path.name}: there is no README.md"


def main():
    problems = list(not_named())
    known = tests_in_the_sources()
    for name in TEST_NAME.findall((ROOT / "docs" / "security.md").read_text()):
        if name not in known:
            problems.append(f"docs/security.md: there is no test {name}")
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("src/*/README.md")]:
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
        where = page.relative_to(ROOT)
        for name in FILE_NAME.findall(text):
            place = ROOT / "tests" / "scenarios" / name if name.startswith("test_") else ROOT / name
            if not place.exists():
                problems.append(f"{where}: there is no {name}")
        for target in LINK.findall(text):
            if not (page.parent / target.strip("<>")).exists():
                problems.append(f"{where}: the link to {target} leads nowhere")
    print("\n".join(problems) or "the documentation names what exists, and what exists is named")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
