# SPDX-License-Identifier: Apache-2.0
"""The executor trusts nobody: not a server that lies, not the time of day, not a second copy of itself."""
import base64
import hashlib
import json
import os
import stat
import time

import pytest

from conftest import new_tenant
from fake_engine import FakeEngine
from harness import PATIENCE_S, Process, RealExecutor, canonical
from lying_server import LyingServer


class Stage:
    """A tenant with people, a fake engine with the container `web`, and what starts executors."""

    def __init__(self, server, folder):
        self.server = server
        self.folder = folder
        self.tenant = new_tenant(server)
        self.bot = self.tenant.agent()
        self.anna = self.tenant.approver("anna")
        self.ben = self.tenant.approver("ben")
        self.tenant.put_roster(self.anna, self.ben)
        self.engine = FakeEngine(folder / "e.sock").start()
        self.web = self.engine.add("web")
        self.executors = []
        self.liar = None

    def executor(self, *options, name="executor", environment="test", ready=True, url=None):
        made = RealExecutor(self.tenant, self.folder / name, self.engine.socket, environment)
        made.options = options
        made.process = Process(["executor", "--state", made.folder, "--server", url or self.server.url,
                                "--token", made.token, "--docker-socket", self.engine.socket, *options], env=made.env)
        self.executors.append(made)
        if ready:
            made.process.wait_for("connected")
        return made

    def lied_to(self, lie):
        self.liar = LyingServer(self.server.url, lie)
        return self.executor(url=self.liar.url)

    def approved(self, *approvers, **more):
        action = self.bot.submit(parameters={"force": True}, **more)
        for person in approvers or (self.anna,):
            self.last = person.decide(action)
        return action

    def ended(self, action):
        return self.bot.wait_for(action["id"])

    def close(self):
        for executor in self.executors:
            executor.stop()
            assert "Sanitizer" not in executor.process.text, executor.process.text
            assert "runtime error" not in executor.process.text, executor.process.text
        self.engine.stop()
        if self.liar:
            self.liar.close()


@pytest.fixture
def stage(server, tmp_path):
    made = Stage(server, tmp_path)
    yield made
    made.close()


def refused(stage, action, words):
    ended = stage.ended(action)
    assert ended["state"] == "failed", ended
    assert words in ended["outcome"]["message"], ended["outcome"]
    assert stage.engine.changes == []
    return ended


# ---- a server that has been taken over -------------------------------------------------------------------


def changed_statement(**changes):
    """A lie: the claim's statement with these members replaced, under the same signatures."""
    def lie(_, path, answer):
        if path.endswith("/claim"):
            statement = json.loads(base64.b64decode(answer["envelope"]["payload"]))
            statement.update(changes)
            answer["envelope"]["payload"] = base64.b64encode(canonical(statement)).decode()
        return answer
    return lie


def never_ran(stage, executor, words):
    """The report of a changed statement is one that the real server does not take either."""
    action = stage.approved()
    executor.process.wait_for(f"action ended.*{action['id']}.*outcome=refused.*{words}")
    assert stage.engine.changes == []


@pytest.mark.parametrize("changes", [
    {"operation": "image.remove"}, {"environment": "prd"}, {"expires_ms": 2 ** 52}, {"parameters": {"force": False}},
    {"target": {"name": "web", "id": "f" * 64}}, {"effect": "reads"}, {"requirement": {"decisions": 0, "roles": []}},
], ids=lambda changes: next(iter(changes)))
def test_what_was_not_signed_is_not_run(stage, changes):
    never_ran(stage, stage.lied_to(changed_statement(**changes)), "check 3")


def test_signatures_left_out_are_missed(stage):
    def lie(_, path, answer):
        if path.endswith("/claim"):
            answer["envelope"]["signatures"] = []
        return answer

    stage.lied_to(lie)
    refused(stage, stage.approved(), "0 of 1 required approvals")


def test_an_older_approval_does_not_serve_for_another_action(stage):
    """The server answers the second claim with the first one's envelope."""
    first = []

    def lie(_, path, answer):
        if path.endswith("/claim"):
            first.append(answer["envelope"])
            answer["envelope"] = first[0]
        return answer

    executor = stage.lied_to(lie)
    assert stage.ended(stage.approved())["state"] == "succeeded"
    stage.engine.changes.clear()
    stage.engine.add("web")
    never_ran(stage, executor, "is for action")


def test_a_roster_that_its_administrators_did_not_sign_is_not_followed(stage):
    """The server invents a version of the roster with an approver of its own."""
    mallory = stage.tenant.approver("mallory")
    members = [stage.tenant.member(stage.tenant.admin, "administrator"), stage.tenant.member(mallory, "approver")]
    payload = stage.tenant.roster_bytes(members)
    forged = mallory.key.envelope("application/vnd.countersign.roster.v1+json", payload)

    def lie(_, path, answer):
        if path.endswith("/claim"):
            answer["roster_version"] = 2
            answer["envelope"] = mallory.key.envelope(answer["envelope"]["payloadType"],
                                                      base64.b64decode(answer["envelope"]["payload"]))
        if "/roster" in path:
            answer["items"] = [{"version": 2, "digest": "0" * 64, "envelope": forged}]
        return answer

    stage.lied_to(lie)
    refused(stage, stage.approved(), "roster")


def test_what_the_server_offers_twice_runs_once(stage):
    done = []

    def lie(_, path, answer):
        if path.split("?")[0].endswith("/work") and done:
            answer["items"].append({"kind": "claim", "action": done[0]})
        return answer

    executor = stage.lied_to(lie)
    action = stage.approved()
    assert stage.ended(action)["state"] == "succeeded"
    done.append(action["id"])
    # Something to make the server answer the executor that waits; again, if it was still busy with the first.
    for _ in range(20):
        assert stage.ended(stage.bot.submit("container.list", target=None))["state"] == "succeeded"
        if "offers an action again" in executor.process.text:
            break
    executor.process.wait_for("offers an action again")
    assert len(stage.engine.changes) == 1


# ---- its own rules ---------------------------------------------------------------------------------------


def test_its_floor_may_demand_more_than_the_policy(stage):
    floor = stage.folder / "floor.yaml"
    floor.write_text("environments: {test: {destroys: 2}}\n")
    stage.executor("--floor", floor)
    refused(stage, stage.approved(), "floor demands 2")


def test_its_floor_may_list_what_it_runs(stage):
    floor = stage.folder / "floor.yaml"
    floor.write_text("default:\n  operations: [docker container.list]\n")
    stage.executor("--floor", floor)
    refused(stage, stage.approved(), "not among them")
    assert stage.ended(stage.bot.submit("container.list", target=None))["state"] == "succeeded"


def test_a_floor_with_a_mistake_ends_it_with_the_line(stage):
    floor = stage.folder / "floor.yaml"
    floor.write_text("default:\n  destroys: 0\n")
    executor = stage.executor("--floor", floor, ready=False)
    assert executor.process.wait() == 1
    assert "line 2" in executor.process.text and str(floor) in executor.process.text


def test_it_follows_the_roster_that_its_administrators_signed(stage):
    stage.executor()
    cleo = stage.tenant.approver("cleo")
    stage.tenant.put_roster(cleo)
    assert stage.ended(stage.approved(cleo))["state"] == "succeeded"
    assert (stage.folder / "executor" / "roster" / "2.json").exists()


def test_a_clock_that_went_far_ahead_refuses(stage):
    executor = stage.executor()
    executor.stop()
    action = stage.approved(target=stage.web)
    clock = stage.folder / "clock"
    clock.write_text(str(2 * 3600 * 1000))
    executor.start({"COUNTERSIGN_CLOCK_OFFSET_FILE": str(clock)})
    refused(stage, action, "expired")


def test_a_clock_that_went_far_back_refuses(stage):
    executor = stage.executor()
    executor.stop()
    action = stage.approved(target=stage.web)
    clock = stage.folder / "clock"
    clock.write_text(str(-3600 * 1000))
    executor.start({"COUNTERSIGN_CLOCK_OFFSET_FILE": str(clock)})
    refused(stage, action, "clock")


# ---- enrolment and its folder ------------------------------------------------------------------------------


def test_a_token_counts_once(stage):
    first = stage.executor()
    first.stop()
    second = Process(["executor", "--state", stage.folder / "second", "--server", stage.server.url,
                      "--token", first.token, "--docker-socket", stage.engine.socket])
    assert second.wait() == 1
    assert "token" in second.text


def test_an_enrolled_folder_is_not_enrolled_again(stage):
    executor = stage.executor()
    executor.stop()
    other = stage.tenant.announce()["token"]
    again = Process(["executor", "--state", executor.folder, "--server", stage.server.url, "--token", other])
    assert again.wait() == 1
    assert "enrolled already" in again.text
    # With its own token, or with none, it goes on.
    executor.start().stop()


def test_a_roster_other_than_the_one_demanded_is_not_trusted(stage):
    wrong = stage.executor("--roster-digest", "0" * 64, ready=False)
    assert wrong.process.wait() == 1
    assert stage.tenant.digest in wrong.process.text
    assert not (wrong.folder / "credential.json").exists()
    stage.executor("--roster-digest", stage.tenant.digest, name="right")


def test_one_folder_serves_one_process(stage):
    executor = stage.executor()
    second = Process(["executor", "--state", executor.folder, "--docker-socket", stage.engine.socket])
    assert second.wait() == 1
    assert "another executor works with the state folder" in second.text
    assert stage.ended(stage.approved())["state"] == "succeeded"
    assert len(stage.engine.changes) == 1


def test_its_secrets_are_its_own(stage):
    executor = stage.executor()
    executor.stop()
    for name, mode in ((".", 0o700), ("executor.key", 0o600), ("credential.json", 0o600), ("journal", 0o600)):
        assert stat.S_IMODE(os.stat(executor.folder / name).st_mode) == mode, name
    os.chmod(executor.folder / "executor.key", 0o644)
    open_key = Process(["executor", "--state", executor.folder])
    assert open_key.wait() == 1
    assert "chmod" in open_key.text


def test_what_an_action_carried_leaves_its_folder(stage):
    """Once the report is with the server, statement and report are nowhere in the folder; that it ran is."""
    executor = stage.executor()
    action = stage.bot.submit(parameters={"force": True})
    statement = base64.b64decode(stage.bot.api.ok("GET", f"{stage.tenant.actions}/{action['id']}/envelope")["payload"])
    stage.anna.decide(action)
    assert stage.ended(action)["state"] == "succeeded"
    executor.stop()
    files = {path.name: path.read_bytes() for path in executor.folder.iterdir() if path.is_file()}
    for word in (statement[:40], base64.b64encode(statement)[:40], b"signatures"):
        assert [name for name, held in files.items() if word in held] == [], word
    kept = files["journal"].decode().splitlines()[1:]
    assert len(kept) == 1 and '"kind":"kept"' in kept[0] and '"outcome":"succeeded"' in kept[0]
    assert action["id"] in kept[0] and hashlib.sha256(statement).hexdigest() in kept[0]
    # It goes on with such a journal.
    executor.start()
    stage.ended(stage.approved(target=stage.engine.add("web-2")))
    executor.stop()
    assert (executor.folder / "journal").read_text().count('"kind":"kept"') == 2


@pytest.mark.parametrize("damage,words", [(lambda path: path.unlink(), "missing"),
                                          (lambda path: path.write_text("nonsense\n" * 9), "damaged")])
def test_without_its_journal_it_runs_nothing(stage, damage, words):
    executor = stage.executor()
    assert stage.ended(stage.approved())["state"] == "succeeded"
    executor.stop()
    damage(executor.folder / "journal")
    again = Process(["executor", "--state", executor.folder])
    assert again.wait() == 1
    assert words in again.text and "nothing is run" in again.text


def test_a_revoked_executor_ends_and_says_so(stage):
    executor = stage.executor()
    stage.tenant.admin.api.ok("DELETE", f"{stage.tenant.place}/executors/{executor.id}")
    # It notices at the latest when it asks the next time.
    assert executor.process.wait(PATIENCE_S) == 1
    assert "revoked" in executor.process.text


# ---- coming and going ----------------------------------------------------------------------------------------


def test_it_ends_at_once_while_it_waits(stage):
    executor = stage.executor()
    before = time.monotonic()
    assert executor.stop() == 0
    assert time.monotonic() - before < 5


def test_it_comes_back_to_a_server_that_was_away(make_server, tmp_path):
    server = make_server().start()
    stage = Stage(server, tmp_path)
    try:
        executor = stage.executor()
        server.kill()
        executor.process.wait_for("gives no work")
        server.start()
        process = executor.process
        with process.changed:
            assert process.changed.wait_for(lambda: sum("connected" in line for line in process.lines) == 2,
                                            PATIENCE_S), "it does not come back"
        assert stage.ended(stage.approved())["state"] == "succeeded"
        assert len(stage.engine.changes) == 1
    finally:
        stage.close()


def test_a_report_that_could_not_be_sent_is_sent_later(make_server, tmp_path):
    """The server goes away while the operation runs; both are started again in any order."""
    server = make_server().start()
    stage = Stage(server, tmp_path)
    try:
        executor = stage.executor()
        stage.engine.mode = "hang"
        action = stage.approved()
        deadline = time.monotonic() + PATIENCE_S
        while stage.bot.action(action["id"])["state"] != "claimed":
            assert time.monotonic() < deadline
        server.kill()
        stage.engine.mode = "ok"
        executor.process.kill()
        executor.start(ready=False)
        server.start()
        ended = stage.ended(action)
        if ended["state"] == "indeterminate":
            ended = stage.bot.wait_for(action["id"], "succeeded" if stage.engine.changes else "failed")
        assert (ended["state"] == "succeeded") == bool(stage.engine.changes)
        assert len(stage.engine.changes) <= 1
    finally:
        stage.close()


def test_two_executors_of_one_environment_share_the_work(stage):
    stage.executor(name="one")
    stage.executor(name="two")
    actions = []
    for number in range(10):
        stage.engine.add(f"web-{number}")
        actions.append(stage.approved(target=f"web-{number}"))
    assert {stage.ended(action)["state"] for action in actions} == {"succeeded"}
    assert len(stage.engine.changes) == 10


def test_an_idle_executor_is_small(stage):
    executor = stage.executor()
    for _ in range(5):
        stage.ended(stage.bot.submit("container.list", target=None))
    if executor.process.is_under_asan:
        pytest.skip("a sanitizer's build is larger")
    assert executor.process.memory_bytes <= 10 * 2 ** 20
