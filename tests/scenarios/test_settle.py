# SPDX-License-Identifier: Apache-2.0
"""Actions whose executor never comes back: somebody else than who asked says how they ended."""
import subprocess

import pytest

import harness

NOTE = {"outcome": "failed", "note": "the container still runs"}


@pytest.fixture
def olga(staffed):
    return staffed.person("user", "operator", "olga")


def claimed(tenant, asker=None):
    action = (asker or tenant.bot).submit()
    tenant.anna.decide(action)
    return action, tenant.executor.claim(action["id"])


def settle(tenant, action):
    return f"{tenant.actions}/{action['id']}/settle"


def revoke_executor(tenant):
    tenant.executor.close()
    tenant.admin.api.ok("DELETE", f"{tenant.place}/executors/{tenant.executor.id}")


def test_a_claimed_action_is_settled_once_its_executor_is_revoked(staffed, olga):
    action, claim = claimed(staffed)
    held = olga.api.refused("CONFLICT", "POST", settle(staffed, action), NOTE)
    assert "revoke it first" in held["detail"]
    assert staffed.bot.action(action["id"])["state"] == "claimed"
    revoke_executor(staffed)
    ended = olga.api.ok("POST", settle(staffed, action), NOTE)
    assert ended["state"] == "failed" and ended["outcome"]["settled_by"] == olga.id
    # What the executor says now is not heard.
    response = staffed.executor.api.request("POST", f"{staffed.actions}/{action['id']}/report", staffed.executor.key.envelope(
        harness.REPORT, staffed.executor.report_bytes(action, claim)))
    assert response.status_code == 401
    olga.api.refused("CONFLICT", "POST", settle(staffed, action), {**NOTE, "outcome": "succeeded"})
    entry, = [e for e in staffed.log_entries() if e["api"]["operation"] == "action.settle" and e["action_id"] == 1]
    assert entry["unmapped"]["from"] == "claimed" and entry["unmapped"]["state"] == "failed"
    assert NOTE["note"] not in str(entry)


def test_an_indeterminate_action_is_settled_and_a_late_report_is_refused_and_logged(staffed, olga):
    action, claim = claimed(staffed)
    staffed.executor.report(action, claim, "indeterminate")
    ended = olga.api.ok("POST", settle(staffed, action), {**NOTE, "outcome": "succeeded"})
    assert ended["state"] == "succeeded" and ended["outcome"]["settled_by"] == olga.id
    late = staffed.executor.key.envelope(harness.REPORT, staffed.executor.report_bytes(action, claim, "failed"))
    staffed.executor.api.refused("CONFLICT", "POST", f"{staffed.actions}/{action['id']}/report", late)
    assert staffed.bot.action(action["id"])["state"] == "succeeded"
    denied = [e for e in staffed.log_entries() if e["api"]["operation"] == "action.report" and e["action_id"] == 2]
    assert [e["unmapped"]["outcome"] for e in denied] == ["failed"]


def test_the_note_stays_where_content_does(staffed, olga):
    staffed.keep_content()
    kept, claim = claimed(staffed)
    staffed.executor.report(kept, claim, "indeterminate", message="lost it")
    assert olga.api.ok("POST", settle(staffed, kept), NOTE)["outcome"]["message"] == NOTE["note"]
    assert staffed.bot.action(kept["id"])["outcome"]["message"] == NOTE["note"]


def test_who_may_settle_what(staffed, olga):
    own, claim = claimed(staffed, olga)
    staffed.executor.report(own, claim, "indeterminate")
    asked = olga.api.refused("FORBIDDEN", "POST", settle(staffed, own), NOTE)
    assert "who asked" in asked["detail"]
    for person in (staffed.anna, staffed.bot):
        assert "action.settle" in person.api.refused("FORBIDDEN", "POST", settle(staffed, own), NOTE)["detail"]
    for wrong in ({**NOTE, "outcome": "indeterminate"}, {**NOTE, "note": ""}, {"outcome": "failed"}):
        assert staffed.admin.api.request("POST", settle(staffed, own), wrong).status_code == 422
    staffed.admin.api.ok("POST", settle(staffed, own), NOTE)
    # What has not been claimed, or has ended, needs nobody to say so.
    pending = staffed.bot.submit()
    olga.api.refused("CONFLICT", "POST", settle(staffed, pending), NOTE)
    staffed.anna.decide(pending)
    olga.api.refused("CONFLICT", "POST", settle(staffed, pending), NOTE)
    staffed.executor.report(pending, staffed.executor.claim(pending["id"]))
    olga.api.refused("CONFLICT", "POST", settle(staffed, pending), NOTE)


def test_settling_from_the_command_line(staffed, olga, tmp_path):
    action, claim = claimed(staffed)
    staffed.executor.report(action, claim, "indeterminate")
    profile = str(tmp_path / "olga.json")

    def cli(*words):
        return subprocess.run([str(harness.binary()), *words, "--profile", profile], capture_output=True, text=True,
                              timeout=harness.PATIENCE_S)

    cli("login", "--server", staffed.server.url, "--key", olga.api.key)
    done = cli("action", "settle", action["id"], "failed", "looked: it still runs", "--workspace", staffed.workspace)
    assert done.stdout == "Settled.\n", done.stderr
    assert olga.id in cli("action", "show", action["id"], "--workspace", staffed.workspace).stdout
