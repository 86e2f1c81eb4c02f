# SPDX-License-Identifier: Apache-2.0
"""Bodies that are malformed, oversized, too deep or not what they say: a 4xx that names the place, nothing half-done."""
import json
import socket

import pytest

GOOD = {"environment": "test", "connector": "docker", "operation": "container.list"}


def refused(staffed, raw, status, code=None, pointer=None, **more):
    before = staffed.bot.api.ok("GET", staffed.actions)["items"]
    response = staffed.bot.api.request("POST", staffed.actions, raw=raw, **more)
    assert response.status_code in (status if isinstance(status, tuple) else (status,)), response.text
    problem = response.json()
    assert response.headers["Content-Type"].startswith("application/problem+json")
    assert problem["status"] == response.status_code
    if code:
        assert problem["code"] == code, problem
    if pointer is not None:
        assert problem.get("pointer") == pointer, problem
    assert staffed.bot.api.ok("GET", staffed.actions)["items"] == before, "something was done"
    return problem


def with_fields(**fields):
    return json.dumps({**GOOD, **fields}).encode()


@pytest.mark.parametrize("raw", [
    b"", b"{", b"}", b"[", b"nul", b"{}{}", b"{,}", b'{"a":}', b"{'a':1}", b'{"a":1,}', b"[1 2]", b"// no\n{}",
    b'{"environment":"test"', b'"\\x"', b'"\\ud800"', b"\x00", b"{\x00}", b"NaN", b"Infinity", b"01", b"1.", b".5", b"+1",
    b'{"environment": "te\nst"}', b"\xef\xbb\xbf{}\xef\xbb\xbf",
])
def test_what_is_no_json_is_refused(staffed, raw):
    refused(staffed, raw, (400, 422))


@pytest.mark.parametrize("raw", [b"[]", b"1", b'"x"', b"null", b"true"])
def test_what_is_no_object_is_refused(staffed, raw):
    refused(staffed, raw, (400, 422))


def test_invalid_utf8_is_refused(staffed):
    for bad in (b"\xff", b"\xc3\x28", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"):
        refused(staffed, b'{"environment":"test","connector":"docker","operation":"' + bad + b'"}', 400, "BAD_JSON")


def test_duplicate_keys_are_refused_with_their_place(staffed):
    problem = refused(staffed, b'{"environment":"test","environment":"prd","connector":"docker","operation":"container.list"}',
                      400, "BAD_JSON")
    assert "environment" in problem["pointer"]
    problem = refused(staffed, b'{"environment":"test","connector":"docker","operation":"container.remove","target":"web",'
                      b'"parameters":{"force":false,"force":true}}', 400, "BAD_JSON")
    assert "force" in problem["pointer"]


def test_keys_that_differ_only_in_writing_are_duplicates_too(staffed):
    refused(staffed, b'{"environment":"test","\\u0065nvironment":"prd","connector":"docker","operation":"container.list"}',
            400, "BAD_JSON")


def test_unknown_keys_are_refused_with_their_place(staffed):
    refused(staffed, with_fields(requirement={"decisions": 0}), 422, "UNKNOWN_FIELD", "/requirement")
    refused(staffed, with_fields(Environment="test"), 422, "UNKNOWN_FIELD", "/Environment")


def test_unknown_parameters_are_refused_with_their_place(staffed):
    problem = refused(staffed, with_fields(operation="container.remove", target="web", parameters={"Force": True}),
                      422, "UNKNOWN_FIELD")
    assert problem["pointer"] == "/parameters/Force"


def test_missing_keys_are_named(staffed):
    for name in GOOD:
        body = {key: value for key, value in GOOD.items() if key != name}
        problem = refused(staffed, json.dumps(body).encode(), 422, "MISSING_FIELD")
        assert name in problem["pointer"] + problem["detail"]


@pytest.mark.parametrize("field,value", [
    ("environment", 1), ("environment", None), ("environment", []), ("environment", "Test"), ("environment", ""),
    ("environment", "x" * 33), ("connector", {}), ("operation", "x" * 65), ("expires_in", "1d"), ("expires_in", "-1h"),
    ("expires_in", "0s"), ("expires_in", "25h"), ("expires_in", 3600), ("parameters", []), ("parameters", "x"),
    ("task_name", "x" * 201), ("instruction", "x" * 8001), ("target", ""), ("target", "x" * 513),
    ("task_name", "a\0b"), ("instruction", "\0"), ("parameters", {"x": ["\0"]}),
])
def test_wrong_types_and_ranges_name_the_field(staffed, field, value):
    problem = refused(staffed, with_fields(**{field: value}), 422)
    assert problem["pointer"].startswith(f"/{field}"), problem


@pytest.mark.parametrize("value", [
    1e400, -1, 2**63, 2**64, 2**200, 1.5, "10", True, None, [],
])
def test_numbers_out_of_range_are_refused(staffed, value):
    raw = json.dumps({**GOOD, "operation": "container.stop", "target": "web", "parameters": {"timeout_s": value}})
    raw = raw.replace("Infinity", "1e400").encode()
    response = staffed.bot.api.request("POST", staffed.actions, raw=raw)
    assert response.status_code in (400, 422), response.text


def test_ten_thousand_levels_deep_are_refused(staffed):
    deep = b'{"environment":"test","connector":"docker","operation":"container.list","parameters":' \
        + b'{"a":' * 10000 + b"1" + b"}" * 10000 + b"}"
    refused(staffed, deep, (400, 413))
    refused(staffed, b"[" * 10000 + b"]" * 10000, 400)
    refused(staffed, b"[" * 10000, 400)


def test_an_oversized_body_is_refused(staffed):
    refused(staffed, with_fields(instruction="x" * 100_000), 413, "BODY_TOO_LARGE")


def test_an_oversized_body_without_a_length_is_refused(staffed):
    def pieces():
        yield b'{"instruction":"'
        for _ in range(200):
            yield b"x" * 1000
        yield b'"}'
    response = staffed.bot.api.request("POST", staffed.actions, raw=pieces())
    assert response.status_code == 413, response.text


def test_another_content_type_is_refused(staffed):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""):
        response = staffed.bot.api.request("POST", staffed.actions, raw=json.dumps(GOOD).encode(),
                                           headers={"Content-Type": kind})
        assert response.status_code == 415, (kind, response.text)
    response = staffed.bot.api.request("POST", staffed.actions, raw=json.dumps(GOOD).encode(),
                                       headers={"Content-Type": "Application/JSON; charset=utf-8"})
    assert response.status_code == 201, response.text


def test_a_truncated_body_does_nothing(staffed):
    before = staffed.bot.api.ok("GET", staffed.actions)["items"]
    with socket.create_connection(("127.0.0.1", staffed.server.port), 10) as wire:
        body = json.dumps(GOOD).encode()
        wire.sendall(f"POST {staffed.actions} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {staffed.bot.api.key}\r\n"
                     f"Content-Type: application/json\r\nContent-Length: {len(body) + 10}\r\n\r\n".encode() + body)
        wire.shutdown(socket.SHUT_WR)
        answer = wire.recv(65536)
    assert not answer or answer.startswith(b"HTTP/1.1 4"), answer
    assert staffed.bot.api.ok("GET", staffed.actions)["items"] == before


@pytest.mark.parametrize("path", [
    "/v1/tenants/..", "/v1/tenants/%00", "/v1/tenants/%2e%2e/principals", "/v1/../metrics", "//v1/whoami", "/v1/whoami/",
    "/v1/tenants/ten_", "/V1/whoami", "/v1/tenants/" + "x" * 3000, "/v1/actions?x=%zz", "/%", "/v1/tenants/%",
])
def test_odd_paths_are_not_there(staffed, path):
    with socket.create_connection(("127.0.0.1", staffed.server.port), 10) as wire:
        wire.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {staffed.bot.api.key}\r\n"
                     "Connection: close\r\n\r\n".encode())
        status = int(wire.recv(65536).split(b" ")[1])
    assert 400 <= status < 500, status


def test_unknown_and_repeated_parameters_are_refused(staffed):
    for query in ("?limit=1&limit=2", "?unknown=1", "?limit=0", "?limit=201", "?limit=x", "?limit=", "?cursor=nonsense",
                  "?state=unheard-of", "?limit=1%00"):
        response = staffed.bot.api.request("GET", staffed.actions + query)
        assert response.status_code == 400, (query, response.status_code, response.text)
        assert response.json()["code"] == "BAD_PARAMETER"


def test_other_methods_say_which_are_allowed(staffed):
    response = staffed.bot.api.request("PUT", staffed.actions, GOOD)
    assert response.status_code == 405
    assert {m.strip() for m in response.headers["Allow"].split(",")} >= {"GET", "POST"}


def test_an_idempotency_key_of_another_request_is_refused(staffed):
    headers = {"Idempotency-Key": "one"}
    first = staffed.bot.api.ok("POST", staffed.actions, GOOD, headers=headers)
    assert staffed.bot.api.ok("POST", staffed.actions, GOOD, headers=headers)["id"] == first["id"]
    staffed.bot.api.refused("IDEMPOTENCY_MISMATCH", "POST", staffed.actions, {**GOOD, "environment": "prd"},
                            headers=headers)


def test_every_answer_carries_the_requests_id(staffed):
    for method, path in (("GET", "/healthz"), ("GET", "/v1/whoami"), ("GET", "/nowhere"), ("POST", staffed.actions)):
        response = staffed.bot.api.request(method, path)
        assert response.headers["X-Request-Id"].startswith("req_"), (path, response.headers)
