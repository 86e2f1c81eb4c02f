# SPDX-License-Identifier: Apache-2.0
"""Who may decide, on what, and how often: every way around it that we know of."""
import base64
import json

import pytest

from harness import REJECTION, STATEMENT, HandExecutor, Key, Person, canonical


def test_the_requester_cannot_approve(staffed):
    """Also when the requester is on the roster and holds the role."""
    action = staffed.anna.api.request("POST", staffed.actions, {
        "environment": "test", "connector": "docker", "operation": "container.remove", "target": "web"})
    if action.status_code == 403:
        # Approvers may not even ask; then somebody who may both ask and decide is needed.
        both = staffed.person("user", ["operator", "approver"], "olga")
        both.offer_key()
        staffed.put_roster(staffed.anna, staffed.ben, both)
        asked = both.submit()
        both.refused_decision("SELF_APPROVAL", asked)
    else:
        asked = action.json()
        staffed.anna.refused_decision("SELF_APPROVAL", asked)
    assert staffed.bot.action(asked["id"])["state"] == "pending"


def test_the_agent_cannot_approve_its_own_action(staffed):
    action = staffed.bot.submit()
    response = staffed.bot.api.request("POST", f"{staffed.actions}/{action['id']}/decisions",
                                       staffed.bot.decision(action))
    assert response.status_code == 403
    assert response.json()["code"] in ("SELF_APPROVAL", "FORBIDDEN")
    assert staffed.bot.action(action["id"])["state"] == "pending"


def test_an_approver_who_is_not_on_the_roster_does_not_count(staffed):
    eve = staffed.approver("eve")
    action = staffed.bot.submit()
    eve.refused_decision("NOT_ON_ROSTER", action)
    assert staffed.bot.action(action["id"])["state"] == "pending"


def test_a_key_that_is_only_offered_does_not_count(staffed):
    action = staffed.bot.submit()
    second = Key()
    staffed.anna.api.ok("POST", f"{staffed.path}/principals/{staffed.anna.id}/signing-keys",
                        {"public_key": second.public_text})
    staffed.anna.refused_decision("NOT_ON_ROSTER", action, key=second)


def test_one_person_counts_once(staffed):
    executor = HandExecutor(staffed, "prd").answer_resolutions()
    try:
        action = staffed.bot.submit(environment="prd")
        assert staffed.anna.decide(action)["state"] == "pending"
        staffed.anna.refused_decision("ALREADY_DECIDED", action)
        staffed.anna.refused_decision("ALREADY_DECIDED", action, "reject")
        assert staffed.bot.action(action["id"])["state"] == "pending"
    finally:
        executor.close()


def test_somebody_elses_signature_does_not_count_as_ones_own(staffed):
    action = staffed.bot.submit()
    body = staffed.anna.decision(action)
    response = staffed.ben.api.request("POST", f"{staffed.actions}/{action['id']}/decisions", body)
    assert response.status_code in (403, 422), response.text
    assert staffed.bot.action(action["id"])["state"] == "pending"


def test_a_signature_over_another_action_is_no_signature_here(staffed):
    first, second = staffed.bot.submit(), staffed.bot.submit()
    body = staffed.anna.decision(first)
    staffed.anna.api.refused("BAD_SIGNATURE", "POST", f"{staffed.actions}/{second['id']}/decisions", body)


def test_a_no_cannot_be_presented_as_a_yes(staffed):
    action = staffed.bot.submit()
    staffed.anna.refused_decision("BAD_SIGNATURE", action, "approve", payload_type=REJECTION)
    staffed.anna.refused_decision("BAD_SIGNATURE", action, "reject", payload_type=STATEMENT)


def test_a_statement_with_any_byte_changed_is_refused(staffed):
    """Every 7th byte, so that all members are met and the test stays quick."""
    action = staffed.bot.submit()
    statement = base64.b64decode(action["statement"])
    for position in range(0, len(statement), 7):
        altered = bytearray(statement)
        altered[position] ^= 1
        staffed.anna.refused_decision("BAD_SIGNATURE", action, statement=bytes(altered))
    assert staffed.anna.decide(action)["state"] == "approved"


def test_a_signature_with_any_byte_changed_is_refused(staffed):
    action = staffed.bot.submit()
    body = staffed.anna.decision(action)
    signature = base64.b64decode(body["signature"]["sig"])
    for position in range(0, 64, 5):
        altered = bytearray(signature)
        altered[position] ^= 0x40
        body["signature"]["sig"] = base64.b64encode(bytes(altered)).decode()
        staffed.anna.api.refused("BAD_SIGNATURE", "POST", f"{staffed.actions}/{action['id']}/decisions", body)
    body["signature"]["sig"] = base64.b64encode(signature[:63]).decode()
    assert staffed.anna.api.request("POST", f"{staffed.actions}/{action['id']}/decisions",
                                    body).status_code == 422


def test_a_disabled_approver_is_out_at_once(staffed):
    action = staffed.bot.submit()
    staffed.admin.api.ok("POST", f"{staffed.path}/principals/{staffed.anna.id}/disable")
    response = staffed.anna.api.request("POST", f"{staffed.actions}/{action['id']}/decisions",
                                        staffed.anna.decision(action))
    assert response.status_code == 401


def test_a_revoked_key_is_out_at_once(staffed):
    keys = staffed.admin.api.ok("GET", f"{staffed.path}/principals/{staffed.bot.id}/keys")["items"]
    staffed.bot.api.ok("GET", "/v1/whoami")
    staffed.admin.api.ok("DELETE", f"{staffed.path}/principals/{staffed.bot.id}/keys/{keys[0]['id']}")
    staffed.bot.api.refused("UNAUTHENTICATED", "GET", "/v1/whoami")


def test_whoever_left_the_roster_does_not_count_any_more(staffed):
    action = staffed.bot.submit()
    staffed.put_roster(staffed.ben)
    staffed.anna.refused_decision("NOT_ON_ROSTER", action)
    assert staffed.ben.decide(action)["state"] == "approved"


def test_a_cancelled_action_cannot_be_approved(staffed):
    action = staffed.bot.submit()
    assert staffed.bot.api.ok("POST", f"{staffed.actions}/{action['id']}/cancel")["state"] == "cancelled"
    staffed.anna.refused_decision("ACTION_NOT_PENDING", action)
    staffed.bot.api.refused("CONFLICT", "POST", f"{staffed.actions}/{action['id']}/cancel")


def test_another_agent_cannot_cancel(staffed):
    action = staffed.bot.submit()
    other = staffed.agent()
    response = other.api.request("POST", f"{staffed.actions}/{action['id']}/cancel")
    assert response.status_code == 403
    assert staffed.bot.action(action["id"])["state"] == "pending"


def test_the_claim_is_won_once(staffed):
    action = staffed.bot.submit()
    staffed.anna.decide(action)
    staffed.executor.claim(action["id"])
    staffed.executor.api.refused("ACTION_NOT_APPROVED", "POST", f"{staffed.actions}/{action['id']}/claim")


def test_an_executor_of_another_environment_cannot_claim(staffed):
    action = staffed.bot.submit()
    staffed.anna.decide(action)
    stranger = HandExecutor(staffed, "prd")
    response = stranger.api.request("POST", f"{staffed.actions}/{action['id']}/claim")
    assert response.status_code in (403, 404, 409), response.text
    assert staffed.bot.action(action["id"])["state"] == "approved"


def test_only_executors_claim(staffed):
    action = staffed.bot.submit()
    staffed.anna.decide(action)
    for person in (staffed.bot, staffed.anna, staffed.admin):
        person.api.refused("FORBIDDEN", "POST", f"{staffed.actions}/{action['id']}/claim")


def test_an_enrolment_token_works_once(staffed):
    announced = staffed.announce()
    body = {"token": announced["token"], "public_key": Key().public_text}
    staffed.server.api().ok("POST", "/v1/enrolments", body)
    body["public_key"] = Key().public_text
    response = staffed.server.api().request("POST", "/v1/enrolments", body)
    assert response.status_code in (401, 403, 404, 409), response.text


def test_a_revoked_executor_is_out_at_once(staffed):
    stranger = HandExecutor(staffed)
    staffed.admin.api.ok("DELETE", f"{staffed.place}/executors/{stranger.id}")
    stranger.api.refused("UNAUTHENTICATED", "GET", f"{staffed.place}/work")


# ---- the roster ----

def test_a_roster_must_be_signed_by_an_administrator_of_the_version_that_stands(staffed):
    payload = staffed.roster_bytes([staffed.member(staffed.admin, "administrator"),
                                    staffed.member(staffed.bot, "approver")])
    for person in (staffed.anna, staffed.bot):
        response = staffed.admin.api.request("POST", f"{staffed.path}/roster",
                                             person.key.envelope("application/vnd.countersign.roster.v1+json", payload))
        assert response.status_code in (403, 422), response.text


@pytest.mark.parametrize("change", [
    {"version": 9}, {"previous": "0" * 64}, {"threshold": 0}, {"threshold": 5}, {"members": []}, {"tenant": "ten_x"},
    {"format": "countersign/roster/v2"}, {"extra": 1},
])
def test_a_roster_that_cannot_stand_is_refused(staffed, change):
    document = json.loads(staffed.roster_bytes([staffed.member(staffed.admin, "administrator")]))
    document.update(change)
    envelope = staffed.admin.key.envelope("application/vnd.countersign.roster.v1+json", canonical(document))
    response = staffed.admin.api.request("POST", f"{staffed.path}/roster", envelope)
    assert response.status_code in (403, 409, 422), response.text
    assert len(staffed.admin.api.ok("GET", f"{staffed.path}/roster")["items"]) == staffed.version


def test_two_administrators_must_sign_where_the_threshold_is_two(tenant):
    record = tenant.admin.api.ok("POST", f"{tenant.path}/principals",
                                 {"kind": "user", "name": "second", "roles": ["administrator"]})
    made = tenant.admin.api.ok("POST", f"{tenant.path}/principals/{record['id']}/keys", {"name": "test"})
    second = Person(tenant, record, made["secret"])
    tenant.put_roster(threshold=2, administrators=[second], signers=[tenant.admin, second])
    members = [tenant.member(tenant.admin, "administrator"), tenant.member(second, "administrator")]
    payload = tenant.roster_bytes(members, threshold=2)
    kind = "application/vnd.countersign.roster.v1+json"
    one = tenant.admin.api.request("POST", f"{tenant.path}/roster", tenant.admin.key.envelope(kind, payload))
    assert one.status_code in (403, 422), one.text
    twice = tenant.admin.key.envelope(kind, payload, tenant.admin.key)
    assert tenant.admin.api.request("POST", f"{tenant.path}/roster", twice).status_code in (403, 422)
    tenant.put_roster(threshold=2, administrators=[second], signers=[second, tenant.admin])
