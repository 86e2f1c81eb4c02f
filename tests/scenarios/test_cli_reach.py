# SPDX-License-Identifier: Apache-2.0
"""The command line reaches all that a person does through the API (tools/check_exchanges.py counts it)."""
import base64
import os
import subprocess

import pytest

import harness
from harness import Cli
from test_accounts import CHEAP, PASSWORD, Local, totp
from test_passkeys import OurServer, register


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = OurServer(tmp_path_factory.mktemp("reach"), options=[*CHEAP, "--node-url", OurServer.origin]).start()
    yield made
    assert made.stop() == 0, made.process.text


@pytest.fixture
def place(server, tmp_path):
    created = server.api(server.bootstrap_key).ok("POST", "/v1/tenants", {"name": harness.unique("tenant")})
    made = harness.Tenant(server, created)
    made.cli = Cli(tmp_path, server.url, made.admin.api.key)
    return made


def names(cli, *words):
    return [item["name"] for item in cli.json(*words)["items"]]


def test_groups_bindings_roles_and_names(place):
    cli = place.cli
    ann = cli.json("principal", "create", "user", "ann", "--role", "viewer")
    assert cli.json("principal", "show", "ann") == cli.json("principal", "show", ann["id"]) == ann
    cli.run("principal", "show", "nobody", code=4)

    cli.run("group", "create", "night-shift")
    cli.run("group", "add", "night-shift", "ann")
    assert cli.json("group", "show", "night-shift")["name"] == "night-shift"
    assert [item["principal"] for item in cli.json("group", "members", "night-shift")["items"]] == [ann["id"]]
    cli.run("group", "remove", "night-shift", "ann")
    assert cli.json("group", "members", "night-shift")["items"] == []

    cli.run("role", "create", "reader", "--permission", "action.read")
    binding = cli.json("binding", "create", "ann", "reader", "--workspace-id", place.workspace)
    assert cli.json("binding", "show", binding["id"]) == binding
    cli.run("role", "delete", "reader", code=5)
    cli.run("binding", "delete", binding["id"])
    assert binding["id"] not in [item["id"] for item in cli.json("binding", "list")["items"]]
    cli.run("role", "delete", "reader")
    assert "reader" not in names(cli, "role", "list")
    cli.run("group", "delete", "night-shift")
    assert "night-shift" not in names(cli, "group", "list")

    cli.run("subject", "add", "ann", "user", "ann@example.com")
    assert [item["id"] for item in cli.json("subject", "list", "ann")["items"]] == ["ann@example.com"]
    cli.run("subject", "remove", "ann", "user", "ann@example.com")
    assert cli.json("subject", "list", "ann")["items"] == []
    longest = "é" * 256  # more than a kilobyte in a query
    cli.run("subject", "add", "ann", "user", longest)
    cli.run("subject", "remove", "ann", "user", longest)
    assert cli.json("subject", "list", "ann")["items"] == []


def test_keys_and_people_end(place, tmp_path):
    cli = place.cli
    cli.run("principal", "create", "agent", "bot", "--role", "agent")
    bot = Cli(tmp_path)
    cli.run("key", "create", "bot", "--write-profile", bot.profile)
    assert bot.json("whoami")["name"] == "bot"
    [key] = cli.json("key", "list", "bot")["items"]
    cli.run("key", "revoke", "bot", key["id"])
    bot.run("whoami", code=3)
    cli.run("key", "create", "bot", "--write-profile", bot.profile)
    cli.run("principal", "disable", "bot")
    bot.run("whoami", code=3)
    assert cli.json("principal", "show", "bot")["disabled"]


def test_an_action_is_withdrawn_and_another_ones_output_is_read(place, tmp_path):
    cli = place.cli
    place.keep_content()
    cli.run("principal", "create", "agent", "bot", "--role", "agent")
    bot = Cli(tmp_path)
    cli.run("key", "create", "bot", "--write-profile", bot.profile)
    assert any(item["operation"] == "container.remove" for item in bot.json("catalogue")["items"])
    executor = harness.HandExecutor(place).answer_resolutions()
    try:
        made = bot.json("action", "submit", "test", "docker", "container.remove", "web", "--force")
        assert bot.json("action", "cancel", made["id"])["state"] == "cancelled"
        made = bot.json("action", "submit", "test", "docker", "container.list")
        claim = executor.claim(made["id"])
        executor.api.ok("POST", f"{place.actions}/{made['id']}/output", {
            "offset": 0, "data": base64.b64encode(b"nothing runs\n").decode()})
        assert "nothing runs" in bot.run("action", "output", made["id"]).stdout
    finally:
        executor.close()


def test_executors_are_announced_listed_and_revoked(place, tmp_path):
    cli = place.cli
    token = tmp_path / "token"
    cli.run("executor", "create", "test-1", "test", "--token-file", token)
    assert harness.mode_of(token) == 0o600 and token.read_text().strip()
    [made] = cli.json("executor", "list")["items"]
    assert (made["name"], made["environment"]) == ("test-1", "test")
    cli.run("executor", "revoke", made["id"])
    [made] = cli.json("executor", "list")["items"]
    assert made["revoked"]


def test_tenant_organization_and_workspace(place):
    cli = place.cli
    assert cli.json("tenant", "show")["id"] == place.id
    cli.run("organization", "create", "north")
    cli.run("organization", "update", "north", "--name", "south", "--label", "cost=7")
    assert cli.json("organization", "get", "south")["labels"] == {"cost": "7"}
    cli.run("workspace", "create", "lab")
    assert cli.json("workspace", "suspend", "lab")["state"] == "suspended"
    assert cli.json("workspace", "get", "lab")["state"] == "suspended"


def test_somebodys_own_password_factors_and_sessions(place, tmp_path):
    local = Local(place)
    session = local.log_in()[0].session_token
    cli = Cli(tmp_path, place.server.url, session)
    sessions = cli.json("session", "list")["items"]
    local.log_in()
    [other] = [item for item in cli.json("session", "list")["items"] if item not in sessions]
    cli.run("session", "revoke", other["id"])
    assert other["id"] not in [item["id"] for item in cli.json("session", "list")["items"]]

    made = cli.json("factor", "totp")
    cli.run("factor", "totp-confirm", totp(made["seed"]))
    passkey = register(local, place.server.api(session))
    assert len(cli.json("factor", "recovery-codes")["codes"]) == 10
    cli.run("factor", "totp-remove")
    cli.run("factor", "passkey-remove", passkey.record)
    cli.run("account", "password", stdin=f"{PASSWORD}\nanother long pass phrase\n")
    assert local.log_in("another long pass phrase")[1].status == 303


def test_a_password_that_is_typed_is_not_shown(place, tmp_path):
    local = Local(place)
    cli = Cli(tmp_path, place.server.url, local.log_in()[0].session_token)
    keyboard, terminal = os.openpty()
    with subprocess.Popen([str(harness.binary()), "account", "password"], stdin=terminal, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env={**os.environ, "COUNTERSIGN_PROFILE": str(cli.profile)}) as process:
        for prompt, typed in (("current password: ", PASSWORD), ("new password: ", "another long pass phrase")):
            said = ""
            while not said.endswith(prompt):
                said += process.stderr.read(1).decode() or pytest.fail(f"it ended: {said}")
            os.write(keyboard, typed.encode() + b"\n")
        assert process.wait(harness.PATIENCE_S) == 0
    # The line discipline has answered all that was typed by now: what it echoed can be read.
    os.set_blocking(keyboard, False)
    try:
        echoed = os.read(keyboard, 4096)
    except BlockingIOError:
        echoed = b""
    os.close(keyboard)
    os.close(terminal)
    assert PASSWORD.encode() not in echoed and b"another long" not in echoed
    assert local.log_in("another long pass phrase")[1].status == 303


def test_a_policy_goes_out_of_force(place, tmp_path):
    cli = place.cli
    document = tmp_path / "calm.yaml"
    document.write_text("policy: '1.0'\ndocument: {name: calm, version: 1.0.0}\n"
                        "rules: [{name: the-rest, effect: permit}]\n")
    made = cli.json("definition", "create", "policy", document)
    cli.run("definition", "publish", made["id"])
    cli.run("policy", "activate", made["id"])
    assert "calm" in names(cli, "policy", "list")
    cli.run("policy", "deactivate", made["id"])
    assert "calm" not in names(cli, "policy", "list")
