# SPDX-License-Identifier: Apache-2.0
"""The main job on a real Docker Engine, with the real executor."""
import base64
import hashlib
import json
import time

import pytest

from harness import unique

pytestmark = pytest.mark.docker


@pytest.fixture
def container(docker):
    name = unique("web")
    docker.run_container(name, "countersign-test:1", "sh", "-c",
                         "trap 'exit 0' TERM; echo hello; while :; do sleep 0.2; done")
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


# ---- what creates and what destroys other things than containers ------------------------------------------


def run_approved(tenant, operation, target, **parameters):
    action = tenant.bot.submit(operation, target=target, parameters=parameters)
    tenant.anna.decide(action)
    return tenant.bot.wait_for(action["id"])


def output_of(tenant, action):
    answer = tenant.bot.api.ok("GET", f"{tenant.actions}/{action['id']}/output")
    return base64.b64decode(answer["data"])


def test_a_container_runs_prints_and_ends(real_executor):
    name = unique("job")
    ended = run_approved(real_executor, "container.run", "countersign-test:1", name=name, network="none",
                         command=["sh", "-c", "echo out; echo err >&2; exit 3"], wait_seconds=60)
    try:
        assert ended["state"] == "failed", ended
        assert "exit code 3" in ended["outcome"]["message"]
        assert sorted(output_of(real_executor, ended).split()) == [b"err", b"out"]
        assert real_executor.docker.has_container(name)
    finally:
        real_executor.docker.remove_container(name)


def test_a_container_that_shall_go_when_it_ends_is_gone_and_nothing_is_lost(real_executor):
    name = unique("job")
    ended = run_approved(real_executor, "container.run", "countersign-test:1", name=name, network="none",
                         command=["echo", "quick"], auto_remove=True, wait_seconds=60)
    assert ended["state"] == "succeeded", ended["outcome"]
    assert output_of(real_executor, ended) == b"quick\n"
    assert not real_executor.docker.has_container(name)


def test_much_output_is_cut_and_its_digest_is_of_all(real_executor):
    ended = run_approved(real_executor, "container.run", "countersign-test:1", network="none", auto_remove=True,
                         command=["sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); "
                                  "echo 0123456789012345678901234567890123456789012345678901234567890123456789; done"],
                         wait_seconds=60)
    assert ended["state"] == "succeeded", ended["outcome"]
    whole = (b"0123456789" * 7 + b"\n") * 20000
    assert ended["outcome"]["output_bytes"] == len(whole)
    assert ended["outcome"]["output_sha256"] == hashlib.sha256(whole).hexdigest()
    assert ended["outcome"]["output_truncated"]


def test_a_run_beyond_its_time_is_left_running(real_executor):
    name = unique("job")
    ended = run_approved(real_executor, "container.run", "countersign-test:1", name=name, network="none",
                         command=["sleep", "1000"], wait_seconds=1)
    try:
        assert ended["state"] == "succeeded", ended["outcome"]
        assert "still runs" in ended["outcome"]["message"]
    finally:
        real_executor.docker.remove_container(name)


def test_a_created_container_is_what_was_approved(real_executor):
    name = unique("made")
    ended = run_approved(real_executor, "container.create", "countersign-test:1", name=name, network="none",
                         command=["sleep", "1000"], env={"A": "b"}, labels={"team": "x"}, memory_bytes=16 << 20, user="0")
    try:
        assert ended["state"] == "succeeded", ended["outcome"]
        inspected = json.loads(real_executor.docker.docker("inspect", name))[0]
        assert output_of(real_executor, ended).decode().strip() == inspected["Id"]
        assert "A=b" in inspected["Config"]["Env"]
        assert inspected["Config"]["Labels"] == {"team": "x", "dev.countersign.action": ended["id"]}
        assert inspected["Config"]["User"] == "0"
        host = inspected["HostConfig"]
        assert (host["Memory"], host["Privileged"], host["NetworkMode"]) == (16 << 20, False, "none")
        assert host["SecurityOpt"] == ["no-new-privileges"] and not host["Binds"]
        started = run_approved(real_executor, "container.start", name)
        assert started["state"] == "succeeded", started["outcome"]
        # A name that is taken is the engine's to refuse.
        again = run_approved(real_executor, "container.create", "countersign-test:1", name=name, network="none",
                             command=["sleep", "1000"])
        assert again["state"] == "failed" and "already in use" in again["outcome"]["message"]
    finally:
        real_executor.docker.remove_container(name)


def test_a_volume_an_image_and_a_network_are_removed(real_executor):
    docker = real_executor.docker
    volume, network = unique("data"), unique("net")
    docker.docker("volume", "create", volume)
    assert run_approved(real_executor, "volume.remove", volume)["state"] == "succeeded"
    assert volume not in docker.docker("volume", "ls", "-q").split()

    image = f"{unique('image')}:1"
    docker.docker("tag", "countersign-test:1", image)
    docker.docker("rmi", image)
    docker.make_image(image)
    assert run_approved(real_executor, "image.remove", image)["state"] == "succeeded"
    assert docker.docker("images", "-q", image) == ""

    docker.docker("network", "create", "--driver", "null", network, check=False)
    if network in docker.docker("network", "ls", "--format", "{{.Name}}").split():
        assert run_approved(real_executor, "network.remove", network)["state"] == "succeeded"
        assert network not in docker.docker("network", "ls", "--format", "{{.Name}}").split()


def test_a_volume_made_anew_is_not_the_one_that_was_approved(real_executor):
    docker, volume = real_executor.docker, unique("data")
    docker.docker("volume", "create", volume)
    action = real_executor.bot.submit("volume.remove", target=volume)
    docker.docker("volume", "rm", volume)
    made = time.time()
    while time.time() < int(made) + 1:  # the engine notes whole seconds
        time.sleep(0.05)
    docker.docker("volume", "create", volume)
    real_executor.anna.decide(action)
    ended = real_executor.bot.wait_for(action["id"])
    assert ended["state"] == "failed" and "has changed since it was approved" in ended["outcome"]["message"]
    assert volume in docker.docker("volume", "ls", "-q").split()
    docker.docker("volume", "rm", volume)
