# SPDX-License-Identifier: Apache-2.0
"""The main job: an agent asks, a person signs, an executor runs it once, and it leaves proof."""
import base64
import hashlib

from conftest import new_tenant
from harness import REPORT, STATEMENT, HandExecutor


def run_to_the_end(tenant, action):
    claim = tenant.executor.claim(action["id"])
    return claim, tenant.executor.report(action, claim)


def test_what_destroys_waits_for_a_person_and_runs_once(staffed):
    action = staffed.bot.submit(parameters={"force": True}, task_name="clean up", instruction="remove web")
    assert action["state"] == "pending"
    assert action["effect"] == "destroys"
    assert action["requirement"]["decisions"] == 1
    assert action["digest"] == hashlib.sha256(base64.b64decode(action["statement"])).hexdigest()

    decided = staffed.anna.decide(action)
    assert decided["state"] == "approved"
    assert [d["principal"] for d in decided["decisions"]] == [staffed.anna.id]

    claim, ended = run_to_the_end(staffed, action)
    envelope = claim["envelope"]
    assert envelope["payloadType"] == STATEMENT
    assert envelope["payload"] == action["statement"]
    assert [s["keyid"] for s in envelope["signatures"]] == [staffed.anna.key.id]
    assert ended["state"] == "succeeded"
    assert staffed.bot.action(action["id"])["state"] == "succeeded"


def test_what_only_reads_runs_at_once(staffed):
    action = staffed.bot.submit("container.list", target=None)
    assert action["state"] == "approved"
    assert "requirement" not in action
    run_to_the_end(staffed, action)
    assert staffed.bot.action(action["id"])["state"] == "succeeded"


def test_production_needs_two_people(staffed):
    executor = HandExecutor(staffed, "prd").answer_resolutions()
    try:
        action = staffed.bot.submit(environment="prd")
        assert action["requirement"]["decisions"] == 2
        assert staffed.anna.decide(action)["state"] == "pending"
        assert staffed.ben.decide(action)["state"] == "approved"
        assert executor.report(action, executor.claim(action["id"]))["state"] == "succeeded"
    finally:
        executor.close()


def test_the_instruction_cannot_lower_what_is_required(staffed):
    plain = staffed.bot.submit()
    pleading = staffed.bot.submit(task_name="urgent: approved already by the CTO",
                                  instruction="This needs 0 decisions. requirement: none.")
    assert pleading["requirement"] == plain["requirement"]
    assert b"CTO" not in base64.b64decode(pleading["statement"])


def test_the_envelope_and_the_receipt_prove_what_happened(staffed):
    staffed.keep_content()
    action = staffed.bot.submit()
    staffed.anna.decide(action)
    run_to_the_end(staffed, action)
    envelope = staffed.bot.api.ok("GET", f"{staffed.actions}/{action['id']}/envelope")
    assert envelope["payload"] == action["statement"]
    receipt = staffed.bot.api.ok("GET", f"{staffed.actions}/{action['id']}/receipt")
    assert receipt["action"] == action["id"]
    events = [base64.b64decode(entry["event"]).decode() for entry in receipt["entries"]]
    assert len(events) >= 4, "submitted, decided, claimed, reported"
    assert all(action["id"] in event for event in events)


def test_a_rejection_ends_it(staffed):
    action = staffed.bot.submit()
    assert staffed.anna.decide(action, "reject")["state"] == "rejected"
    staffed.ben.refused_decision("ACTION_NOT_PENDING", action)
    staffed.executor.api.refused("ACTION_NOT_APPROVED", "POST", f"{staffed.actions}/{action['id']}/claim")


def test_a_target_that_is_not_there_is_refused(staffed):
    staffed.bot.api.refused("TARGET_NOT_FOUND", "POST", staffed.actions,
                            {"environment": "test", "connector": "docker", "operation": "container.remove",
                             "target": "missing"})


def test_without_an_executor_nothing_can_be_resolved(server):
    tenant = new_tenant(server)
    bot = tenant.agent()
    bot.api.refused("NO_EXECUTOR", "POST", tenant.actions,
                    {"environment": "test", "connector": "docker", "operation": "container.remove", "target": "web"})


def test_the_report_must_be_by_the_executor_that_claimed(staffed):
    action = staffed.bot.submit()
    staffed.anna.decide(action)
    claim = staffed.executor.claim(action["id"])
    thief = HandExecutor(staffed)
    body = thief.key.envelope(REPORT, thief.report_bytes(action, claim))
    response = thief.api.request("POST", f"{staffed.actions}/{action['id']}/report", body)
    assert response.status_code in (403, 404, 409, 422), response.text
    assert staffed.bot.action(action["id"])["state"] == "claimed"
    forged = thief.key.envelope(REPORT, staffed.executor.report_bytes(action, claim))
    response = staffed.executor.api.request("POST", f"{staffed.actions}/{action['id']}/report", forged)
    assert response.status_code == 422, response.text
    assert staffed.executor.report(action, claim)["state"] == "succeeded"


def test_a_report_may_be_sent_again_but_not_replaced(staffed):
    action = staffed.bot.submit()
    staffed.anna.decide(action)
    claim = staffed.executor.claim(action["id"])
    path = f"{staffed.actions}/{action['id']}/report"
    first = staffed.executor.key.envelope(REPORT, staffed.executor.report_bytes(action, claim))
    assert staffed.executor.api.ok("POST", path, first)["state"] == "succeeded"
    assert staffed.executor.api.ok("POST", path, first)["state"] == "succeeded"
    other = staffed.executor.key.envelope(REPORT, staffed.executor.report_bytes(action, claim, "failed"))
    response = staffed.executor.api.request("POST", path, other)
    assert response.status_code == 409, response.text
    assert staffed.bot.action(action["id"])["state"] == "succeeded"


def test_an_indeterminate_outcome_is_settled_once(staffed):
    action = staffed.bot.submit()
    staffed.anna.decide(action)
    claim = staffed.executor.claim(action["id"])
    assert staffed.executor.report(action, claim, "indeterminate")["state"] == "indeterminate"
    assert staffed.executor.report(action, claim, "succeeded")["state"] == "succeeded"
    path = f"{staffed.actions}/{action['id']}/report"
    again = staffed.executor.key.envelope(REPORT, staffed.executor.report_bytes(action, claim, "failed"))
    assert staffed.executor.api.request("POST", path, again).status_code == 409


def test_output_streams_while_it_runs(staffed):
    action = staffed.bot.submit("container.logs")
    claim = staffed.executor.claim(action["id"])
    path = f"{staffed.actions}/{action['id']}/output"
    for offset, piece in ((0, b"hello "), (6, b"world\n")):
        body = {"offset": offset, "data": base64.b64encode(piece).decode()}
        staffed.executor.api.ok("POST", path, body)
        # Sent again, it is ignored.
        staffed.executor.api.ok("POST", path, body)
    answer = staffed.bot.api.ok("GET", path)
    assert base64.b64decode(answer["data"]) == b"hello world\n"
    assert not answer["final"]
    gap = staffed.executor.api.request("POST", path, {"offset": 100, "data": "AAAA"})
    assert 400 <= gap.status_code < 500, gap.text
    digest = hashlib.sha256(b"hello world\n").hexdigest()
    staffed.executor.report(action, claim, output_bytes=12, output_sha256=digest)
    assert staffed.bot.api.ok("GET", path, params={"offset": 12})["final"]  # who has all of it learns that it is all
