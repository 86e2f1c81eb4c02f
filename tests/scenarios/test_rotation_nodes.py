# SPDX-License-Identifier: Apache-2.0
"""Several servers on one PostgreSQL change their root key together, each in a key file of its own."""
import base64
import contextlib
import shutil
import signal
import threading
import time

import pytest
import requests

import harness
from test_crashes import steps_in
from test_nodes import Nodes, Rows
from test_rotation import ROOT_KEY, key_file, settled, stage, still_reads

# How soon a node that was killed is not waited for any more.
QUICK = {"COUNTERSIGN_ROOT_LEASE_MS": "600"}


@pytest.fixture
def nodes(tmp_path, private_postgres):
    made = Nodes(tmp_path, private_postgres)
    for _ in range(2):
        made.add(dict(QUICK))
    yield made
    for node in made.nodes:
        if node.process.process.poll() is None:
            node.process.process.send_signal(signal.SIGCONT)
            node.kill()


def root_keys(node):
    """{name: (version, bytes)} of a key file's lines."""
    lines = (line.split() for line in (node.data / "root.key").read_text().splitlines()[1:])
    return {name: (int(version), base64.b64decode(key)) for name, version, key in lines}


def begin(node):
    return node.api(node.bootstrap_key).ok("POST", ROOT_KEY + "/rotate", {})


def all_settled(nodes):
    """Waits until every node has one and the same key, and no other; its version."""
    deadline = time.monotonic() + harness.PATIENCE_S
    while True:
        one, *others = files = [root_keys(node) for node in nodes.nodes]
        if set(one) == {"current", "derive"} and all(other == one for other in others):
            break
        assert time.monotonic() < deadline, [{name: version for name, (version, _) in file.items()} for file in files]
        time.sleep(0.02)
    for node in nodes.nodes:
        settled(node.api(node.bootstrap_key))
    return one["current"][0]


def test_all_nodes_have_the_new_key_before_any_wraps_with_it(nodes):
    one, two = nodes.nodes
    tenants = [stage(one), stage(two)]
    stop, failures, made = threading.Event(), [], []

    def load(node):
        """New tenants' keys are wrapped at this node, and must open at once at the other."""
        other = two if node is one else one
        while not stop.is_set():
            try:
                tenant = stage(node)
                still_reads(tenant, other)
                made.append(tenant)
            except (AssertionError, requests.RequestException) as why:
                failures.append(why)

    clients = [threading.Thread(target=load, args=(node,)) for node in (one, two)]
    for client in clients:
        client.start()
    versions = []
    for node in (one, two):
        begin(node)
        versions.append(all_settled(nodes))
    stop.set()
    for client in clients:
        client.join()
    assert failures == [] and made
    assert versions == [2, 3]
    for node in (one, two):
        for tenant in tenants + made:
            still_reads(tenant, node)
        node.restart()
        still_reads(tenants[0], node)
    # What was sent through the database is gone from there.
    assert Rows(nodes)("SELECT count(*) FROM countersign.root_node WHERE offer IS NOT NULL") == [["0"]]


@pytest.mark.crash
@pytest.mark.parametrize("victim", [0, 1], ids=["who-was-asked", "the-other"])
def test_killed_at_every_step_the_nodes_agree_again(nodes, tmp_path, victim):
    asked, doomed = nodes.nodes[0], nodes.nodes[victim]
    tenant = stage(asked)
    still_reads(tenant, nodes.nodes[1])
    steps = tmp_path / "steps"
    doomed.restart({"COUNTERSIGN_STEP_FILE": str(steps)})
    begin(asked)
    all_settled(nodes)
    count = steps_in(steps)
    assert count >= 3
    for step in range(1, count + 1):
        doomed.kill()
        doomed.start({"COUNTERSIGN_KILL_AT": str(step)})
        with contextlib.suppress(requests.RequestException):
            begin(asked)
        doomed.process.wait()
        doomed.start()
        all_settled(nodes)
        for node in nodes.nodes:
            still_reads(tenant, node)


def test_a_node_that_missed_a_rotation_ends_and_does_not_start_before_it_has_the_key(nodes):
    one, two = nodes.nodes
    tenant = stage(one)
    two.process.process.send_signal(signal.SIGSTOP)
    begin(one)
    settled(one.api(one.bootstrap_key))
    assert key_file(one)["current"] == 2 and key_file(two)["current"] == 1
    two.process.process.send_signal(signal.SIGCONT)
    two.process.wait()
    assert "this node ends: its root key is not the others'" in two.process.text
    two.start(ready=False)
    assert two.process.wait() != 0
    assert "give this node the root.key of one that runs" in two.process.text
    shutil.copy(one.data / "root.key", two.data / "root.key")
    two.start()
    still_reads(tenant, two)
    still_reads(tenant, one)


def test_alone_waits_for_nobody(nodes):
    one, two = nodes.nodes
    tenant = stage(one)
    one.api(one.bootstrap_key).ok("POST", ROOT_KEY + "/rotate", {"alone": True})
    two.process.wait()
    settled(one.api(one.bootstrap_key))
    assert key_file(one) == {"current": 2, "derive": 1}
    still_reads(tenant, one)


def test_one_rotation_at_a_time_and_it_says_whom_it_waits_for(nodes):
    one, two = nodes.nodes
    for node in nodes.nodes:
        del node.env["COUNTERSIGN_ROOT_LEASE_MS"]  # nobody counts as gone here
        node.restart()
    two.process.process.send_signal(signal.SIGSTOP)
    status = begin(one)
    assert status["next"] == 2 and status["current"] == 1, "nothing is wrapped under it before all nodes have it"
    assert key_file(one) == {"current": 1, "next": 2, "derive": 1}
    one.api(one.bootstrap_key).refused("CONFLICT", "POST", ROOT_KEY + "/rotate", {})
    seen = [status]
    while seen[-1].get("waiting_for") == 0:  # its thread has not looked yet
        seen.append(one.api(one.bootstrap_key).ok("GET", ROOT_KEY))
    assert seen[-1]["waiting_for"] == 1
    two.process.process.send_signal(signal.SIGCONT)
    all_settled(nodes)
