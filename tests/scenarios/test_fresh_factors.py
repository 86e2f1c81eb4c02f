# SPDX-License-Identifier: Apache-2.0
"""What asks people for a fresh second factor, by the contract's own word; programs with keys go on without."""
import datetime
import time

import pytest
import requests

import contract
import harness
from test_accounts import CHEAP, Local, enrol_totp, follow_link, log_in
from test_tenants_never_meet import never, send

OPERATIONS = [operation for operation in contract.operations() if operation.second_factor_s]
# What changes who may do what, by which keys, or from where people come.
ASKED = {"api_key_create", "api_key_rotate", "token_client_update", "roster_update", "role_create", "role_update",
         "role_delete", "group_delete", "group_member_add", "group_member_remove", "binding_create", "binding_delete",
         "realm_create", "realm_update", "realm_delete", "account_make", "account_create_link", "factors_remove",
         "root_key_rotate", "provider_key_store", "provider_key_delete", "provider_key_renew"}
DOCUMENT = contract.document()


class Administrator:
    """The first one, as a person of the platform's own tenant: logged in without a second factor, and with one."""

    def __init__(self, server):
        link = server.process.wait_for(r"^\s+(http://\S+/login/link\?\S+)").group(1)
        assert follow_link(server, link, login="root@example.org").status == 303
        self.server = server
        self.key = server.api(server.bootstrap_key)
        me = self.key.ok("GET", "/v1/whoami")
        self.id = me["tenant"]
        self.path = f"/v1/tenants/{me['tenant']}/principals/{me['principal']}"
        self.ids = {"tenant": me["tenant"], "workspace": me["workspace"]}
        self.bare = self.session()
        self.stepped_up = self.session()
        enrol_totp(self, self.stepped_up)

    def session(self):
        browser, page = log_in(self.server, self, "root@example.org")
        assert page.status == 303, page.text
        return self.server.api(browser.session_token)

    def send(self, api, operation, place=None):
        """About things that were never there, so that nothing happens to those that are."""
        ids = {}
        for parameter in operation.parameters:
            if parameter["in"] == "path":
                form = contract.resolve(DOCUMENT, parameter["schema"]).get("format", "")
                ids[parameter["name"]] = never(form[3:] or "usr") if form.startswith("id") else "x"
        response = send(api, operation, {**ids, **(place or self.ids)})
        return response, response.json().get("code") if response.content else None


@pytest.fixture(scope="module")
def administrator(tmp_path_factory):
    server = harness.Server(tmp_path_factory.mktemp("fresh"), options=CHEAP).start()
    yield Administrator(server)
    assert server.stop() == 0, server.process.text


def test_the_contract_asks_for_it_where_it_should():
    assert {operation.id for operation in OPERATIONS} == ASKED


@pytest.mark.parametrize("operation", OPERATIONS, ids=repr)
def test_a_session_without_a_fresh_second_factor_is_asked_for_one(administrator, operation):
    response, code = administrator.send(administrator.bare, operation)
    assert (response.status_code, code) == (401, "SECOND_FACTOR_REQUIRED")
    challenge = response.headers["WWW-Authenticate"]
    assert 'error="insufficient_user_authentication"' in challenge
    assert f'max_age="{operation.second_factor_s}"' in challenge
    for api in (administrator.stepped_up, administrator.key):
        response, code = administrator.send(api, operation)
        assert code != "SECOND_FACTOR_REQUIRED" and response.status_code not in (401, 403), response.text


def test_a_second_factor_grows_old(administrator):
    server, api = administrator.server, administrator.stepped_up
    shown_ms = datetime.datetime.fromisoformat(api.ok("GET", "/v1/whoami")["second_factor_at"]).timestamp() * 1000
    path = f"/v1/tenants/{administrator.id}/roles"

    def role():
        return {"name": harness.unique("role"), "permissions": ["action.read"]}

    server.set_clock_offset_ms(int(shown_ms + 290000 - time.time() * 1000))
    api.ok("POST", path, role())
    server.set_clock_offset_ms(int(shown_ms + 301000 - time.time() * 1000))
    api.refused("SECOND_FACTOR_REQUIRED", "POST", path, role())
    administrator.key.ok("POST", path, role())
    server.set_clock_offset_ms(0)


def test_automation_goes_on_without_one(administrator):
    """Nobody is there who could show one: neither to a service's key, nor to the token that it gets by it."""
    made = administrator.key.ok("POST", "/v1/tenants", {"name": harness.unique("tenant")})
    tenant = harness.Tenant(administrator.server, made)
    service = tenant.person("service", "integration-admin")
    answer = requests.post(f"{administrator.server.url}/oauth2/token", timeout=harness.PATIENCE_S, data={
        "grant_type": "client_credentials", "client_id": service.id, "client_secret": service.api.key})
    assert answer.status_code == 200, answer.text
    here = {"tenant": tenant.id, "workspace": tenant.workspace}
    for api in (service.api, administrator.server.api(answer.json()["access_token"])):
        for operation in OPERATIONS:
            if operation.permission == "provider.manage":
                response, _ = administrator.send(api, operation, here)
                assert response.status_code not in (401, 403), (operation, response.text)
