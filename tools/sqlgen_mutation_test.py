#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Takes each tenant predicate out of each real statement in turn: the generator must refuse it.

    sqlgen_mutation_test.py SOURCE_FOLDER
"""

import copy
import pathlib
import re
import sys

import sqlgen

PREDICATE = re.compile(r"(?:\b\w+\.)?\btenant_id\s*=\s*(?:\$1\b|\w+\.tenant_id\b)")


def refused(statement, text, cell, directory):
    mutant = copy.copy(statement)
    mutant.text = text
    try:
        sqlgen.check(mutant, cell, directory)
    except sqlgen.Mistake:
        return True
    return False


def main(source):
    migrations = pathlib.Path(source) / "store" / "migrations"
    cell = sqlgen.Schema(sqlgen.read_migrations([migrations]), True)
    directory = sqlgen.Schema(sqlgen.read_migrations([migrations / "directory"]), False)
    statements = predicates = survived = 0
    for path in sorted(pathlib.Path(source).glob("*/*.sql")):
        for statement in sqlgen.parse(path):
            if statement.scope != "tenant":
                continue
            statements += 1
            sqlgen.check(statement, cell, directory)
            for match in PREDICATE.finditer(statement.text):
                predicates += 1
                # $1 stays in use, so that only the missing predicate can be what is refused.
                mutant = statement.text[: match.start()] + "$1 <> ''" + statement.text[match.end() :]
                if not refused(statement, mutant, cell, directory):
                    survived += 1
                    print(f"{path}:{statement.line}: {statement.name} is accepted without '{match.group()}'", file=sys.stderr)
    print(f"{statements} statements, {predicates} predicates, {survived} mutants accepted")
    return 1 if survived or not predicates else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
