#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Turns api/roles.yaml into C.

  rolesgen.py ROLES OUT_DIR

writes access_roles.h (enum role) and access_roles.c (what each role allows, what
each permission is). The permissions' enum is in api_permissions.h (tools/apigen.py).
"""
import pathlib
import sys

from roles_model import KINDS, LEVELS, Roles, RolesError

HEAD = '/* SPDX-License-Identifier: Apache-2.0 */\n/* Made by tools/rolesgen.py from api/roles.yaml. */\n'


def c_name(name):
    return name.upper().replace('.', '_').replace('-', '_')


def c_string(text):
    return '"' + text.replace('\\', '\\\\').replace('"', '\\"') + '"'


def kinds_mask(kinds):
    return ' | '.join(f'1u << PRINCIPAL_{k.upper()}' for k in KINDS if k in kinds)


def set_of(names, order):
    words = [0, 0, 0, 0]
    for name in names:
        at = order.index(name)
        words[at // 64] |= 1 << at % 64
    return '{{' + ', '.join(f'UINT64_C({w:#x})' for w in words) + '}}'


def header(roles):
    names = ''.join(f'        ROLE_{c_name(r)},\n' for r in roles.roles)
    return f'{HEAD}#pragma once\n\n/* The built-in roles. */\nenum role {{\n{names}        ROLE_COUNT,\n}};\n'


def source(roles):
    order = list(roles.permissions)
    out = [HEAD, '#include "access/roles_table.h"\n\n', 'const struct role_row access_roles[ROLE_COUNT] = {\n']
    for role in roles.roles.values():
        same = f'ROLE_{c_name(role.same_as)}' if role.same_as else 'ROLE_COUNT'
        out.append(f'        [ROLE_{c_name(role.name)}] = {{.name = {c_string(role.name)},\n'
                   f'                .about = {c_string(role.about)},\n'
                   f'                .kinds = {kinds_mask(role.kinds)}, .same_as = {same},\n'
                   f'                .permissions = {set_of(role.permissions, order)},\n'
                   f'                .owner = {set_of(role.owner, order)},\n'
                   f'                .platform = {set_of(role.platform, order)}}},\n')
    out.append('};\n\nconst struct permission_row access_permissions[PERMISSION_COUNT] = {\n')
    for one in roles.permissions.values():
        see = f'PERMISSION_{c_name(one.see)}' if one.see else '-1'
        levels = ' | '.join(f'PERMISSION_AT_{level.upper()}' for level in LEVELS if level in one.levels)
        out.append(f'        [PERMISSION_{c_name(one.name)}] = {{.about = {c_string(one.about)}, '
                   f'.writes = {str(one.writes).lower()},\n                .see = {see}, .levels = {levels}, '
                   f'.kinds = {kinds_mask(one.only)}}},\n')
    out.append('};\n')
    return ''.join(out)


def write(path, text):
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def main():
    path, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    try:
        roles = Roles(path.read_text())
    except RolesError as error:
        sys.exit(f'{path}: {error}')
    write(out / 'access_roles.h', header(roles))
    write(out / 'access_roles.c', source(roles))


if __name__ == '__main__':
    main()
