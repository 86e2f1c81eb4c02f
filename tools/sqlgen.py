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

Migrations are numbered files, src/store/migrations/NNNN_title.sql for cells and
…/directory/NNNN_title.sql for the directory. They are applied in order and never edited after a
release; the build embeds all that are in the folders. Rules, checked here: tables are STRICT, with
columns of TEXT, INTEGER and BLOB, which every database has; in a cell every table but the store's
own has `tenant_id TEXT NOT NULL`, which leads its primary key, its foreign keys and its indexes;
nothing is DEFERRABLE, since a group commit may not fail for one job.
"""

import argparse
import ctypes
import hashlib
import pathlib
import re
import sqlite3
import sys

KINDS = ("exec", "changes", "one", "many")
TYPES = {"text": "TEXT", "blob": "BLOB", "int": "INTEGER", "bool": "INTEGER"}
C_TYPES = {"text": "struct str ", "blob": "struct str ", "int": "int64_t ", "bool": "bool "}
C_RESERVED = set(
    "auto break case char const continue default do double else enum extern float for goto if inline int long "
    "register restrict return short signed sizeof static struct switch typedef union unsigned void volatile "
    "while bool true false tx err c in".split()
)
NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?\*/)|(?P<string>[xX]?'(?:[^']|'')*')|(?P<quoted>"[^"]*"|`[^`]*`|\[[^\]]*\])"""
    r"""|(?P<param>\$[0-9]+)|(?P<badparam>[?:@][A-Za-z0-9_]*)|(?P<number>[0-9][0-9.eE]*)"""
    r"""|(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<op>\|\||<=|>=|<>|!=|==|->>|->|.)""",
    re.S,
)
# What only one of the databases understands, or what both understand differently.
UNPORTABLE = {
    "ifnull": "coalesce", "glob": "a prefix comparison", "rowid": "the primary key", "replace_into": "ON CONFLICT",
    "datetime": "a parameter", "strftime": "a parameter", "julianday": "a parameter", "unixepoch": "a parameter",
    "last_insert_rowid": "RETURNING", "changes": ":changes", "random": "a parameter", "isnull": "IS NULL",
    "notnull": "IS NOT NULL", "iif": "CASE", "group_concat": "several rows", "total": "sum", "autoincrement": "max",
    "current_timestamp": "a parameter", "now": "a parameter", "printf": "C", "hex": "C", "likely": "nothing",
}  # fmt: skip
CLAUSES = {
    "select", "from", "where", "group", "having", "order", "limit", "offset", "set", "values", "on", "join", "inner",
    "left", "right", "full", "cross", "outer", "natural", "using", "union", "except", "intersect", "returning", "do",
    "conflict", "window", "as", "into", "update", "delete", "insert", "with", "and", "or", "not", "nothing", "indexed",
}  # fmt: skip


class Mistake(Exception):
    def __init__(self, path, line, text):
        super().__init__(f"{path}:{line}: {text}")


class Token:
    __slots__ = ("kind", "text", "low", "line")

    def __init__(self, kind, text, line):
        self.kind, self.text, self.low, self.line = kind, text, text.lower(), line


def tokenize(text, line):
    tokens = []
    for match in TOKEN.finditer(text):
        if match.lastgroup != "space":
            tokens.append(Token(match.lastgroup, match.group(), line + text.count("\n", 0, match.start())))
    return tokens


# ---------------------------------------------------------------------------------------------- SQLite


class Sqlite:
    """The few calls of the C library that Python's module does not offer."""

    def __init__(self):
        self.lib = ctypes.CDLL("libsqlite3.so.0")
        for name, result in (
            ("sqlite3_errmsg", ctypes.c_char_p), ("sqlite3_column_name", ctypes.c_char_p),
            ("sqlite3_column_table_name", ctypes.c_char_p), ("sqlite3_column_origin_name", ctypes.c_char_p),
        ):  # fmt: skip
            getattr(self.lib, name).restype = result
        self.db = ctypes.c_void_p()
        if self.lib.sqlite3_open(b":memory:", ctypes.byref(self.db)) != 0:
            raise SystemExit("sqlgen: SQLite cannot open a database in memory")

    def execute(self, script):
        if self.lib.sqlite3_exec(self.db, script.encode(), None, None, None) != 0:
            raise ValueError(self.lib.sqlite3_errmsg(self.db).decode())

    def prepare(self, text):
        """(parameters, [(name, table, column)], writes, rest) or ValueError."""
        statement, rest = ctypes.c_void_p(), ctypes.c_char_p()
        raw = text.encode()
        if self.lib.sqlite3_prepare_v2(self.db, raw, len(raw), ctypes.byref(statement), ctypes.byref(rest)) != 0:
            raise ValueError(self.lib.sqlite3_errmsg(self.db).decode())
        try:
            columns = []
            for i in range(self.lib.sqlite3_column_count(statement)):
                table = self.lib.sqlite3_column_table_name(statement, i)
                origin = self.lib.sqlite3_column_origin_name(statement, i)
                name = self.lib.sqlite3_column_name(statement, i).decode()
                columns.append((name, table and table.decode(), origin and origin.decode()))
            writes = self.lib.sqlite3_stmt_readonly(statement) == 0
            return self.lib.sqlite3_bind_parameter_count(statement), columns, writes, (rest.value or b"").strip()
        finally:
            self.lib.sqlite3_finalize(statement)


class Migration:
    def __init__(self, path):
        match = re.fullmatch(r"([0-9]{4})_([a-z0-9_]+)\.sql", path.name)
        if not match:
            raise Mistake(path, 1, "a migration is named NNNN_title.sql (digits; lower-case letters and '_')")
        self.path, self.number, self.title = path, int(match[1]), match[2]
        raw = path.read_bytes()
        self.text, self.sha256 = raw.decode(), hashlib.sha256(raw).hexdigest()


def read_migrations(folders):
    """The migrations of these folders in order."""
    found = sorted((Migration(path) for folder in folders for path in folder.glob("*.sql")), key=lambda m: m.number)
    for one, two in zip(found, found[1:]):
        if one.number == two.number:
            raise Mistake(two.path, 1, f"number {two.number:04} is taken by {one.path.name}")
    return found


class Schema:
    """A migrated schema, and what is known of its tables."""

    def __init__(self, migrations, cell):
        self.prepared = Sqlite()
        self.python = sqlite3.connect(":memory:")
        self.cell = cell
        self.columns, self.tables = {}, {}
        for migration in migrations:
            try:
                self.prepared.execute(migration.text)
                self.python.executescript(migration.text)
            except (ValueError, sqlite3.Error) as error:
                raise Mistake(migration.path, 1, str(error)) from None
            self.check(migration)

    def query(self, text):
        return self.python.execute(text).fetchall()

    def tenant_tables(self):
        return {t for t in self.tables if self.cell and not t.startswith("store_")}

    def check(self, migration):
        def mistake(what):
            raise Mistake(migration.path, 1, what)

        for token in tokenize(migration.text, 1):
            if token.low in ("deferrable", "deferred"):
                raise Mistake(migration.path, token.line, "nothing may be DEFERRABLE: one job could fail a group's commit")
        for _, name, kind, _, without_rowid, strict in self.query("PRAGMA table_list"):
            if name.startswith("sqlite_") or kind != "table" or name in self.tables:
                continue
            if not strict:
                mistake(f"table {name} is not STRICT")
            self.tables[name] = migration
            if self.cell and not name.startswith("store_"):
                self.check_table(name, mistake)
        for name in self.tables:
            info = self.query(f"PRAGMA table_info({name})")
            for column in info:
                if column[2].upper() not in TYPES.values():
                    mistake(f"{name}.{column[1]} is {column[2]}; columns are {', '.join(sorted(set(TYPES.values())))}")
            self.columns[name] = {c[1]: (c[2].upper(), bool(c[3] or c[5])) for c in info}
            if name in self.tenant_tables():
                self.check_keys(name, mistake)

    def check_table(self, name, mistake):
        info = {c[1]: c for c in self.query(f"PRAGMA table_info({name})")}
        tenant = info.get("tenant_id")
        if not tenant or tenant[2].upper() != "TEXT" or not tenant[3]:
            mistake(f"table {name} needs the column: tenant_id TEXT NOT NULL")
        if tenant[5] != 1:
            mistake(f"the primary key of {name} must begin with tenant_id")

    def check_keys(self, name, mistake):
        keys = {}
        for key, seq, target, column, to, *_ in self.query(f"PRAGMA foreign_key_list({name})"):
            keys.setdefault(key, []).append((seq, target, column, to))
        for columns in keys.values():
            _, target, column, to = min(columns)
            if (column, to) not in (("tenant_id", "tenant_id"), ("tenant_id", None)):
                mistake(f"a foreign key of {name} to {target} must begin with tenant_id on both sides")
        for index in self.query(f"PRAGMA index_list({name})"):
            first = self.query(f"PRAGMA index_info({index[1]})")[0]
            if first[2] != "tenant_id":
                mistake(f"the index {index[1]} on {name} must begin with tenant_id")


# ------------------------------------------------------------------------------------------ statements


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


# ------------------------------------------------------------------------- the tenant's predicate


class Reading:
    """One SELECT, UPDATE, DELETE or INSERT: its tables and the equalities that must hold."""

    def __init__(self, outer):
        self.outer, self.tables, self.equal, self.pinned = outer, {}, [], set()
        self.clause, self.has_or = "", False
        self.left = None  # the alias that a LEFT JOIN has just brought in
        self.depth = outer.depth + 1 if outer else 0

    def is_pinned(self, alias):
        return alias in self.pinned or bool(self.outer and self.outer.is_pinned(alias))


class TenantCheck:
    """Proves from the text that each use of a tenant's table is tied to $1. Strict, not clever."""

    def __init__(self, statement, schema):
        self.statement, self.tokens = statement, tokenize(statement.text, statement.text_line)
        self.tenant_tables = schema.tenant_tables()
        self.at, self.readings = 0, []

    def peek(self, ahead=0):
        at = self.at + ahead
        return self.tokens[at].low if at < len(self.tokens) else ""

    def run(self):
        self.read(None)
        # From the outside in: what is within may lean on what is around it.
        for reading, start in sorted(self.readings, key=lambda r: r[0].depth):
            self.judge(reading, start)

    def fail(self, text, at=None):
        tokens = self.tokens
        line = tokens[min(self.at if at is None else at, len(tokens) - 1)].line
        self.statement.mistake(text, line)

    def read(self, outer):
        """Reads up to the ')' that ends this query, or the end."""
        reading, depth, start = Reading(outer), 0, self.at
        while self.at < len(self.tokens):
            word = self.peek()
            if word == "(":
                if self.peek(1) in ("select", "with", "values") and reading.clause != "insert":
                    self.at += 1
                    self.read(reading)
                    continue
                depth += 1
            elif word == ")":
                if depth == 0:
                    break
                depth -= 1
            elif depth == 0 and word in ("union", "except", "intersect"):
                self.readings.append((reading, start))
                reading, start = Reading(outer), self.at
            else:
                self.word(reading, word, depth)
            self.at += 1
        self.readings.append((reading, start))
        self.at += 1

    def word(self, reading, word, depth):
        token = self.tokens[self.at]
        previous = self.peek(-1) if self.at else ""
        if token.kind == "word" and word in CLAUSES:
            if word == "or" and depth == 0 and reading.clause in ("where", "on", "having"):
                reading.has_or = True
            if word in ("select", "where", "set", "values", "group", "order", "returning", "having"):
                reading.clause = word
            elif word in ("right", "full"):
                self.fail("no RIGHT or FULL JOIN: the check cannot follow it; turn it around")
            elif word in ("from", "join"):
                reading.clause = "from"
                reading.left = None
                is_left = previous == "left" or (previous == "outer" and self.peek(-2) == "left")
                alias = self.table(reading)
                reading.left = alias if is_left else None
            elif word == "on" and self.peek(1) != "conflict":
                reading.clause = "on"
            elif word == "update" and previous != "do":
                reading.clause = "update"
                self.table(reading)
            elif word == "into":
                self.insert(reading)
        elif word == "," and depth == 0 and reading.clause in ("from", "on"):
            self.table(reading)
        elif word == "tenant_id":
            self.tenant(reading, depth)

    def table(self, reading):
        """The table after FROM, JOIN, UPDATE or a comma, with its alias."""
        token = self.tokens[self.at + 1] if self.at + 1 < len(self.tokens) else None
        if token is None or token.kind != "word" or token.low in CLAUSES:
            return None
        self.at += 1
        name, alias = token.low, token.low
        ahead = 2 if self.peek(1) == "as" else 1
        following = self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else None
        if following and following.kind == "word" and following.low not in CLAUSES:
            alias = following.low
            self.at += ahead
        if name in self.tenant_tables:
            if alias in reading.tables:
                self.fail(f"{alias} stands there twice; give each its own alias")
            reading.tables[alias] = name
        return alias

    def tenant(self, reading, depth):
        """[x.]tenant_id = $1, or = y.tenant_id; in a WHERE or ON, not within parentheses."""
        at = self.at
        mine = self.tokens[at - 2].low if at >= 2 and self.peek(-1) == "." else ""
        if reading.clause == "set" and self.peek(1) == "=" and self.peek(-1) in ("set", ","):
            self.fail("tenant_id is never changed")
        if depth or reading.clause not in ("where", "on"):
            return
        before = self.peek(-3 if mine else -1)
        if before not in ("where", "and", "on") or self.peek(1) != "=":
            return
        # ON of a LEFT JOIN says nothing of what stands to its left.
        only = reading.left if reading.clause == "on" else None
        if self.peek(2) == "$1" and self.ends(3):
            reading.equal.append((mine, None, only))
        elif self.peek(3) == "." and self.peek(4) == "tenant_id" and self.ends(5):
            reading.equal.append((mine, self.peek(2), only))
            self.at += 4

    def ends(self, ahead):
        """Whether a condition ends there: nothing goes on to change its meaning."""
        word = self.peek(ahead)
        return word in ("", ")", ",", "and", "or") or (word in CLAUSES and word != "not")

    def insert(self, reading):
        """INSERT INTO t (columns) VALUES (…), (…) or SELECT …: tenant_id gets $1."""
        reading.clause = "insert"
        table = self.peek(1)
        if table not in self.tenant_tables:
            return
        self.at += 2
        columns = [part[0].low for part in self.parts()] if self.peek() == "(" else []
        if "tenant_id" not in columns:
            self.fail(f"INSERT INTO {table} must name its columns, tenant_id among them")
        place = columns.index("tenant_id")
        if self.peek() == "values":
            self.at += 1
            while self.peek() == "(":
                values = self.parts()
                if place >= len(values) or [t.low for t in values[place]] != ["$1"]:
                    self.fail(f"the value of tenant_id must be $1 in INSERT INTO {table}", self.at - 1)
                if self.peek() != ",":
                    break
                self.at += 1
        elif self.peek() in ("select", "with"):
            if place != 0 or self.peek(1) != "$1":
                self.fail(f"INSERT INTO {table} … SELECT must begin: (tenant_id, …) SELECT $1, …")
        self.at -= 1

    def parts(self):
        """The comma-separated parts of the parentheses that begin here; moves behind them."""
        parts, depth = [[]], 0
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            self.at += 1
            if token.low == "(":
                depth += 1
                if depth == 1:
                    continue
            elif token.low == ")":
                depth -= 1
                if depth == 0:
                    break
            elif token.low == "," and depth == 1:
                parts.append([])
                continue
            parts[-1].append(token)
        return parts

    def judge(self, reading, start):
        names = list(reading.tables)
        if not names:
            return
        if reading.has_or:
            self.fail("put OR within parentheses, so that `tenant_id = $1` holds for all of it", start)
        pairs = [(a or (names[0] if len(names) == 1 else ""), b, only) for a, b, only in reading.equal]
        moved = True
        while moved:
            moved = False
            for one, two, only in pairs:
                for a, b in ((one, two), (two, one)):
                    tied = (b is None or reading.is_pinned(b)) and only in (None, a)
                    if a in reading.tables and a not in reading.pinned and tied:
                        reading.pinned.add(a)
                        moved = True
        for alias in names:
            if alias not in reading.pinned:
                shown = alias if alias == reading.tables[alias] else f"{reading.tables[alias]} {alias}"
                self.fail(f"the use of {shown} is not tied to the tenant: {alias}.tenant_id = $1 is missing", start)


# ------------------------------------------------------------------------------------------- checking


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


def sqlite_text(statement):
    """With SQLite $1 is a name, and ?1 the first parameter."""
    return "".join(
        "?" + m.group()[1:] if m.lastgroup == "param" else m.group() for m in TOKEN.finditer(statement.text)
    )


# ---------------------------------------------------------------------------------------------- output


def c_string(text, indent):
    lines = text.split("\n")
    quoted = []
    for i, line in enumerate(lines):
        body = line.strip().replace("\\", "\\\\").replace('"', '\\"').replace("??", "?\\?")
        quoted.append(indent + '"' + body + ("\\n" if i + 1 < len(lines) else "") + '"')
    return "\n".join(quoted)


def in_declarations(statement):
    declared = []
    for field in statement.ins:
        if field.nullable and field.kind in ("int", "bool"):
            declared.append(f"const {C_TYPES[field.kind]}*{field.name}")
        else:
            declared.append(C_TYPES[field.kind] + field.name)
    return declared


def parameters(statement):
    if statement.in_struct:
        return ["struct tx *tx", f"const struct sql_{statement.name}_in *in"]
    return ["struct tx *tx"] + in_declarations(statement)


def prototypes(statement):
    name, given = statement.name, parameters(statement)
    row = f"struct sql_{statement.row_of}_row *ret_row"
    if statement.kind == "many":
        cursor = f"struct sql_{name}_cursor *"
        return [
            f"bool sql_{name}_open({', '.join(given + [cursor + 'ret_cursor', 'struct err *err'])})",
            f"bool sql_{name}_next({cursor}c, {row}, bool *ret_has, struct err *err)",
            f"void sql_{name}_close({cursor}c)",
        ]
    if statement.kind == "one":
        given += [row, "bool *ret_found"]
    if statement.kind == "changes":
        given += ["int64_t *ret_changes"]
    return [f"bool sql_{name}({', '.join(given + ['struct err *err'])})"]


def header(statements, source):
    out = [f"/* Generated by tools/sqlgen.py from {source.name}. */", "#pragma once", "", '#include "store/sql.h"', ""]
    for s in statements:
        out += ["/*", f" * {s.name} :{s.kind}"] + [f" * {line}".rstrip().replace("*/", "* /") for line in s.doc] + [" */"]
        if s.in_struct:
            out += [f"struct sql_{s.name}_in {{"] + [f"        {d};" for d in in_declarations(s)] + ["};"]
        if s.outs and s.row_of == s.name:
            out += [f"struct sql_{s.name}_row {{"]
            for f in s.outs:
                if f.nullable and f.kind in ("int", "bool"):
                    out.append(f"        bool has_{f.name};")
                note = " /* .ptr is NULL for NULL */" if f.nullable and f.kind in ("text", "blob") else ""
                out.append(f"        {C_TYPES[f.kind]}{f.name};{note}")
            out += ["};"]
        if s.kind == "many":
            out += [f"struct sql_{s.name}_cursor {{", "        struct sql_run run;", "};"]
        out += [p + (";" if p.startswith("void") else " MUST_USE;") for p in prototypes(s)] + [""]
    return "\n".join(out)


def bind_lines(s):
    lines = []
    for number, f in enumerate(s.ins, s.first):
        value = f"in->{f.name}" if s.in_struct else f.name
        call = {"text": "text", "blob": "blob", "int": "int", "bool": "int"}[f.kind]
        if f.nullable:
            there = f"{value}.ptr" if f.kind in ("text", "blob") else value
            star = "" if f.kind in ("text", "blob") else "*"
            lines += [
                f"        if ({there})",
                f"                sql_bind_{call}(run, {number}, {star}{value});",
                "        else",
                f"                sql_bind_null(run, {number});",
            ]
        else:
            lines.append(f"        sql_bind_{call}(run, {number}, {value});")
    return lines


def row_reader(s):
    lines = [f"static bool row_{s.name}(struct sql_run *run, struct sql_{s.name}_row *row, struct err *err)", "{"]
    checks = []
    for at, f in enumerate(s.outs):
        if f.kind in ("text", "blob"):
            flag = "true" if f.nullable else "false"
            checks.append(f"sql_column_{f.kind}(run, {at}, {flag}, &row->{f.name}, err)")
        else:
            has = f"&row->has_{f.name}" if f.nullable else "NULL"
            target = f"&row->{f.name}" if f.kind == "int" else f"&number_{f.name}"
            checks.append(f"sql_column_int(run, {at}, {has}, {target}, err)")
    bools = [f.name for f in s.outs if f.kind == "bool"]
    lines += [f"        int64_t number_{b} = 0;" for b in bools]
    joined = " &&\n            ".join(checks)
    lines += [f"        if (!({joined}))", "                return false;"]
    lines += [f"        row->{b} = number_{b} != 0;" for b in bools]
    return lines + ["        return true;", "}", ""]


def body_many(s, protos):
    row = f"row_{s.row_of}"
    return [
        protos[0], "{", "        struct sql_run *run = &ret_cursor->run;",
        f"        if (!sql_run_open(tx, &statement_{s.name}, run, err))", "                return false;",
        *bind_lines(s), "        return true;", "}", "",
        protos[1], "{",
        "        if (!sql_step(&c->run, ret_has, err))", "                return false;",
        f"        return !*ret_has || {row}(&c->run, ret_row, err);", "}", "",
        protos[2], "{", "        sql_run_close(&c->run);", "}", "",
    ]  # fmt: skip


def body(s):
    protos = prototypes(s)
    scope = {"tenant": "SQL_TENANT", "directory": "SQL_DIRECTORY", "any": "SQL_ANY"}[s.scope]
    text = c_string(sqlite_text(s), "                ")
    out = [
        f"static struct sql_statement statement_{s.name} = {{", f'        .name = "{s.name}",', "        .text =",
        text + ",", f"        .text_bytes = {len(sqlite_text_c(s))},",
        f"        .scope = {scope},", f"        .writes = {'true' if s.writes else 'false'},", "};", "",
    ]  # fmt: skip
    if s.outs and s.row_of == s.name:
        out += row_reader(s)
    if s.kind == "many":
        return out + body_many(s, protos)
    out += [
        protos[0], "{", "        struct sql_run scoped __attribute__((cleanup(sql_run_close))) = {0};",
        "        struct sql_run *run = &scoped;",
        f"        if (!sql_run_open(tx, &statement_{s.name}, run, err))", "                return false;", *bind_lines(s),
    ]  # fmt: skip
    if s.kind == "one":
        out += [
            "        if (!sql_step(run, ret_found, err))", "                return false;",
            "        if (!*ret_found)", "                return true;",
            f"        return row_{s.row_of}(run, ret_row, err) && sql_expect_end(run, err);",
        ]  # fmt: skip
    elif s.kind == "changes":
        out += ["        return sql_execute(run, ret_changes, err);"]
    else:
        out += ["        int64_t changes;", "        return sql_execute(run, &changes, err);"]
    return out + ["}", ""]


def sqlite_text_c(s):
    """The text as the C compiler sees it."""
    return "\n".join(line.strip() for line in sqlite_text(s).split("\n")).encode()


def source(statements, path):
    out = [f"/* Generated by tools/sqlgen.py from {path.name}. */", f'#include "{path.stem}_sql.h"', ""]
    for s in statements:
        out += body(s)
    return "\n".join(out)


def migrations_source(sets):
    out = ["/* Generated by tools/sqlgen.py from src/store/migrations. */", '#include "store/migrations.h"', ""]
    for name, migrations in sets:
        digest = hashlib.sha256("".join(m.sha256 for m in migrations).encode()).digest()
        # Never 0, which is what a file without a schema has.
        stamp = (int.from_bytes(digest[:4], "big") & 0x7FFFFFFF) or 1
        out += [f"static const struct migration {name}_list[] = {{"]
        for m in migrations:
            out += [
                f'        {{{m.number}, "{m.title}",', f'         "{m.sha256}",', c_string(m.text, "         ") + "},",
            ]  # fmt: skip
        out += ["};", f"const struct migration_set migrations_{name} = {{", f"        {name}_list,"]
        out += [f"        {len(migrations)},", f"        {stamp},", "};", ""]
    return "\n".join(out)


def write_depfile(path, target, inputs):
    quoted = " ".join(str(i).replace(" ", "\\ ") for i in inputs)
    pathlib.Path(path).write_text(f"{target}: {quoted}\n")


def main():
    parser = argparse.ArgumentParser(description="Named SQL and migrations to C")
    parser.add_argument("mode", choices=["statements", "migrations", "check"])
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
        outputs = {}
        for path in args.input:
            statements = parse(path)
            for statement in statements:
                check(statement, cell, directory)
            inputs.append(path)
            outputs[f"{path.stem}_sql.h"] = header(statements, path)
            outputs[f"{path.stem}_sql.c"] = source(statements, path)
        if args.mode == "migrations":
            outputs = {args.file: migrations_source(list(zip(("cell", "directory"), sets)))}
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
