#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Turns named SQL into typed C functions, and migrations into a table in C.

    -- Why this statement is as it is.
    -- name: action_claim :changes
    -- in: id text, executor_id text, now int
    UPDATE action SET state = 'claimed', executor_id = $3, claimed_ms = $4
     WHERE tenant_id = $1 AND id = $2 AND state = 'approved';

    -- name: action_get :one
    -- in: id text
    -- out: state text, created_ms int, note text?
    SELECT state, created_ms, note FROM action WHERE tenant_id = $1 AND id = $2;

Kinds
    :exec      bool sql_NAME(tx, <ins>, err)
    :changes   … (tx, <ins>, int64_t *ret_changes, err): how many rows changed
    :one       … (tx, <ins>, struct sql_NAME_row *ret_row, bool *ret_found, err);
               at most one row, a second one is an error
    :many      struct sql_NAME_cursor c = {0}; (or SQL_SCOPED(NAME) c = {0}, which closes itself)
               sql_NAME_open(tx, <ins>, &c, err)
               while (sql_NAME_next(&c, &row, &has, err) && has) …
               sql_NAME_close(&c)
               what the parameters point to must stay until the close

Types
    text, blob   struct str; strings of rows are copied into tx_arena(tx)
    int          int64_t
    bool         bool, stored as INTEGER 0 or 1
    A '?' after the type allows NULL: a NULL .ptr for text and blob; for a parameter
    `const int64_t *` (NULL for none), for a column `bool has_NAME` beside NAME.
    Without it, a text or blob parameter with a NULL .ptr is the empty value.

Annotations, between the name and the statement
    -- in: …            $2, $3 … in order. $1 is always the tenant, bound from the transaction
    -- in struct: …     the same, in one `const struct sql_NAME_in *in`: for more than five or so
    -- out: …           the columns, by their names in the result (use AS), in order
    -- out: as OTHER    the same columns and the same row struct as OTHER, above in the file
    -- directory        runs on the directory; no tenant, and -- in: begins at $1
    -- any              (the store only) runs on either; no tenant, -- in: begins at $1
Other comment lines before the statement become the comment of the generated function.

Every statement is prepared against the migrated schema, by the SQLite library itself: a name that
is not there, a wrong number of parameters or columns, a column that may be NULL without '?', a
type that is not the column's, a tenant's table without `tenant_id = $1` is an error with its place.

In a folder's meson.build:

    approvals_sql = custom_target('approvals_sql', input: 'approvals.sql',
      output: ['approvals_sql.h', 'approvals_sql.c'], depfile: 'approvals_sql.d',
      command: sqlgen_statements)
    approvals_lib = static_library('approvals', 'approvals.c', approvals_sql, dependencies: [base, store])

and in C: #include "approvals/approvals_sql.h".

Where PostgreSQL needs another text, approvals.pg.sql beside it has the statement again: its
'-- name:' line and the text, nothing else. Migrations are translated (types; STRICT and WITHOUT
ROWID go), or have NNNN_title.pg.sql beside them.

Migrations are numbered files, src/store/migrations/NNNN_title.sql for cells and
…/directory/NNNN_title.sql for the directory. They are applied in order and never edited after a
release; the build embeds all that are in the folders. Rules, checked here: tables are STRICT, with
columns of TEXT, INTEGER and BLOB, which every database has; in a cell every table but the store's
own has `tenant_id TEXT NOT NULL`, which leads its primary key, its foreign keys and its indexes;
nothing is DEFERRABLE, since a group commit may not fail for one job.
"""

import argparse
import pathlib
import re
import sys

from sqlgen_emit import c_string, header, migrations_source, source
from sqlgen_schema import TYPES, Schema, read_migrations
from sqlgen_tenant import TenantCheck
from sqlgen_text import Mistake, sqlite_text, tokenize

KINDS = ("exec", "changes", "one", "many")
C_RESERVED = set(
    "auto break case char const continue default do double else enum extern float for goto if inline int long "
    "register restrict return short signed sizeof static struct switch typedef union unsigned void volatile "
    "while bool true false tx err c in".split()
)
NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
# What only one of the databases understands, or what both understand differently.
UNPORTABLE = {
    "ifnull": "coalesce", "glob": "a prefix comparison", "rowid": "the primary key", "replace_into": "ON CONFLICT",
    "datetime": "a parameter", "strftime": "a parameter", "julianday": "a parameter", "unixepoch": "a parameter",
    "last_insert_rowid": "RETURNING", "changes": ":changes", "random": "a parameter", "isnull": "IS NULL",
    "notnull": "IS NOT NULL", "iif": "CASE", "group_concat": "several rows", "total": "sum", "autoincrement": "max",
    "current_timestamp": "a parameter", "now": "a parameter", "printf": "C", "hex": "C", "likely": "nothing",
}  # fmt: skip


class Field:
    def __init__(self, name, kind, nullable):
        self.name, self.kind, self.nullable = name, kind, nullable

    def same(self, other):
        return (self.name, self.kind, self.nullable) == (other.name, other.kind, other.nullable)


class Statement:
    def __init__(self, path, line, name, kind):
        self.path, self.line, self.name, self.kind = path, line, name, kind
        self.ins, self.outs, self.in_struct = [], [], False
        self.row_of = name
        self.scope, self.doc, self.text, self.text_line = "tenant", [], "", 0
        self.writes = False
        self.postgres_text = None  # where NAME.pg.sql has another one

    def mistake(self, text, line=None):
        raise Mistake(self.path, line or self.line, f"{self.name}: {text}")

    @property
    def first(self):
        """The parameter number of the first of `ins`."""
        return 2 if self.scope == "tenant" else 1


def parse_fields(statement, text, line):
    fields = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\S+)\s+([a-z]+)(\??)\s*", part)
        if not match or match[2] not in TYPES:
            statement.mistake(f"'{part.strip()}' is not 'name type' with a type of {', '.join(TYPES)}", line)
        if not NAME.match(match[1]) or match[1] in C_RESERVED or match[1].startswith("ret_"):
            statement.mistake(f"'{match[1]}' cannot be a name in C", line)
        if any(f.name == match[1] for f in fields):
            statement.mistake(f"'{match[1]}' stands there twice", line)
        fields.append(Field(match[1], match[2], match[3] == "?"))
    return fields


def annotate(statement, words, line, earlier):
    """One comment line between the name and the statement."""
    key, _, rest = words.partition(":")
    if key in ("in", "in struct"):
        if statement.ins:
            statement.mistake("two lines '-- in:'", line)
        statement.ins, statement.in_struct = parse_fields(statement, rest, line), key == "in struct"
    elif key == "out":
        if statement.outs:
            statement.mistake("two lines '-- out:'", line)
        other = re.fullmatch(r"\s*as\s+(\w+)\s*", rest)
        if other:
            if other[1] not in earlier or not earlier[other[1]].outs:
                statement.mistake(f"no statement '{other[1]}' with columns stands above", line)
            statement.outs, statement.row_of = earlier[other[1]].outs, earlier[other[1]].row_of
        else:
            statement.outs = parse_fields(statement, rest, line)
    elif words in ("directory", "any"):
        statement.scope = words
    else:
        statement.doc.append(words)


def parse(path):
    statements, current, doc, text = {}, None, [], []
    line = 0
    for line, raw in enumerate(path.read_text().split("\n"), 1):
        stripped = raw.strip()
        comment = re.fullmatch(r"--\s?(.*)", stripped)
        if comment and comment[1].startswith("name:"):
            match = re.fullmatch(r"name:\s*(\S+)\s+:(\w+)\s*", comment[1])
            if not match or not NAME.match(match[1]) or match[2] not in KINDS:
                raise Mistake(path, line, f"expected '-- name: lower_case_name :kind', a kind of {', '.join(KINDS)}")
            if current:
                current.mistake("the statement is missing or does not end with ';'")
            if match[1] in statements:
                raise Mistake(path, line, f"{match[1]}: the name is taken at line {statements[match[1]].line}")
            current = Statement(path, line, match[1], match[2])
            current.doc, doc = doc, []
        elif comment and current and not text:
            annotate(current, comment[1].strip(), line, statements)
        elif comment and not current:
            doc.append(comment[1])
        elif not stripped:
            doc = []
        elif not current:
            raise Mistake(path, line, "a statement without '-- name:' above it")
        else:
            current.text_line = current.text_line or line
            text.append(raw.rstrip())
            if stripped.endswith(";"):
                current.text, text = "\n".join(text).rstrip()[:-1], []
                statements[current.name], current = current, None
    if current:
        current.mistake("the statement is missing or does not end with ';'")
    if not statements:
        raise Mistake(path, max(line, 1), "no statement")
    return list(statements.values())


def parse_overrides(path, statements):
    """What NAME.pg.sql says instead, for the statements that the two databases cannot share."""
    if not path.exists():
        return []
    known = {s.name: s for s in statements}
    for other in parse(path):
        if other.name not in known:
            other.mistake("there is no such statement to override")
        if other.ins or other.outs or other.scope != "tenant" or other.kind != known[other.name].kind:
            other.mistake("an override has its name, its kind and another text, nothing else")
        known[other.name].postgres_text = other.text
    return [path]


def check_text(statement):
    used = set()
    tokens = tokenize(statement.text, statement.text_line)
    for before, token in zip([None] + tokens, tokens):
        if token.kind == "badparam":
            statement.mistake(f"'{token.text}': parameters are $1, $2 …", token.line)
        if token.kind == "quoted":
            statement.mistake(f"{token.text}: names are not quoted; strings have single quotes", token.line)
        if token.kind == "param":
            used.add(int(token.text[1:]))
        if token.kind == "word" and token.low in UNPORTABLE and (not before or before.text != "."):
            statement.mistake(f"'{token.text}' is not portable; use {UNPORTABLE[token.low]}", token.line)
        if token.low == "or" and before and before.low == "insert":
            statement.mistake("'INSERT OR' is not portable; use ON CONFLICT", token.line)
        if token.text == "*" and before and before.low in ("select", "distinct", ",", "."):
            statement.mistake("'*' as a column: name the columns", token.line)
        if token.text == ";":
            statement.mistake("one statement for each name", token.line)
    last = statement.first + len(statement.ins) - 1
    for number in range(1, max(used | {last}) + 1):
        if number > last:
            statement.mistake(f"${number} is used, but '-- in:' ends with ${last}", statement.text_line)
        if number not in used and (number > 1 or statement.scope != "tenant"):
            name = statement.ins[number - statement.first].name
            statement.mistake(f"${number} ({name}) is not used", statement.text_line)


def check_columns(statement, schema, columns):
    wanted, line = statement.outs, statement.text_line
    if [c[0] for c in columns] != [f.name for f in wanted]:
        statement.mistake(
            f"the columns are ({', '.join(c[0] for c in columns)}), but '-- out:' says "
            f"({', '.join(f.name for f in wanted)})", line)  # fmt: skip
    for (name, table, origin), field in zip(columns, wanted):
        if table not in schema.columns or origin not in schema.columns[table]:
            continue
        declared, not_null = schema.columns[table][origin]
        if declared != TYPES[field.kind]:
            statement.mistake(f"{name} is {field.kind}, but {table}.{origin} is {declared}", line)
        if not not_null and not field.nullable:
            statement.mistake(f"{table}.{origin} may be NULL: write '{name} {field.kind}?'", line)


def check(statement, cell, directory):
    has_rows = statement.kind in ("one", "many")
    if has_rows != bool(statement.outs):
        statement.mistake(f":{statement.kind} " + ("needs '-- out:'" if has_rows else "has no '-- out:'"))
    check_text(statement)
    for schema in [directory] if statement.scope == "directory" else [cell, directory][: 2 - (statement.scope == "tenant")]:
        try:
            parameters, columns, writes, rest = schema.prepared.prepare(sqlite_text(statement))
        except ValueError as error:
            statement.mistake(str(error), statement.text_line)
        if rest:
            statement.mistake("one statement for each name", statement.text_line)
        if parameters > statement.first + len(statement.ins) - 1:
            statement.mistake(f"{parameters} parameters", statement.text_line)
        if not has_rows and columns:
            statement.mistake(f":{statement.kind} gives no rows; use :one or :many", statement.text_line)
        if statement.kind in ("exec", "changes") and not writes:
            statement.mistake(f":{statement.kind} changes nothing", statement.text_line)
        check_columns(statement, schema, columns)
        statement.writes = writes
    if statement.scope == "tenant":
        TenantCheck(statement, cell).run()
        if "$1" not in [t.text for t in tokenize(statement.text, 1)]:
            statement.mistake("the tenant, $1, is not used", statement.text_line)


def texts_source(path):
    """A file of named texts, which are not checked here, as C strings."""
    names = {}
    for part in re.split(r"^-- name:", path.read_text(), flags=re.M)[1:]:
        name, _, body = part.partition("\n")
        lines = [line.rstrip() for line in body.split("\n") if line.strip() and not line.strip().startswith("--")]
        text = "\n".join(lines)
        if not NAME.match(name.strip()) or not text.endswith(";"):
            raise Mistake(path, 1, f"'{name.strip()}': a name in lower case, and a text that ends with ';'")
        names[name.strip()] = text[:-1]
    header, prefix = ("postgres.h", "pg") if path.stem == "postgres" else (f"{path.stem}_texts.h", path.stem)
    out = [f"/* Generated by tools/sqlgen.py from {path.name}. */", f'#include "store/{header}"', ""]
    for name, text in names.items():
        out += [f"const char {prefix}_text_{name}[] =", c_string(text, "        ") + ";", ""]
    return "\n".join(out)


def write_depfile(path, target, inputs):
    quoted = " ".join(str(i).replace(" ", "\\ ") for i in inputs)
    pathlib.Path(path).write_text(f"{target}: {quoted}\n")


def main():
    parser = argparse.ArgumentParser(description="Named SQL and migrations to C")
    parser.add_argument("mode", choices=["statements", "migrations", "texts", "check"])
    parser.add_argument("--migrations", required=True, type=pathlib.Path, metavar="FOLDER", action="append",
                        help="may be given again: tests add tables of their own")
    parser.add_argument("--depfile")
    parser.add_argument("--out", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--file", default="migrations.c", help="the name of the file that 'migrations' writes")
    parser.add_argument("input", nargs="*", type=pathlib.Path)
    args = parser.parse_intermixed_args()
    sides = [args.migrations, [folder / "directory" for folder in args.migrations]]
    folders = [folder for side in sides for folder in side if folder.is_dir()]
    try:
        sets = [read_migrations(side) for side in sides]
        cell, directory = Schema(sets[0], True), Schema(sets[1], False)
        inputs = folders + [m.path for s in sets for m in s]
        inputs += [m.override for s in sets for m in s if m.postgres_text]
        inputs += sorted(pathlib.Path(__file__).parent.glob("sqlgen_*.py"))
        outputs = {}
        for path in args.input if args.mode != "texts" else ():
            statements = parse(path)
            inputs += parse_overrides(path.with_name(path.stem + ".pg.sql"), statements)
            for statement in statements:
                check(statement, cell, directory)
            inputs.append(path)
            outputs[f"{path.stem}_sql.h"] = header(statements, path)
            outputs[f"{path.stem}_sql.c"] = source(statements, path)
        if args.mode == "migrations":
            outputs = {args.file: migrations_source(list(zip(("cell", "directory"), sets)))}
        if args.mode == "texts":
            outputs = {f"{path.stem}_texts.c": texts_source(path) for path in args.input}
    except Mistake as mistake:
        print(mistake, file=sys.stderr)
        return 1
    if args.mode == "check":
        return 0
    for name, text in outputs.items():
        (args.out / name).write_text(text)
    if args.depfile:
        write_depfile(args.depfile, args.out / next(iter(outputs)), inputs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
