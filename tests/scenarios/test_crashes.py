# SPDX-License-Identifier: Apache-2.0
"""
Server or executor killed between any two steps of an action's life. After each:
every acknowledged write is there, no action ran twice, no entry is missing from
the log, and the story can be told to its end.

The hooks count the steps; a run without a kill tells how many there are.
./dev torture kills at every one, ./dev test at every one up to a number.
"""
import os

import pytest
import requests

from conftest import new_tenant
from fake_engine import FakeEngine
from harness import REPORT, STATEMENT, HandExecutor, RealExecutor

pytestmark = pytest.mark.crash

TORTURE = bool(os.environ.get("COUNTERSIGN_TORTURE"))


def chosen(steps, most):
    """All steps, or evenly spread ones, always with the first and the last."""
    if TORTURE or steps <= most:
        return list(range(1, steps + 1))
    return sorted({1 + round(i * (steps - 1) / (most - 1)) for i in range(most)})


def steps_in(path):
    return len(path.read_text().splitlines()) if path.exists() else 0


class Story:
    """Submit, decide, claim, report; each repeated after a crash until it is acknowledged."""

    def __init__(self, server):
        self.server = server
        self.tenant = new_tenant(server)
        self.bot = self.tenant.agent()
        self.anna = self.tenant.approver()
        self.tenant.put_roster(self.anna)
        self.executor = HandExecutor(self.tenant)
        self.acknowledged = []
        self.restarts = 0

    def persist(self, what, call, done_already=()):
        """Sends until somebody answers; a crash between effect and answer shows as `done_already`."""
        while True:
            try:
                response = call()
            except requests.RequestException:
                self.server.process.wait()
                self.server.start()
                self.restarts += 1
                continue
            if response.ok:
                self.acknowledged.append(what)
                return response.json()
            assert self.restarts and response.json()["code"] in done_already, response.text
            return None

    def tell(self, number):
        body = {"environment": "test", "connector": "docker", "operation": "container.remove",
                "target": self.executor.container("web")["id"]}
        action = self.persist("submitted", lambda: self.bot.api.request(
            "POST", self.tenant.actions, body, headers={"Idempotency-Key": f"story-{number}"}))
        path = f"{self.tenant.actions}/{action['id']}"
        self.persist("decided", lambda: self.anna.api.request("POST", path + "/decisions", self.anna.decision(action)),
                     ("ALREADY_DECIDED", "ACTION_NOT_PENDING"))
        claim = self.persist("claimed", lambda: self.executor.api.request("POST", path + "/claim"),
                             ("ACTION_NOT_APPROVED",))
        if claim is None:
            # The claim was taken and its answer lost: it is nobody else's, and may be reported as unknown.
            claim = {"claim": self.bot.action(action["id"]).get("claim", "")}
            return action, None
        envelope = self.executor.key.envelope(REPORT, self.executor.report_bytes(action, claim))
        self.persist("reported", lambda: self.executor.api.request("POST", path + "/report", envelope))
        return action, claim


def check_log(story, action):
    """Every acknowledged change has its entry, exactly once; a report sent again is entered as repeated."""
    events = [e for e in story.tenant.log_entries() if action["id"] in str(e) and "'repeated': 'true'" not in str(e)]
    allowed = [e["api"]["operation"] for e in events if e.get("action_id") == 1]
    for what, operation in (("submitted", "action.submit"), ("decided", "action.decide"),
                            ("claimed", "action.claim"), ("reported", "action.report")):
        count = sum(operation in name for name in allowed)
        if what in story.acknowledged:
            assert count == 1, (what, allowed)
        else:
            assert count <= 1, (what, allowed)


def check_intents(story):
    """Every action that changes something was announced, in the entry before its own; nothing else was."""
    entries = [(e["api"]["operation"], e.get("resources", [{}])[0].get("uid")) for e in story.tenant.log_entries()
               if e.get("action_id") == 1]
    actions = {a["id"] for a in story.bot.api.ok("GET", story.tenant.actions)["items"]}
    announced = [about for name, about in entries if name == "agent.write_intent"]
    assert sorted(announced) == sorted(actions)
    for action in actions:
        own = [name for name, about in entries if about == action]
        assert own[:2] == ["agent.write_intent", "action.submit"], own


def test_server_killed_at_every_step(make_server, tmp_path):
    steps_file = tmp_path / "steps"
    server = make_server().start()
    story = Story(server)
    server.restart({"COUNTERSIGN_STEP_FILE": str(steps_file)})
    story.tell("count")
    server.stop()
    steps = steps_in(steps_file)
    assert steps >= 8, steps_file.read_text() if steps_file.exists() else "no step was counted"
    for step in chosen(steps, 24):
        server.start({"COUNTERSIGN_KILL_AT": str(step)})
        story.acknowledged, story.restarts = [], 0
        action, claim = story.tell(step)
        if server.process.process.poll() is None:
            server.stop()
            server.start()
        state = story.bot.action(action["id"])
        assert len(state["decisions"]) == 1
        assert state["state"] == ("succeeded" if claim else "claimed"), (step, state["state"])
        check_log(story, action)
        check_intents(story)
        server.stop()


def test_executor_killed_at_every_step(make_server, tmp_path):
    server = make_server().start()
    story = Story(server)
    story.tenant.keep_content()
    engine = FakeEngine(tmp_path / "e.sock").start()
    steps_file = tmp_path / "steps"

    def remove(env):
        identity = engine.add("web")
        engine.changes.clear()
        action = story.bot.submit(target=identity, parameters={"force": True})
        executor.start(env)
        story.anna.decide(action)
        return action

    executor = RealExecutor(story.tenant, tmp_path / "executor", engine.socket)
    executor.start().stop()
    action = remove({"COUNTERSIGN_STEP_FILE": str(steps_file)})
    assert story.bot.wait_for(action["id"])["state"] == "succeeded"
    executor.stop()
    steps = steps_in(steps_file)
    assert steps >= 6, steps_file.read_text() if steps_file.exists() else "no step was counted"
    for step in chosen(steps, 24):
        action = remove({"COUNTERSIGN_KILL_AT": str(step)})
        executor.process.wait()
        executor.start()
        ended = story.bot.wait_for(action["id"])
        if ended["state"] == "indeterminate":
            ended = story.bot.wait_for(action["id"], "succeeded" if engine.changes else "failed")
        assert ended["state"] in ("succeeded", "failed"), (step, ended)
        assert len(engine.changes) <= 1, (step, engine.changes)
        # It is told as it is: what is gone was removed, what failed is still there.
        assert (ended["state"] == "succeeded") == (engine.changes != []), (step, ended, engine.changes)
        envelope = story.bot.api.ok("GET", f"{story.tenant.actions}/{action['id']}/envelope")
        assert envelope["payloadType"] == STATEMENT
        executor.stop()
        engine.containers.clear()
    engine.stop()


def test_server_killed_at_any_moment_keeps_what_it_acknowledged(make_server):
    server = make_server().start()
    story = Story(server)
    names = []
    for round_ in range(3):
        for number in range(15):
            body = {"kind": "agent", "name": f"agent-{round_}-{number}", "roles": ["agent"]}
            response = story.tenant.admin.api.request("POST", f"{story.tenant.path}/principals", body)
            assert response.status_code == 201
            names.append(body["name"])
        server.kill()
        server.start()
        there = story.tenant.admin.api.ok("GET", f"{story.tenant.path}/principals", params={"limit": 200})["items"]
        assert set(names) <= {item["name"] for item in there}


@pytest.mark.files
def test_the_same_data_folder_cannot_be_served_twice(make_server, tmp_path):
    from harness import Process

    server = make_server().start()
    second = Process(["server", "--data-folder", server.data, "--listen-port", "0"])
    assert second.wait() != 0, second.text
    assert second.text, "it says nothing"
    server.api().ok("GET", "/readyz")
