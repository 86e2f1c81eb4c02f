# SPDX-License-Identifier: Apache-2.0
"""Turns a regular expression of the contract into a small table-driven matcher in C.

The expression becomes an NFA over bytes, that a DFA, that a table: the matcher
reads each byte once. Only what JSON Schema patterns need is understood; all else
is an error, so that no pattern is ever matched differently from what it says.
Characters outside ASCII are matched as their UTF-8 bytes (the text is valid UTF-8).
"""
import re._constants as op
import re._parser as parser

STATES_MOST = 250


class Nfa:
    def __init__(self):
        self.edges = []  # state -> [(frozenset of bytes or None, state)]

    def state(self):
        self.edges.append([])
        return len(self.edges) - 1

    def edge(self, origin, label, target):
        self.edges[origin].append((label, target))


def ascii_class(items):
    """The ASCII bytes of a class, and whether it takes everything beyond ASCII."""
    negated = bool(items) and items[0][0] is op.NEGATE
    wanted = set()
    for kind, value in items[1 if negated else 0:]:
        if kind is op.LITERAL:
            wanted.add(value)
        elif kind is op.RANGE:
            wanted.update(range(value[0], value[1] + 1))
        elif kind is op.CATEGORY and value is op.CATEGORY_DIGIT:
            wanted.update(range(ord('0'), ord('9') + 1))
        elif kind is op.CATEGORY and value is op.CATEGORY_WORD:
            wanted.update(c for c in range(128) if chr(c).isalnum() or c == ord('_'))
        else:
            raise ValueError(f'not supported in a character class: {kind}')
    if any(c > 127 for c in wanted):
        raise ValueError('characters outside ASCII in a class')
    return frozenset(set(range(128)) - wanted if negated else wanted), negated


def beyond_ascii(nfa, start, end):
    """Any UTF-8 sequence of two to four bytes; the text is known to be valid."""
    tail = frozenset(range(0x80, 0xC0))
    for first, last, more in ((0xC2, 0xDF, 1), (0xE0, 0xEF, 2), (0xF0, 0xF4, 3)):
        at, label = start, frozenset(range(first, last + 1))
        for _ in range(more):
            after = nfa.state()
            nfa.edge(at, label, after)
            at, label = after, tail
        nfa.edge(at, label, end)


def build_set(nfa, start, label, beyond):
    end = nfa.state()
    if label:
        nfa.edge(start, label, end)
    if beyond:
        beyond_ascii(nfa, start, end)
    return end


def build_repeat(nfa, start, low, high, items):
    at = start
    for _ in range(low):
        at = build(nfa, at, items)
    if high is op.MAXREPEAT:
        loop = nfa.state()
        nfa.edge(at, None, loop)
        nfa.edge(build(nfa, loop, items), None, loop)
        return loop
    end = nfa.state()
    nfa.edge(at, None, end)
    for _ in range(high - low):
        at = build(nfa, at, items)
        nfa.edge(at, None, end)
    return end


def build(nfa, at, items):
    for kind, value in items:
        if kind is op.LITERAL:
            for byte in chr(value).encode():
                after = nfa.state()
                nfa.edge(at, frozenset([byte]), after)
                at = after
        elif kind is op.NOT_LITERAL:
            at = build_set(nfa, at, frozenset(set(range(128)) - {value}), True)
        elif kind is op.ANY:
            at = build_set(nfa, at, frozenset(set(range(128)) - {10}), True)
        elif kind is op.IN:
            at = build_set(nfa, at, *ascii_class(value))
        elif kind in (op.MAX_REPEAT, op.MIN_REPEAT):
            at = build_repeat(nfa, at, *value)
        elif kind is op.SUBPATTERN:
            at = build(nfa, at, value[3])
        elif kind is op.BRANCH:
            end = nfa.state()
            for branch in value[1]:
                nfa.edge(build(nfa, at, branch), None, end)
            at = end
        else:
            raise ValueError(f'not supported in a pattern: {kind}')
    return at


def closure(nfa, states):
    seen, todo = set(states), list(states)
    while todo:
        for label, target in nfa.edges[todo.pop()]:
            if label is None and target not in seen:
                seen.add(target)
                todo.append(target)
    return frozenset(seen)


def anchored(items):
    """The items without their anchors; both must be there, so that nobody wonders."""
    items = list(items)
    if (not items or items[0] != (op.AT, op.AT_BEGINNING) or items[-1] != (op.AT, op.AT_END)):
        raise ValueError('write the pattern with ^ and $')
    return items[1:-1]


def to_dfa(pattern):
    """(byte -> class, rows of next states by class, accepting). State 0 refuses for ever, 1 is the start."""
    nfa = Nfa()
    start = nfa.state()
    final = build(nfa, start, anchored(parser.parse(pattern)))
    labels = {label for edges in nfa.edges for label, _ in edges if label}
    signatures = {}
    classes = [signatures.setdefault(tuple(b in label for label in labels), len(signatures)) for b in range(256)]
    sample = [classes.index(c) for c in range(len(signatures))]
    first = closure(nfa, [start])
    numbers, todo, rows = {frozenset(): 0, first: 1}, [first], {0: [0] * len(sample)}
    while todo:
        states = todo.pop()
        row = []
        for byte in sample:
            moved = [t for s in states for label, t in nfa.edges[s] if label and byte in label]
            target = closure(nfa, moved)
            if target not in numbers:
                numbers[target] = len(numbers)
                todo.append(target)
            row.append(numbers[target])
        rows[numbers[states]] = row
        if len(numbers) > STATES_MOST:
            raise ValueError('the pattern needs too many states; use maxLength instead of counts')
    accepting = [0] * len(numbers)
    for states, number in numbers.items():
        accepting[number] = int(final in states)
    return classes, [rows[n] for n in range(len(numbers))], accepting


def matches(dfa, text):
    """What the C matcher does, for the generator's own test."""
    classes, rows, accepting = dfa
    state = 1
    for byte in text.encode():
        state = rows[state][classes[byte]]
    return bool(accepting[state])


def emit(name, pattern):
    classes, rows, accepting = to_dfa(pattern)

    def table(values):
        return ', '.join(str(v) for v in values)
    body = ',\n'.join(f'                {{{table(row)}}}' for row in rows)
    return f'''static bool {name}(struct str text)
{{
        static const uint8_t classes[256] = {{{table(classes)}}};
        static const uint8_t next[{len(rows)}][{len(rows[0])}] = {{
{body}}};
        static const bool accepting[{len(rows)}] = {{{table(accepting)}}};
        unsigned state = 1;

        for (size_t i = 0; i < text.len; i++)
                state = next[state][classes[(unsigned char)text.ptr[i]]];
        return accepting[state];
}}
'''
