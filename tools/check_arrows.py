#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the arrows between the folders of src/ (docs/architecture.md).

  check_arrows.py [ROOT]

A file may include only headers of its own folder and of the folders that its
folder may see. A capability is seen by others through its public headers: a
header that says "Private to src/NAME" in its first comment is for its own folder.
"""
import pathlib
import re
import sys

CAPABILITIES = {'log', 'keys', 'move', 'tenancy', 'identity', 'access', 'agents', 'policy', 'catalogue', 'documents', 'approvals', 'definitions', 'executor'}
BELOW_API = {'base', 'io', 'store', 'crypto', 'cel'}

# What each folder may include, besides itself.
SEES = {
    'base': set(),
    'io': {'base'},
    'store': {'base'},
    'crypto': {'base'},
    'cel': {'base'},
    'api': BELOW_API,
    # The signed documents and the catalogue are shared by server, executor and command line.
    'catalogue': {'base', 'crypto', 'documents'},
    'documents': {'base', 'crypto', 'catalogue'},
    # The executor holds the privilege: nothing of the server, nothing of the store.
    'executor': {'base', 'io', 'crypto', 'catalogue', 'documents', 'api'},
    'cli': {'base', 'io', 'crypto', 'api', 'catalogue', 'documents', 'log'},
    'server': BELOW_API | CAPABILITIES | {'api', 'cli'},
}
for capability in ('log', 'keys', 'move', 'tenancy', 'identity', 'access', 'agents', 'policy', 'approvals', 'definitions'):
    SEES[capability] = BELOW_API | (CAPABILITIES - {'executor'}) | {'api'}

# Folders that see only these headers of another: they link its wire format, not its runtime.
ONLY = {
    ('executor', 'api'): {'api_types.h', 'decode.h', 'encode.h'},
    ('cli', 'api'): {'api_types.h', 'api_permissions.h', 'decode.h', 'encode.h', 'route.h'},
    ('cli', 'log'): {'audit.h'},
    ('cli', 'io'): {'fiber.h', 'http.h', 'http_client.h', 'sse.h', 'tls.h'},
    ('server', 'executor'): {'executor.h'},
    ('server', 'cli'): {'cli.h'},
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
COMMENT = re.compile(r'/\*.*?\*/', re.DOTALL)


def private_headers(source):
    found = set()
    for header in source.rglob('*.h'):
        folder = header.relative_to(source).parts[0]
        head = ' '.join(header.read_text().split('#pragma once')[0].split())
        if f'Private to src/{folder}' in head:
            found.add(str(header.relative_to(source)))
    return found


def complaints(source):
    private = private_headers(source)
    for file in sorted(source.rglob('*.[ch]')) + sorted(source.rglob('*.cc')):
        folder = file.relative_to(source).parts[0]
        if folder not in SEES:
            yield f'{file}: no rule for the folder {folder}; add it to tools/check_arrows.py'
            continue
        for name in INCLUDE.findall(COMMENT.sub('', file.read_text())):
            target = name.split('/')[0]
            if '/' not in name or target == folder or target not in SEES:
                continue
            only = ONLY.get((folder, target))
            if target not in SEES[folder]:
                yield f'{file}: src/{folder} must not include src/{target} ({name})'
            elif only is not None and name.split('/', 1)[1] not in only:
                yield f'{file}: src/{folder} may include only {", ".join(sorted(only))} of src/{target}, not {name}'
            elif name in private:
                yield f'{file}: {name} is private to src/{target}'


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    found = list(complaints(root / 'src'))
    for line in found:
        print(line)
    sys.exit(f'{len(found)} includes against the arrows' if found else 0)


if __name__ == '__main__':
    main()
