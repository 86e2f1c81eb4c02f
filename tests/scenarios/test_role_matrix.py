# SPDX-License-Identifier: Apache-2.0
"""
The whole matrix, role by operation by level, against docs/roles.md, the table
that a person can read: each built-in role is bound once at the tenant and once
at a workspace, and every operation of the contract is sent. Whether it was let
in is what is looked at; what the operation then says of a thing that is not
there is not.
"""
import pathlib
import re

import pytest

import contract
from conftest import new_tenant
from test_access import Access
from test_tenants_never_meet import never, send

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPERATIONS = {operation.id: operation for operation in contract.operations()}
DOCUMENT = contract.document()
STREAMS = {"event_stream"}
# Refusals that come before anybody asks who may.
BEFORE = {"SECOND_FACTOR_REQUIRED"}


def matrix():
    """{(role, operation): (level, cell)} as docs/roles.md shows it."""
    text = (ROOT / "docs" / "roles.md").read_text().split("## The matrix")[1]
    rows = [[cell.strip().strip("`") for cell in line.strip("|\n").split("|")]
            for line in text.splitlines() if line.startswith("|")]
    head = rows[0]
    return {(role, row[0]): (row[1], row[3 + at]) for row in rows[2:] for at, role in enumerate(head[3:])}


MATRIX = matrix()
ROLES = sorted({role for role, _ in MATRIX})
KIND = {"agent": "agent", "service": "service"}


class World:
    def __init__(self, server):
        self.tenant = new_tenant(server)
        self.access = Access(self.tenant)
        self.here, self.there = self.access.workspace()["id"], self.access.workspace()["id"]
        # An administrator gives what they hold: also what nobody has by default.
        self.holders = {}

    def holder(self, role, level):
        if (role, level) not in self.holders:
            person = self.tenant.person(KIND.get(role, "user"))
            self.access.bind(person.id, role, **({"workspace": self.here} if level == "workspace" else {}))
            self.holders[role, level] = person
        return self.holders[role, level]

    def ids(self, operation):
        """The real tenant and workspace where the operation is; all else was never there, so that nothing happens."""
        here = self.here if operation.scope == "workspace" else never("wsp")
        names = {}
        for parameter in operation.parameters:
            if parameter["in"] == "path":
                form = contract.resolve(DOCUMENT, parameter["schema"]).get("format", "")
                names[parameter["name"]] = never(form[3:] or "usr") if form.startswith("id") else "x"
        return {**names, "tenant": self.tenant.id, "workspace": here}


@pytest.fixture(scope="module")
def world(server):
    return World(server)


def was_let_in(world, response):
    """Whether the pipeline's answer is that of authorization."""
    if response.status_code not in (403, 404):
        return True
    page = "json" not in response.headers["Content-Type"]  # pages refuse as pages
    problem = {"code": "", "detail": ""} if page else response.json()
    if problem["code"] in BEFORE:
        return True
    if response.status_code == 404 or page:
        if not page and problem["detail"] != "there is nothing here for you":
            return True
        # Handlers say so too; what authorization refused is in the log with the permission that was missing.
        newest = world.access.api.ok("GET", f"{world.tenant.path}/log/entries", params={"limit": 4})["items"]
        found = [str(entry["event"]) for entry in newest if response.headers["X-Request-Id"] in str(entry["event"])]
        return not any("permission" in event for event in found)
    return not re.search(r"this needs the permission|administrators of the platform", problem["detail"])


def test_the_matrix_names_every_operation():
    asked = {o.id for o in OPERATIONS.values() if o.permission not in ("none", "authenticated")}
    assert {operation for _, operation in MATRIX} == asked


@pytest.mark.parametrize("level", ["tenant", "workspace"])
@pytest.mark.parametrize("role", [role for role in ROLES if role != "executor"])
def test_a_role_lets_in_as_the_table_says(world, role, level):
    person = world.holder(role, level)
    wrong = []
    for (one, name), (asked_at, cell) in sorted(MATRIX.items()):
        operation = OPERATIONS[name]
        ids = world.ids(operation)
        if one != role or name in STREAMS:
            continue
        wanted = cell == "yes" and (level == "tenant" or asked_at == "workspace")
        # What depends on the thing itself is decided by the handler, when there is one.
        if cell == "own" or (name in LATE and HOLDS.get((role, name))):
            continue
        more = {"headers": {"If-Match": "*"}} if operation.method == "PATCH" else {}
        found = was_let_in(world, send(person.api, operation, ids, **more))
        if found != wanted:
            wrong.append((name, asked_at, cell, "was let in" if found else "was not let in"))
    assert not wrong, wrong


@pytest.mark.parametrize("role", [role for role in ROLES if role not in ("executor",)])
def test_a_role_at_one_workspace_is_nothing_in_another(world, role):
    person = world.holder(role, "workspace")
    person.api.refused("NOT_FOUND", "GET", f"/v1/workspaces/{world.there}/actions")


LATE = {item[method]["operationId"] for item in contract.document()["paths"].values() for method in contract.METHODS
        if method in item and item[method]["x-countersign"].get("late")}
HOLDS = {(role, name): cell != "" for (role, name), (_, cell) in MATRIX.items()}
