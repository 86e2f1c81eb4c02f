# SPDX-License-Identifier: Apache-2.0
"""What the scenarios are told with: a real server, executors, tenants, people.

Everything runs the program that COUNTERSIGN_BINARY names (build/test unless
told) from outside, on a loopback port and in a folder of its own.
"""
import base64
import collections
import hashlib
import itertools
import json
import os
import pathlib
import random
import re
import signal
import socket
import stat
import subprocess
import threading
import time
import weakref

import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

import postgres

ROOT = pathlib.Path(__file__).resolve().parents[2]
STATEMENT = "application/vnd.countersign.statement.v1+json"
REJECTION = "application/vnd.countersign.rejection.v1+json"
ROSTER = "application/vnd.countersign.roster.v1+json"
REPORT = "application/vnd.countersign.report.v1+json"
PATIENCE_S = float(os.environ.get("COUNTERSIGN_PATIENCE", "60"))

_names = itertools.count(1)


def binary():
    named = os.environ.get("COUNTERSIGN_BINARY")
    path = pathlib.Path(named) if named else ROOT / "build" / "test" / "src" / "server" / "countersign"
    return path.resolve()


def on_postgres():
    """Whether the servers of this run keep their data in PostgreSQL (postgres.py run …)."""
    return os.environ.get("COUNTERSIGN_TEST_STORE") == "postgres"


def sanitizer_options(name="ASAN_OPTIONS", **options):
    """An environment in which a sanitizer has these options besides those that it has anyway; others ignore it."""
    given = [os.environ[name]] if os.environ.get(name) else []
    return {name: ":".join([*given, *(f"{option}={value}" for option, value in options.items())])}


def may_trace():
    """Whether this process may look into those that do not let it (CAP_SYS_PTRACE)."""
    return bool(int(re.search(r"^CapEff:\s+(\w+)", pathlib.Path("/proc/self/status").read_text(), re.M)[1], 16) >> 19 & 1)


# How much memory a server takes can be read by its own user only when it says so.
LOOK_INSIDE = () if may_trace() else ("--process-core-dumps", "true")


def unique(stem):
    return f"{stem}-{os.getpid()}-{next(_names)}"


def canonical(value):
    """RFC 8785 for what our documents hold: objects, arrays, strings, small integers."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def pae(payload_type, payload):
    """DSSE's pre-authentication encoding."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


class Key:
    """An Ed25519 key of a person or an executor."""

    def __init__(self):
        self.private = ed25519.Ed25519PrivateKey.generate()
        self.public = self.private.public_key().public_bytes(serialization.Encoding.Raw,
                                                             serialization.PublicFormat.Raw)
        self.id = hashlib.sha256(self.public).hexdigest()

    @property
    def public_text(self):
        return base64.b64encode(self.public).decode()

    def signature(self, payload_type, payload):
        return {"keyid": self.id, "sig": base64.b64encode(self.private.sign(pae(payload_type, payload))).decode()}

    def envelope(self, payload_type, payload, *others):
        return {"payloadType": payload_type, "payload": base64.b64encode(payload).decode(),
                "signatures": [key.signature(payload_type, payload) for key in (self, *others)]}

    def write_pem(self, path):
        text = self.private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                          serialization.NoEncryption())
        path.touch(0o600)
        path.write_bytes(text)


class Process:
    """A role of the program, or another program, with its log lines."""

    every = weakref.WeakSet()

    def __init__(self, arguments, env=None, cwd=None, program=None):
        self.arguments = [str(program or binary()), *map(str, arguments)]
        self.name = f"{pathlib.Path(self.arguments[0]).name} {arguments[0]}"
        self.told = False  # what broke it stands in a story's message already (accidents.py)
        self.lines = collections.deque(maxlen=5000)
        self.changed = threading.Condition()
        self.ended = False
        self.process = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, env={**os.environ, **(env or {})}, cwd=cwd)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        Process.every.add(self)

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.decode(errors="replace").rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    @property
    def text(self):
        with self.changed:
            return "\n".join(self.lines)

    def wait_for(self, pattern, timeout=PATIENCE_S):
        """The match of the first line that has the pattern; waits for it."""
        def found():
            for line in self.lines:
                match = re.search(pattern, line)
                if match:
                    return match
            return None

        with self.changed:
            if not self.changed.wait_for(lambda: found() or self.ended, timeout):
                raise AssertionError(f"no line with {pattern!r} came:\n" + "\n".join(self.lines))
            match = found()
        if match is None:
            raise AssertionError(f"it ended without a line with {pattern!r}:\n{self.text}")
        return match

    def wait(self, timeout=PATIENCE_S):
        code = self.process.wait(timeout)
        self.reader.join(timeout)
        return code

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def kill(self):
        return self.stop(signal.SIGKILL)

    @property
    def is_under_asan(self):
        return "libasan" in pathlib.Path(f"/proc/{self.process.pid}/maps").read_text()

    @property
    def memory_bytes(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return int(re.search(r"^Rss:\s+(\d+) kB", text, re.M).group(1)) * 1024


def free_port():
    """One below those that the system gives to connections: nobody takes it while its server is down for a moment."""
    while True:
        port = random.randrange(10000, 32768)
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
                return port
            except OSError:
                continue


class Server:
    """`countersign server` on a data folder that outlives it."""

    def __init__(self, folder, env=None, options=(), shared_store=None, regions=("local",)):
        self.folder = pathlib.Path(folder)
        self.data = self.folder / "data"
        self.clock_file = self.folder / "clock"
        self.url = None
        self.port = 0
        self.bootstrap_key = None
        self.env = {"COUNTERSIGN_CLOCK_OFFSET_FILE": str(self.clock_file), **(env or {})}
        if "COUNTERSIGN_EXCHANGES" in os.environ:
            # The server itself writes what it was asked and what it answered (tools/check_exchanges.py).
            log = pathlib.Path(os.environ["COUNTERSIGN_EXCHANGES"]) / f"{unique('server')}.log"
            self.env["COUNTERSIGN_EXCHANGE_LOG"] = str(log)
        self.options = list(options)
        if shared_store:
            self.options += ["--store-url", shared_store]
        elif on_postgres():
            place = postgres.Place(os.environ["COUNTERSIGN_TEST_POSTGRES"])
            self.options += ["--store-url", place.url(postgres.SERVER, place.migrated(binary(), *regions))]
        self.process = None

    def start(self, env=None, ready=True):
        """Takes a free port at the first start, and the same one ever after."""
        self.port = self.port or free_port()
        self.process = Process(["server", "--data-folder", self.data, "--listen-port", self.port,
                                "--rate-address", "0", "--rate-standard-tenant", "none", "--rate-standard-principal", "none",
                                *LOOK_INSIDE, *self.options], env={**self.env, **(env or {})})
        if ready:
            self.url = self.process.wait_for(r"serving.*(http://[0-9.]+:\d+)").group(1)
            self.port = int(self.url.rsplit(":", 1)[1])
            if self.bootstrap_key is None:
                self.bootstrap_key = self.process.wait_for(r"^API key:\s+(cs_\S+)").group(1)
        return self

    def stop(self):
        return self.process.stop() if self.process else 0

    def kill(self):
        return self.process.kill()

    def restart(self, env=None):
        if self.process and self.process.process.poll() is None:
            self.stop()
        return self.start(env)

    def set_clock_offset_ms(self, offset):
        temporary = self.clock_file.with_suffix(".new")
        temporary.write_text(str(offset))
        temporary.replace(self.clock_file)

    def api(self, key=None):
        return Api(self.url, key)


class Api:
    """The public API with one credential."""

    def __init__(self, url, key=None):
        self.url = url
        self.key = key
        self.session = requests.Session()
        self.session.trust_env = False

    def request(self, method, path, body=None, *, raw=None, headers=None, params=None, timeout=PATIENCE_S, stream=False):
        sent = dict(headers or {})
        if self.key is not None:
            sent.setdefault("Authorization", f"Bearer {self.key}")
        data = raw
        if body is not None:
            data = json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        response = self.session.request(method, self.url + path, data=data, headers=sent, params=params,
                                        timeout=timeout, stream=stream, allow_redirects=False)
        return response

    def ok(self, method, path, body=None, **more):
        """The decoded answer of a request that must succeed."""
        response = self.request(method, path, body, **more)
        assert response.ok, f"{method} {path}: {response.status_code} {response.text}"
        if not response.content:
            return None
        if "json" in response.headers.get("Content-Type", ""):
            return response.json()
        return response.content

    def refused(self, code, method, path, body=None, **more):
        """The problem of a request that must fail with this code of api/errors.def."""
        response = self.request(method, path, body, **more)
        assert not response.ok, f"{method} {path} was not refused: {response.status_code} {response.text}"
        assert response.headers["Content-Type"].startswith("application/problem+json"), response.headers
        problem = response.json()
        assert problem["code"] == code, f"{method} {path}: {problem}"
        assert problem["status"] == response.status_code
        return problem


class Person:
    """A principal with an API key, and a signing key for those who decide."""

    def __init__(self, tenant, record, key):
        self.tenant = tenant
        self.id = record["id"]
        self.name = record["name"]
        self.api = tenant.server.api(key)
        self.key = Key()

    def offer_key(self):
        return self.api.ok("POST", f"{self.tenant.path}/principals/{self.id}/signing-keys",
                           {"public_key": self.key.public_text})

    def decision(self, action, verdict="approve", key=None, statement=None, payload_type=None):
        """The body of a decision; the parts can be replaced to make it a wrong one."""
        kind = payload_type or (STATEMENT if verdict == "approve" else REJECTION)
        payload = statement if statement is not None else base64.b64decode(action["statement"])
        return {"verdict": verdict, "signature": (key or self.key).signature(kind, payload)}

    def decide(self, action, verdict="approve", **parts):
        return self.api.ok("POST", f"{self.tenant.actions}/{action['id']}/decisions",
                           self.decision(action, verdict, **parts))

    def refused_decision(self, code, action, verdict="approve", **parts):
        return self.api.refused(code, "POST", f"{self.tenant.actions}/{action['id']}/decisions",
                                self.decision(action, verdict, **parts))

    def submit(self, operation="container.remove", target="web", parameters=None, **more):
        body = {"environment": "test", "connector": "docker", "operation": operation, **more}
        if target is not None:
            body["target"] = target
        if parameters is not None:
            body["parameters"] = parameters
        return self.api.ok("POST", self.tenant.actions, body)

    def action(self, action_id, wait=None):
        return self.api.ok("GET", f"{self.tenant.actions}/{action_id}", params={"wait": wait} if wait else None)

    def wait_for(self, action_id, state=None):
        """The action in a final state (or in `state`), waiting at the server."""
        deadline = time.monotonic() + PATIENCE_S
        revision = None
        while time.monotonic() < deadline:
            params = {"wait": "10s"} if revision is None or state is None else {"wait": "10s", "since": revision}
            if state is not None and revision is None:
                params = None
            action = self.api.ok("GET", f"{self.tenant.actions}/{action_id}", params=params)
            revision = action["revision"]
            if action["state"] == state or (state is None and action["state"] in FINAL):
                return action
            # What is indeterminate may still be settled.
            if action["state"] in FINAL and action["state"] != "indeterminate":
                break
        raise AssertionError(f"{action_id} is {action['state']}, not {state or 'at its end'}")


FINAL = {"denied", "succeeded", "failed", "indeterminate", "rejected", "expired", "cancelled", "lapsed"}


class Tenant:
    """A tenant with its administrator, and whom the story adds."""

    def __init__(self, server, created):
        self.server = server
        self.id = created["tenant"]["id"]
        self.name = created["tenant"]["name"]
        self.workspace = created["workspace"]["id"]
        self.path = f"/v1/tenants/{self.id}"
        self.place = f"/v1/workspaces/{self.workspace}"
        self.actions = f"{self.place}/actions"
        self.admin = Person(self, created["administrator"], created["api_key"])
        self.version = 0
        self.digest = ""
        self.roster = None

    def person(self, kind, role=(), name=None):
        roles = [role] if isinstance(role, str) else list(role)
        record = self.admin.api.ok("POST", f"{self.path}/principals",
                                   {"kind": kind, "name": name or unique((roles or [kind])[0]), "roles": roles})
        made = self.admin.api.ok("POST", f"{self.path}/principals/{record['id']}/keys", {"name": "test"})
        return Person(self, record, made["secret"])

    def agent(self, name=None):
        return self.person("agent", "agent", name)

    def approver(self, name=None):
        person = self.person("user", "approver", name)
        person.offer_key()
        return person

    def member(self, person, *roles):
        return {"principal": person.id, "name": person.name, "roles": sorted(roles),
                "keys": [{"type": "ed25519", "public": person.key.public_text}]}

    def roster_bytes(self, members, threshold=1, version=None, previous=None):
        return canonical({"format": "countersign/roster/v1", "tenant": self.id,
                          "version": version or self.version + 1,
                          "previous": self.digest if previous is None else previous,
                          "threshold": threshold, "members": sorted(members, key=lambda m: m["principal"]),
                          "created_ms": int(time.time() * 1000)})

    def put_roster(self, *approvers, threshold=1, signers=None, administrators=()):
        """The next version: the administrator, and these approvers."""
        members = [self.member(self.admin, "administrator")]
        members += [self.member(person, "administrator") for person in administrators]
        members += [self.member(person, "approver") for person in approvers]
        payload = self.roster_bytes(members, threshold)
        keys = [person.key for person in (signers or [self.admin])]
        answer = self.admin.api.ok("POST", f"{self.path}/roster", keys[0].envelope(ROSTER, payload, *keys[1:]))
        self.version = answer["version"]
        self.digest = hashlib.sha256(payload).hexdigest()
        assert answer["digest"] == self.digest
        return answer

    def keep_content(self):
        """From here on, what actions carry is kept when they close: the data mode `full`."""
        path = f"{self.path}/workspaces/{self.workspace}"
        etag = self.admin.api.request("GET", path).headers["ETag"]
        self.admin.api.ok("PATCH", path, {"data_mode": "full"}, headers={"If-Match": etag})
        return self

    def announce(self, environment="test", name=None):
        return self.admin.api.ok("POST", f"{self.place}/executors",
                                 {"name": name or unique("executor"), "environment": environment})

    def log_entries(self):
        """All events of the log, oldest first."""
        items, cursor = [], None
        while True:
            params = {"limit": 200, **({"cursor": cursor} if cursor else {})}
            page = self.admin.api.ok("GET", f"{self.path}/log/entries", params=params)
            items += page["items"]
            cursor = page.get("next")
            if not cursor:
                return [item["event"] for item in sorted(items, key=lambda item: item["index"])]


class HandExecutor:
    """An executor that the test plays by hand, over the same API as the real one."""

    def __init__(self, tenant, environment="test", facts=None):
        self.tenant = tenant
        self.key = Key()
        announced = tenant.announce(environment)
        self.token = announced["token"]
        enrolled = tenant.server.api().ok("POST", "/v1/enrolments",
                                          {"token": self.token, "public_key": self.key.public_text})
        self.id = enrolled["executor"]
        self.enrolled = enrolled
        self.api = tenant.server.api(enrolled["api_key"])
        self.facts = facts or {}
        self.stopping = threading.Event()
        self.thread = None

    @staticmethod
    def container(name):
        digest = hashlib.sha256(name.encode()).hexdigest()
        return {"id": digest, "known_as": name, "image": "busybox:latest", "image_id": "sha256:" + digest}

    def answer_resolutions(self):
        """Answers what names stand for, until closed: like an engine that has every container."""
        def loop():
            while not self.stopping.is_set():
                try:
                    work = self.api.ok("GET", f"{self.tenant.place}/work", params={"wait": "5s"})
                except (requests.RequestException, AssertionError):
                    if self.stopping.is_set():
                        return
                    raise
                for item in work["items"]:
                    if item["kind"] == "resolve" and not self.stopping.is_set():
                        self.resolve(item)
        self.thread = threading.Thread(target=loop, daemon=True)
        self.thread.start()
        return self

    def resolve(self, item):
        answer = {"resolved": self.facts.get(item["target"]) or self.container(item["target"])}
        if item["target"] == "missing":
            answer = {"error": "there is no container \"missing\"", "error_code": "target_not_found"}
        return self.api.request("POST", f"{self.tenant.place}/resolutions/{item['resolution']}", answer)

    def claim(self, action_id):
        return self.api.ok("POST", f"{self.tenant.actions}/{action_id}/claim")

    def report_bytes(self, action, claim, outcome="succeeded", message="done", **more):
        now = int(time.time() * 1000)
        return canonical({"format": "countersign/report/v1", "action": action["id"], "claim": claim["claim"],
                          "executor": self.id, "digest": action["digest"], "outcome": outcome, "message": message,
                          "started_ms": now, "ended_ms": now, "output_bytes": 0,
                          "output_sha256": hashlib.sha256(b"").hexdigest(), "output_truncated": False, **more})

    def report(self, action, claim, outcome="succeeded", **more):
        return self.api.ok("POST", f"{self.tenant.actions}/{action['id']}/report",
                           self.key.envelope(REPORT, self.report_bytes(action, claim, outcome, **more)))

    def close(self):
        """The thread ends with the answer that it waits for; nobody needs to wait for that."""
        self.stopping.set()


class RealExecutor:
    """`countersign executor` with its own state folder."""

    def __init__(self, tenant, folder, docker_socket, environment="test", env=None):
        self.tenant = tenant
        self.folder = pathlib.Path(folder)
        self.docker_socket = docker_socket
        self.environment = environment
        self.env = {"COUNTERSIGN_CLOCK_OFFSET_FILE": str(tenant.server.clock_file), **(env or {})}
        announced = tenant.announce(environment)
        self.id = announced["executor"]["id"]
        self.token = announced["token"]
        self.process = None

    def start(self, env=None, ready=True):
        self.process = Process(["executor", "--state", self.folder, "--server", self.tenant.server.url,
                                "--token", self.token, "--docker-socket", self.docker_socket],
                               env={**self.env, **(env or {})})
        if ready:
            self.process.wait_for("connected")
        return self

    def stop(self):
        return self.process.stop() if self.process else 0


class Cli:
    """The command line with a profile of its own."""

    def __init__(self, folder, url=None, key=None):
        self.profile = pathlib.Path(folder) / f"{unique('profile')}.json"
        if url:
            self.run("login", "--server", url, stdin=key + "\n")

    def run(self, *words, stdin=None, code=0, timeout=PATIENCE_S):
        done = subprocess.run([str(binary()), *map(str, words)], input=stdin or "", capture_output=True, text=True,
                              timeout=timeout, check=False,
                              env={**os.environ, "COUNTERSIGN_PROFILE": str(self.profile)})
        assert code is None or done.returncode == code, \
            f"{words}: exit {done.returncode}, not {code}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *words, code=0):
        return json.loads(self.run(*words, "--json", code=code).stdout)

    def start(self, *words):
        return subprocess.Popen([str(binary()), *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True,
                                env={**os.environ, "COUNTERSIGN_PROFILE": str(self.profile)})


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)
