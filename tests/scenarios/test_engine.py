# SPDX-License-Identifier: Apache-2.0
"""A Docker socket that is absent, hangs, answers nonsense or closes halfway: nothing runs twice, people are told."""
import pytest

from fake_engine import FakeEngine
from harness import RealExecutor

pytestmark = pytest.mark.fault


@pytest.fixture
def faked(staffed, tmp_path):
    """The real executor on a fake engine that has one container, `web`."""
    staffed.executor.close()
    staffed.admin.api.ok("DELETE", f"{staffed.place}/executors/{staffed.executor.id}")
    staffed.engine = FakeEngine(tmp_path / "e.sock").start()
    staffed.web = staffed.engine.add("web")
    staffed.real = RealExecutor(staffed, tmp_path / "executor", staffed.engine.socket).start()
    yield staffed
    staffed.engine.stop()
    staffed.real.stop()


def approved(faked):
    action = faked.bot.submit(parameters={"force": True})
    faked.anna.decide(action)
    return action


def test_a_well_behaved_engine_is_asked_once(faked):
    assert faked.bot.wait_for(approved(faked)["id"])["state"] == "succeeded"
    assert len(faked.engine.changes) == 1
    method, target = faked.engine.changes[0]
    assert method == "DELETE" and faked.web in target


@pytest.mark.parametrize("mode", ["error"])
def test_an_engine_that_refuses_makes_it_fail(faked, mode):
    faked.keep_content()
    faked.engine.mode = mode
    ended = faked.bot.wait_for(approved(faked)["id"])
    assert ended["state"] == "failed"
    assert "feel like it" in ended["outcome"]["message"]


@pytest.mark.parametrize("mode", ["close-before", "close-after", "nonsense", "half"])
def test_an_engine_that_breaks_off_leaves_no_doubt_in_the_end(faked, mode):
    """Nobody knows at first; then the engine is asked what is there."""
    faked.engine.mode = mode
    action = approved(faked)
    ended = faked.bot.wait_for(action["id"])
    if ended["state"] == "indeterminate":
        settled = "succeeded" if faked.engine.changes else "failed"
        ended = faked.bot.wait_for(action["id"], settled)
    assert (ended["state"] == "succeeded") == bool(faked.engine.changes), ended
    assert len(faked.engine.changes) <= 1


def test_an_absent_socket_is_told_when_asking(faked):
    faked.engine.stop()
    problem = faked.bot.api.refused("CONNECTOR_FAILED", "POST", faked.actions, {
        "environment": "test", "connector": "docker", "operation": "container.remove", "target": "web"})
    assert problem["detail"]


def test_an_absent_socket_at_the_time_of_running_changes_nothing(faked):
    action = faked.bot.submit(parameters={"force": True})
    faked.engine.stop()
    faked.anna.decide(action)
    ended = faked.bot.wait_for(action["id"])
    assert ended["state"] == "failed", ended
    assert faked.engine.changes == []


@pytest.mark.parametrize("mode", ["nonsense", "bad-json", "close-before", "error", "half"])
def test_nonsense_when_resolving_is_no_target(faked, mode):
    faked.engine.read_mode = mode
    response = faked.bot.api.request("POST", faked.actions, {
        "environment": "test", "connector": "docker", "operation": "container.remove", "target": "web"})
    assert response.status_code in (422, 502), response.text
    assert faked.bot.api.ok("GET", faked.actions)["items"] == []
