# SPDX-License-Identifier: Apache-2.0
"""The examples of docs/*.md do what the page says.

Blocks marked ```sh run of one document run in order, in one shell, against a
fresh server, in an empty folder. The shell has `countersign` in its PATH, a
profile that is logged in as the first administrator, and

  $URL        where the server is
  $API_KEY    the administrator's key
  $TENANT     the first tenant's id
  $WORKSPACE  its first workspace's id

A block ```text output behind one says what it prints, standard error too. `…`
stands for any text within a line, a line of `…` alone for any number of lines. A
command that is meant to fail says so: `command || echo "status $?"`.
"""
import os
import re
import subprocess

import pytest

import harness

DOCS = harness.ROOT / "docs"
FENCE = re.compile(r"^(?P<indent> *)```(?P<mark>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```\s*$", re.M | re.S)
MARK = "\x01end of block "


def examples(text):
    """[(line, commands, expected or None)] of a document."""
    found = []
    for block in FENCE.finditer(text):
        mark = block["mark"].strip()
        body = re.sub(rf"^{block['indent']}", "", block["text"], flags=re.M)
        line = text.count("\n", 0, block.start()) + 2
        if mark == "sh run":
            found.append((line, body, None))
        elif mark == "text output":
            assert found and found[-1][2] is None, f"line {line}: this output follows no ```sh run block"
            found[-1] = (*found[-1][:2], body)
    return found


def fits(expected, printed):
    """None, or the expected line that nothing printed fits."""
    wanted = [line.rstrip() for line in expected.strip("\n").split("\n")]
    lines = [line.rstrip() for line in printed.strip("\n").split("\n")]
    parts = []
    for line in wanted:
        if line.strip() == "…":
            parts.append(r"(?:[^\n]*\n)*")
        else:
            parts.append("[^\n]*".join(re.escape(piece) for piece in line.split("…")) + r"\n")
    if re.fullmatch("".join(parts), "\n".join(lines) + "\n"):
        return None
    # The longest beginning that fits tells where it went wrong.
    for count in range(len(parts), 0, -1):
        if re.match("".join(parts[:count]), "\n".join(lines) + "\n"):
            return wanted[count] if count < len(wanted) else "the end"
    return wanted[0]


DOCUMENTS = [path.relative_to(DOCS).as_posix() for path in sorted(DOCS.glob("**/*.md"))
             if "```sh run" in path.read_text()]


def run(blocks, folder, environment):
    script = "set -euo pipefail\n"
    for number, (_, commands, _) in enumerate(blocks):
        script += f"{commands}\nprintf '\\001end of block %s\\n' {number}\n"
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=harness.PATIENCE_S * 3,
                          check=False)
    parts = re.split(rf"{MARK}\d+\n", done.stdout.decode(errors="replace"))
    return done.returncode, parts


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_examples_of_a_document_do_what_it_says(name, make_server, tmp_path):
    blocks = examples((DOCS / name).read_text())
    server = make_server("docs-server").start()
    folder = tmp_path / "work"
    folder.mkdir()
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "countersign").symlink_to(harness.binary())
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith("COUNTERSIGN_") and not name.startswith("XDG_")}
    whoami = server.api(server.bootstrap_key).ok("GET", "/v1/whoami")
    environment = {**kept, "HOME": str(folder), "PATH": f"{programs}:{os.environ['PATH']}", "URL": server.url,
                   "API_KEY": server.bootstrap_key, "TENANT": whoami["tenant"], "WORKSPACE": whoami["workspace"],
                   "LC_ALL": "C.UTF-8"}
    subprocess.run(["countersign", "login", "--server", server.url, "--key", server.bootstrap_key], check=True,
                   cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    status, printed = run(blocks, folder, environment)
    for (line, commands, expected), text in zip(blocks, printed):
        if len(printed) <= len(blocks) and text is printed[-1]:
            raise AssertionError(f"docs/{name}:{line}: ended with {status}:\n{commands}\n{text}")
        missing = fits(expected, text) if expected is not None else None
        assert missing is None, f"docs/{name}:{line}: no line fits {missing!r}; it printed:\n{text}"
    assert status == 0, f"docs/{name}: ended with {status}"
    assert server.stop() == 0


def test_a_wrong_page_is_found():
    page = "```sh run\necho one; echo two\n```\n\n```text output\none\nt…o\n```\n\n```sh\nnever\n```\n"
    assert examples(page) == [(2, "echo one; echo two\n", "one\nt…o\n")]
    assert fits("one\nt…o\n", "one\ntwo\n") is None
    assert fits("one\n…\n", "one\ntwo\nthree\n") is None
    assert fits("one\n", "one\ntwo\n") == "the end"
    assert fits("one\nthree\n", "one\ntwo\n") == "three"
    assert fits("…wo\n", "one\ntwo\n") == "…wo"


def test_a_failing_command_ends_the_page(tmp_path):
    blocks = [(1, "echo one\n", None), (5, "false\n", None), (9, "echo never\n", None)]
    status, printed = run(blocks, tmp_path, dict(os.environ))
    assert status == 1
    assert printed == ["one\n", ""]
