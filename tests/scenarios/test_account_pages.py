# SPDX-License-Identifier: Apache-2.0
"""What people do to their own accounts in a browser, without a script: second factors, recovery codes, sessions."""
import html
import re
import time
import urllib.parse

import pytest

import contract
import harness
from authenticator import Passkey
from forms import Browser, browser_at
from test_accounts import CHEAP, PASSWORD, Local, totp

MINUTE_MS = 60000
STEP_MS = 30000
FORMS = [operation for operation in contract.operations() if operation.is_page and operation.method == "POST"
         and operation.permission == "authenticated" and operation.path.startswith("/account")]


class OurServer(harness.Server):
    """Reached by a name, as WebAuthn wants it: a relying party is a host, never an address."""

    origin = "http://localhost"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = OurServer(tmp_path_factory.mktemp("pages"), options=[*CHEAP, "--node-url", OurServer.origin]).start()
    yield made
    assert made.stop() == 0, made.process.text


def new_place(server):
    created = server.api(server.bootstrap_key).ok("POST", "/v1/tenants", {"name": harness.unique("tenant")})
    return harness.Tenant(server, created)


@pytest.fixture
def place(server):
    return new_place(server)


@pytest.fixture
def later(server):
    """Sets the server's clock so much later, until the test ends."""
    yield lambda minutes: server.set_clock_offset_ms(minutes * MINUTE_MS)
    server.set_clock_offset_ms(0)


def signed_in(local):
    browser, page = local.log_in(browser=browser_at(local.server))
    assert page.status == 303, page.text
    return browser


def seed_of(page):
    return re.search(r'<code id="seed">([A-Z2-7 ]+)</code>', page.text).group(1).replace(" ", "")


def code_at(seed, steps, offset_ms=0):
    """The code of so many steps from now."""
    return totp(seed, time.time() * 1000 + offset_ms + steps * STEP_MS)


def set_up_totp(browser):
    """With the code of now; that of the next step is left. The seed."""
    page = browser.submit(browser.get("/account/factors"), "/account/totp")
    assert page.status == 200, page.text
    seed = seed_of(page)
    done = browser.submit(page, "/account/totp/confirm", code=code_at(seed, 0))
    assert done.status == 303 and done.location == "/account/factors", done.text
    return seed


def make_codes(browser):
    page = browser.submit(browser.get("/account/factors"), "/account/recovery-codes")
    assert page.status == 200, page.text
    codes = re.findall(r"<li><code>([0-9a-z-]+)</code></li>", page.text)
    assert len(set(codes)) == 10
    return codes


def works(browser):
    return browser.get("/account").status == 200


def operations_of(place, *names):
    return [(event["api"]["operation"], event["status_id"]) for event in place.log_entries()
            if event["api"]["operation"] in names]


# ---- one-time passwords


def test_an_authenticator_app_is_set_up_on_the_page(place):
    local = Local(place)
    browser = signed_in(local)
    assert "/account/factors" in browser.get("/account").text
    before = browser.session_token
    page = browser.submit(browser.get("/account/factors"), "/account/totp")
    seed = seed_of(page)
    uri = html.unescape(re.search(r'href="(otpauth://[^"]+)"', page.text).group(1))
    assert f"secret={seed}" in uri and uri.startswith("otpauth://totp/Countersign:")
    assert page.response.headers["Cache-Control"] == "no-store"
    assert "script-src" not in page.response.headers["Content-Security-Policy"]
    # A wrong code: the same key, and the mistake is tied to its field.
    wrong = browser.submit(page, "/account/totp/confirm", code="12345")
    assert wrong.status == 422 and wrong.code == "BAD_FIELD" and seed_of(wrong) == seed
    assert 'aria-invalid="true" aria-describedby="e-code h-code"' in wrong.text
    used = code_at(seed, 0)
    done = browser.submit(wrong, "/account/totp/confirm", code=used)
    assert done.status == 303 and done.location == "/account/factors", done.text
    # More rights, so a new secret: the old cookie is worth nothing.
    assert browser.session_token != before
    assert place.server.api(before).request("GET", "/v1/whoami").status_code == 401
    assert "otp" in place.server.api(browser.session_token).ok("GET", "/v1/whoami")["methods"]
    # It stands: the page offers to remove it, and a second one is not begun beside it.
    page = browser.get("/account/factors")
    assert [form["action"] for form in page.forms] == ["/account/totp/remove", "/account/recovery-codes"]
    assert place.admin.api.ok("GET", f"{local.path}/factors")["totp_at"]
    again = browser.submit(wrong, "/account/totp/confirm", code=used)
    assert again.status == 422, "a code counts once"

    code = code_at(seed, 1)
    other, page = local.log_in(browser=browser_at(place.server))
    page = other.submit(page, "/login/local/factor", code="000000" if code != "000000" else "000001")
    assert page.status == 401 and page.code == "UNAUTHENTICATED"
    assert 'aria-invalid="true" aria-describedby="e-code h-code"' in page.text and "one-time-code" in page.text
    assert other.submit(page, "/login/local/factor", code=code).status == 303
    third, page = local.log_in(browser=browser_at(place.server))
    assert third.submit(page, "/login/local/factor", code=code).status == 401, "replayed"
    assert not third.session_token

    assert browser.submit(browser.get("/account/factors"), "/account/totp/remove").status == 303
    assert "totp_at" not in place.admin.api.ok("GET", f"{local.path}/factors")
    assert local.log_in(browser=browser_at(place.server))[1].status == 303
    made = operations_of(place, "totp.create", "totp.confirm", "totp.remove")
    assert made == [("totp.create", 1), ("totp.confirm", 2), ("totp.confirm", 1), ("totp.confirm", 2),
                    ("totp.remove", 1)], made


def test_a_key_that_was_not_confirmed_is_none(place):
    local = Local(place)
    browser = signed_in(local)
    first = browser.submit(browser.get("/account/factors"), "/account/totp")
    second = browser.submit(browser.get("/account/factors"), "/account/totp")
    assert seed_of(first) != seed_of(second)
    assert local.log_in(browser=browser_at(place.server))[1].status == 303, "one factor is still enough"
    assert browser.submit(second, "/account/totp/confirm", code=code_at(seed_of(first), 0)).status == 422
    assert browser.submit(second, "/account/totp/confirm", code=code_at(seed_of(second), 0)).status == 303
    assert browser.submit(browser.get("/account/factors"), "/account/totp/remove").status == 303
    # Nothing is left to confirm, or to remove.
    page = browser.submit(second, "/account/totp/confirm", code=code_at(seed_of(second), 1))
    assert page.status == 422 and 'id="seed"' not in page.text
    fields = browser.get("/account/factors").form("/account/totp")["fields"]
    assert browser.post("/account/totp/remove", fields).status == 403, "another form's token"


# ---- recovery codes


def test_recovery_codes_are_made_shown_once_and_replaced(place):
    local = Local(place)
    browser = signed_in(local)
    seed = set_up_totp(browser)
    codes = make_codes(browser)
    assert not any(code in browser.get("/account/factors").text for code in codes)
    other, page = local.log_in(browser=browser_at(place.server))
    assert other.submit(page, "/login/local/factor", code=codes[0]).status == 303
    assert ">9<" in other.get("/account/factors").text
    third, page = local.log_in(browser=browser_at(place.server))
    page = third.submit(page, "/login/local/factor", code=codes[0])
    assert page.status == 401 and "e-code" in page.text, "used"
    new = make_codes(browser)
    assert not set(new) & set(codes)
    page = third.submit(page, "/login/local/factor", code=codes[1])
    assert page.status == 401, "replaced"
    assert third.submit(page, "/login/local/factor", code=new[1]).status == 303
    assert seed and operations_of(place, "recovery_codes.create") == [("recovery_codes.create", 1)] * 2


# ---- a factor that is too old


def test_changes_ask_for_a_fresh_factor(place, later):
    local = Local(place)
    browser = signed_in(local)
    set_up_totp(browser)
    page = browser.get("/account/factors")
    later(11)
    stale = browser.get("/account/factors")
    assert stale.status == 200 and not stale.forms
    assert 'href="/account/step-up?return_to=/account/factors"' in stale.text
    for action, fields in (("/account/totp/remove", page.form("/account/totp/remove")["fields"]),
                           ("/account/recovery-codes", page.form("/account/recovery-codes")["fields"])):
        refused = browser.post(action, fields, headers={"Referer": OurServer.origin + "/account/factors"})
        assert refused.status == 401 and refused.code == "SECOND_FACTOR_REQUIRED"
        assert 'href="/account/step-up?return_to=%2Faccount%2Ffactors"' in refused.text
    evil = browser.post("/account/totp/remove", page.form("/account/totp/remove")["fields"],
                        headers={"Referer": "http://localhost.evil.example/account"})
    assert 'href="/account/step-up?return_to=%2Faccount"' in evil.text
    page = browser.get("/account/passkeys")
    assert page.status == 303 and page.location == "/account/step-up?return_to=%2Faccount%2Fpasskeys"
    assert place.admin.api.ok("GET", f"{local.path}/factors")["totp_at"]


# ---- passkeys


def test_a_passkey_is_removed_on_the_page(server, place):
    local, colleague, stranger = Local(place), Local(place), Local(new_place(server))
    browsers = [signed_in(person) for person in (local, colleague, stranger)]
    ids = []
    for browser in browsers:
        form = browser.get("/account/passkeys").form("/account/passkeys")
        fields = {**form["fields"], **Passkey(place.server.origin).fill_create(form), "name": "my <phone>"}
        assert browser.post("/account/passkeys", fields).status == 303
        page = browser.get("/account/passkeys")
        assert "Remove <bdi>my &lt;phone&gt;</bdi>" in page.text
        ids.append(re.search(r'name="passkey" value="(pky_[0-9a-z]+)"', page.text).group(1))
    page = browsers[0].get("/account/passkeys")
    for wrong in (ids[1], ids[2], "pky_" + "0" * 26, ""):
        assert browsers[0].submit(page, "/account/passkeys/remove", passkey=wrong).status == 404
    assert browsers[0].submit(page, "/account/passkeys/remove", passkey=ids[0]).status == 303
    assert not place.admin.api.ok("GET", f"{local.path}/factors")["passkeys"]
    for other in (colleague, stranger):
        assert other.tenant.admin.api.ok("GET", f"{other.path}/factors")["passkeys"]


# ---- the password


def test_a_password_is_changed_on_the_page(place, later):
    local = Local(place)
    browser, other = signed_in(local), signed_in(local)
    page = browser.get("/account/password")
    new = PASSWORD + " and one more"
    for current, password, field in (("not the one", new, "current"), (PASSWORD, "s h o r t", "password"),
                                     (PASSWORD, local.login, "password"), (PASSWORD, "x" * 1025, "password")):
        wrong = browser.submit(page, "/account/password", current=current, password=password)
        assert wrong.status == (403 if field == "current" else 422), wrong.text
        assert f'aria-invalid="true" aria-describedby="e-{field}' in wrong.text
        assert wrong.text.count("aria-invalid") == 1 and password not in wrong.text.replace(local.login, "", 1)
    assert works(other)
    done = browser.submit(page, "/account/password", current=PASSWORD, password=new)
    assert done.status == 303 and done.location == "/account", done.text
    assert works(browser) and not works(other)
    assert local.log_in(browser=browser_at(place.server))[1].status == 401
    assert local.log_in(new, browser=browser_at(place.server))[1].status == 303
    assert operations_of(place, "password.change") == [("password.change", 2)] * 4 + [("password.change", 1)]
    # Whoever has a second factor shows it for that.
    set_up_totp(browser)
    later(11)
    stale = browser.get("/account/password")
    assert stale.status == 303 and stale.location == "/account/step-up?return_to=%2Faccount%2Fpassword"
    refused = browser.submit(page, "/account/password", current=new, password=PASSWORD)
    assert refused.status == 401 and refused.code == "SECOND_FACTOR_REQUIRED"


def test_the_form_behind_a_link_says_at_its_field_what_was_wrong(place):
    taken = Local(place)
    person = place.person("user", "auditor")
    made = place.admin.api.ok("POST", f"{place.path}/accounts", {"principal": person.id})
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(made["link"]).query))
    browser = browser_at(place.server)
    page = browser.get("/login/link", **query)
    for login, password, field, code in (("me", "short", "password", "BAD_FIELD"),
                                         ("a\tb", PASSWORD, "login", "BAD_FIELD"),
                                         (taken.login.upper(), PASSWORD, "login", "ALREADY_EXISTS")):
        wrong = browser.submit(page, "/login/link", login=login, password=password)
        assert wrong.code == code and wrong.text.count("aria-invalid") == 1, wrong.text
        assert f'aria-invalid="true" aria-describedby="e-{field}' in wrong.text
    assert browser.submit(wrong, "/login/link", login="me-" + person.id, password=PASSWORD).status == 303


# ---- sessions


def session_ids(page):
    return re.findall(r'name="session" value="(ses_[0-9a-z]+)"', page.text)


def test_sessions_are_seen_and_ended_on_the_page(place):
    local = Local(place)
    mine, second, third = (signed_in(local) for _ in range(3))
    page = mine.get("/account/sessions")
    assert page.status == 200 and len(session_ids(page)) == 2, page.text
    assert page.text.count("<h2>This browser</h2>") == 1
    assert mine.submit(page, "/account/sessions", session=session_ids(page)[0]).status == 303
    assert [works(browser) for browser in (mine, second, third)] == [True, False, True]
    assert mine.submit(page, "/account/sessions", session="others").status == 303
    assert [works(browser) for browser in (mine, second, third)] == [True, False, False]
    page = mine.get("/account/sessions")
    assert not session_ids(page) and page.form("/logout")
    assert operations_of(place, "session.revoke") == [("session.revoke", 1)] * 2


def test_ones_own_session_may_be_ended_too(place):
    local = Local(place)
    mine, other = signed_in(local), signed_in(local)
    current = session_ids(other.get("/account/sessions"))[0]
    assert mine.submit(mine.get("/account/sessions"), "/account/sessions", session=current).status == 303
    assert not mine.session_token and works(other)


def test_nobody_ends_anothers_session(server, place):
    local, colleague, stranger = Local(place), Local(place), Local(new_place(server))
    mine = signed_in(local)
    signed_in(local)
    page = mine.get("/account/sessions")
    for other in (colleague, stranger):
        for _ in range(2):
            theirs = signed_in(other)
        wrong = session_ids(theirs.get("/account/sessions"))[0]
        refused = mine.submit(page, "/account/sessions", session=wrong)
        assert refused.status == 404 and refused.code == "NOT_FOUND"
        assert len(session_ids(theirs.get("/account/sessions"))) == 1
    for wrong in ("", "all", "ses_" + "0" * 26, "' OR 1=1 --"):
        assert mine.submit(page, "/account/sessions", session=wrong).status == 404
    assert len(session_ids(mine.get("/account/sessions"))) == 1


# ---- every form of the account


def all_forms(browser):
    """The pages that have the account's forms, by the form's action."""
    found = {}
    setup = None
    for path in ("/account/password", "/account/factors", "/account/passkeys", "/account/sessions", "/account/step-up"):
        page = browser.get(path)
        assert page.status == 200, page.text
        for form in page.forms:
            found[form["action"]] = form["fields"]
            if form["action"] == "/account/totp":
                setup = page
    if setup:
        page = browser.submit(setup, "/account/totp")
        found["/account/totp/confirm"] = page.form("/account/totp/confirm")["fields"]
    return found


def test_forms_of_others_change_nothing(place):
    local = Local(place)
    browser, second = signed_in(local), signed_in(local)
    fields = all_forms(browser)
    set_up_totp(browser)
    form = browser.get("/account/passkeys").form("/account/passkeys")
    added = {**form["fields"], **Passkey(place.server.origin).fill_create(form), "name": "key"}
    assert browser.post("/account/passkeys", added).status == 303
    fields.update(all_forms(browser))
    assert {operation.path for operation in FORMS} <= set(fields), fields.keys()
    factors = place.admin.api.ok("GET", f"{local.path}/factors")
    tokens = {action: form["form_token"] for action, form in fields.items()}
    for action, form in fields.items():
        another = next(token for other, token in tokens.items() if other != action)
        for change, headers in (({"form_token": ""}, {}), ({"form_token": another}, {}),
                                ({}, {"Sec-Fetch-Site": "cross-site"}), ({}, {"Sec-Fetch-Site": "same-site"}),
                                ({}, {"Origin": "https://evil.example"})):
            refused = browser.post(action, {**form, "session": "others", **change}, headers=headers)
            assert refused.status == 403, (action, change, headers, refused.text)
    # A token goes with the browser's cookie: what it was given before its cookie went is worth nothing.
    cookie = browser.cookies.pop("countersign-form")
    browser.get("/account")
    assert browser.cookies["countersign-form"] != cookie
    for action, form in fields.items():
        assert browser.post(action, {**form, "session": "others"}).status == 403, "stale"
    after = place.admin.api.ok("GET", f"{local.path}/factors")
    assert after == factors and works(second)


@pytest.mark.parametrize("operation", FORMS, ids=repr)
def test_without_a_session_there_is_nothing(place, operation):
    local = Local(place)
    nobody = browser_at(place.server)
    page = nobody.get("/login/local", tenant=place.id)
    fields = page.form("/login/local")["fields"]
    assert nobody.post(operation.path, fields).status == 401
    # An API key is not a person at a browser.
    reply = local.person.api.request("POST", operation.path, raw=b"form_token=x",
                                     headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert reply.status_code == 403


@pytest.mark.parametrize("path", ["/account/password", "/account/factors", "/account/sessions", "/account/step-up",
                                  "/account/step-up/issuer"])
def test_pages_of_the_account_are_for_who_is_signed_in(place, path):
    local = Local(place)
    page = browser_at(place.server).get(path)
    assert page.status == 303 and page.location == "/login?return_to=" + path.replace("/", "%2F")
    assert local.person.api.request("GET", path).status_code == 403
    browser = Browser(place.server.url, OurServer.origin)
    browser.cookies["countersign"] = "css_" + "0" * 87
    assert browser.get(path).status == 303


def test_the_login_form_says_at_its_field_what_was_wrong(place):
    local = Local(place)
    _, page = local.log_in("not the password at all", browser=browser_at(place.server))
    assert page.status == 401 and page.code == "UNAUTHENTICATED"
    assert 'autocomplete="current-password"' in page.text and 'autocomplete="username webauthn"' in page.text
    assert 'aria-invalid="true" aria-describedby="e-password"' in page.text
    assert page.form("/login/local")["fields"]["login"] == local.login
    assert page.form("/login/local")["fields"].get("password", "") == ""
    assert PASSWORD not in page.text
    unknown = browser_at(place.server)
    form = unknown.get("/login/local", tenant=place.id)
    other = unknown.submit(form, "/login/local", login="nobody-at-all", password="not the password at all")
    strip = re.compile(r"req_[0-9a-z]+|value=\"[^\"]*\"")
    assert strip.sub("", other.text) == strip.sub("", page.text), "a name that nobody has looks the same"


def test_the_pages_speak_the_browsers_language(place):
    browser = signed_in(Local(place))
    for path, words in (("/account/factors", "Ihre zweiten Faktoren"), ("/account/sessions", "Wo Sie angemeldet sind"),
                        ("/account/step-up", "Zeigen Sie Ihren zweiten Faktor noch einmal")):
        page = browser._send("GET", path, headers={"Accept-Language": "de-AT"})  # pylint: disable=protected-access
        assert '<html lang="de">' in page.text and f"<h1>{words}</h1>" in page.text
