#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The generator: patterns match as they say, and nothing is skipped in silence."""
import copy
import itertools
import pathlib
import random
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import yaml  # noqa: E402

import apigen_emit  # noqa: E402
import apigen_regex  # noqa: E402
import apigen_routes  # noqa: E402
from apigen import StrictLoader  # noqa: E402
from apigen_model import Contract, ContractError  # noqa: E402

SMALL = yaml.safe_load("""
openapi: 3.1.0
info: {title: t, version: 1.0.0}
paths:
  /things/{thing}:
    get:
      operationId: thing_get
      x-countersign: {permission: thing.read, scope: public, transaction: none, log: never}
      parameters:
        - {name: thing, in: path, required: true, schema: {type: string, format: 'id:thg'}}
      responses:
        '200': {description: It, content: {application/json: {schema: {$ref: '#/components/schemas/Thing'}}}}
components:
  schemas:
    Thing:
      type: object
      required: [name, note]
      properties:
        size: {type: integer}
        name: {type: string}
        note: {type: [string, 'null']}
        labels: {type: object, additionalProperties: {type: string}}
""")


class Patterns(unittest.TestCase):
    PATTERNS = ['^[a-z0-9]([a-z0-9-]*[a-z0-9])?$', '^[0-9]+(ms|s|m)$', '^[^a]$', '^a{2,4}b?$', '^(a|bc)*$', '^.$',
                '^$', '^[^0-9]+x$', '^\\w\\d$', '^(ab?|b(a|c)+)$']

    def test_they_match_what_python_matches(self):
        chance = random.Random(1)
        alphabet = 'abcmsx019-_\n€😀'
        for pattern in self.PATTERNS:
            dfa = apigen_regex.to_dfa(pattern)
            texts = [''.join(t) for n in range(4) for t in itertools.product('ab0-', repeat=n)]
            texts += [''.join(chance.choices(alphabet, k=chance.randint(0, 6))) for _ in range(3000)]
            for text in texts:
                wanted = re.fullmatch(pattern[1:-1], text) is not None
                self.assertEqual(apigen_regex.matches(dfa, text), wanted, (pattern, text))

    def test_what_is_not_understood_is_refused(self):
        for pattern in ('a', '^a', 'a$', '^(?=a)$', '^(a)\\1$', '^[äb]$', '^\\ba$', '^a{1,400}$'):
            with self.assertRaises(ValueError, msg=pattern):
                apigen_regex.to_dfa(pattern)


class Contracts(unittest.TestCase):
    def broken(self, change):
        document = copy.deepcopy(SMALL)
        change(document)
        with self.assertRaises((ContractError, ValueError, KeyError)):
            contract = Contract(document)
            apigen_routes.routes_c(contract, contract.operations)

    def test_a_small_one_is_understood(self):
        contract = Contract(SMALL)
        self.assertEqual([o.id for o in contract.operations], ['thing_get'])
        self.assertEqual(contract.permissions, ['thing.read'])
        self.assertIn('bool has_size;', apigen_emit.types_h(contract))
        self.assertIn('"null"', apigen_emit.encode_c(contract))
        self.assertIn('rule_', apigen_routes.routes_c(contract, contract.operations))

    def test_unknown_keywords_are_refused(self):
        self.broken(lambda d: d['components']['schemas']['Thing']['properties']['name'].update(contains=1))
        self.broken(lambda d: d['components']['schemas']['Thing'].update(oneOf=[]))
        self.broken(lambda d: d['components']['schemas']['Thing']['properties']['name'].update(format='uri'))
        self.broken(lambda d: d['paths']['/things/{thing}']['get']['x-countersign'].update(permision='x'))
        self.broken(lambda d: d['paths']['/things/{thing}']['get']['x-countersign'].update(transaction='maybe'))

    def test_what_does_not_fit_is_refused(self):
        self.broken(lambda d: d['components']['schemas']['Thing']['required'].append('colour'))
        self.broken(lambda d: d['paths']['/things/{thing}']['get'].update(parameters=[]))
        self.broken(lambda d: d['paths']['/things/{thing}']['get']['x-countersign'].update(scope='tenant'))
        self.broken(lambda d: d['paths'].update({'/things/{other}': {'get': {
            **copy.deepcopy(d['paths']['/things/{thing}']['get']), 'operationId': 'other_get',
            'parameters': [{'name': 'other', 'in': 'path', 'required': True, 'schema': {'type': 'string'}}]}}}))
        self.broken(lambda d: d['components']['schemas']['Thing']['properties'].update(
            inner={'$ref': '#/components/schemas/Thing'}))

    def test_a_key_twice_is_refused(self):
        with self.assertRaises(ContractError):
            yaml.load('a: 1\nb: {c: 1, c: 2}\n', Loader=StrictLoader)


if __name__ == '__main__':
    unittest.main()
