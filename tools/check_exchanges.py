#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds what a server answered in a test run against the contract.

  check_exchanges.py FOLDER

FOLDER has files with a JSON line for each exchange, written by servers built
with -Dtest_hooks=true when COUNTERSIGN_EXCHANGE_LOG names the file. Every reply
must have a status, a media type and a body that api/openapi.yaml describes for
its operation; every operation must have been answered with success, and must
have been refused, at least once; and whatever a person does through the API the
command line must have done too.
"""
import base64
import collections
import json
import pathlib
import sys

import jsonschema
import yaml

# What the command line has no use for, and who has.
NOT_FOR_THE_COMMAND_LINE = {
    'action_claim': 'executors', 'action_output_append': 'executors', 'action_report': 'executors',
    'executor_enrol': 'executors', 'resolution_answer': 'executors', 'work_next': 'executors',
    'authzen_configuration_get': 'other programs, which ask in AuthZEN', 'authzen_evaluate': 'other programs',
    'authzen_evaluate_all': 'other programs',
    'contract_get': 'readers of the contract',
    'health_get': 'probes', 'ready_get': 'probes', 'metrics_get': 'Prometheus',
    'log_checkpoint_get': 'clients of tiled logs', 'log_tile_get': 'clients of tiled logs',
    'passkey_begin': 'a browser, which reaches the authenticator',
    'passkey_create': 'a browser, which reaches the authenticator',
    'policy_protection_get': 'administrators of several tenants; policy list says it too',
    'realm_logout': 'the issuer, behind the browser',
    'workspace_get': 'who knows a workspace and not its tenant; workspace get asks the tenant',
}

METHODS = ('get', 'post', 'put', 'patch', 'delete')


def closed(schema):
    """Objects say all that they have: what the contract does not list is a mistake of ours."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed(value) for key, value in schema.items()}
    if 'properties' in result and isinstance(result.get('properties'), dict) and result.get('type') == 'object':
        result.setdefault('additionalProperties', False)
    return result


class Contract:
    def __init__(self, document):
        self.document = closed(document)
        self.operations = {
            operation['operationId']: operation
            for item in self.document['paths'].values() for method, operation in item.items() if method in METHODS
        }
        self.validators = {}

    def resolve(self, thing):
        while '$ref' in thing:
            node = self.document
            for part in thing['$ref'].removeprefix('#/').split('/'):
                node = node[part]
            thing = node
        return thing

    def validator(self, schema):
        key = json.dumps(schema, sort_keys=True)
        if key not in self.validators:
            self.validators[key] = jsonschema.Draft202012Validator(
                schema, resolver=jsonschema.RefResolver('', self.document))
        return self.validators[key]

    def problems(self, exchange):
        """What is wrong with one exchange."""
        name = exchange['operation']
        operation = self.operations.get(name)
        if operation is None and name:
            return [f'the contract has no operation {name}']
        status, media = str(exchange['status']), exchange['content_type'].split(';')[0]
        if operation is None:
            response = self.document['components']['responses']['Problem']
        else:
            responses = operation['responses']
            if status not in responses and (status.startswith('2') or 'default' not in responses):
                return [f'status {status} is not in the contract']
            response = self.resolve(responses.get(status, responses.get('default')))
        content = response.get('content', {})
        if not content:
            return [] if not exchange['body'] and not media else ['a body where the contract has none']
        if media not in content:
            return [f'media type {media!r} is none of {sorted(content)}']
        if media != 'application/json' and not media.endswith('+json'):
            return []
        try:
            body = json.loads(base64.b64decode(exchange['body']), object_pairs_hook=no_duplicates)
        except ValueError as error:
            return [f'the body is not JSON: {error}']
        return [f'{"/".join(map(str, error.absolute_path))}: {error.message}'
                for error in self.validator(content[media]['schema']).iter_errors(body)]


def no_duplicates(pairs):
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError(f'a key appears twice among {keys}')
    return dict(pairs)


def read(logs):
    for log in logs:
        for number, line in enumerate(log.read_text().splitlines(), 1):
            try:
                yield f'{log}:{number}', json.loads(line)
            except ValueError:
                # A server that was killed in the middle of its last line.
                if number < len(log.read_text().splitlines()):
                    raise


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    root = pathlib.Path(__file__).resolve().parent.parent
    contract = Contract(yaml.safe_load((root / 'api' / 'openapi.yaml').read_text()))
    seen = {name: collections.Counter() for name in ('', *contract.operations)}
    wrong, right = [], 0
    for place, exchange in read(sorted(pathlib.Path(sys.argv[1]).iterdir())):
        name = exchange['operation']
        if name in seen:
            seen[name]['success' if exchange['status'] < 400 else 'refusal'] += 1
            seen[name]['command line'] += exchange['cli'] and exchange['status'] < 400
        problems = contract.problems(exchange)
        right += not problems
        wrong += [f'{place}: {name or "(no operation)"} {exchange["status"]}: {p}' for p in problems]
    for name in sorted(contract.operations):
        for kind in ('success', 'refusal'):
            if seen[name][kind]:
                right += 1
            else:
                wrong.append(f'{name}: no test ended with a {kind}')
        if 'pages' in contract.operations[name]['tags'] or name in NOT_FOR_THE_COMMAND_LINE:
            continue
        right += bool(seen[name]['command line'])
        if not seen[name]['command line']:
            wrong.append(f'{name}: no command reached it')
    wrong += [f'{name}: the contract has no such operation' for name in NOT_FOR_THE_COMMAND_LINE
              if name not in contract.operations]
    for line in wrong[:200]:
        print(line)
    print(f'{right} passed, {len(wrong)} failed, 0 skipped')
    sys.exit(1 if wrong else 0)


if __name__ == '__main__':
    main()
