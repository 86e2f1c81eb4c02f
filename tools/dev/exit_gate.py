#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The control plane's exit gate: what it must do before anything is built on it, line by line, each with its check.

A tenant with a region, workspaces, a person who logs in through a certified
OpenID Connect provider in a real browser, a model provider's key, a workflow
from its YAML to a version that never changes, and the walls between workspaces
and regions. Runs on the embedded store and on PostgreSQL, against nothing but
this machine. Exit code 0 when every check held.

Needs chromium, node and npm (which fetches oidc-provider and playwright-core),
and for PostgreSQL its Debian package.
"""
import argparse
import contextlib
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "scenarios"))

WORKFLOW = """\
document:
  dsl: 1.0.0
  namespace: default
  name: nightly
  version: 1.0.0
  title: Restart what got stuck
do:
  - look: {call: http, with: {method: get, endpoint: 'https://example.com/health'}}
  - pause: {wait: PT30S}
"""
SECRET = "sk-exit-gate-0123456789abcdefWXYZ"
ELSEWHERE = "https://eu.countersign.example"


class Wrong(Exception):
    """A check did not hold."""


class Provider:
    """A stand-in for a model provider's endpoint: knows one key."""

    def __init__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                known = self.headers.get("Authorization") == f"Bearer {SECRET}"
                self.send_response(200 if known else 401)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Gate:
    """One server and its people; each `line` is one line of the gate."""

    def __init__(self, folder, store):
        import harness
        import web
        self.harness = harness
        self.web = web
        self.folder = pathlib.Path(folder)
        self.store = store
        self.certificate, self.key = web.make_certificate(self.folder)
        self.lines = 0

    # ---- telling and doing ----

    def line(self, what, how):
        self.lines += 1
        print(f"  {self.lines:2}  {what:<58} {how}", flush=True)

    def expect(self, truth, what):
        if not truth:
            raise Wrong(what)

    def run(self, who, *words, code=0, stdin=""):
        done = subprocess.run([str(self.harness.binary()), *words], text=True, input=stdin, capture_output=True,
                              check=False, cwd=self.folder,
                              env={**os.environ, "COUNTERSIGN_PROFILE": str(self.folder / f"{who}.json")})
        self.expect(done.returncode == code, f"`countersign {' '.join(words)}` exits with {done.returncode}, not "
                                             f"{code}:\n{done.stdout}{done.stderr}")
        return done

    def data(self, who, *words, **more):
        return json.loads(self.run(who, *words, "--json", **more).stdout)

    def start(self):
        options = ["--store-url", self.store] if self.store else []
        self.process = self.harness.Process([
            "server", "--data-folder", self.folder / "data", "--listen-port", "0", "--node-region", "us",
            "--node-region-urls", f"eu={ELSEWHERE}", "--identity-private-issuers", "--providers-allow-loopback", "true",
            "--tls-certificate", self.certificate, "--tls-key", self.key, *options])
        self.url = self.process.wait_for(r"serving.*(https://[0-9.]+:\d+)").group(1)
        key = self.process.wait_for(r"^API key:\s+(cs_\S+)").group(1)
        self.run("platform", "login", "--server", self.url, "--ca", str(self.certificate), "--key", "-", stdin=key + "\n")

    # ---- the gate ----

    def pass_through(self):
        self.tenant_and_workspaces()
        seen = self.log_in()
        self.provider_key()
        self.workflow()
        self.walls()
        self.who_am_i(seen)

    def tenant_and_workspaces(self):
        self.run("platform", "tenant", "create", "acme", "--region", "us", "--write-profile",
                 str(self.folder / "admin.json"))
        tenant = self.data("admin", "tenant", "show")
        self.expect((tenant["name"], tenant["region"]) == ("acme", "us"), f"the tenant is {tenant}")
        self.line("create tenant (name, region)", f"{tenant['name']}, {tenant['region']}, {tenant['id']}")
        self.a, self.b = (self.data("admin", "workspace", "create", name) for name in ("billing", "shop"))
        self.expect(self.a["id"] != self.b["id"] and self.a["region"] == "us", "two workspaces, in the tenant's region")
        self.line("create workspace", f"{self.a['name']} and {self.b['name']}, in {self.a['region']}")

    def log_in(self):
        whoami = self.data("admin", "whoami")
        profile = json.loads((self.folder / "admin.json").read_text())
        tenant = {"id": whoami["tenant"], "name": "acme", "key": profile["key"]}
        done = subprocess.run(["node", "exit_gate.mjs"], cwd=self.web.modules(), capture_output=True, text=True,
                              timeout=120, check=False, env={
                                  **os.environ, "SERVER": self.url, "TENANT": json.dumps(tenant),
                                  "CHROMIUM": self.web.chromium(), "NODE_EXTRA_CA_CERTS": str(self.certificate),
                                  "NODE_NO_WARNINGS": "1", "HOME": str(self.folder)})
        self.expect(done.returncode == 0, f"the log-in failed:\n{done.stdout}{done.stderr}")
        seen = json.loads(done.stdout.splitlines()[-1])
        self.expect(seen["whoami"]["tenant"] == tenant["id"], "the person is of this tenant")
        self.line("log in through a certified OIDC provider, in a browser", f"{seen['page']['name']}, by oidc-provider")
        return seen

    def provider_key(self):
        provider = Provider()
        try:
            key = self.data("admin", "provider-key", "add", "openai", "main", "--base-url", provider.url, "--workspace",
                            self.a["id"], stdin=SECRET + "\n")
            self.run("admin", "provider-key", "add", "openai", "wrong", "--base-url", provider.url, "--workspace",
                     self.a["id"], stdin="sk-not-known-0123456789abcdef0000\n", code=6)
        finally:
            provider.close()
        shown = self.run("admin", "provider-key", "show", key["id"], "--workspace", self.a["id"], "--json").stdout
        self.expect('"valid"' in shown and SECRET not in shown, f"checked, and not shown: {shown}")
        stored = [path for path in (self.folder / "data").rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
        self.expect(not stored, f"the key stands in {stored}")
        self.line("store an OpenAI key, encrypted and validated", f"…{key['last_four'] if 'last_four' in key else SECRET[-4:]}; "
                                                                  "a wrong one is refused; no file has it")

    def workflow(self):
        file = self.folder / "nightly.yaml"
        file.write_text(WORKFLOW)
        at_a = ("--workspace", self.a["id"])
        draft = self.data("admin", "definition", "create", "workflow", str(file), *at_a)
        self.expect(draft["state"] == "draft" and draft["name"] == "nightly", f"a draft: {draft}")
        self.line("create a workflow from YAML", f"{draft['name']} {draft['version']}, a draft")
        self.run("admin", "definition", "publish", draft["id"], "--digest", draft["digest"], *at_a)
        file.write_text(WORKFLOW.replace("PT30S", "PT31S"))
        refused = self.run("admin", "definition", "create", "workflow", str(file), *at_a, code=5)
        self.expect("final" in refused.stderr, refused.stderr)
        self.line("publish a version, immutable", f"sha256:{draft['digest'][:16]}…; other bytes are refused")
        lists = [[item["name"] for item in
                  self.data("admin", "definition", "list", "--kind", "workflow", "--state", "published", "--workspace",
                            workspace["id"])["items"]] for workspace in (self.a, self.b)]
        self.expect(lists == [["nightly"], []], f"the lists are {lists}")
        self.line("list published workflows, filtered by workspace", f"{self.a['name']}: nightly; {self.b['name']}: none")

    def walls(self):
        bob = self.data("admin", "principal", "create", "user", "bob", "--role", "guest")
        # Nothing at the tenant: all that bob may is in one workspace.
        for binding in self.data("admin", "binding", "list", "--principal", "bob")["items"]:
            self.run("admin", "binding", "delete", binding["id"])
        self.data("admin", "binding", "create", bob["id"], "viewer", "--workspace-id", self.b["id"])
        self.run("admin", "key", "create", "bob", "--write-profile", str(self.folder / "bob.json"))
        self.run("bob", "definition", "list", "--workspace", self.b["id"])
        hidden = self.run("bob", "definition", "list", "--workspace", self.a["id"], code=4)
        never = self.run("bob", "definition", "list", "--workspace", self.a["id"][:-4] + "zzzz", code=4)
        self.expect(hidden.stderr.split("[")[0] == never.stderr.split("[")[0],
                    f"a hidden workspace answers like none at all: {hidden.stderr}{never.stderr}")
        self.line("a user of workspace B cannot see workspace A's", "404, as if it never was")
        vault = self.data("admin", "workspace", "create", "vault", "--region", "eu")
        sent_away = self.run("admin", "definition", "list", "--workspace", vault["id"], code=6)
        self.expect(f"ask {ELSEWHERE}" in sent_away.stderr, f"sent to the EU: {sent_away.stderr}")
        self.expect("WRONG_REGION" in self.run("admin", "audit", "entries", "--limit", "5", "--json").stdout,
                    "the refusal is in the log")
        self.expect(not list((self.folder / "data").glob("cells/eu/*")), "no EU cell on this node")
        self.line("a US workspace cannot reach EU data", f"421, ask {ELSEWHERE}; logged; no byte of it is here")

    def who_am_i(self, seen):
        whoami = seen["whoami"]
        self.expect(whoami["tenant_name"] == "acme" and whoami["name"] == seen["page"]["name"], f"whoami: {whoami}")
        self.expect(seen["page"]["tenant"] == "acme" and seen["page"]["workspaces"], f"the page: {seen['page']}")
        self.line("whoami shows tenant, workspace and user", f"{whoami['tenant_name']}, {whoami.get('workspace', '')}, {whoami['name']}")
        workspaces = ", ".join(" ".join(text.split()) for text in seen["page"]["workspaces"])
        self.line("… and so does a page in the browser", f"{seen['page']['tenant']}, {workspaces}, {seen['page']['name']}")


def pass_once(title, store):
    folder = tempfile.mkdtemp(prefix="countersign-gate-")
    begun = time.monotonic()
    print(f"\n{title}\n{'-' * len(title)}")
    gate = Gate(folder, store)
    try:
        gate.start()
        gate.pass_through()
        gate.expect(gate.process.stop() == 0, "the server ends cleanly")
        print(f"\n{gate.lines} lines held, in {time.monotonic() - begun:.0f} seconds.")
        return True
    except Wrong as why:
        print(f"\nThe gate is SHUT: {why}", file=sys.stderr)
        return False
    finally:
        if hasattr(gate, "process") and gate.process.process.poll() is None:
            gate.process.kill()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def database():
    import harness
    import postgres
    if "COUNTERSIGN_TEST_POSTGRES" in os.environ:
        place = postgres.Place(os.environ["COUNTERSIGN_TEST_POSTGRES"])
        yield place.url(postgres.SERVER, place.migrated(harness.binary(), "us"))
        return
    cluster = postgres.Postgres()
    try:
        yield cluster.url(postgres.SERVER, cluster.migrated(harness.binary(), "us"))
    finally:
        cluster.remove()


def main():
    parser = argparse.ArgumentParser(prog="./dev exit-gate", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, help=argparse.SUPPRESS,
                        default=ROOT / "build" / "release" / "src" / "server" / "countersign")
    parser.add_argument("--store", choices=["embedded", "postgres", "both"], default="both")
    arguments = parser.parse_args()
    os.environ["COUNTERSIGN_BINARY"] = str(arguments.binary.resolve())
    import postgres
    import web
    try:
        web.chromium()
        web.modules()
    except web.Unavailable as why:
        print(f"./dev exit-gate: {why}", file=sys.stderr)
        return 1
    ok = True
    if arguments.store != "postgres":
        ok = pass_once("On the embedded store", None)
    if arguments.store != "embedded":
        if postgres.programs() is None:
            print("./dev exit-gate: no PostgreSQL is installed (postgresql-15)", file=sys.stderr)
            return 1
        with database() as url:
            ok = pass_once("On PostgreSQL", url) and ok
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
