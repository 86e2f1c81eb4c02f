# SPDX-License-Identifier: Apache-2.0
"""The main job on a real Docker Engine, with the real executor."""
import base64

import pytest

from harness import unique

pytestmark = pytest.mark.docker


@pytest.fixture
def container(docker):
    name = unique("web")
    docker.run_container(name, "countersign-test:1", "sh", "-c", "echo hello; sleep 100000")
    yield name
    docker.remove_container(name)


def test_an_approved_removal_removes_exactly_that_container(real_executor, container):
    action = real_executor.bot.submit(target=container, parameters={"force": True})
    assert action["state"] == "pending"
    assert real_executor.docker.has_container(container)
    real_executor.anna.decide(action)
    ended = real_executor.bot.wait_for(action["id"])
    assert ended["state"] == "succeeded", ended["outcome"]
    assert not real_executor.docker.has_container(container)


def test_a_rejected_removal_leaves_it_running(real_executor, container):
    action = real_executor.bot.submit(target=container, parameters={"force": True})
    real_executor.anna.decide(action, "reject")
    assert real_executor.bot.wait_for(action["id"])["state"] == "rejected"
    assert real_executor.docker.has_container(container)


def test_a_container_of_the_same_name_is_not_the_one_that_was_approved(real_executor, container):
    action = real_executor.bot.submit(target=container, parameters={"force": True})
    real_executor.docker.remove_container(container)
    real_executor.docker.run_container(container, "countersign-test:1", "sleep", "100000")
    real_executor.anna.decide(action)
    ended = real_executor.bot.wait_for(action["id"])
    assert ended["state"] == "failed"
    assert real_executor.docker.has_container(container)


def test_logs_come_back_as_output(real_executor, container):
    action = real_executor.bot.submit("container.logs", target=container)
    ended = real_executor.bot.wait_for(action["id"])
    assert ended["state"] == "succeeded", ended["outcome"]
    output = real_executor.bot.api.ok("GET", f"{real_executor.actions}/{action['id']}/output")
    assert b"hello" in base64.b64decode(output["data"])


def test_list_and_inspect_run_at_once(real_executor, container):
    for operation, target in (("container.list", None), ("container.inspect", container), ("image.list", None)):
        action = real_executor.bot.submit(operation, target=target)
        ended = real_executor.bot.wait_for(action["id"])
        assert ended["state"] == "succeeded", (operation, ended.get("outcome"))
        output = real_executor.bot.api.ok("GET", f"{real_executor.actions}/{action['id']}/output")
        assert len(output["data"]) > 0


@pytest.mark.parametrize("operation,running", [
    ("container.stop", "false"), ("container.restart", "true"), ("container.kill", "false"),
])
def test_what_changes_a_container_changes_it(real_executor, container, operation, running):
    action = real_executor.bot.submit(operation, target=container)
    if action["state"] == "pending":
        real_executor.anna.decide(action)
    ended = real_executor.bot.wait_for(action["id"])
    assert ended["state"] == "succeeded", ended["outcome"]
    state = real_executor.docker.docker("inspect", "-f", "{{.State.Running}}", container)
    assert state == running


def test_a_container_that_is_not_there_cannot_be_asked_for(real_executor):
    real_executor.bot.api.refused("TARGET_NOT_FOUND", "POST", real_executor.actions, {
        "environment": "test", "connector": "docker", "operation": "container.remove", "target": "no-such-container"})


def test_an_executor_that_was_away_takes_what_was_approved_meanwhile(real_executor, container):
    action = real_executor.bot.submit(target=container, parameters={"force": True})
    assert real_executor.real.stop() == 0
    real_executor.anna.decide(action)
    real_executor.real.start()
    ended = real_executor.bot.wait_for(action["id"])
    assert ended["state"] == "succeeded", ended["outcome"]
    assert not real_executor.docker.has_container(container)
