#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds what a server answered in a test run against the contract.

  check_exchanges.py [--all] CONTRACT LOG…

LOG has a JSON line for each exchange, written by servers built with
-Dtest_hooks=true when COUNTERSIGN_EXCHANGE_LOG names it. Every reply must have
a status, a media type and a body that api/openapi.yaml describes for its
operation; with --all every operation must have been answered with success, and
must have been refused, at least once.
"""
import argparse
import collections
import json
import pathlib
import sys

import jsonschema
import yaml

METHODS = ('get', 'post', 'put', 'patch', 'delete')
# Nothing is ever refused here: no credentials, no parameters, no body.
NEVER_REFUSED = {'health_get', 'metrics_get', 'contract_get'}


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
        operation = self.operations.get(exchange['operation'])
        if operation is None and exchange['operation']:
            return [f'the contract has no operation {exchange["operation"]}']
        status, media = str(exchange['status']), exchange['media']
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
        if not media.endswith('json'):
            return []
        try:
            body = json.loads(exchange['body'], object_pairs_hook=no_duplicates)
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
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument('--all', action='store_true', help='every operation must have been used')
    arguments.add_argument('contract', type=pathlib.Path)
    arguments.add_argument('logs', type=pathlib.Path, nargs='+')
    options = arguments.parse_args()
    contract = Contract(yaml.safe_load(options.contract.read_text()))
    seen = collections.defaultdict(lambda: collections.Counter())
    failures, count = [], 0
    for place, exchange in read(options.logs):
        count += 1
        seen[exchange['operation']]['success' if exchange['status'] < 400 else 'refusal'] += 1
        failures += [f'{place}: {exchange["operation"]} {exchange["status"]}: {problem}'
                     for problem in contract.problems(exchange)]
    if options.all:
        for name in sorted(contract.operations):
            if not seen[name]['success']:
                failures.append(f'{name}: no test was answered with success')
            if not seen[name]['refusal'] and name not in NEVER_REFUSED:
                failures.append(f'{name}: no test was refused')
    for line in failures[:200]:
        print(line)
    print(f'{count} exchanges of {sum(1 for c in seen.values() if c)} operations, {len(failures)} failures')
    sys.exit(1 if failures or count == 0 else 0)


if __name__ == '__main__':
    main()
