# SPDX-License-Identifier: Apache-2.0
"""What every request meets before and after its handler: credentials, limits, repeated requests, replies, the end."""
import concurrent.futures
import json
import re
import subprocess
import threading

import pytest

import harness

USER = {"kind": "user", "name": "ada", "roles": ["auditor"]}


def principals(tenant):
    return tenant.admin.api.ok("GET", f"{tenant.path}/principals?limit=200")["items"]


def without_request(response):
    return re.sub(r"req_[0-9a-z]+", "req", response.text)


def test_a_repeated_request_gets_the_same_reply_and_is_done_once(tenant):
    headers = {"Idempotency-Key": "once"}
    first = tenant.admin.api.request("POST", f"{tenant.path}/principals", USER, headers=headers)
    again = tenant.admin.api.request("POST", f"{tenant.path}/principals", USER, headers=headers)
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert sum(1 for p in principals(tenant) if p["name"] == "ada") == 1
    tenant.admin.api.refused("IDEMPOTENCY_MISMATCH", "POST", f"{tenant.path}/principals", {**USER, "name": "bea"},
                         headers=headers)
    assert tenant.admin.api.request("POST", f"{tenant.path}/principals", USER).json()["id"] != first.json()["id"]


def test_a_refused_request_may_be_repeated_until_it_succeeds(tenant):
    headers = {"Idempotency-Key": "second try"}
    tenant.admin.api.refused("BAD_PARAMETER", "POST", f"{tenant.path}/principals", USER, headers=headers)
    headers = {"Idempotency-Key": "second-try"}
    wrong = {"kind": "agent", "name": "x", "roles": ["administrator"]}
    assert not tenant.admin.api.request("POST", f"{tenant.path}/principals", wrong, headers=headers).ok
    assert tenant.admin.api.request("POST", f"{tenant.path}/principals", USER, headers=headers).status_code == 201


@pytest.mark.threads
def test_the_same_request_at_the_same_time_is_done_once(tenant):
    start = threading.Barrier(8)

    def ask(_):
        start.wait()
        return tenant.server.api(tenant.admin.api.key).request("POST", f"{tenant.path}/principals", USER,
                                                           headers={"Idempotency-Key": "race"})
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(ask, range(8)))
    assert {r.status_code for r in replies} == {201}
    assert len({r.content for r in replies}) == 1
    assert sum(1 for p in principals(tenant) if p["name"] == "ada") == 1


def test_a_kept_reply_holds_no_secret_in_the_store(make_server):
    server = make_server().start()
    created = server.api(server.bootstrap_key).ok("POST", "/v1/tenants", {"name": "acme"},
                                                  headers={"Idempotency-Key": "k"})
    server.stop()
    secret = created["api_key"].encode()
    for file in server.data.rglob("*"):
        if file.is_file():
            assert secret not in file.read_bytes(), file


def test_whatever_is_wrong_with_a_credential_the_answer_is_the_same(tenant):
    key = tenant.admin.api.key
    changed = key[:-1] + ("0" if key[-1] != "0" else "1")
    answers = {without_request(tenant.server.api(k).request("GET", "/v1/whoami"))
               for k in (changed, key[:20], "cs_aaaaaaaa_" + key.split("_")[2], "x", key + "0", key.upper())}
    assert len(answers) == 1, answers
    for headers in ({}, {"Authorization": key}, {"Authorization": "Basic " + key}, {"Authorization": "Bearer"}):
        response = tenant.server.api().request("GET", "/v1/whoami", headers=headers)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
    assert tenant.server.api().request("GET", "/v1/whoami", headers={"Authorization": "bearer " + key}).status_code == 200


def test_another_tenants_ids_are_as_ids_that_never_were(tenant, other_tenant):
    never = "ten_" + tenant.id[4:-3] + "zzz"
    other = tenant.admin.api.request("GET", f"/v1/tenants/{other_tenant.id}")
    nobody = tenant.admin.api.request("GET", f"/v1/tenants/{never}")
    assert other.status_code == nobody.status_code == 404
    assert without_request(other) == without_request(nobody)
    other = tenant.admin.api.request("GET", f"/v1/workspaces/{other_tenant.workspace}")
    nobody = tenant.admin.api.request("GET", "/v1/workspaces/wsp_" + tenant.workspace[4:-3] + "zzz")
    assert other.status_code == nobody.status_code == 404
    assert without_request(other) == without_request(nobody)


def test_who_lacks_the_permission_is_told_which(tenant):
    auditor = tenant.person("user", "auditor")
    problem = auditor.api.refused("FORBIDDEN", "POST", f"{tenant.path}/principals", USER)
    assert "principal.manage" in problem["detail"]
    assert all(p["name"] != "ada" for p in principals(tenant))


def test_too_many_requests_are_told_when_to_come_back(make_server):
    server = make_server(options=["--rate-standard-principal", "2/s burst 5"]).start()
    api = server.api(server.bootstrap_key)
    replies = [api.request("GET", "/v1/whoami") for _ in range(12)]
    allowed = [r for r in replies if r.status_code == 200]
    refused = [r for r in replies if r.status_code == 429]
    assert len(allowed) + len(refused) == 12
    assert 5 <= len(allowed) < 12
    assert allowed[0].headers["RateLimit-Limit"] == "5"
    assert allowed[0].headers["RateLimit-Remaining"] == "4"
    assert allowed[0].headers["RateLimit-Policy"] == '"principal";q=5;w=3'
    assert allowed[0].headers["RateLimit"].startswith('"principal";r=4;t=')
    assert refused[0].json()["code"] == "RATE_LIMITED"
    assert int(refused[0].headers["Retry-After"]) >= 1
    assert server.api().request("GET", "/healthz").status_code == 200


def test_guessing_credentials_is_slow(make_server):
    server = make_server(options=["--rate-address", "1", "--rate-address-burst", "10"]).start()
    codes = [server.api("cs_aaaaaaaa_" + "b" * 52).request("GET", "/v1/whoami").status_code for _ in range(30)]
    assert codes.count(401) <= 15
    assert 429 in codes
    assert server.api().request("GET", "/healthz").status_code == 200


def test_a_request_can_be_found_in_the_log_lines(make_server):
    server = make_server(options=["--log-format", "json"]).start()
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    response = server.api(server.bootstrap_key).request(
        "GET", "/v1/whoami", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    line = server.process.wait_for('.*"route":"whoami_get".*').group(0)
    assert f'"request":"{response.headers["X-Request-Id"]}"' in line
    assert f'"trace":"{trace}"' in line
    assert '"status":200' in line and '"wait_us":' in line and '"work_us":' in line
    assert not any(server.bootstrap_key in line for line in server.process.text.splitlines() if line.startswith("{"))
    server.api(server.bootstrap_key).request("GET", "/v1/whoami", headers={"traceparent": "00-bad"})
    server.process.wait_for('.*"trace":"-".*"route":"whoami_get".*')


def test_metrics_count_what_was_answered(make_server):
    server = make_server().start()
    for _ in range(3):
        server.api(server.bootstrap_key).ok("GET", "/v1/whoami")
    server.api("cs_x").request("GET", "/v1/whoami")
    server.api().request("GET", "/nowhere")
    text = server.api().ok("GET", "/metrics").decode()
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    assert values['countersign_requests_total{operation="whoami_get",status="200"}'] == "3"
    assert values['countersign_requests_total{operation="whoami_get",status="401"}'] == "1"
    assert values['countersign_requests_total{operation="none",status="404"}'] == "1"
    assert values['countersign_request_duration_seconds_count{operation="whoami_get"}'] == "4"
    assert values["countersign_unauthenticated_total"] == "1"
    assert values["countersign_requests_in_flight"] == "1"
    assert float(values["process_resident_memory_bytes"]) > 1e6
    assert float(values["countersign_store_commits_total"]) >= 1


def test_the_contract_is_served(server):
    response = server.api().request("GET", "/openapi.yaml")
    assert response.headers["Content-Type"] == "application/yaml"
    assert response.content == (harness.ROOT / "api" / "openapi.yaml").read_bytes()


def test_head_is_get_without_the_body(server):
    response = server.api().request("HEAD", "/healthz")
    assert response.status_code == 200
    assert int(response.headers["Content-Length"]) > 0
    assert response.content == b""


def test_a_body_where_none_belongs_is_refused(tenant):
    response = tenant.admin.api.request("GET", "/v1/whoami", {"a": 1})
    assert response.status_code == 400
    assert response.json()["code"] == "BAD_REQUEST"


def test_a_second_start_keeps_all_and_shows_no_key(make_server):
    server = make_server().start()
    before = server.api(server.bootstrap_key).ok("GET", "/v1/whoami")
    server.restart()
    assert server.api(server.bootstrap_key).ok("GET", "/v1/whoami") == before
    assert not re.search(r"cs_[0-9a-z]", server.process.text)


@pytest.mark.files
def test_a_second_process_on_the_same_data_is_refused(make_server):
    server = make_server().start()
    second = harness.Process(["server", "--data-folder", server.data, "--listen-port", "0"])
    assert second.wait() == 1
    assert "countersign server:" in second.text
    assert server.api().request("GET", "/healthz").status_code == 200


def test_mistakes_in_the_configuration_are_all_explained(tmp_path):
    file = tmp_path / "countersign.yaml"
    file.write_text("listen:\n  prot: 1\nlog:\n  level: loud\n")
    done = subprocess.run([harness.binary(), "config", "check", "--config", file], capture_output=True, text=True)
    assert done.returncode == 2
    assert f"{file}:2: listen.prot: this key is not known; did you mean listen.port?" in done.stderr
    assert f"{file}:4: log.level:" in done.stderr
    done = subprocess.run([harness.binary(), "server", "--config", file], capture_output=True, text=True)
    assert done.returncode == 2
    file.write_text("listen:\n  port: 1234\n")
    done = subprocess.run([harness.binary(), "config", "check", "--config", file], capture_output=True, text=True)
    assert done.returncode == 0


def test_every_program_speaks_json(make_server, tmp_path):
    file = tmp_path / "countersign.yaml"
    file.write_text("listen:\n  prot: 1\nstore:\n  url: postgres://me:secret@nowhere/x\n")

    def run(*words):
        done = subprocess.run([harness.binary(), *words], capture_output=True, text=True)
        return done.returncode, json.loads(done.stdout)

    status, answer = run("config", "check", "--config", file, "--json")
    assert status == 2 and not answer["ok"]
    assert answer["problems"] == [f"{file}:2: listen.prot: this key is not known; did you mean listen.port?"]
    file.write_text("listen:\n  port: 1234\nstore:\n  url: postgres://me:secret@nowhere/x\n")
    assert run("config", "check", "--config", file, "--json") == (0, {"ok": True, "problems": []})
    status, answer = run("config", "show", "--config", file, "--json")
    assert status == 0 and answer["listen.port"] == 1234
    assert answer["store.url"] == "postgres://me:…@nowhere/x"
    status, answer = run("config", "reference", "--json")
    assert status == 0 and {"key", "type", "default", "values", "meaning"} == set(answer[0])
    expression = tmp_path / "expression.cel"
    expression.write_text("1 + 1")
    assert run("cel", "check", expression, "--json")[1]["type"] == "int"

    process = harness.Process(["server", "--json", "--data-folder", tmp_path / "data", "--listen-port", "0"])
    started = json.loads(process.wait_for('^{.*"api_key".*}$').group())
    assert set(started) == {"url", "tenant", "workspace", "api_key", "link"}
    assert process.stop() == 0
