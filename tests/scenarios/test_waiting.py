# SPDX-License-Identifier: Apache-2.0
"""Waiting is an answer that comes late, never a poll."""
import json
import threading
import time

import pytest


def in_background(call):
    result = {}

    def run():
        result["answer"] = call()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, result


def test_wait_answers_as_soon_as_the_action_ends(staffed):
    action = staffed.bot.submit()
    begun = time.monotonic()
    thread, result = in_background(lambda: staffed.bot.action(action["id"], wait="30s"))
    staffed.anna.decide(action)
    staffed.executor.report(action, staffed.executor.claim(action["id"]))
    thread.join()
    assert result["answer"]["state"] == "succeeded"
    assert time.monotonic() - begun < 25


def test_wait_ends_in_time_with_what_there_is(staffed):
    action = staffed.bot.submit()
    begun = time.monotonic()
    assert staffed.bot.action(action["id"], wait="300ms")["state"] == "pending"
    assert 0.25 < time.monotonic() - begun < 10


def test_since_answers_at_every_change(staffed):
    action = staffed.bot.submit()
    thread, result = in_background(lambda: staffed.bot.api.ok(
        "GET", f"{staffed.actions}/{action['id']}", params={"wait": "30s", "since": action["revision"]}))
    staffed.anna.decide(action)
    thread.join()
    assert result["answer"]["state"] == "approved"
    assert result["answer"]["revision"] != action["revision"]


@pytest.mark.parametrize("wait", ["1", "-1s", "s", "1h", "99999999999s", "1 s", ""])
def test_a_malformed_wait_is_refused(staffed, wait):
    action = staffed.bot.submit("container.list", target=None)
    response = staffed.bot.api.request("GET", f"{staffed.actions}/{action['id']}", params={"wait": wait})
    assert response.status_code == 400, response.text
    assert response.json()["pointer"].endswith("wait")


def events_of(response):
    """(id, type, data) of each server-sent event."""
    event = {}
    for line in response.iter_lines(chunk_size=1, decode_unicode=True):
        if line == "" and "data" in event:
            yield event.get("id"), json.loads(event["data"])
            event = {}
        elif line and not line.startswith(":"):
            name, _, value = line.partition(":")
            event[name] = value.removeprefix(" ")


def test_the_stream_tells_what_happens_and_continues_where_it_broke_off(staffed):
    path = f"{staffed.path}/events"
    stream = staffed.admin.api.request("GET", path, stream=True)
    assert stream.status_code == 200
    assert stream.headers["Content-Type"].startswith("text/event-stream")
    events = events_of(stream)
    action = staffed.bot.submit()
    first_id, first = next(events)
    assert first["specversion"] == "1.0"
    assert first["subject"] == action["id"]
    stream.close()
    staffed.anna.decide(action)
    resumed = staffed.admin.api.request("GET", path, stream=True, headers={"Last-Event-ID": first_id})
    _, second = next(events_of(resumed))
    resumed.close()
    assert second["subject"] == action["id"]
    assert "decided" in second["type"] or "approved" in second["type"], second


def test_the_stream_of_one_tenant_tells_nothing_of_another(staffed, other_tenant):
    stream = other_tenant.admin.api.request("GET", f"{other_tenant.path}/events", stream=True)
    events = events_of(stream)
    staffed.bot.submit()
    own = other_tenant.admin.api.ok("POST", f"{other_tenant.path}/principals",
                                    {"kind": "agent", "name": "own", "roles": ["agent"]})
    _, first = next(events)
    stream.close()
    assert staffed.id not in json.dumps(first)
    assert own["id"] in json.dumps(first)


def test_expired_actions_end_by_themselves(make_server):
    from conftest import new_tenant
    from harness import HandExecutor

    server = make_server().start()
    tenant = new_tenant(server)
    bot, anna = tenant.agent(), tenant.approver()
    tenant.put_roster(anna)
    executor = HandExecutor(tenant).answer_resolutions()
    try:
        waiting = bot.submit(expires_in="1h")
        approved = bot.submit(expires_in="1h")
        anna.decide(approved)
        server.set_clock_offset_ms(2 * 3600 * 1000)
        anna.refused_decision("ACTION_EXPIRED", waiting)
        executor.api.refused("ACTION_EXPIRED", "POST", f"{tenant.actions}/{approved['id']}/claim")
        assert bot.wait_for(waiting["id"])["state"] == "expired"
        assert bot.wait_for(approved["id"])["state"] == "lapsed"
        # The clock goes back: what has ended stays ended.
        server.set_clock_offset_ms(-3600 * 1000)
        assert bot.action(waiting["id"])["state"] == "expired"
        response = anna.api.request("POST", f"{tenant.actions}/{waiting['id']}/decisions", anna.decision(waiting))
        assert response.status_code == 409
    finally:
        executor.close()


@pytest.mark.parametrize("how", ["disable", "revoke"])
def test_a_stream_ends_for_a_reader_who_is_out(staffed, how):
    reader = f"{staffed.path}/principals/{staffed.anna.id}"
    stream = staffed.anna.api.request("GET", f"{staffed.path}/events", stream=True, timeout=10)
    assert stream.status_code == 200
    events = events_of(stream)
    staffed.bot.submit()
    next(events)
    if how == "disable":
        staffed.admin.api.ok("POST", f"{reader}/disable")
    else:
        key = staffed.admin.api.ok("GET", f"{reader}/keys")["items"][0]
        staffed.admin.api.ok("DELETE", f"{reader}/keys/{key['id']}")
    action = staffed.bot.submit()
    assert [event for _, event in events if event.get("subject") == action["id"]] == []
