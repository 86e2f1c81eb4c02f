# SPDX-License-Identifier: Apache-2.0
"""The tenant's predicate: whether a statement can see or change another tenant's rows. A part of sqlgen.py."""

from sqlgen_text import tokenize

CLAUSES = {
    "select", "from", "where", "group", "having", "order", "limit", "offset", "set", "values", "on", "join", "inner",
    "left", "right", "full", "cross", "outer", "natural", "using", "union", "except", "intersect", "returning", "do",
    "conflict", "window", "as", "into", "update", "delete", "insert", "with", "and", "or", "not", "nothing", "indexed",
}  # fmt: skip


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
