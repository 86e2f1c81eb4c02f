# SPDX-License-Identifier: Apache-2.0
"""The operations of api/openapi.yaml, for tests that are generated from it."""
import pathlib

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
METHODS = ("get", "post", "put", "patch", "delete")


class Operation:
    def __init__(self, document, path, method, item, operation):
        self.id = operation["operationId"]
        self.path = path
        self.method = method.upper()
        extension = operation["x-countersign"]
        self.scope = extension["scope"]
        self.permission = extension["permission"]
        self.second_factor_s = extension.get("second-factor")
        self.secrets = extension.get("secrets", False)
        self.public = operation.get("security") == []
        self.parameters = [resolve(document, p) for p in item.get("parameters", []) + operation.get("parameters", [])]
        body = operation.get("requestBody")
        self.is_page = operation["tags"][0] == "pages"
        self.takes_form = bool(body) and "application/x-www-form-urlencoded" in body["content"]
        self.body_schema = None
        if body and "application/json" in body["content"]:
            self.body_schema = resolve(document, body["content"]["application/json"]["schema"])

    def path_names(self):
        return [p["name"] for p in self.parameters if p["in"] == "path"]

    def __repr__(self):
        return self.id


def resolve(document, node):
    while "$ref" in node:
        target = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def document():
    return yaml.safe_load((ROOT / "api" / "openapi.yaml").read_text())


def operations():
    contract = document()
    found = []
    for path, item in contract["paths"].items():
        for method in METHODS:
            if method in item:
                found.append(Operation(contract, path, method, item, item[method]))
    return found


def example(contract, schema):
    """A value that the schema takes, as far as our schemas go."""
    schema = resolve(contract, schema)
    kind = schema.get("type")
    if "enum" in schema:
        return schema["enum"][0]
    if kind == "object":
        return {name: example(contract, schema["properties"][name]) for name in schema.get("required", [])}
    if kind == "array":
        return [example(contract, schema["items"])] * max(1, schema.get("minItems", 0))
    if kind == "integer":
        return max(schema.get("minimum", 0), 0)
    if kind == "boolean":
        return False
    form = schema.get("format", "")
    if form == "base64":
        return base64_of(schema.get("minLength", 4))
    if form == "date-time":
        return "2030-01-01T00:00:00Z"
    if form == "id" or form.startswith("id:"):
        # A UUIDv7 in Crockford's base32 that no server has made.
        return f"{form[3:] or 'usr'}_014d2pf2dbfay828t5cy4tqkff"
    if schema.get("maxLength") == 64 and schema.get("minLength") == 64:
        return "0" * 64
    return "example"


def base64_of(length):
    """Zero bytes whose base64 is so long."""
    return {44: "A" * 43 + "=", 88: "A" * 86 + "=="}.get(length, "A" * length)
