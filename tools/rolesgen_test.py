#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""api/roles.yaml: what does not make sense fails the build."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from roles_model import Roles, RolesError  # noqa: E402

SMALL = """
permissions:
  a.read: {kind: read, levels: [tenant], about: Read}
  a.write: {kind: write, levels: [tenant], see: a.read, about: Write}
  p.make: {kind: write, levels: [platform], about: Make}
roles:
  reader: {about: r, kinds: [user], reads-only: true, permissions: [a.read]}
  writer: {about: w, kinds: [user], like: [reader], owner: [a.write], platform: [p.make]}
  scribe: {about: s, same-as: writer}
"""


class Rules(unittest.TestCase):
    def broken(self, old, new):
        self.assertIn(old, SMALL)
        with self.assertRaises(RolesError):
            Roles(SMALL.replace(old, new))

    def test_roles_take_over_what_others_have(self):
        roles = Roles(SMALL)
        self.assertEqual(roles.roles['writer'].permissions, {'a.read'})
        self.assertEqual(roles.roles['scribe'].owner, {'a.write'})
        self.assertEqual(list(roles.roles), ['reader', 'writer', 'scribe'])

    def test_who_reads_only_holds_no_write(self):
        self.broken('reads-only: true, permissions: [a.read]', 'reads-only: true, permissions: [a.write]')
        self.broken('reads-only: true, permissions: [a.read]', 'reads-only: true, owner: [a.write]')

    def test_what_is_not_there_is_refused(self):
        self.broken('[a.read]}', '[b.read]}')
        self.broken('like: [reader]', 'like: [nobody]')
        self.broken('see: a.read', 'see: b.read')
        self.broken('kind: read,', 'kind: look,')
        self.broken('like: [reader]', 'like: [scribe]')
        self.broken('about: r,', 'about: r, about: r,')

    def test_platform_permissions_stand_apart(self):
        self.broken('permissions: [a.read]', 'permissions: [p.make]')
        self.broken('platform: [p.make]', 'platform: [a.write]')

    def test_the_contract_and_the_list_name_the_same(self):
        roles = Roles(SMALL)
        roles.check_contract(['a.read', 'a.write', 'p.make'])
        for used in (['a.read', 'a.write'], ['a.read', 'a.write', 'p.make', 'b.read']):
            with self.assertRaises(RolesError):
                roles.check_contract(used)


if __name__ == '__main__':
    unittest.main()
