#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Turns api/openapi.yaml into the front door's C.

  apigen.py [--written DIR] CONTRACT ROLES OUT_DIR

writes into OUT_DIR:

  api_types.h api_types.c   structs and enums of the schemas
  api_decode.c              JSON to structs, every rule of the contract checked
  api_encode.c              structs to JSON
  api_permissions.h         what callers may need
  api_handlers.h            inputs and prototypes of the handlers
  api_routes.c              parameters' decoders, the route table, the path's tree
  api_contract.c            the contract's text

A handler that is missing fails to link. --written leaves out operations whose
handler is defined nowhere under DIR, for a tree that is still growing.
"""
import argparse
import pathlib
import re
import sys

import yaml

import apigen_emit
import apigen_routes
from apigen_model import Contract, ContractError
from roles_model import Roles, RolesError


class StrictLoader(yaml.SafeLoader):
    """YAML without duplicate keys."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(k, deep=deep) for k, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise ContractError(f'line {node.start_mark.line + 1}: the key {key!r} appears twice')
        return super().construct_mapping(node, deep)


def contract_c(text):
    lines = ''.join(f'        {apigen_emit.c_string(line)}\n' for line in text.splitlines(keepends=True))
    return (f'{apigen_emit.HEAD}#include "api/route.h"\n\nconst char api_contract_text[] =\n{lines}        ;\n'
            'const size_t api_contract_len = sizeof(api_contract_text) - 1;\n')


def written_handlers(folder):
    """Names of functions that take a request first, as handlers are written."""
    text = ''.join(p.read_text() for p in sorted(folder.rglob('*.c')))
    return set(re.findall(r'^(?:FIBER_FN )?bool (\w+)\(struct request \*', text, re.MULTILINE))


def write(path, text):
    """Leaves an unchanged file alone, so that nothing is compiled again for it."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument('--written', type=pathlib.Path)
    arguments.add_argument('contract', type=pathlib.Path)
    arguments.add_argument('roles', type=pathlib.Path)
    arguments.add_argument('out', type=pathlib.Path)
    options = arguments.parse_args()
    text = options.contract.read_text()
    try:
        contract = Contract(yaml.load(text, Loader=StrictLoader), Roles(options.roles.read_text()))
        operations = contract.operations
        if options.written:
            names = written_handlers(options.written)
            operations = [op for op in operations if op.id in names]
        files = {
            'api_types.h': apigen_emit.types_h(contract), 'api_types.c': apigen_emit.enums_c(contract),
            'api_decode.c': apigen_emit.decode_c(contract), 'api_encode.c': apigen_emit.encode_c(contract),
            'api_permissions.h': apigen_emit.permissions_h(contract),
            'api_handlers.h': apigen_routes.handlers_h(contract),
            'api_routes.c': apigen_routes.routes_c(contract, operations), 'api_contract.c': contract_c(text),
        }
    except (ContractError, RolesError, ValueError, KeyError, TypeError) as error:
        sys.exit(f'{options.contract}: {error!r}' if isinstance(error, (KeyError, TypeError)) else
                 f'{options.contract}: {error}')
    for name, content in files.items():
        write(options.out / name, content)


if __name__ == '__main__':
    main()
