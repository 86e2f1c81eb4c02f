# SPDX-License-Identifier: Apache-2.0
"""Local accounts: links, passwords, second factors, and guessing."""
import hashlib
import pathlib
import subprocess
import threading
import time
import urllib.parse

import pytest

import harness
from forms import Browser, browser_at

PASSWORD = "correct horse battery staple"
CHEAP = ["--identity-password-memory", "1024", "--identity-password-passes", "1", "--identity-password-lanes", "1"]


def totp(seed, when_ms=None):
    when = int((when_ms or time.time() * 1000) / 1000)
    return subprocess.run(["oathtool", "--totp", "-b", "--now", f"@{when}", seed], check=True, capture_output=True,
                          text=True).stdout.strip()


def follow_link(server, link, password=PASSWORD, browser=None, **fields):
    browser = browser or browser_at(server)
    parts = urllib.parse.urlsplit(link)
    page = browser.get(parts.path, **dict(urllib.parse.parse_qsl(parts.query)))
    assert page.status == 200, page.text
    return browser.submit(page, "/login/link", password=password, **fields)


def log_in(server, tenant, login, password=PASSWORD, browser=None, **params):
    """The page after the form: a redirect, the second factor, or a refusal."""
    browser = browser or browser_at(server)
    page = browser.get("/login/local", tenant=tenant.id, **params)
    assert page.status == 200, page.text
    return browser, browser.submit(page, "/login/local", login=login, password=password)


class Local:
    """A person with a local account and a password."""

    def __init__(self, tenant, login=None, role="approver", password=PASSWORD):
        self.tenant = tenant
        self.server = tenant.server
        self.person = tenant.person("user", role)
        self.login = login or harness.unique("ann") + "@example.org"
        made = tenant.admin.api.ok("POST", f"{tenant.path}/accounts",
                                   {"principal": self.person.id, "login": self.login})
        self.link = made["link"]
        self.path = f"{tenant.path}/principals/{self.person.id}"
        assert follow_link(self.server, self.link, password).status == 303

    def log_in(self, password=PASSWORD, browser=None):
        browser, page = log_in(self.server, self.tenant, self.login, password, browser)
        return browser, page

    def api(self, password=PASSWORD):
        browser, page = self.log_in(password)
        assert page.status == 303, page.text
        return self.server.api(browser.session_token)


@pytest.fixture(scope="module")
def cheap(tmp_path_factory):
    server = harness.Server(tmp_path_factory.mktemp("cheap"), options=CHEAP).start()
    yield server
    assert server.stop() == 0, server.process.text


@pytest.fixture
def place(cheap):
    created = cheap.api(cheap.bootstrap_key).ok("POST", "/v1/tenants", {"name": harness.unique("tenant")})
    return harness.Tenant(cheap, created)


# ---- the first start, and links


def test_the_first_link_makes_a_person_the_first_administrator(make_server):
    server = make_server(options=CHEAP).start()
    link = server.process.wait_for(r"^\s+(http://\S+/login/link\?\S+)").group(1)
    page = follow_link(server, link, login="root@example.org")
    assert page.status == 303 and page.location.startswith("/login/local?tenant=")
    again = Browser(server.url).get("/login/link", **dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(link).query)))
    assert again.status == 401, "the link works once"
    tenant_id = server.api(server.bootstrap_key).ok("GET", "/v1/whoami")["tenant"]
    browser, page = log_in(server, type("T", (), {"id": tenant_id}), "Root@Example.org")
    assert page.status == 303, page.text
    who = server.api(browser.session_token).ok("GET", "/v1/whoami")
    assert "admin" in " ".join(who["roles"])
    assert server.api(browser.session_token).request("GET", "/v1/tenants").status_code == 200
    # The API key for programs works too.
    assert server.api(server.bootstrap_key).ok("GET", "/v1/whoami")["principal"] == who["principal"]


def test_a_link_works_once_and_a_newer_one_voids_it(place):
    person = place.person("user", "auditor")
    made = place.admin.api.ok("POST", f"{place.path}/accounts", {"principal": person.id, "login": "one"})
    newer = place.admin.api.ok("POST", f"{place.path}/principals/{person.id}/account/links")
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(made["link"]).query))
    assert Browser(place.server.url).get("/login/link", **query).status == 401
    # Looking uses nothing up.
    browser = Browser(place.server.url)
    for _ in range(3):
        assert follow_link(place.server, newer["link"], "too short", browser).code == "BAD_FIELD"
    assert follow_link(place.server, newer["link"]).status == 303
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(newer["link"]).query))
    assert Browser(place.server.url).get("/login/link", **query).status == 401
    query["link"] = query["link"][:-1] + ("0" if query["link"][-1] != "0" else "1")
    assert Browser(place.server.url).get("/login/link", **query).status == 401


def test_a_link_ends(cheap, place):
    person = place.person("user", "auditor")
    made = place.admin.api.ok("POST", f"{place.path}/accounts", {"principal": person.id, "login": "late"})
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(made["link"]).query))
    try:
        cheap.set_clock_offset_ms(25 * 3600 * 1000)
        assert Browser(cheap.url).get("/login/link", **query).status == 401
    finally:
        cheap.set_clock_offset_ms(0)
    assert Browser(cheap.url).get("/login/link", **query).status == 200


def test_accounts_are_listed_and_one_name_is_one_person(place):
    local = Local(place, "Straße")
    other = place.person("user", "auditor")
    place.admin.api.refused("ALREADY_EXISTS", "POST", f"{place.path}/accounts",
                            {"principal": other.id, "login": "STRASSE"})
    place.admin.api.refused("ALREADY_EXISTS", "POST", f"{place.path}/accounts",
                            {"principal": local.person.id, "login": "another"})
    agent = place.agent()
    place.admin.api.refused("CONFLICT", "POST", f"{place.path}/accounts", {"principal": agent.id, "login": "bot"})
    items = place.admin.api.ok("GET", f"{place.path}/accounts")["items"]
    assert [(item["login"], item["has_password"], item["disabled"]) for item in items] == [("Straße", True, False)]
    assert local.person.api.request("POST", f"{place.path}/accounts", {"principal": other.id}).status_code == 403


# ---- passwords


def test_who_knows_the_password_gets_a_session(place):
    local = Local(place)
    browser, page = local.log_in()
    assert page.status == 303 and page.location == "/account"
    who = place.server.api(browser.session_token).ok("GET", "/v1/whoami")
    assert who["principal"] == local.person.id
    for password in ("correct horse battery stapl", "", PASSWORD + " ", PASSWORD.upper()):
        refused, page = local.log_in(password)
        assert page.status == 401 and page.code == "UNAUTHENTICATED" and not refused.session_token
    _, page = log_in(place.server, place, "nobody-" + local.login)
    assert page.status == 401
    tries = [event for event in place.log_entries() if event["api"]["operation"] == "local.login"]
    assert [event["status_id"] for event in tries] == [1, 2, 2, 2, 2, 2], tries


def test_breached_short_and_own_names_are_no_passwords(make_server, tmp_path):
    words = ["password123456", "correct horse battery staple"]
    (tmp_path / "breached").write_text("".join(
        sorted(hashlib.sha1(word.encode()).hexdigest().upper() + ":1\n" for word in words + [str(n) for n in range(999)])))
    server = make_server(options=[*CHEAP, "--identity-password-breached", tmp_path / "breached"]).start()
    link = server.process.wait_for(r"^\s+(http://\S+/login/link\?\S+)").group(1)
    for password in (*words, "elevenchars", "root@example.org"):
        page = follow_link(server, link, password, login="root@example.org")
        assert page.status == 422 and page.code == "BAD_FIELD", (password, page.text)
    assert follow_link(server, link, "nobody has lost this one yet", login="root@example.org").status == 303


def test_a_password_is_changed_and_ends_other_sessions(place):
    local = Local(place)
    mine, other = local.api(), local.api()
    path = f"{local.path}/account/password"
    mine.refused("FORBIDDEN", "POST", path, {"current": "not the one that stands", "password": PASSWORD + "2"})
    mine.refused("BAD_FIELD", "POST", path, {"current": PASSWORD, "password": "short"})
    local.person.api.refused("FORBIDDEN", "POST", path, {"current": PASSWORD, "password": PASSWORD + "2"})
    place.admin.api.refused("FORBIDDEN", "POST", path, {"current": PASSWORD, "password": PASSWORD + "2"})
    mine.ok("POST", path, {"current": PASSWORD, "password": PASSWORD + "2"})
    assert mine.request("GET", "/v1/whoami").status_code == 200
    assert other.request("GET", "/v1/whoami").status_code == 401
    assert local.log_in()[1].status == 401
    assert local.log_in(PASSWORD + "2")[1].status == 303


def test_stronger_parameters_are_taken_at_the_next_log_in(make_server):
    server = make_server(options=CHEAP).start()
    tenant = harness.Tenant(server, server.api(server.bootstrap_key).ok("POST", "/v1/tenants", {"name": "t"}))
    local = Local(tenant)
    server.options = ["2048" if word == "1024" else word for word in server.options]
    server.restart()
    assert local.log_in()[1].status == 303
    # The old parameters are not needed any more: what is stored is of the new ones, and the password the same.
    assert local.log_in()[1].status == 303
    assert local.log_in("another password altogether")[1].status == 401


def test_a_disabled_account_is_out_at_once(place):
    local = Local(place)
    mine = local.api()
    assert place.admin.api.ok("POST", f"{local.path}/account/disable")["disabled"]
    assert mine.request("GET", "/v1/whoami").status_code == 401
    _, page = local.log_in()
    assert page.status == 401 and page.code == "UNAUTHENTICATED"
    place.admin.api.refused("CONFLICT", "POST", f"{local.path}/account/links")
    assert not place.admin.api.ok("POST", f"{local.path}/account/enable")["disabled"]
    assert local.log_in()[1].status == 303


def test_forms_of_others_are_refused(place):
    local = Local(place)
    browser = Browser(place.server.url)
    page = browser.get("/login/local", tenant=place.id)
    fields = {**page.form("/login/local")["fields"], "login": local.login, "password": PASSWORD}
    assert Browser(place.server.url).post("/login/local", fields).status == 403, "another browser's form"
    assert browser.post("/login/local", {**fields, "form_token": "x"}).status == 403
    assert browser.post("/login/local", fields, headers={"Sec-Fetch-Site": "cross-site"}).status == 403
    for target in ("//evil.example", "https://evil.example", "/\\evil.example", "/login/../../x", "javascript:1"):
        done = browser.post("/login/local", {**fields, "return_to": target})
        assert done.status == 303 and done.location == "/account", target
    policy = page.response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src" not in policy


# ---- second factors


def enrol_totp(local, api):
    made = api.ok("POST", f"{local.path}/totp")
    assert made["seed"] in made["uri"] and made["uri"].startswith("otpauth://totp/Countersign:")
    code = totp(made["seed"], time.time() * 1000 - 30000)
    api.refused("BAD_FIELD", "POST", f"{local.path}/totp/confirm", {"code": "000000" if code != "000000" else "000001"})
    api.ok("POST", f"{local.path}/totp/confirm", {"code": code})
    return made["seed"]


def test_one_time_passwords_by_another_implementation(place):
    local = Local(place)
    api = local.api()
    seed = enrol_totp(local, api)
    browser, page = local.log_in()
    assert page.status == 200 and not browser.session_token
    code = totp(seed)
    done = browser.submit(page, "/login/local/factor", code=code)
    assert done.status == 303, done.text
    who = place.server.api(browser.session_token).ok("GET", "/v1/whoami")
    assert who["principal"] == local.person.id
    # Used once.
    browser, page = local.log_in()
    assert browser.submit(page, "/login/local/factor", code=code).status == 401
    assert browser.submit(page, "/login/local/factor", code=totp(seed, time.time() * 1000 + 30000)).status == 303
    # And a page that was made for one account is of no use for another one.
    assert Browser(place.server.url).submit(page, "/login/local/factor", code=code).status == 403
    factors = place.admin.api.ok("GET", f"{local.path}/factors")
    assert factors["totp_at"] and factors["recovery_codes"] == 0 and factors["passkeys"] == []


def test_recovery_codes_work_once_each(place):
    local = Local(place)
    api, old = local.api(), local.api()
    enrol_totp(local, api)
    old.refused("SECOND_FACTOR_REQUIRED", "POST", f"{local.path}/recovery-codes")
    place.admin.api.ok("DELETE", f"{local.path}/factors")
    codes = api.ok("POST", f"{local.path}/recovery-codes")["codes"]
    assert len(set(codes)) == 10
    enrol_totp(local, api)
    browser, page = local.log_in()
    assert browser.submit(page, "/login/local/factor", code=codes[3].upper().replace("-", " ")).status == 303
    fresh = place.server.api(browser.session_token)
    assert fresh.ok("GET", f"{local.path}/factors")["recovery_codes"] == 9
    browser, page = local.log_in()
    assert browser.submit(page, "/login/local/factor", code=codes[3]).status == 401
    new = fresh.ok("POST", f"{local.path}/recovery-codes")["codes"]
    assert not set(new) & set(codes)
    assert browser.submit(page, "/login/local/factor", code=codes[4]).status == 401
    assert browser.submit(page, "/login/local/factor", code=new[0]).status == 303
    fresh.ok("DELETE", f"{local.path}/totp")
    assert local.log_in()[1].status == 303


def test_nobody_sets_up_anothers_factors(place):
    local, other = Local(place), Local(place)
    for caller in (other.api(), place.admin.api, local.person.api):
        for method, path, body in (("POST", "totp", None), ("POST", "totp/confirm", {"code": "123456"}),
                                   ("DELETE", "totp", None), ("POST", "recovery-codes", None),
                                   ("POST", "passkeys/options", None)):
            caller.refused("FORBIDDEN", method, f"{local.path}/{path}", body)
    assert other.api().request("DELETE", f"{local.path}/factors").status_code == 403


# ---- guessing


@pytest.mark.threads
def test_a_thousand_guesses_lock_nobody_out(place):
    local = Local(place)
    known, page = local.log_in()
    assert page.status == 303
    statuses = []
    lock = threading.Lock()
    stop = time.monotonic() + 5

    def guess(number):
        browser = Browser(place.server.url)
        page = browser.get("/login/local", tenant=place.id)
        fields = {**page.form("/login/local")["fields"], "login": local.login}
        tried = 0
        while tried < 60 and time.monotonic() < stop:
            status = browser.post("/login/local", {**fields, "password": f"guess {number} {tried}"}).status
            tried += 1
            with lock:
                statuses.append(status)

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    # The owner's own browser gets in meanwhile.
    for _ in range(3):
        page = known.get("/login/local", tenant=place.id)
        assert known.submit(page, "/login/local", login=local.login, password=PASSWORD).status == 303
    for thread in threads:
        thread.join()
    assert set(statuses) <= {401, 429}
    assert statuses.count(401) <= 6, "strangers are slowed down after a few tries"
    # Also with the right password: a stranger waits.
    _, page = local.log_in()
    assert page.status == 429
    assert int(page.response.headers["Retry-After"]) > 0
    page = known.get("/login/local", tenant=place.id)
    assert known.submit(page, "/login/local", login=local.login, password=PASSWORD).status == 303


def test_a_name_that_nobody_has_takes_as_long(make_server):
    server = make_server().start()  # with Argon2's ordinary cost, beside which all else is small
    place = harness.Tenant(server, server.api(server.bootstrap_key).ok("POST", "/v1/tenants", {"name": "t"}))
    local = Local(place)
    spent = {True: 0, False: 0}
    browser = Browser(server.url)
    page = browser.get("/login/local", tenant=place.id)
    fields = page.form("/login/local")["fields"]
    for number in range(4):
        for known in (True, False):
            login = local.login if known else f"nobody-{number}"
            begun = cpu_ticks(server)
            answer = browser.post("/login/local", {**fields, "login": login, "password": "wrong password of mine"})
            spent[known] += cpu_ticks(server) - begun
            assert answer.status == 401, answer.text
    # The CPU that it costs, since how long it takes depends on what else the machine does.
    assert spent[True] >= 8 and 0.7 < spent[True] / spent[False] < 1.4, spent


def cpu_ticks(server):
    """What the server has used so far, in hundredths of a second (proc(5): utime and stime)."""
    fields = pathlib.Path(f"/proc/{server.process.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def test_pages_for_a_tenant_that_is_not_there(place):
    for path in ("/login/local", "/login/passkey"):
        page = Browser(place.server.url).get(path, tenant="nobody-has-this-name")
        assert page.status == 404 and page.code == "NOT_FOUND"
    page = Browser(place.server.url).get("/webauthn.js", **{"unknown": "1"})
    assert page.status in (200, 400)
