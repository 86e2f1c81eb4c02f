# SPDX-License-Identifier: Apache-2.0
"""Reads the contract (OpenAPI 3.1) into a model of C types and operations.

What the generator does not understand is an error: a keyword that it skipped
would be a promise that nobody keeps.
"""
import re
from dataclasses import dataclass, field
from typing import Optional

INT64_MIN, INT64_MAX = -2**63, 2**63 - 1
PERMISSION_NONE, PERMISSION_AUTHENTICATED = 'none', 'authenticated'
# The pipeline's own parameters: checked there, for every operation.
PIPELINE_HEADERS = {'idempotency-key', 'if-match'}
PIPELINE_PATH = {'tenant', 'workspace'}
STREAMED = {'text/event-stream', 'application/x-ndjson'}

KEYWORDS = {'type', 'description', 'format', 'minLength', 'maxLength', 'pattern', 'enum', 'minimum', 'maximum',
            'items', 'minItems', 'maxItems', 'properties', 'required', 'additionalProperties', 'x-json',
            'maxProperties', 'title', 'example', 'examples'}
COUNTERSIGN = {'permission', 'scope', 'transaction', 'log', 'log-action', 'idempotent', 'body-limit', 'wait',
               'path-tail', 'late', 'secrets', 'any-query',
               'second-factor', 'oauth-errors'}


class ContractError(Exception):
    pass


def snake(name):
    name = re.sub(r'([a-z0-9])([A-Z])', r'\1_\2', name)
    return re.sub(r'[^A-Za-z0-9]+', '_', name).lower()


@dataclass
class StringType:
    min_length: int = 0
    max_length: int = 0xFFFFFFFF
    format: str = 'NONE'
    prefix: str = ''
    pattern: Optional[str] = None


@dataclass
class IntegerType:
    minimum: int = INT64_MIN
    maximum: int = INT64_MAX


@dataclass
class NumberType:
    pass


@dataclass
class BoolType:
    pass


@dataclass
class TimeType:
    pass


@dataclass
class BytesType:
    rule: StringType


@dataclass
class RawType:
    object_only: bool


@dataclass
class PairsType:
    rule: StringType
    max_count: int


@dataclass
class EnumType:
    name: str
    values: list


@dataclass
class ArrayType:
    item: object
    min_items: int
    max_items: int


@dataclass
class Property:
    name: str      # on the wire
    field: str     # in C
    type: object
    required: bool
    nullable: bool


@dataclass
class ObjectType:
    name: str
    properties: list = field(default_factory=list)
    order: int = 0


@dataclass
class Parameter:
    name: str
    place: str
    field: str
    type: object
    required: bool
    position: int = -1


@dataclass
class Operation:
    id: str
    method: str
    path: str
    tags: list
    permission: str
    scope: str
    transaction: str
    log: str
    log_action: str
    idempotent: bool
    body_limit: int
    path_tail: bool
    late: bool
    secrets: bool
    any_query: bool
    second_factor: int
    oauth_errors: bool
    parameters: list
    path_names: list
    body: Optional[object]
    body_media: Optional[str]
    body_required: bool
    status: int
    out: Optional[object]
    out_media: Optional[str]
    streams: bool


class Contract:
    def __init__(self, document, roles=None):
        """`roles`: api/roles.yaml, which lists all permissions; without it, those that the operations name."""
        self.document = document
        self.objects = {}   # C name -> ObjectType
        self.enums = {}     # C name -> EnumType
        self.named = {}     # schema name -> type
        for name in document['components']['schemas']:
            self.schema_by_name(name)
        self.operations = [op for path, item in document['paths'].items() for op in self.path_item(path, item)]
        names = [op.id for op in self.operations]
        if len(set(names)) != len(names):
            raise ContractError(f'operationId used twice: {sorted(n for n in names if names.count(n) > 1)}')
        self.permissions = sorted({op.permission for op in self.operations} -
                                  {PERMISSION_NONE, PERMISSION_AUTHENTICATED})
        if roles:
            roles.check_contract(self.permissions)
            self.check_levels(roles)
            self.permissions = sorted(roles.permissions)

    def check_levels(self, roles):
        """An operation asks for a permission at one of the levels that it is listed with."""
        for op in self.operations:
            listed = roles.permissions.get(op.permission)
            scope = 'tenant' if op.scope == 'public' else op.scope  # the caller's own
            if listed and scope not in listed.levels:
                raise ContractError(f'{op.id}: {op.permission} is asked for at the level {op.scope}, but '
                                    f'api/roles.yaml lists it for {listed.levels}')

    # ---- schemas

    def schema_by_name(self, name):
        if name not in self.named:
            schema = self.document['components']['schemas'][name]
            self.named[name] = None
            self.named[name] = self.schema(schema, snake(name))
        if self.named[name] is None:
            raise ContractError(f'schema {name} holds itself')
        return self.named[name]

    def resolve(self, thing):
        while '$ref' in thing:
            node = self.document
            for part in thing['$ref'].removeprefix('#/').split('/'):
                node = node[part]
            thing = node
        return thing

    def schema(self, schema, name):
        if '$ref' in schema:
            return self.schema_by_name(schema['$ref'].rsplit('/', 1)[1])
        unknown = set(schema) - KEYWORDS
        if unknown:
            raise ContractError(f'{name}: keywords that the generator does not know: {sorted(unknown)}')
        kind, _ = self.kind(schema)
        if schema.get('x-json') == 'raw':
            return RawType(object_only=kind == 'object')
        try:
            return getattr(self, f'schema_{kind}')(schema, name)
        except AttributeError as error:
            raise ContractError(f'{name}: type {kind}: {error}') from error

    @staticmethod
    def kind(schema):
        kind = schema.get('type')
        if isinstance(kind, list):
            others = [k for k in kind if k != 'null']
            if len(others) != 1:
                raise ContractError(f'a union of types: {kind}')
            return others[0], 'null' in kind
        return kind, False

    def schema_string(self, schema, name):
        if 'enum' in schema:
            return self.enum(name, schema['enum'])
        rule = StringType(schema.get('minLength', 0), schema.get('maxLength', 0xFFFFFFFF), pattern=schema.get('pattern'))
        form = schema.get('format', '')
        if form == 'date-time':
            return TimeType()
        if form in ('base64', 'byte'):
            return BytesType(rule)
        if form == 'id' or form.startswith('id:'):
            rule.format, rule.prefix = 'ID', form[3:]
        elif form in ('text', 'token'):
            rule.format = form.upper()
        elif form:
            raise ContractError(f'{name}: format {form}')
        return rule

    def schema_integer(self, schema, name):
        return IntegerType(schema.get('minimum', INT64_MIN), schema.get('maximum', INT64_MAX))

    def schema_number(self, schema, name):
        return NumberType()

    def schema_boolean(self, schema, name):
        return BoolType()

    def schema_array(self, schema, name):
        return ArrayType(self.schema(schema['items'], name + '_item'), schema.get('minItems', 0),
                         schema.get('maxItems', 0xFFFFFFFF))

    def schema_object(self, schema, name):
        extra = schema.get('additionalProperties', False)
        if extra is not False:
            rule = self.schema(extra, name + '_value')
            if 'properties' in schema or not isinstance(rule, StringType):
                raise ContractError(f'{name}: additionalProperties must be strings, and alone')
            return PairsType(rule, schema.get('maxProperties', 0xFFFFFFFF))
        required = schema.get('required', [])
        strange = set(required) - set(schema.get('properties', {}))
        if strange:
            raise ContractError(f'{name}: required but not described: {sorted(strange)}')
        result = ObjectType(name)
        for key, value in schema.get('properties', {}).items():
            kind = self.schema(value, f'{name}_{snake(key)}')
            nullable = '$ref' not in value and self.kind(value)[1]
            field_name = snake(key) + ('_ms' if isinstance(kind, TimeType) else '')
            result.properties.append(Property(key, field_name, kind, key in required, nullable))
        if len(result.properties) > 64:
            raise ContractError(f'{name}: more than 64 properties')
        if name in self.objects:
            raise ContractError(f'two objects would be named api_{name}')
        result.order = len(self.objects)  # what it holds came before it
        self.objects[name] = result
        return result

    def enum(self, name, values):
        known = self.enums.setdefault(name, EnumType(name, values))
        if known.values != values:
            raise ContractError(f'two enums would be named api_{name}')
        return known

    # ---- operations

    def path_item(self, path, item):
        shared = item.get('parameters', [])
        for method, body in item.items():
            if method in ('get', 'post', 'put', 'patch', 'delete'):
                yield self.operation(path, method.upper(), body, shared)
            elif method not in ('parameters', 'summary', 'description'):
                raise ContractError(f'{path}: {method}')

    def operation(self, path, method, body, shared):
        name = body['operationId']
        about = body['x-countersign']
        if set(about) - COUNTERSIGN:
            raise ContractError(f'{name}: x-countersign: {sorted(set(about) - COUNTERSIGN)}')
        for key, allowed in (('scope', ('public', 'platform', 'tenant', 'workspace')),
                             ('transaction', ('read', 'write', 'none')), ('log', ('always', 'denied', 'never'))):
            if about.get(key) not in allowed:
                raise ContractError(f'{name}: {key} is none of {allowed}')
        path_names = re.findall(r'\{([a-z_]+)\}', path)
        if about['scope'] in PIPELINE_PATH and about['scope'] not in path_names:
            raise ContractError(f'{name}: scope {about["scope"]} without {{{about["scope"]}}} in the path')
        status, out, out_media = self.response(name, body)
        body_type, body_media, body_required = self.request_body(name, body)
        return Operation(
            id=name, method=method, path=path, tags=body.get('tags', []), permission=about['permission'],
            scope=about['scope'], transaction=about['transaction'], log=about['log'],
            log_action=about.get('log-action', '.'.join(name.rsplit('_', 1))), idempotent=about.get('idempotent', False),
            body_limit=about.get('body-limit', 65536), path_tail=about.get('path-tail', False),
            late=about.get('late', False), secrets=about.get('secrets', False),
            any_query=about.get('any-query', False), second_factor=about.get('second-factor', 0),
            oauth_errors=about.get('oauth-errors', False),
            parameters=self.parameters(name, shared + body.get('parameters', []), path_names,
                                       about['scope']),
            path_names=path_names, body=body_type, body_media=body_media, body_required=body_required,
            status=status, out=out, out_media=out_media, streams=out_media in STREAMED)

    def parameters(self, operation, raw, path_names, scope):
        result = []
        for item in map(self.resolve, raw):
            name, place = item['name'], item['in']
            if place == 'header' and name.lower() in PIPELINE_HEADERS:
                continue
            # What the scope names the pipeline has taken already.
            if place == 'path' and name == scope:
                continue
            kind = self.schema(item['schema'], f'{operation}_{snake(name)}')
            if isinstance(kind, (ObjectType, RawType, PairsType, BytesType)):
                raise ContractError(f'{operation}: parameter {name} is no simple value')
            if isinstance(kind, ArrayType) and place != 'query':
                raise ContractError(f'{operation}: parameter {name}: only a query parameter repeats')
            field_name = snake(name) + ('_ms' if isinstance(kind, TimeType) else '')
            position = path_names.index(name) if place == 'path' else -1
            result.append(Parameter(name, place, field_name, kind, item.get('required', False), position))
        declared = {p.name for p in result if p.place == 'path'} | PIPELINE_PATH
        if set(path_names) - declared:
            raise ContractError(f'{operation}: path parameters not described: {set(path_names) - declared}')
        names = [p.field for p in result]
        if len(set(names)) != len(names):
            raise ContractError(f'{operation}: parameters share a name')
        return result

    def response(self, name, body):
        for status, response in body['responses'].items():
            if str(status)[0] not in '23':
                continue
            content = self.resolve(response).get('content')
            if not content:
                return int(status), None, None
            media, described = next(iter(content.items()))
            if media == 'application/json':
                out = self.schema(described['schema'], name + '_out')
                if not isinstance(out, ObjectType):
                    raise ContractError(f'{name}: a JSON response must be an object')
                return int(status), out, media
            return int(status), None, media
        raise ContractError(f'{name}: no success response')

    def request_body(self, name, body):
        if 'requestBody' not in body:
            return None, None, False
        described = self.resolve(body['requestBody'])
        media, content = next(iter(described['content'].items()))
        if media != 'application/json':
            return None, media, described.get('required', False)
        kind = self.schema(content['schema'], name + '_body')
        if not isinstance(kind, ObjectType):
            raise ContractError(f'{name}: a JSON body must be an object')
        return kind, media, described.get('required', False)
