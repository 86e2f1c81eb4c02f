# SPDX-License-Identifier: Apache-2.0
"""Keys of model providers: checked when they come in, sealed, never shown again."""
import http.server
import json
import threading
import time

import pytest

import cells
import harness
from conftest import new_tenant

GOOD = "sk-good-0123456789abcdefghij"
NEWER = "sk-newer-0123456789abcdefghij"


class Provider:
    """A stand-in for a provider's endpoint on loopback: knows some keys and says so."""

    def __init__(self):
        self.known = {GOOD, NEWER, "sk-ant-good-0123456789abcdef", "0123456789abcdef0123456789abcdef"}
        self.status = None
        self.asked = []
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                headers = {name.lower(): value for name, value in self.headers.items()}
                provider.asked.append((self.path, headers))
                key = headers.get("x-api-key") or headers.get("api-key") or headers.get("authorization", "")[7:]
                status = provider.status or (200 if key in provider.known else 401)
                self.send_response(status)
                if status in (301, 302, 307):
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def provider():
    made = Provider()
    yield made
    made.close()


@pytest.fixture(scope="module")
def keys_server(tmp_path_factory):
    """A server that may reach providers on loopback."""
    server = harness.Server(tmp_path_factory.mktemp("keys"),
                            options=["--providers-allow-loopback", "true", "--providers-timeout", "3s"]).start()
    yield server
    assert server.stop() == 0, server.process.text


@pytest.fixture
def place(keys_server):
    tenant = new_tenant(keys_server)
    tenant.keys = f"{tenant.place}/provider-keys"
    return tenant


def store(place, provider, kind="openai_compatible", secret=GOOD, **more):
    return place.admin.api.ok("POST", place.keys, {"provider": kind, "name": more.pop("name", harness.unique("key")),
                                                   "base_url": provider.url + more.pop("path", ""), "secret": secret, **more})


@pytest.mark.parametrize("kind,secret,path,asked,header", [
    ("openai", GOOD, "/v1", "/v1/models", ("authorization", "Bearer " + GOOD)),
    ("anthropic", "sk-ant-good-0123456789abcdef", "", "/v1/models", ("x-api-key", "sk-ant-good-0123456789abcdef")),
    ("azure_openai", "0123456789abcdef0123456789abcdef", "", "/openai/models?api-version=2024-10-21",
     ("api-key", "0123456789abcdef0123456789abcdef")),
    ("openai_compatible", GOOD, "/api/v1/", "/api/v1/models", ("authorization", "Bearer " + GOOD)),
])
def test_each_provider_is_asked_in_its_own_way(place, provider, kind, secret, path, asked, header):
    made = store(place, provider, kind, secret, path=path)
    assert made["versions"][0]["state"] == "valid"
    assert made["versions"][0]["last_four"] == secret[-4:]
    [(target, headers)] = provider.asked
    assert target == asked and headers[header[0]] == header[1]


def test_nothing_ever_shows_it_again(place, provider):
    made = store(place, provider)
    key = f"{place.keys}/{made['id']}"
    for path in (key, place.keys, f"{place.path}/log/entries"):
        assert GOOD not in place.admin.api.request("GET", path).text
    assert GOOD not in json.dumps(made) and GOOD not in place.server.process.text
    assert made["region"] and made["created_by"] == place.admin.id
    same = store(place, provider)
    assert same["versions"][0]["fingerprint"] == made["versions"][0]["fingerprint"]
    other = new_tenant(place.server)
    other.keys = f"{other.place}/provider-keys"
    assert store(other, provider)["versions"][0]["fingerprint"] != made["versions"][0]["fingerprint"]
    operations = [event["api"]["operation"] for event in place.log_entries()]
    assert operations.count("provider_key.store") == 2


def test_no_file_and_no_row_holds_it(place, provider):
    store(place, provider)
    for path in place.server.data.rglob("*"):
        assert not path.is_file() or GOOD.encode() not in path.read_bytes(), path
    if cells.is_shared(place.server):
        rows = cells.stored(place.server)
        assert GOOD.encode() not in rows and b"openai" in rows


def test_what_the_provider_refuses_is_not_stored(place, provider):
    problem = place.admin.api.refused("PROVIDER_KEY_INVALID", "POST", place.keys, {
        "provider": "openai", "name": "main", "base_url": provider.url, "secret": "sk-wrong-0123456789abcdef"})
    assert "sk-wrong" not in json.dumps(problem)
    assert place.admin.api.ok("GET", place.keys)["items"] == []


@pytest.mark.parametrize("status", [403, 404, 429, 500, 302])
def test_what_says_neither_yes_nor_no_is_unverified(place, provider, status):
    provider.status = status
    made = store(place, provider)
    assert made["versions"][0]["state"] == "unverified"
    assert len(provider.asked) == 1, "a redirect is not followed"


def test_an_ipv6_address_is_taken(place, provider):
    made = place.admin.api.ok("POST", place.keys, {"provider": "openai_compatible", "name": "six", "secret": GOOD,
                                                   "base_url": "http://[::1]:1/v1"})
    assert made["base_url"] == "http://[::1]:1/v1" and made["versions"][0]["state"] == "unverified"


def test_an_unreachable_provider_is_unverified(place, provider):
    provider.close()
    assert store(place, provider)["versions"][0]["state"] == "unverified"


@pytest.mark.parametrize("kind,secret", [
    ("openai", "pk-0123456789012345678901"), ("openai", "sk-short"), ("openai", "sk-with blank 0123456789012"),
    ("anthropic", GOOD), ("azure_openai", "0123"), ("openai_compatible", "with\nline"), ("openai_compatible", "ü" * 20),
])
def test_a_key_of_another_shape_is_refused_before_anybody_is_asked(place, provider, kind, secret):
    answer = place.admin.api.request("POST", place.keys, {"provider": kind, "name": "main", "base_url": provider.url,
                                                          "secret": secret})
    assert answer.status_code == 422 or answer.status_code == 400, answer.text
    assert secret not in answer.text and provider.asked == []


@pytest.mark.parametrize("url", [
    "http://api.openai.com/v1", "ftp://api.openai.com", "https://user:pass@api.openai.com", "https://169.254.169.254/",
    "https://[fe80::1]/", "https://[::ffff:127.0.0.1]/", "https://0.0.0.0/", "https://0x7f.1/", "https://2130706433/",
    "https://127.1/", "https://", "https://a b/", "https://api.openai.com/?x=1", "https://api.openai.com/#x",
    "https://api.openai.com:0/", "https://api.openai.com:99999/", "https://[::]/", "https://224.0.0.1/",
    "http://10.0.0.1/", "https://api.openai.com\\@127.0.0.1/",
])
def test_keys_are_not_sent_just_anywhere(place, url):
    place.admin.api.refused("BAD_FIELD", "POST", place.keys,
                            {"provider": "openai", "name": "main", "base_url": url, "secret": GOOD})


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/v1", "https://localhost/v1", "https://LOCALHOST./v1", "https://[::1]/",
                                 "https://127.8.9.1"])
def test_this_machine_is_no_provider_unless_configured(tenant, url):
    tenant.admin.api.refused("BAD_FIELD", "POST", f"{tenant.place}/provider-keys",
                             {"provider": "openai", "name": "main", "base_url": url, "secret": GOOD})


def test_a_rotation_overlaps_and_a_revocation_erases(place, provider):
    made = store(place, provider, name="main")
    key = f"{place.keys}/{made['id']}"
    place.admin.api.refused("ALREADY_EXISTS", "POST", place.keys, {
        "provider": "openai_compatible", "name": "main", "base_url": provider.url, "secret": GOOD})
    place.admin.api.refused("PROVIDER_KEY_INVALID", "POST", key + "/rotate", {"secret": "sk-nobody-knows-this-one"})
    assert len(place.admin.api.ok("GET", key)["versions"]) == 1
    rotated = place.admin.api.ok("POST", key + "/rotate", {"secret": NEWER, "overlap": "10m"})
    newer, older = rotated["versions"]
    assert (newer["version"], older["version"]) == (2, 1) and "retires_at" in older and "retires_at" not in newer
    at_once = place.admin.api.ok("POST", key + "/rotate", {"secret": GOOD, "overlap": "0s"})
    assert [version["version"] for version in at_once["versions"]] == [3]
    place.admin.api.refused("BAD_FIELD", "POST", key + "/rotate", {"secret": NEWER, "overlap": "40d"})
    assert place.admin.api.request("DELETE", key).status_code == 204
    gone = place.admin.api.ok("GET", key)
    assert gone["versions"] == [] and gone["revoked_at"]
    place.admin.api.refused("CONFLICT", "DELETE", key)
    place.admin.api.refused("CONFLICT", "POST", key + "/rotate", {"secret": NEWER})
    store(place, provider, name="main")


def sealed_versions(server, tenant, most):
    """The versions that the store still holds, once there are no more than `most`."""
    until = time.monotonic() + harness.PATIENCE_S
    while True:
        held = [int(version) for version, in cells.run(server, tenant, "SELECT version FROM provider_key_secret "
                                                       "WHERE tenant_id = $1 ORDER BY version", tenant.id)]
        if len(held) <= most or time.monotonic() > until:
            return held
        time.sleep(0.05)


def test_an_older_secret_is_erased_when_it_retires_without_a_request(make_server, provider):
    """Nobody touches the key any more: the time alone does it, and after a restart too."""
    server = make_server(options=["--providers-allow-loopback", "true"]).start()
    place = new_tenant(server)
    place.keys = f"{place.place}/provider-keys"
    key = f"{place.keys}/{store(place, provider)['id']}"
    place.admin.api.ok("POST", key + "/rotate", {"secret": NEWER, "overlap": "1h"})
    assert sealed_versions(server, place, 2) == [1, 2]
    server.set_clock_offset_ms(3600 * 1000 + 1000)
    assert sealed_versions(server, place, 1) == [2]
    place.admin.api.ok("POST", key + "/rotate", {"secret": GOOD, "overlap": "1h"})
    server.stop()
    assert sealed_versions(server, place, 2) == [2, 3]
    server.set_clock_offset_ms(2 * 3600 * 1000 + 60 * 1000)
    server.start()
    assert sealed_versions(server, place, 1) == [3]


def test_on_the_command_line(place, provider, tmp_path):
    cli = harness.Cli(tmp_path, place.server.url, place.admin.api.key)
    made = json.loads(cli.run("provider-key", "add", "openai_compatible", "main", "--base-url", provider.url, "--json",
                              stdin=GOOD + "\n").stdout)
    (tmp_path / "secret").touch(0o600)
    (tmp_path / "secret").write_text(NEWER + "\n")
    shown = cli.run("provider-key", "rotate", made["id"], "--secret-file", tmp_path / "secret").stdout
    assert "older secret" in shown and NEWER not in shown and "valid" in shown
    assert "main" in cli.run("provider-key", "list").stdout
    assert NEWER[-4:] in cli.run("provider-key", "show", made["id"]).stdout
    (tmp_path / "secret").chmod(0o644)
    cli.run("provider-key", "rotate", made["id"], "--secret-file", tmp_path / "secret", code=1)
    cli.run("provider-key", "revoke", made["id"])
    assert provider.asked[0][1]["user-agent"] == "countersign"
