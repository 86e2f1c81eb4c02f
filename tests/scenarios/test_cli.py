# SPDX-License-Identifier: Apache-2.0
"""The command line, as a person and as a program use it."""
import contextlib
import http.server
import json
import pathlib
import re
import subprocess
import threading

import pytest

from conftest import new_tenant
from harness import Cli, HandExecutor, binary, mode_of

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Place:
    """A tenant that was set up with nothing but the command line."""

    def __init__(self, server, folder):
        self.server = server
        self.folder = folder
        self.tenant = new_tenant(server)
        self.admin = Cli(folder, server.url, self.tenant.admin.api.key)
        self.admin.run("signing-key", "create")
        self.admin.run("roster", "init", "--yes")
        self.anna = self.person("user", "anna", "approver")
        self.anna.run("signing-key", "create")
        self.admin.run("roster", "add", "anna", "--role", "approver", "--yes")
        self.bot = self.person("agent", "bot", "agent")
        self.executor = HandExecutor(self.tenant).answer_resolutions()

    def person(self, kind, name, role):
        self.admin.run("principal", "create", kind, name, "--role", role)
        cli = Cli(self.folder)
        self.admin.run("key", "create", name, "--write-profile", cli.profile)
        return cli


@pytest.fixture
def place(server, tmp_path):
    made = Place(server, tmp_path)
    yield made
    made.executor.close()


def submit(cli, *more, code=0):
    return cli.json("action", "submit", "test", "docker", "container.remove", "web", "--force", *more, code=code)


def test_profile_and_keys_are_for_their_owner_only(place):
    assert mode_of(place.admin.profile) == 0o600
    assert mode_of(place.admin.profile.with_suffix(".key")) == 0o600
    assert mode_of(place.bot.profile) == 0o600
    place.bot.profile.chmod(0o644)
    done = place.bot.run("whoami", code=1)
    assert "chmod 600" in done.stderr


def test_the_main_job_on_the_command_line(place):
    waiting = place.bot.start("action", "submit", "test", "docker", "container.remove", "web", "--force", "--wait",
                              "--task", "clean up", "--instruction", "do it")
    action = re.search(r"(act_\w+) is pending", waiting.stdout.readline()).group(1)
    assert action in place.anna.run("action", "list", "--state", "pending").stdout
    shown = place.anna.run("approve", action, "--yes").stdout
    assert "Approved. The action is approved." in shown
    assert "web" in shown and "The asker's own words" in shown and "| do it" in shown
    claim = place.executor.claim(action)
    record = place.bot.json("action", "show", action)
    place.executor.report(record, claim)
    rest, _ = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, rest
    assert "succeeded" in rest


def test_exit_statuses_tell_what_happened(place):
    action = submit(place.bot)
    assert place.bot.run("action", "wait", action["id"], "--timeout", "200ms", code=13)
    place.bot.run("approve", action["id"], "--yes", code=1)  # no signing key
    place.anna.run("reject", action["id"], "--yes")
    place.bot.run("action", "wait", action["id"], code=10)
    place.anna.run("approve", action["id"], "--yes", code=5)
    place.bot.run("action", "show", "act_00000000000000000000000000", code=4)
    place.bot.run("action", "show", "nonsense", code=2)
    place.bot.run("no-such-command", code=2)
    place.bot.run("whoami", "--no-such-option", code=2)
    place.bot.run("principal", "create", "agent", "x", "--role", "agent", code=3)
    place.bot.run("action", "submit", "test", "docker", "container.explode", "web", code=6)
    place.bot.run("whoami", "--server", "http://127.0.0.1:1", code=7)


def test_a_question_that_nobody_can_answer_signs_nothing(place):
    action = submit(place.bot)
    done = place.anna.run("approve", action["id"], stdin="y\n", code=1)
    assert "no terminal" in done.stderr
    assert place.bot.json("action", "show", action["id"])["state"] == "pending"


def test_the_digest_can_be_demanded(place):
    action = submit(place.bot)
    done = place.anna.run("approve", action["id"], "--yes", "--digest", "0" * 64, code=9)
    assert action["digest"] in done.stderr
    place.anna.run("approve", action["id"], "--yes", "--digest", action["digest"])


@contextlib.contextmanager
def liar(answer, status=200):
    """(its URL, the bodies of its POSTs) of a server that answers everything with this."""
    text = json.dumps(answer).encode()
    posted = []

    class Liar(http.server.BaseHTTPRequestHandler):
        def reply(self):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = reply

        def do_POST(self):
            posted.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.reply()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", posted
    finally:
        server.shutdown()
        server.server_close()


def test_a_server_cannot_have_another_action_signed(place):
    asked, other = submit(place.bot), submit(place.bot)
    with liar(place.bot.json("action", "show", other["id"])) as (url, posted):
        done = place.anna.run("approve", asked["id"], "--yes", "--server", url, code=9)
    assert "another action" in done.stderr
    assert not posted


def test_what_a_server_says_cannot_move_the_cursor(place):
    erase = "\x1b[2J\x07"
    with liar({"code": "CONFLICT", "detail": f"no{erase}", "pointer": f"/{erase}", "request": erase}, 409) as (url, _):
        refused = place.bot.run("action", "list", "--server", url, code=5)
    with liar({"id": f"act_{erase}", "state": f"approved{erase}"}) as (url, _):
        waited = place.bot.run("action", "submit", "test", "docker", "container.list", "--wait", "--timeout", "50ms",
                               "--server", url, code=None)
    assert "no<U+001B>" in refused.stderr and "/<U+001B>" in refused.stderr
    assert "is approved<U+001B>" in waited.stdout
    for said in (refused.stderr, waited.stdout, waited.stderr):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", said), said


def test_hostile_words_cannot_move_the_cursor(place):
    action = submit(place.bot, "--task", "\x1b[2J\x1b[1;1Happroved", "--instruction", "a\x1b]0;owned\x07b\u202ec\rd")
    shown = place.anna.run("action", "show", action["id"]).stdout
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]", shown)
    assert "<U+001B>" in shown and "<U+202E>" in shown


def test_parameters_are_typed_by_the_catalogue(place):
    place.bot.run("action", "submit", "test", "docker", "container.remove", "web", "--forse", code=2)
    place.bot.run("action", "submit", "test", "docker", "container.remove", "web", "--force=maybe", code=2)
    same = place.bot.json("action", "submit", "test", "docker", "container.remove", "web", "--param", "force=true")
    shown = place.bot.run("action", "show", same["id"]).stdout
    assert re.search(r"(?i)even while it runs\s+yes", shown), shown


def test_receipt_export_and_verification(place, tmp_path):
    place.tenant.keep_content()
    action = submit(place.bot)
    place.anna.run("approve", action["id"], "--yes")
    place.executor.report(action, place.executor.claim(action["id"]))
    (tmp_path / "vkey").write_text(place.admin.run("audit", "key", "--bare").stdout)
    place.admin.run("audit", "export", "--out", tmp_path / "log.ndjson")
    place.admin.run("action", "receipt", action["id"], "--out", tmp_path / "receipt.json")
    place.admin.run("action", "envelope", action["id"], "--out", tmp_path / "envelope.json")
    stranger = Cli(tmp_path)
    for name in ("log.ndjson", "receipt.json"):
        done = stranger.run("audit", "verify", tmp_path / name, "--key-file", tmp_path / "vkey")
        assert "holds" in done.stdout
    # Any piece of an entry's text would be found in all of them: only an action's id names an action.
    receipt = json.loads((tmp_path / "receipt.json").read_text())
    for name in ("act_", 'time":"', receipt["action"][:-1]):
        (tmp_path / "other.json").write_text(json.dumps({**receipt, "action": name}))
        stranger.run("audit", "verify", tmp_path / "other.json", "--key-file", tmp_path / "vkey", code=9)
    other = new_tenant(place.server)
    key = other.admin.api.ok("GET", f"{other.path}/log/key")["key"]
    stranger.run("audit", "verify", tmp_path / "log.ndjson", "--key", key, code=9)
    bytes_ = (tmp_path / "log.ndjson").read_bytes()
    for place_ in range(0, len(bytes_), max(1, len(bytes_) // 23)):
        altered = bytearray(bytes_)
        altered[place_] ^= 1
        (tmp_path / "altered").write_bytes(altered)
        done = stranger.run("audit", "verify", tmp_path / "altered", "--key-file", tmp_path / "vkey", code=9)
        assert "line" in done.stderr, done.stderr
    (tmp_path / "altered").write_bytes(bytes_[:len(bytes_) // 2])
    stranger.run("audit", "verify", tmp_path / "altered", "--key-file", tmp_path / "vkey", code=9)


def test_a_roster_threshold_of_two_needs_two(place):
    second = place.person("user", "second", "administrator")
    second.run("signing-key", "create")
    place.admin.run("roster", "add", "second", "--role", "administrator", "--threshold", "2", "--yes")
    file = place.folder / "next.json"
    place.admin.run("roster", "remove", "anna", "--yes", code=2)
    place.admin.run("roster", "remove", "anna", "--yes", "--out", file)
    assert "anna" in place.admin.run("roster", "show").stdout
    second.run("roster", "sign", file, "--yes")
    assert "anna" not in place.admin.run("roster", "show").stdout


def test_a_server_that_shows_another_roster_is_found_out(place):
    place.admin.run("roster", "show")
    profile = json.loads(place.admin.profile.read_text())
    assert profile["roster_version"] == 2
    profile["roster_digest"] = "0" * 64
    place.admin.profile.write_text(json.dumps(profile))
    done = place.admin.run("roster", "show", code=9)
    assert "not the one" in done.stderr


def test_lists_come_page_by_page(place):
    for number in range(7):
        place.admin.run("principal", "create", "agent", f"agent-{number}", "--role", "agent")
    names = {item["name"] for item in place.admin.json("principal", "list")["items"]}
    assert {f"agent-{n}" for n in range(7)} <= names
    assert len(place.admin.json("principal", "list", "--limit", "3")["items"]) == 3


def test_events_follow_and_end(place):
    action = submit(place.bot)
    done = place.admin.run("events", "--after", "0", "--count", "3")
    assert len(done.stdout.splitlines()) == 3
    del action


def test_every_command_has_a_page_and_the_help_lists_it():
    page = subprocess.run([binary(), "--help"], capture_output=True, text=True, check=True).stdout
    names = re.findall(r"^  ([a-z][a-z-]*(?: [a-z][a-z-]*)?)  ", page, re.M)
    assert len(names) > 30
    for name in names:
        own = subprocess.run([binary(), *name.split(), "--help"], capture_output=True, text=True, check=False)
        assert own.returncode == 0, (name, own.stderr)
        assert f"countersign {name}" in own.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completions_are_scripts_that_the_shell_takes(shell, tmp_path):
    script = subprocess.run([binary(), "completions", shell], capture_output=True, text=True, check=True).stdout
    (tmp_path / "script").write_text(script)
    assert "action submit" in script and "--expires-in" in script
    if shell == "bash":
        probe = (f". {tmp_path}/script; COMP_WORDS=(countersign action su); COMP_CWORD=2; _countersign; "
                 'echo "${COMPREPLY[@]}"; COMP_WORDS=(countersign action submit --exp); COMP_CWORD=3; _countersign; '
                 'echo "${COMPREPLY[@]}"')
        done = subprocess.run(["bash", "-c", probe], capture_output=True, text=True, check=True)
        assert done.stdout.split("\n")[:2] == ["submit", "--expires-in"], done.stdout + done.stderr


def commands_in_documents():
    """Lines `$ countersign …` of the documentation's shell blocks, in order, with their file."""
    found = []
    for path in sorted([ROOT / "README.md", *ROOT.glob("docs/*.md")]):
        if not path.exists():
            continue
        for block in re.findall(r"^```(?:sh|console)\n(.*?)^```", path.read_text(), re.M | re.S):
            for line in block.splitlines():
                if line.startswith("$ countersign "):
                    found.append((path.name, line[2:]))
    return found


@pytest.mark.parametrize("file,line", commands_in_documents())
def test_commands_in_the_documentation_are_commands(file, line):
    """Each is parsed by the real program: `--help` behind it shows its page, and its options are known."""
    words = line.split("#")[0].split("|")[0].split(">")[0].split()[1:]
    if words[0] in ("server", "executor", "dev", "config", "cel"):
        return
    done = subprocess.run([binary(), *words, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{file}: {line}: {done.stderr}"
