# SPDX-License-Identifier: Apache-2.0
"""Passkeys and security keys: at log-in, and for decisions."""
import base64

import pytest

import harness
from authenticator import PRESENT, Passkey
from forms import browser_at
from test_accounts import CHEAP, Local
from test_executor import Stage


class OurServer(harness.Server):
    """Reached by a name, as WebAuthn wants it: a relying party is a host, never an address."""

    origin = "http://localhost"


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    server = OurServer(tmp_path_factory.mktemp("passkeys"), options=[*CHEAP, "--node-url", OurServer.origin]).start()
    yield server
    assert server.stop() == 0, server.process.text


@pytest.fixture
def place(ours):
    created = ours.api(ours.bootstrap_key).ok("POST", "/v1/tenants", {"name": harness.unique("tenant")})
    return harness.Tenant(ours, created)


def register(local, api, passkey=None, attestation="none", name="laptop"):
    """By the API, as a program would."""
    passkey = passkey or Passkey(local.server.origin)
    options = api.ok("POST", f"{local.path}/passkeys/options")
    assert options["rp_id"] == "localhost"
    passkey.user_handle = options["user_handle"].encode()
    body, client_data = passkey.create(base64.b64decode(options["challenge"]), attestation)
    made = api.ok("POST", f"{local.path}/passkeys",
                  {"name": name, "state": options["state"], "attestation_object": base64.b64encode(body).decode(),
                   "client_data_json": base64.b64encode(client_data).decode()})
    assert made["keyid"] == passkey.keyid and base64.b64decode(made["public_key"]) == passkey.cose
    passkey.record = made["id"]
    return passkey


def passkey_login(place, passkey, browser=None, change=None, **more):
    browser = browser or browser_at(place.server)
    page = browser.get("/login/passkey", tenant=place.id)
    form = page.form("/login/passkey")
    fields = {**form["fields"], **passkey.fill_get(form, **more), **(change or {})}
    return browser, fields, browser.post("/login/passkey", fields)


def session_of(local):
    browser, page = local.log_in(browser=browser_at(local.server))
    assert page.status == 303, page.text
    return local.server.api(browser.session_token)


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256"])
@pytest.mark.parametrize("attestation", ["none", "packed"])
def test_a_passkey_alone_lets_its_owner_in(place, algorithm, attestation):
    local = Local(place)
    passkey = register(local, session_of(local), Passkey(place.server.origin, algorithm), attestation)
    browser, fields, page = passkey_login(place, passkey)
    assert page.status == 303, page.text
    who = place.server.api(browser.session_token).ok("GET", "/v1/whoami")
    assert who["principal"] == local.person.id
    # The same answer again, from the same browser: its challenge is used up.
    assert browser.post("/login/passkey", fields).status in (401, 403)


def test_a_wrong_answer_lets_nobody_in(place):
    local, other = Local(place), Local(place)
    passkey = register(local, session_of(local))
    foreign = register(other, session_of(other))
    stranger = Passkey(place.server.origin)
    stranger.user_handle = passkey.user_handle
    assert passkey_login(place, stranger)[2].status == 401
    # Presence alone is one factor; without a password it is not enough.
    assert passkey_login(place, passkey, flags=PRESENT)[2].status == 401
    assert passkey_login(place, passkey, flags=0)[2].status == 401
    for change in ({"user_handle": foreign.fill_get(
            browser_at(place.server).get("/login/passkey", tenant=place.id).form("/login/passkey"))["user_handle"]},
                   {"user_handle": ""}):
        assert passkey_login(place, passkey, change=change)[2].status == 401
    evil = Passkey("https://evil.example", rp_id="localhost")
    evil.private, evil.cose, evil.id, evil.user_handle = passkey.private, passkey.cose, passkey.id, passkey.user_handle
    evil.count = 50
    assert passkey_login(place, evil)[2].status == 401
    framed = passkey_login(place, passkey, crossOrigin=True)[2]
    assert framed.status == 401
    # An answer to one browser's challenge is of no use in another one.
    first, second = browser_at(place.server), browser_at(place.server)
    form = first.get("/login/passkey", tenant=place.id).form("/login/passkey")
    mine = second.get("/login/passkey", tenant=place.id).form("/login/passkey")
    answer = passkey.fill_get(form)
    stolen = {**mine["fields"], **answer, "challenge": form["fields"]["challenge"]}
    assert second.post("/login/passkey", stolen).status == 403
    assert passkey_login(place, passkey)[2].status == 303


def test_a_counter_that_does_not_grow_is_refused(place):
    local = Local(place)
    passkey = register(local, session_of(local))
    assert passkey_login(place, passkey)[2].status == 303
    passkey.count -= 1
    assert passkey_login(place, passkey)[2].status == 401, "a copy"
    passkey.count += 5
    assert passkey_login(place, passkey)[2].status == 303


def test_a_security_key_is_the_second_factor(place):
    local = Local(place)
    api, old = session_of(local), session_of(local)
    key = register(local, api)
    browser, page = local.log_in(browser=browser_at(place.server))
    assert page.status == 200 and not browser.session_token
    form = [form for form in page.forms if form["data"]][0]
    fields = {**form["fields"], **key.fill_get(form, flags=PRESENT)}
    done = browser.post("/login/local/factor", fields)
    assert done.status == 303, done.text
    fresh = place.server.api(browser.session_token)
    assert [item["id"] for item in fresh.ok("GET", f"{local.path}/factors")["passkeys"]] == [key.record]
    # Whoever has a factor needs a fresh one to change factors.
    old.refused("SECOND_FACTOR_REQUIRED", "DELETE", f"{local.path}/passkeys/{key.record}")
    fresh.refused("NOT_FOUND", "DELETE", f"{local.path}/passkeys/pky_{'0' * 26}")
    fresh.ok("DELETE", f"{local.path}/passkeys/{key.record}")
    assert local.log_in(browser=browser_at(place.server))[1].status == 303


def test_a_passkey_is_added_on_the_page(place):
    local = Local(place)
    browser, _ = local.log_in(browser=browser_at(place.server))
    page = browser.get("/account/passkeys")
    assert page.status == 200, page.text
    policy = page.response.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy and "default-src 'none'" in policy
    assert browser.get("/webauthn.js").response.headers["Content-Type"].startswith("text/javascript")
    # An API key is not a person who logs in.
    assert local.person.api.request("GET", "/account/passkeys").status_code == 403
    passkey = Passkey(place.server.origin)
    form = page.form("/account/passkeys")
    fields = {**form["fields"], **passkey.fill_create(form), "name": "my phone"}
    assert browser.post("/account/passkeys", fields).status == 303
    assert "my phone" in browser.get("/account/passkeys").text
    assert browser.post("/account/passkeys", fields).status == 403, "the challenge is used up"
    assert passkey_login(place, passkey)[2].status == 303
    page = browser_at(place.server).get("/account/passkeys")
    assert page.status == 303 and page.location.startswith("/login")


def test_a_registration_must_be_for_us(place):
    local = Local(place)
    api = session_of(local)

    def refused(code, passkey, challenge=None, state=None, **more):
        options = api.ok("POST", f"{local.path}/passkeys/options")
        body, client_data = passkey.create(challenge or base64.b64decode(options["challenge"]), **more)
        api.refused(code, "POST", f"{local.path}/passkeys",
                    {"name": "x", "state": state or options["state"], "attestation_object": base64.b64encode(body).decode(),
                     "client_data_json": base64.b64encode(client_data).decode()})

    refused("BAD_SIGNATURE", Passkey("https://evil.example", rp_id="localhost"))
    refused("BAD_SIGNATURE", Passkey(place.server.origin, rp_id="evil.example"))
    refused("BAD_SIGNATURE", Passkey(place.server.origin), challenge=b"another challenge")
    refused("BAD_SIGNATURE", Passkey(place.server.origin), flags=0)
    refused("FORBIDDEN", Passkey(place.server.origin), state="1.x.y")
    passkey = register(local, api)
    taken = Passkey(place.server.origin)
    taken.id = passkey.id
    other = Local(place)
    api, local = session_of(other), other
    refused("ALREADY_EXISTS", taken)


# ---- decisions


class Deciders:
    """An agent, an executor by hand, and an approver whose passkey is on the roster."""

    def __init__(self, place, algorithm="ES256"):
        self.place = place
        self.local = Local(place)
        self.api = session_of(self.local)
        self.passkey = register(self.local, self.api, Passkey(place.server.origin, algorithm))
        self.bot = place.agent()
        place.admin.offer_key()
        member = {"principal": self.local.person.id, "name": self.local.person.name, "roles": ["approver"],
                  "keys": [self.passkey.roster_key()]}
        payload = place.roster_bytes([place.member(place.admin, "administrator"), member])
        place.admin.api.ok("POST", f"{place.path}/roster", place.admin.key.envelope(harness.ROSTER, payload))
        self.executor = harness.HandExecutor(place).answer_resolutions()

    def path(self, action):
        return f"{self.place.actions}/{action['id']}/decisions"

    def body(self, action, verdict="approve", kind=None, statement=None, **more):
        kind = kind or (harness.STATEMENT if verdict == "approve" else harness.REJECTION)
        payload = statement or base64.b64decode(action["statement"])
        return {"verdict": verdict, "signature": self.passkey.signature(kind, payload, **more)}

    def close(self):
        self.executor.close()


@pytest.fixture
def deciders(place):
    made = Deciders(place)
    yield made
    made.close()


def test_a_decision_is_signed_by_passkey(deciders):
    action = deciders.bot.submit()
    second = deciders.body(action)
    answer = deciders.api.ok("POST", deciders.path(action), second)
    assert answer["state"] == "approved"
    assert answer["decisions"][0]["keyid"] == deciders.passkey.keyid
    envelope = deciders.api.ok("GET", f"{deciders.place.actions}/{action['id']}/envelope")
    assert envelope["signatures"] == [second["signature"]]
    no = deciders.bot.submit(target="db")
    assert deciders.api.ok("POST", deciders.path(no), deciders.body(no, "reject"))["state"] == "rejected"


def test_a_no_is_never_a_yes_and_every_altered_byte_is_refused(deciders):
    action = deciders.bot.submit()
    path = deciders.path(action)
    deciders.api.refused("BAD_SIGNATURE", "POST", path, deciders.body(action, "approve", kind=harness.REJECTION))
    deciders.api.refused("BAD_SIGNATURE", "POST", path, deciders.body(action, "reject", kind=harness.STATEMENT))
    deciders.api.refused("BAD_SIGNATURE", "POST", path, deciders.body(action, flags=PRESENT))
    deciders.api.refused("BAD_SIGNATURE", "POST", path, deciders.body(action, crossOrigin=True))
    other = deciders.bot.submit(target="db")
    deciders.api.refused("BAD_SIGNATURE", "POST", path,
                         deciders.body(action, statement=base64.b64decode(other["statement"])))
    good = deciders.body(action)
    for part in ("sig", "authenticatorData", "clientDataJSON"):
        raw = base64.b64decode(good["signature"][part])
        for place in range(0, len(raw), 7):
            bad = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1:]
            body = {**good, "signature": {**good["signature"], part: base64.b64encode(bad).decode()}}
            deciders.api.refused("BAD_SIGNATURE", "POST", path, body)
        left = {name: value for name, value in good["signature"].items() if name != part}
        assert deciders.api.request("POST", path, {**good, "signature": left}).status_code == 422
    assert deciders.api.ok("POST", path, good)["state"] == "approved"


def test_the_counter_of_a_registered_passkey_must_grow(deciders):
    first, second = deciders.bot.submit(), deciders.bot.submit(target="db")
    deciders.api.ok("POST", deciders.path(first), deciders.body(first))
    deciders.passkey.count -= 1
    deciders.api.refused("BAD_SIGNATURE", "POST", deciders.path(second), deciders.body(second))
    assert deciders.api.ok("POST", deciders.path(second), deciders.body(second))["state"] == "approved"


def test_a_person_decides_on_the_page(deciders):
    place = deciders.place
    action = deciders.bot.submit(task_name="<script>alert(1)</script>", instruction="please")
    path = f"/workspaces/{place.workspace}/actions/{action['id']}"
    browser, page = deciders.local.log_in(browser=browser_at(place.server))
    form = [form for form in page.forms if form["data"]][0]
    assert browser.post("/login/local/factor", {**form["fields"], **deciders.passkey.fill_get(form)}).status == 303
    page = browser.get(path)
    assert page.status == 200, page.text
    assert "container.remove" in page.text and action["digest"] in page.text
    assert "<script>alert" not in page.text and "&lt;script&gt;" in page.text
    yes, no = page.forms
    assert (yes["fields"]["verdict"], no["fields"]["verdict"]) == ("approve", "reject")
    # The assertion of a no is none of a yes, whatever the form says.
    swapped = browser.post(path, {**yes["fields"], **deciders.passkey.fill_get(no), "verdict": "approve"})
    assert swapped.status == 422 and swapped.code == "BAD_SIGNATURE"
    done = browser.post(path, {**yes["fields"], **deciders.passkey.fill_get(yes)})
    assert done.status == 303 and done.location == path, done.text
    assert deciders.bot.action(action["id"])["state"] == "approved"
    assert not browser.get(path).forms
    # Who is not logged in sees nothing, who has no passkey on the roster no button.
    page = browser_at(place.server).get(path)
    assert page.status == 303 and page.location.startswith("/login")
    ann = Local(place)
    other, _ = ann.log_in(browser=browser_at(place.server))
    another = deciders.bot.submit(target="db")
    page = other.get(f"/workspaces/{place.workspace}/actions/{another['id']}")
    assert page.status == 200 and not page.forms
    # What is not there is not shown.
    assert other.get(f"/workspaces/{place.workspace}/actions/act_{'0' * 26}").status == 404


# ---- the executor's own eyes: a real one, which pinned the roster and believes no server


class PasskeyStage(Stage):
    """Anna signs by a passkey that nothing but the roster knows."""

    def __init__(self, server, folder):
        super().__init__(server, folder)
        self.passkey = Passkey("https://login.example")
        tenant = self.tenant
        members = [tenant.member(tenant.admin, "administrator"),
                   {**tenant.member(self.anna, "approver"), "keys": [self.passkey.roster_key()]}]
        payload = tenant.roster_bytes(members)
        tenant.admin.api.ok("POST", f"{tenant.path}/roster", tenant.admin.key.envelope(harness.ROSTER, payload))

    def approved(self, *_, **more):
        action = self.bot.submit(parameters={"force": True}, **more)
        signature = self.passkey.signature(harness.STATEMENT, base64.b64decode(action["statement"]))
        self.anna.api.ok("POST", f"{self.tenant.actions}/{action['id']}/decisions",
                         {"verdict": "approve", "signature": signature})
        return action


@pytest.fixture
def passkey_stage(server, tmp_path):
    made = PasskeyStage(server, tmp_path)
    yield made
    made.close()


def test_a_real_executor_runs_what_a_passkey_approved(passkey_stage):
    passkey_stage.executor()
    assert passkey_stage.ended(passkey_stage.approved())["state"] == "succeeded"
    assert passkey_stage.engine.changes


@pytest.mark.parametrize("part", ["sig", "authenticatorData", "clientDataJSON", "no"])
def test_a_real_executor_refuses_an_altered_assertion(passkey_stage, part):
    def lie(_, path, answer):
        if path.endswith("/claim"):
            signature = answer["envelope"]["signatures"][0]
            if part == "no":
                # What the approver would sign to reject the same statement.
                signature.update(passkey_stage.passkey.signature(
                    harness.REJECTION, base64.b64decode(answer["envelope"]["payload"])))
            else:
                raw = bytearray(base64.b64decode(signature[part]))
                raw[-1] ^= 1
                signature[part] = base64.b64encode(raw).decode()
        return answer

    executor = passkey_stage.lied_to(lie)
    action = passkey_stage.approved()
    executor.process.wait_for(f"action ended.*{action['id']}.*outcome=refused.*check 3")
    assert passkey_stage.engine.changes == []
