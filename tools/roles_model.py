# SPDX-License-Identifier: Apache-2.0
"""Reads api/roles.yaml: permissions and built-in roles. What does not make sense is an error."""
from dataclasses import dataclass, field

import yaml

KINDS = ('user', 'service', 'agent', 'executor')
LEVELS = ('platform', 'tenant', 'workspace')
PERMISSION_KEYS = {'about', 'levels', 'kind', 'see', 'handler', 'only'}
ROLE_KEYS = {'about', 'kinds', 'like', 'permissions', 'owner', 'platform', 'reads-only', 'same-as'}
PERMISSIONS_MAX, ROLES_MAX = 256, 32


class RolesError(Exception):
    pass


@dataclass
class Permission:
    name: str
    about: str
    levels: list
    writes: bool
    see: str
    handler: bool
    only: list


@dataclass
class Role:
    name: str
    about: str
    kinds: list
    reads_only: bool
    same_as: str
    permissions: set = field(default_factory=set)
    owner: set = field(default_factory=set)
    platform: set = field(default_factory=set)


class StrictLoader(yaml.SafeLoader):
    """YAML without duplicate keys."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(k, deep=deep) for k, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise RolesError(f'line {node.start_mark.line + 1}: the key {key!r} appears twice')
        return super().construct_mapping(node, deep)


def demand(condition, message):
    if not condition:
        raise RolesError(message)


class Roles:
    def __init__(self, text):
        document = yaml.load(text, Loader=StrictLoader)
        demand(set(document) == {'permissions', 'roles'}, 'wanted: permissions and roles')
        self.permissions = {name: self.permission(name, about) for name, about in sorted(document['permissions'].items())}
        demand(len(self.permissions) <= PERMISSIONS_MAX, f'more than {PERMISSIONS_MAX} permissions')
        for one in self.permissions.values():
            demand(not one.see or one.see in self.permissions, f'{one.name}: see: {one.see} is no permission')
        self.raw = document['roles']
        demand(len(self.raw) <= ROLES_MAX, f'more than {ROLES_MAX} roles')
        self.roles = {}
        for name in self.raw:
            self.role(name, ())
        self.roles = {name: self.roles[name] for name in self.raw}

    @staticmethod
    def permission(name, about):
        demand(set(about) <= PERMISSION_KEYS, f'{name}: {sorted(set(about) - PERMISSION_KEYS)}')
        demand(about.get('kind') in ('read', 'write'), f'{name}: kind is read or write')
        demand(about.get('levels') and set(about['levels']) <= set(LEVELS), f'{name}: levels are {LEVELS}')
        demand(about.get('about'), f'{name}: about is missing')
        only = about.get('only', list(KINDS))
        demand(set(only) <= set(KINDS), f'{name}: only: {only}')
        return Permission(name, about['about'], about['levels'], about['kind'] == 'write', about.get('see', ''),
                          about.get('handler', False), only)

    def role(self, name, within):
        demand(name in self.raw, f'{within[-1] if within else name}: {name} is no role')
        demand(name not in within, f'{name}: has itself')
        if name in self.roles:
            return self.roles[name]
        about = self.raw[name]
        demand(set(about) <= ROLE_KEYS, f'{name}: {sorted(set(about) - ROLE_KEYS)}')
        demand(about.get('about'), f'{name}: about is missing')
        if 'same-as' in about:
            demand(set(about) == {'about', 'same-as'}, f'{name}: same-as stands alone')
            other = self.role(about['same-as'], (*within, name))
            role = Role(name, about['about'], other.kinds, other.reads_only, other.name, set(other.permissions),
                        set(other.owner), set(other.platform))
        else:
            role = self.own_role(name, about, within)
        self.roles[name] = role
        return role

    def own_role(self, name, about, within):
        demand(about.get('kinds') and set(about['kinds']) <= set(KINDS), f'{name}: kinds are {KINDS}')
        role = Role(name, about['about'], about['kinds'], about.get('reads-only', False), '')
        for key in ('permissions', 'owner', 'platform'):
            for one in about.get(key, []):
                demand(one in self.permissions, f'{name}: {key}: {one} is no permission')
                is_platform = self.permissions[one].levels == ['platform']
                demand(is_platform == (key == 'platform'), f'{name}: {one} does not belong into {key}')
                getattr(role, key).add(one)
        for like in about.get('like', []):
            other = self.role(like, (*within, name))
            role.permissions |= other.permissions
            role.owner |= other.owner
        for one in role.permissions | role.owner | role.platform:
            demand(not (role.reads_only and self.permissions[one].writes),
                   f'{name} never writes, but {one} does')
            demand(set(role.kinds) & set(self.permissions[one].only), f'{name}: no holder of it can hold {one}')
        return role

    def check_contract(self, used):
        """The contract's operations ask for exactly what is listed."""
        strange = sorted(set(used) - set(self.permissions))
        demand(not strange, f'the contract asks for permissions that api/roles.yaml does not list: {strange}')
        idle = sorted(n for n, p in self.permissions.items() if not p.handler and n not in used)
        demand(not idle, f'permissions of api/roles.yaml that no operation asks for: {idle}')
        wrong = sorted(n for n, p in self.permissions.items() if p.handler and n in used)
        demand(not wrong, f'permissions marked `handler` that the contract asks for: {wrong}')
