# SPDX-License-Identifier: Apache-2.0
"""Clients that work while something underneath breaks, and keep book of what they were told."""
import collections
import re
import threading
import time

import requests

import harness

# What a client may be told while its database or its server goes away.
PASSING = {"STORE_BUSY", "WRITE_UNCERTAIN", "STORE_FULL", "SHUTTING_DOWN"}


def wait_until(condition, what="it did not come to be"):
    """Until the condition holds; what it looks at changes in other threads."""
    deadline = time.monotonic() + harness.PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        threading.Event().wait(0.01)


class Load:
    """`clients` that make principals, and `stories` that bring actions to their end, until it is closed."""

    def __init__(self, tenant, nodes, clients=8, stories=2):
        self.tenant = tenant
        self.nodes = nodes
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.acknowledged = []
        self.refused = []  # for certain
        self.problems = collections.Counter()
        self.said = set()
        self.lives = []  # actions that were reported
        self.claims = collections.Counter()  # answers that gave a claim, by action
        self.failures = []
        self.threads = [threading.Thread(target=self._guarded, args=(work, number), daemon=True)
                        for work, count in ((self._make, clients), (self._live, stories)) for number in range(count)]
        for thread in self.threads:
            thread.start()

    def _guarded(self, work, number):
        try:
            work(number)
        except Exception as why:  # told by close()
            self.failures.append(repr(why))

    def _send(self, at, person, method, path, body, key=None):
        """(the answer or None when the line was lost, whether an earlier try may have taken effect)."""
        doubtful = False
        while not self.stop.is_set() or doubtful:
            node = self.nodes[at[0] % len(self.nodes)]
            api = harness.Api(node.url, person.api.key)
            try:
                answer = api.request(method, path, body, headers={"Idempotency-Key": key} if key else None)
            except requests.RequestException:
                at[0] += 1
                doubtful = True
                if self.stop.is_set() and all(n.process.process.poll() is not None for n in self.nodes):
                    return None, True
                continue
            if answer.ok:
                return answer, doubtful
            problem = answer.json()
            with self.lock:
                self.problems[problem["code"]] += 1
                self.said.add((problem["code"], problem.get("detail", "")))
            if problem["code"] == "WRITE_UNCERTAIN":
                doubtful = True
                continue
            return answer, doubtful
        return None, False

    def _make(self, number):
        at = [number]
        while not self.stop.is_set():
            name = harness.unique(f"made-{number}")
            body = {"kind": "service", "name": name, "roles": ["auditor"]}
            answer, doubtful = self._send(at, self.tenant.admin, "POST", f"{self.tenant.path}/principals", body, name)
            with self.lock:
                if answer is not None and answer.ok:
                    self.acknowledged.append(name)
                elif answer is not None and not doubtful:
                    assert answer.json()["code"] in PASSING, answer.text
                    self.refused.append(name)

    def _live(self, number):
        at, tenant = [number], self.tenant
        while not self.stop.is_set():
            body = {"environment": "test", "connector": "docker", "operation": "container.remove",
                    "target": tenant.executor.container("web")["id"]}
            answer, _ = self._send(at, tenant.bot, "POST", tenant.actions, body, harness.unique(f"life-{number}"))
            if answer is None or not answer.ok:
                continue
            action = answer.json()
            path = f"{tenant.actions}/{action['id']}"
            if not self._insist(at, tenant.anna, path + "/decisions", tenant.anna.decision(action), {"ALREADY_DECIDED"}):
                continue
            claimed = self._insist(at, tenant.executor, path + "/claim", None, {"ACTION_NOT_APPROVED"})
            if not claimed or not claimed.ok:
                continue  # given to us, and the answer lost: nobody may run it
            with self.lock:
                self.claims[action["id"]] += 1
            envelope = tenant.executor.key.envelope(harness.REPORT, tenant.executor.report_bytes(action, claimed.json()))
            if self._insist(at, tenant.executor, path + "/report", envelope, set()):
                with self.lock:
                    self.lives.append(action["id"])

    def _insist(self, at, person, path, body, done_already):
        """Sends again what was refused in passing. The answer; or None when the test ends first."""
        doubted = False
        while not self.stop.is_set():
            answer, doubtful = self._send(at, person, "POST", path, body)
            doubted |= doubtful
            if answer is None or answer.ok:
                return answer
            code = answer.json()["code"]
            if code in PASSING:
                continue
            assert doubted and code in done_already, answer.text
            return answer
        return None

    def goes_on(self, by=50, lives=3):
        """Waits until this much more was done."""
        made, lived = len(self.acknowledged), len(self.lives)
        wait_until(lambda: self.failures or (len(self.acknowledged) >= made + by and len(self.lives) >= lived + lives),
                   f"the work does not go on: {self.problems}")
        assert not self.failures, self.failures

    def close(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(harness.PATIENCE_S)
        assert not self.failures, self.failures

    def check(self, node, folder):
        """Nothing that was acknowledged is lost, nothing happened twice, the log verifies, goes on, and says the same."""
        print(f"{len(self.acknowledged)} made, {len(self.lives)} lives, {len(self.refused)} refused, {dict(self.problems)}")
        tenant = self.tenant
        admin = node.api(tenant.admin.api.key)
        names, cursor = collections.Counter(), None
        while True:
            page = admin.ok("GET", f"{tenant.path}/principals", params={"limit": 200, **({"cursor": cursor} if cursor else {})})
            names.update(item["name"] for item in page["items"])
            cursor = page.get("next")
            if not cursor:
                break
        lost = [name for name in self.acknowledged if name not in names]
        assert not lost, f"acknowledged and lost: {lost[:5]} of {len(self.acknowledged)}"
        assert not [name for name, count in names.items() if count > 1], "made twice"
        assert not [name for name in self.refused if name in names], "refused for certain, and there"
        assert all(count == 1 for count in self.claims.values()), "claimed twice"
        for action in self.lives:
            assert admin.ok("GET", f"{tenant.actions}/{action}")["state"] == "succeeded"
        events = self.log_of(node, folder)
        made = collections.Counter(event["api"]["operation"] for event in events if event.get("action_id") == 1)
        claimed = collections.Counter(resource["uid"] for event in events
                                      if event["api"]["operation"] == "action.claim" and event.get("action_id") == 1
                                      for resource in event.get("resources", []) if resource["uid"].startswith("act_"))
        assert made["principal.create"] >= len(self.acknowledged)
        assert all(claimed[action] == 1 for action in self.claims), "the log has another count of claims"
        for code, detail in self.said:
            assert code in PASSING | {"ACTION_NOT_APPROVED", "ALREADY_DECIDED"}, (code, detail)
            if code in ("STORE_BUSY", "STORE_FULL"):
                assert re.search(r"try again|free some", detail), f"{code} does not say what to do: {detail}"

    def log_of(self, node, folder):
        """The events of the log's export, once it has been verified offline and has gone on."""
        tenant = self.tenant
        api = node.api(tenant.admin.api.key)
        sizes = []
        for _ in range(2):
            api.ok("POST", f"{tenant.path}/principals", {"kind": "service", "name": harness.unique("after"), "roles": ["auditor"]})
            note = api.ok("GET", f"{tenant.path}/log/checkpoint").decode()
            sizes.append(int(note.split("\n")[1]))
            assert note.split("\n")[0].endswith("/1"), "the log began a new epoch"
        assert sizes[1] > sizes[0]
        cli = harness.Cli(folder, node.url, tenant.admin.api.key)
        export = folder / f"{harness.unique('log')}.ndjson"
        cli.run("audit", "export", "--out", export)
        cli.run("audit", "verify", export, "--key", api.ok("GET", f"{tenant.path}/log/key")["key"])
        tenant.admin.api = api
        return tenant.log_entries()
