#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The main job, told step by step on a real Docker Engine.

An agent asks to remove a running container; a person reads what would happen
and signs; the executor, which alone holds the Docker socket, does it once; six
attempts to get around it are refused; a stranger checks the record offline.

Uses the Docker Engine that runs here or, as root, a private one with its own
data folder and socket, which is ended afterwards. Everything else is in a
temporary folder. Exit code 0 when every step went as told.
"""
import argparse
import base64
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "scenarios"))

import engine as docker_engine  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402

STATEMENT = "application/vnd.countersign.statement.v1+json"


class Wrong(Exception):
    """A step did not go as it is told."""


class Demo:
    def __init__(self, program, folder, engine, color):
        self.program = str(program.resolve())
        self.folder = pathlib.Path(folder)
        self.engine = engine
        self.color = color
        self.dev = None
        self.url = None

    # ---- telling ----

    def heading(self, text):
        print(f"\n\033[1m{text}\033[0m" if self.color else f"\n{text}\n{'=' * len(text)}", flush=True)

    def say(self, text):
        print(f"\n{text}", flush=True)

    def show(self, who, words, output):
        print(f"\n  {who} $ countersign {' '.join(words)}")
        for line in output.rstrip("\n").splitlines():
            print(f"  {line}".rstrip())
        sys.stdout.flush()

    def expect(self, truth, what):
        if not truth:
            raise Wrong(what)

    # ---- doing ----

    def environment(self, who):
        return {**os.environ, "COUNTERSIGN_PROFILE": str(self.folder / f"{who}.json")}

    def run(self, who, *words, code=0, quiet=False, brief=False):
        """One command of the client. `brief`: what it shows was seen before, only its last line is of interest."""
        done = subprocess.run([self.program, *words], env=self.environment(who), cwd=self.folder, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        output = done.stdout
        if brief:
            output = "[…]\n" + output.rstrip("\n").splitlines()[-1]
        if not quiet:
            self.show(who, words, output)
        if code is not None:
            self.expect(done.returncode == code, f"`countersign {' '.join(words)}` exits with {done.returncode}, not "
                                                 f"{code}:\n{done.stdout}")
        return done.stdout

    def data(self, who, *words):
        return json.loads(self.run(who, *words, "--json", quiet=True))

    def docker(self, *words, show=False):
        done = subprocess.run(["docker", "-H", f"unix://{self.engine.socket}", *words], text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.expect(done.returncode == 0, f"docker {' '.join(words)}: {done.stdout}")
        if show:
            print(f"\n  host $ docker {' '.join(words)}")
            for line in done.stdout.rstrip("\n").splitlines():
                print(f"  {line}")
            sys.stdout.flush()
        return done.stdout

    def call(self, key, method, path, body=None):
        """The bare API, for what no honest client does."""
        request = urllib.request.Request(self.url + path, method=method,
                                         data=json.dumps(body).encode() if body is not None else None)
        request.add_header("Authorization", f"Bearer {key}")
        if body is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as problem:
            return problem.code, json.loads(problem.read())

    def profile(self, who):
        return json.loads((self.folder / f"{who}.json").read_text())

    # ---- the story ----

    def begin(self):
        self.heading("Before: a container, and a control plane that does not hold the Docker socket")
        self.engine.make_image("countersign-demo:1")
        self.engine.run_container("web", "countersign-demo:1", "sleep", "100000")
        self.docker("ps", "--format", "{{.Names}}  {{.Image}}  {{.Status}}", show=True)
        log = (self.folder / "dev.log").open("w")
        self.dev = subprocess.Popen([self.program, "dev", "--data", str(self.folder / "data"), "--listen-port", "0",
                                     "--docker-socket", self.engine.socket], cwd=self.folder, text=True,
                                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        for line in self.dev.stdout:
            found = re.search(r"Countersign is at (\S+)", line)
            if found:
                self.url = found.group(1)
            if "Ctrl-C ends" in line:
                break
        self.expect(self.url, "countersign dev did not start:\n" + (self.folder / "dev.log").read_text())
        for who in ("admin", "agent"):
            for ending in ("json", "key"):
                source = self.folder / "data" / f"{who}.{ending}"
                if source.exists() and ending == "json":
                    profile = json.loads(source.read_text())
                    if "signing_key" in profile:
                        profile["signing_key"] = str((self.folder / profile["signing_key"]).resolve())
                    target = self.folder / f"{who}.json"
                    target.touch(0o600)
                    target.write_text(json.dumps(profile))
        self.say("The administrator makes an approver, Anna, who makes her own key; the administrator puts it on the\n"
                 "roster, which executors follow. Eve may approve too, but nobody has put her on the roster.")
        for name in ("anna", "eve"):
            self.run("admin", "principal", "create", "user", name, "--role", "approver", quiet=True)
            self.run("admin", "key", "create", name, "--write-profile", f"{name}.json", quiet=True)
            self.run(name, "signing-key", "create", quiet=True)
        self.run("admin", "roster", "add", "anna", "--role", "approver", "--yes")

    def ask(self):
        self.heading("1. The agent asks, and waits")
        words = ["action", "submit", "test", "docker", "container.remove", "web", "--force", "--wait", "--task",
                 "clean up", "--instruction", "Remove the old web container. Its removal is approved already."]
        waiting = subprocess.Popen([self.program, *words], env=self.environment("agent"), cwd=self.folder, text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        first = waiting.stdout.readline()
        self.show("agent", [f'"{w}"' if " " in w else w for w in words], first)
        found = re.search(r"(act_\w+) is pending", first)
        self.expect(found, first + waiting.stdout.read() if not found else "")
        return found.group(1), waiting

    def approve(self, action):
        self.heading("2. The approver reads exactly what would happen, and signs it")
        self.run("anna", "action", "list", "--state", "pending")
        self.run("anna", "approve", action, "--yes")

    def happen(self, action, waiting):
        self.heading("3. The executor verifies everything itself and runs it once; the agent's wait ends")
        rest, _ = waiting.communicate(timeout=60)
        print("\n" + "\n".join("  " + line for line in rest.rstrip("\n").splitlines()))
        self.expect(waiting.returncode == 0, f"the agent's wait ends with {waiting.returncode}")
        self.docker("ps", "-a", "--format", "{{.Names}}  {{.Image}}  {{.Status}}", show=True)
        self.expect("web" not in self.docker("ps", "-a", "--format", "{{.Names}}"), "the container is still there")
        self.say(f"The container is gone, and {action} can never run again.")

    def refusals(self, done):
        self.heading("4. Six ways around it, refused")
        self.engine.run_container("web", "countersign-demo:1", "sleep", "100000")
        asked = self.data("agent", "action", "submit", "test", "docker", "container.remove", "web", "--force")

        self.say("a) The agent makes a key of its own and approves its own action.")
        self.run("agent", "signing-key", "create", code=3)
        self.run("agent", "approve", asked["id"], "--yes", code=3, brief=True)

        self.say("b) An approver who is not on the roster.")
        self.run("eve", "approve", asked["id"], "--yes", code=3, brief=True)

        self.say("c) The same claim again, with the executor's own credential.")
        workspace = self.profile("agent")["workspace"]
        key = docker_engine.executor_key(self.folder / "data" / "executor")
        status, problem = self.call(key, "POST", f"/v1/workspaces/{workspace}/actions/{done}/claim")
        print(f"  {status} {problem['code']}: {problem['detail']}")
        self.expect(status == 409, "the second claim was not refused")

        self.say("d) Anna's signature over a statement in which one byte was changed.")
        statement = bytearray(base64.b64decode(asked["statement"]))
        place = statement.index(b'"web"') + 1
        statement[place] ^= 1
        print(f"  signed: …{statement[place - 20:place + 6].decode()}…")
        pem = self.folder / "anna.key"
        private = serialization.load_pem_private_key(pem.read_bytes(), None)
        kind = STATEMENT.encode()
        pae = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(statement), bytes(statement))
        keyid = self.data("anna", "signing-key", "list")["items"][0]["keyid"]
        body = {"verdict": "approve", "signature": {"keyid": keyid, "sig": base64.b64encode(private.sign(pae)).decode()}}
        status, problem = self.call(self.profile("anna")["key"], "POST",
                                    f"/v1/workspaces/{workspace}/actions/{asked['id']}/decisions", body)
        print(f"  {status} {problem['code']}: {problem['detail']}")
        self.expect(problem["code"] == "BAD_SIGNATURE", "the altered statement was not refused")

        self.say("e) An action whose time is over.")
        late = self.data("agent", "action", "submit", "test", "docker", "container.remove", "web", "--force",
                         "--expires-in", "1s")
        self.run("agent", "action", "wait", late["id"], code=10, quiet=True)
        self.run("anna", "approve", late["id"], "--yes", code=5, brief=True)

        self.say("f) Another tenant's administrator reads the action: the same answer as for an id that never was.")
        self.run("admin", "tenant", "create", "other", "--write-profile", "other.json", quiet=True)
        other = self.profile("other")["key"]
        never = asked["id"][:-1] + ("0" if asked["id"][-1] != "0" else "1")
        answers = []
        for name in (asked["id"], never):
            status, problem = self.call(other, "GET", f"/v1/workspaces/{workspace}/actions/{name}")
            print(f"  {name}: {status} {problem['code']}: {problem['detail']}")
            problem.pop("request")
            answers.append((status, json.dumps(problem)))
        self.expect(answers[0] == answers[1] and answers[0][0] == 404, "the answers differ")

        self.expect(self.data("agent", "action", "show", asked["id"])["state"] == "pending",
                    "one of the refusals had an effect")
        self.expect("web" in self.docker("ps", "--format", "{{.Names}}"), "the second container is gone")
        self.say("After all six the second container still runs:")
        self.docker("ps", "--format", "{{.Names}}  {{.Image}}  {{.Status}}", show=True)

    def prove(self, done):
        self.heading("5. A stranger checks the record, with the file and the log's public key only")
        self.run("admin", "audit", "key")
        key = self.run("admin", "audit", "key", "--bare", quiet=True)
        (self.folder / "log.vkey").write_text(key)
        self.run("admin", "audit", "export", "--out", "log.ndjson")
        self.run("admin", "action", "receipt", done, "--out", "receipt.json")
        self.say("From here on nothing is asked of the server; the stranger has no profile at all.")
        self.run("stranger", "audit", "verify", "log.ndjson", "--key-file", "log.vkey")
        self.run("stranger", "audit", "verify", "receipt.json", "--key-file", "log.vkey")
        bytes_ = bytearray((self.folder / "log.ndjson").read_bytes())
        place = bytes_.index(b"succeeded") if b"succeeded" in bytes_ else len(bytes_) // 2
        before, bytes_[place] = bytes_[place], bytes_[place] ^ 1
        (self.folder / "altered.ndjson").write_bytes(bytes(bytes_))
        self.say(f"Now one byte of the file is changed, number {place}: {chr(before)!r} becomes {chr(bytes_[place])!r}.")
        self.run("stranger", "audit", "verify", "altered.ndjson", "--key-file", "log.vkey", code=9)

    def end(self):
        if self.dev and self.dev.poll() is None:
            self.dev.send_signal(signal.SIGINT)
            try:
                code = self.dev.wait(60)
            except subprocess.TimeoutExpired:
                self.dev.kill()
                raise Wrong("countersign dev did not end after Ctrl-C") from None
            self.expect(code == 0, f"countersign dev ends with {code}:\n" + (self.folder / "dev.log").read_text())

    def tell(self):
        self.begin()
        action, waiting = self.ask()
        self.approve(action)
        self.happen(action, waiting)
        self.refusals(action)
        self.prove(action)


def main():
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, help=argparse.SUPPRESS,
                        default=ROOT / "build" / "release" / "src" / "server" / "countersign")
    parser.add_argument("--keep", action="store_true", help="keep the folder with profiles, store and log")
    arguments = parser.parse_args()
    try:
        engine = docker_engine.start()
    except docker_engine.Unavailable as why:
        print(f"./dev demo needs a Docker Engine: {why}", file=sys.stderr)
        return 1
    folder = tempfile.mkdtemp(prefix="countersign-demo-")
    begun = time.monotonic()
    demo = Demo(arguments.binary, folder, engine, sys.stdout.isatty())
    failed = None
    try:
        demo.tell()
    except Wrong as why:
        failed = str(why)
    finally:
        try:
            demo.end()
        except Wrong as why:
            failed = failed or str(why)
        engine.remove_container("web")
        engine.stop()
        if arguments.keep:
            print(f"\nKept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if failed:
        print(f"\nThe demo FAILED: {failed}", file=sys.stderr)
        return 1
    print(f"\nThat was all of it, in {time.monotonic() - begun:.0f} seconds.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
