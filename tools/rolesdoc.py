#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/roles.md: the built-in roles, and the whole matrix of roles and operations.

  rolesdoc.py [--check]

--check: fails when the file is not what api/roles.yaml and api/openapi.yaml say.
"""
import pathlib
import sys

import yaml

from roles_model import Roles

ROOT = pathlib.Path(__file__).resolve().parents[1]
METHODS = ('get', 'post', 'put', 'patch', 'delete')
TARGET = ROOT / 'docs' / 'roles.md'


def operations():
    """(operation, permission, level) of every operation that asks for a permission."""
    contract = yaml.safe_load((ROOT / 'api' / 'openapi.yaml').read_text())
    found = []
    for item in contract['paths'].values():
        for method in METHODS:
            if method in item:
                about = item[method]['x-countersign']
                if about['permission'] not in ('none', 'authenticated'):
                    scope = 'tenant' if about['scope'] == 'public' else about['scope']
                    found.append((item[method]['operationId'], about['permission'], scope))
    return sorted(found)


def cell(role, permission, level):
    """What a role bound at the tenant gives for an operation."""
    if level == 'platform':
        return 'platform' if permission in role.platform else ''
    if permission in role.permissions:
        return 'yes'
    return 'own' if permission in role.owner else ''


def table(rows):
    return ''.join('| ' + ' | '.join(row) + ' |\n' for row in rows)


def text(roles):
    named = [r for r in roles.roles.values() if not r.same_as]
    out = ['# Roles\n\nMade by `tools/rolesdoc.py` from `api/roles.yaml` and `api/openapi.yaml`; do not edit. How roles are '
           'bound, and what\nelse decides, stands in [access.md](access.md).\n\n## Built-in roles\n\n']
    out.append(table([('role', 'for', 'what it is'), ('---', '---', '---')] + [
        (f'`{r.name}`', ', '.join(r.kinds), r.about + (f' (`{r.same_as}`)' if r.same_as else '')) for r in roles.roles.values()]))
    out.append('\n## Permissions\n\n')
    out.append(table([('permission', 'kind', 'asked for at', 'what it allows'), ('---', '---', '---', '---')] + [
        (f'`{p.name}`', 'write' if p.writes else 'read', ', '.join(p.levels), p.about) for p in roles.permissions.values()]))
    out.append('\n## The matrix\n\nWhat a role allows when it is bound at the level, or above it: `yes`; on what is the '
               "holder's own: `own`; in the\nplatform's own tenant: `platform`. `administrator` is `admin`. What is empty is "
               'denied. Bound at a workspace, a role gives\nthe rows of that level only.\n\n')
    head = ['operation', 'level', 'permission'] + [f'`{r.name}`' for r in named]
    rows = [head, ['---'] * len(head)]
    rows += [[f'`{o}`', level, f'`{p}`'] + [cell(r, p, level) for r in named] for o, p, level in operations()]
    out.append(table(rows))
    return ''.join(out)


def main():
    wanted = text(Roles((ROOT / 'api' / 'roles.yaml').read_text()))
    if '--check' in sys.argv:
        if not TARGET.exists() or TARGET.read_text() != wanted:
            sys.exit('docs/roles.md is not current: run tools/rolesdoc.py')
        return
    TARGET.write_text(wanted)


if __name__ == '__main__':
    main()
