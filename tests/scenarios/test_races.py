# SPDX-License-Identifier: Apache-2.0
"""Two at once: exactly one wins, and everybody is told."""
import concurrent.futures
import threading

import pytest

from harness import HandExecutor

pytestmark = pytest.mark.threads


def at_once(*calls):
    """Runs the calls at the same moment; their results in order."""
    barrier = threading.Barrier(len(calls))

    def one(call):
        barrier.wait()
        return call()

    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


def post(person, path, body=None):
    return lambda: person.api.request("POST", path, body)


def test_two_deciders_at_once_make_one_approval(staffed):
    for _ in range(10):
        action = staffed.bot.submit()
        path = f"{staffed.actions}/{action['id']}/decisions"
        answers = at_once(post(staffed.anna, path, staffed.anna.decision(action)),
                          post(staffed.ben, path, staffed.ben.decision(action)))
        assert sorted(a.status_code for a in answers) == [201, 409], [a.text for a in answers]
        after = staffed.bot.action(action["id"])
        assert after["state"] == "approved" and len(after["decisions"]) == 1


def test_a_yes_and_a_no_at_once_make_one_outcome(staffed):
    for _ in range(10):
        action = staffed.bot.submit()
        path = f"{staffed.actions}/{action['id']}/decisions"
        answers = at_once(post(staffed.anna, path, staffed.anna.decision(action)),
                          post(staffed.ben, path, staffed.ben.decision(action, "reject")))
        assert sorted(a.status_code for a in answers) == [201, 409], [a.text for a in answers]
        assert staffed.bot.action(action["id"])["state"] in ("approved", "rejected")


def test_two_executors_at_once_get_one_claim(staffed):
    other = HandExecutor(staffed)
    for _ in range(10):
        action = staffed.bot.submit()
        staffed.anna.decide(action)
        path = f"{staffed.actions}/{action['id']}/claim"
        answers = at_once(post(staffed.executor, path), post(other, path))
        assert sorted(a.status_code for a in answers) == [201, 409], [a.text for a in answers]


def test_two_cancels_at_once_cancel_once(staffed):
    for _ in range(10):
        action = staffed.bot.submit()
        path = f"{staffed.actions}/{action['id']}/cancel"
        answers = at_once(post(staffed.bot, path), post(staffed.bot, path))
        assert sorted(a.status_code for a in answers) == [200, 409], [a.text for a in answers]


def test_a_cancel_and_a_claim_at_once_have_one_winner(staffed):
    for _ in range(10):
        action = staffed.bot.submit()
        staffed.anna.decide(action)
        path = f"{staffed.actions}/{action['id']}"
        cancel, claim = at_once(post(staffed.bot, path + "/cancel"), post(staffed.executor, path + "/claim"))
        assert (cancel.status_code, claim.status_code) in ((200, 409), (409, 201)), (cancel.text, claim.text)
        state = staffed.bot.action(action["id"])["state"]
        assert state == ("cancelled" if cancel.status_code == 200 else "claimed")


def test_the_same_create_sent_twice_at_once_is_one_create(staffed):
    for number in range(5):
        body = {"environment": "test", "connector": "docker", "operation": "container.list"}
        headers = {"Idempotency-Key": f"same-{number}"}
        send = lambda: staffed.bot.api.request("POST", staffed.actions, body, headers=headers)  # noqa: E731
        first, second = at_once(send, send)
        statuses = sorted((first.status_code, second.status_code))
        assert statuses in ([201, 201], [201, 409]), (first.text, second.text)
        if statuses == [201, 201]:
            assert first.json()["id"] == second.json()["id"]


def test_many_tenants_at_once_do_not_meet(server, platform):
    from conftest import new_tenant

    tenants = [new_tenant(server, platform) for _ in range(4)]

    def story(tenant):
        bot, anna = tenant.agent(), tenant.approver()
        tenant.put_roster(anna)
        executor = HandExecutor(tenant).answer_resolutions()
        try:
            for _ in range(5):
                action = bot.submit()
                anna.decide(action)
                executor.report(action, executor.claim(action["id"]))
        finally:
            executor.close()
        return [a["id"] for a in bot.api.ok("GET", tenant.actions)["items"]]

    with concurrent.futures.ThreadPoolExecutor(len(tenants)) as pool:
        ids = list(pool.map(story, tenants))
    assert all(len(own) == 5 for own in ids)
    assert len({action for own in ids for action in own}) == 20
