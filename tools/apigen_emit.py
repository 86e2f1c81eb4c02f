# SPDX-License-Identifier: Apache-2.0
"""Writes the C of the contract's types: declarations, readers, writers."""
import json

import apigen_regex
from apigen_model import (ArrayType, BoolType, BytesType, EnumType, IntegerType, NumberType, ObjectType, PairsType,
                          RawType, StringType, TimeType)

HEAD = '/* SPDX-License-Identifier: Apache-2.0 */\n/* Made by tools/apigen.py from api/openapi.yaml. */\n'


def c_string(text):
    return json.dumps(text, ensure_ascii=True) if text.isascii() else \
        '"' + ''.join(f'\\{b:03o}' if b > 126 or b < 32 or chr(b) in '"\\' else chr(b) for b in text.encode()) + '"'


def enum_value(enum, value):
    return f'API_{enum.name}_{value}'.upper().replace('-', '_').replace('.', '_')


# ---- declarations

def declare(prop_field, kind, required, note):
    """The members of a struct for one property or parameter."""
    def line(text):
        return f'        {text}\n'
    has = '' if required else line(f'bool has_{prop_field.removesuffix("_ms")};')
    if isinstance(kind, IntegerType):
        return has + line(f'int64_t {prop_field};')
    if isinstance(kind, TimeType):
        return has + line(f'int64_t {prop_field};')
    if isinstance(kind, NumberType):
        return has + line(f'double {prop_field};')
    if isinstance(kind, BoolType):
        return has + line(f'bool {prop_field};')
    if isinstance(kind, BytesType):
        return line(f'struct str {prop_field}; /* bytes{note} */')
    if isinstance(kind, StringType):
        return line(f'struct str {prop_field};{" /*" + note.replace(",", "", 1) + " */" if note else ""}')
    if isinstance(kind, EnumType):
        return line(f'enum api_{kind.name} {prop_field};{" /* 0: absent */" if not required else ""}')
    if isinstance(kind, RawType):
        return line(f'struct api_json {prop_field};')
    if isinstance(kind, PairsType):
        absent = '' if required else ' /* NULL: absent */'
        return line(f'const struct api_pair *{prop_field};{absent}') + line(f'size_t {prop_field}_count;')
    if isinstance(kind, ArrayType):
        return line(f'const {item_type(kind.item)} *{prop_field};') + line(f'size_t {prop_field}_count;')
    if isinstance(kind, ObjectType) and required:
        return line(f'struct api_{kind.name} {prop_field};')
    if isinstance(kind, ObjectType):
        return line(f'const struct api_{kind.name} *{prop_field}; /* NULL: absent */')
    raise TypeError(kind)


def item_type(kind):
    if isinstance(kind, ObjectType):
        return f'struct api_{kind.name}'
    if isinstance(kind, EnumType):
        return f'enum api_{kind.name}'
    if isinstance(kind, (StringType, BytesType)):
        return 'struct str'
    if isinstance(kind, IntegerType):
        return 'int64_t'
    raise TypeError(f'array of {kind}')


def inline(prop):
    """Whether the C struct holds the property whatever the wire says."""
    return prop.required and not prop.nullable


def struct(name, properties):
    body = ''.join(declare(p.field, p.type, inline(p), '' if inline(p) else ', ptr NULL: absent')
                   for p in properties) or '        char unused;\n'
    return f'struct api_{name} {{\n{body}}};\n\n'


def types_h(contract):
    out = [HEAD, '/*\n * The contract\'s types. An absent optional value: has_x is false, a string\'s or an\n'
           ' * array\'s pointer is NULL, an enum is 0. Times are milliseconds since 1970 UTC.\n */\n'
           '#pragma once\n\n#include "api/decode.h"\n#include "base/buf.h"\n\n']
    for enum in contract.enums.values():
        values = ''.join(f'        {enum_value(enum, v)},\n' for v in enum.values)
        out.append(f'enum api_{enum.name} {{\n        API_{enum.name.upper()}_ABSENT = 0,\n{values}}};\n'
                   f'/* The word of the contract; "" for 0. */\n'
                   f'const char *api_{enum.name}_name(enum api_{enum.name} value);\n'
                   f'/* 0 for a word that the contract does not have. */\n'
                   f'enum api_{enum.name} api_{enum.name}_from(struct str word);\n\n')
    for obj in sorted(contract.objects.values(), key=lambda o: o.order):
        out.append(struct(obj.name, obj.properties))
    out.append('/* Appends the value as JSON. */\n')
    out += [f'void api_write_{o.name}(struct buf *buf, const struct api_{o.name} *value);\n'
            for o in contract.objects.values()]
    out.append('\n/* Reads a parsed value; the place of a mistake in d->err. */\n')
    out += [f'bool api_read_{o.name}(struct decoder *d, const struct json *value, struct api_{o.name} *ret) MUST_USE;\n'
            for o in contract.objects.values()]
    out.append('\n/* For clients: parses and reads a reply; members that a newer server adds are skipped. */\n')
    out += [f'bool api_parse_{o.name}(struct arena *arena, struct str text, struct api_{o.name} *ret,\n'
            f'{" " * (len(o.name) + 16)}struct err *err) MUST_USE;\n' for o in contract.objects.values()]
    return ''.join(out)


def permissions_h(contract):
    names = ''.join(f'        PERMISSION_{p.upper().replace(".", "_")},\n' for p in contract.permissions)
    return (f'{HEAD}#pragma once\n\n#include "base/str.h"\n\n/* What a caller may need; bits of principal.permissions. '
            f'*/\nenum permission {{\n{names}        PERMISSION_COUNT,\n}};\n\n/* "action.decide" */\n'
            'const char *permission_name(enum permission permission);\n')


# ---- enums

def enums_c(contract):
    out = [HEAD, '#include "api/api_types.h"\n#include "api/api_permissions.h"\n\n']
    for enum in contract.enums.values():
        names = ''.join(f'                [{enum_value(enum, v)}] = {c_string(v)},\n' for v in enum.values)
        tests = ''.join(f'        if (str_is(word, {c_string(v)}))\n                return {enum_value(enum, v)};\n'
                        for v in enum.values)
        out.append(f'''const char *api_{enum.name}_name(enum api_{enum.name} value)
{{
        static const char *const names[] = {{
                [API_{enum.name.upper()}_ABSENT] = "",
{names}        }};

        return (unsigned)value < sizeof(names) / sizeof(names[0]) ? names[value] : "";
}}

enum api_{enum.name} api_{enum.name}_from(struct str word)
{{
{tests}        return API_{enum.name.upper()}_ABSENT;
}}

''')
    names = ''.join(f'                {c_string(p)},\n' for p in contract.permissions)
    out.append(f'''const char *permission_name(enum permission permission)
{{
        static const char *const names[PERMISSION_COUNT] = {{
{names}        }};

        return (unsigned)permission < PERMISSION_COUNT ? names[permission] : "";
}}
''')
    return ''.join(out)


# ---- readers

class Rules:
    """The static rules and matchers that the readers of one file share."""

    def __init__(self):
        self.text, self.known = [], {}

    def string(self, rule):
        key = ('s', rule.min_length, rule.max_length, rule.format, rule.prefix, rule.pattern)
        if key not in self.known:
            name = self.known[key] = f'rule_{len(self.known)}'
            pattern = 'NULL, NULL'
            if rule.pattern:
                pattern = f'{self.pattern(rule.pattern)}, {c_string(rule.pattern)}'
            self.text.append(f'static const struct string_rule {name} = {{{rule.min_length}, {rule.max_length}u, '
                             f'FORMAT_{rule.format}, {c_string(rule.prefix)}, {pattern}}};\n')
        return '&' + self.known[key]

    def pattern(self, pattern):
        key = ('p', pattern)
        if key not in self.known:
            name = self.known[key] = f'matches_{len(self.known)}'
            self.text.append(f'/* {pattern.replace("*/", "* /")} */\n' + apigen_regex.emit(name, pattern))
        return self.known[key]

    def integer(self, rule):
        key = ('i', rule.minimum, rule.maximum)
        if key not in self.known:
            name = self.known[key] = f'rule_{len(self.known)}'
            low = 'INT64_MIN' if rule.minimum <= -2**63 else str(rule.minimum)
            high = 'INT64_MAX' if rule.maximum >= 2**63 - 1 else str(rule.maximum)
            self.text.append(f'static const struct integer_rule {name} = {{{low}, {high}}};\n')
        return '&' + self.known[key]

    def enum(self, enum):
        key = ('e', enum.name)
        if key not in self.known:
            name = self.known[key] = f'from_{enum.name}'
            self.text.append(f'static int {name}(struct str word)\n{{\n        return (int)api_{enum.name}_from(word);\n'
                             '}\n')
        return f'{self.known[key]}, {c_string(", ".join(enum.values))}'


def base64_rule(rule, rules):
    """Lengths of base64 text bound it before it is decoded."""
    plain = StringType(rule.min_length, rule.max_length)
    return rules.string(plain)


def read_value(kind, required, target, field, source, rules, indent):
    """Statements that read `source` into target->field; `ok` is set."""
    pad = ' ' * indent
    to = f'{target}{field}'
    has = '' if required else f'{pad}{target}has_{field.removesuffix("_ms")} = true;\n'
    if isinstance(kind, StringType):
        return f'{pad}ok = decode_string(d, {source}, {rules.string(kind)}, &{to});\n'
    if isinstance(kind, BytesType):
        return (f'{pad}ok = decode_string(d, {source}, {base64_rule(kind.rule, rules)}, &{to}) &&\n'
                f'{pad}     decode_base64(d, {source}, UINT64_MAX, &{to});\n')
    if isinstance(kind, IntegerType):
        return has + f'{pad}ok = decode_integer(d, {source}, {rules.integer(kind)}, &{to});\n'
    if isinstance(kind, NumberType):
        return has + f'{pad}ok = decode_number(d, {source}, &{to});\n'
    if isinstance(kind, BoolType):
        return has + f'{pad}ok = decode_bool(d, {source}, &{to});\n'
    if isinstance(kind, TimeType):
        return has + f'{pad}ok = decode_time(d, {source}, &{to});\n'
    if isinstance(kind, RawType):
        check = f'decode_is_object(d, {source}) && ' if kind.object_only else ''
        return f'{pad}ok = {check}decode_raw(d, {source}, &{to});\n'
    if isinstance(kind, EnumType):
        return (f'{pad}ok = decode_enum(d, {source}, {rules.enum(kind)}, &word);\n'
                f'{pad}{to} = (enum api_{kind.name})word;\n')
    if isinstance(kind, PairsType):
        return (f'{pad}ok = decode_pairs(d, {source}, {rules.string(kind.rule)}, {kind.max_count}u, &{to},\n'
                f'{pad}                  &{to}_count);\n')
    if isinstance(kind, ObjectType) and required:
        return f'{pad}ok = api_read_{kind.name}(d, {source}, &{to});\n'
    if isinstance(kind, ObjectType):
        return (f'{pad}ok = decode_room(d, sizeof(struct api_{kind.name}), &room) &&\n'
                f'{pad}     api_read_{kind.name}(d, {source}, room);\n{pad}{to} = room;\n')
    if isinstance(kind, ArrayType):
        return f'{pad}ok = {array_reader(kind, rules)}(d, {source}, &{to}, &{to}_count);\n'
    raise TypeError(kind)


def array_reader(kind, rules):
    item = kind.item
    key = ('a', item_type(item), kind.min_items, kind.max_items, repr(item) if isinstance(item, StringType) else '')
    if key in rules.known:
        return rules.known[key]
    read = read_value(item, True, '', 'items[i]', '&value->items[i]', rules, 16)
    name = rules.known[key] = f'read_array_{len(rules.known)}'
    word = '        int word;\n' if isinstance(item, EnumType) else ''
    rules.text.append(f'''static bool {name}(struct decoder *d, const struct json *value, const {item_type(item)} **ret_items,
        size_t *ret_count)
{{
        const struct decode_place *outer = d->place;
        {item_type(item)} *items;
        void *room;
{word}
        if (!decode_array(d, value, {kind.min_items}u, {kind.max_items}u, sizeof({item_type(item)}), &room, ret_count))
                return false;
        items = room;
        for (size_t i = 0; i < *ret_count; i++) {{
                struct decode_place here = {{outer, STR_NULL, i}};
                bool ok;

                d->place = &here;
{read}                d->place = outer;
                if (!ok)
                        return false;
        }}
        *ret_items = items;
        return true;
}}

''')
    return name


def key_switch(names):
    """Statements that give the index of `key` among the names."""
    out = ['        switch (key.len) {\n']
    for length in sorted({len(n) for n in names}):
        out.append(f'        case {length}:\n')
        for i, name in enumerate(names):
            if len(name) == length:
                out.append(f'                if (memcmp(key.ptr, {c_string(name)}, {length}) == 0)\n'
                           f'                        return {i};\n')
        out.append('                break;\n')
    out.append('        }\n        return -1;\n')
    return ''.join(out)


def reader(obj, rules):
    name, props = obj.name, obj.properties
    cases, uses = [], set()
    for i, prop in enumerate(props):
        text = read_value(prop.type, inline(prop), 'ret->', prop.field, 'value', rules, 16)
        if prop.nullable:
            text = '                if (value->type == JSON_NULL)\n                        break;\n' + text
        cases.append(f'        case {i}:\n{text}                break;\n')
        uses |= {'word'} if isinstance(prop.type, EnumType) else set()
        uses |= {'room'} if isinstance(prop.type, ObjectType) and not inline(prop) else set()
    required = sum(1 << i for i, p in enumerate(props) if p.required)
    local = ('        int word;\n' if 'word' in uses else '') + ('        void *room;\n' if 'room' in uses else '')
    names = ', '.join(c_string(p.name) for p in props)
    missing = f'''        if ((seen & {required}u) != {required}u)
                return decode_missing(d, names, {required}u & ~seen);
''' if required else ''
    table = f'        static const char *const names[] = {{{names}}};\n' if required else ''
    seen = ('        uint64_t seen = 0;\n', '                seen |= (uint64_t)1 << key;\n') if required else ('', '')
    return f'''static int key_{name}(struct str key)
{{
{key_switch([p.name for p in props])}}}

static bool member_{name}(struct decoder *d, int key, const struct json *value, struct api_{name} *ret)
{{
        bool ok = true;
{local}
        switch (key) {{
{''.join(cases)}        }}
        return ok;
}}

bool api_read_{name}(struct decoder *d, const struct json *value, struct api_{name} *ret)
{{
{table}        const struct decode_place *outer = d->place;
{seen[0]}
        memset(ret, 0, sizeof(*ret));
        if (!decode_is_object(d, value))
                return false;
        for (uint32_t i = 0; i < value->count; i++) {{
                const struct json_member *member = &value->members[i];
                struct decode_place here = {{outer, member->key, 0}};
                int key = key_{name}(member->key);
                bool ok;

                if (key < 0) {{
                        if (!decode_unknown(d, member->key))
                                return false;
                        continue;
                }}
                d->place = &here;
                ok = member_{name}(d, key, &member->value, ret);
                d->place = outer;
                if (!ok)
                        return false;
{seen[1]}        }}
{missing}        return true;
}}

bool api_parse_{name}(struct arena *arena, struct str text, struct api_{name} *ret, struct err *err)
{{
        struct decoder d = {{.arena = arena, .err = err, .tolerant = true}};
        struct json value;

        return json_parse(arena, text, &value, err) && api_read_{name}(&d, &value, ret);
}}

'''


def decode_c(contract):
    rules = Rules()
    bodies = []
    for obj in sorted(contract.objects.values(), key=lambda o: o.order):
        start = len(rules.text)
        body = reader(obj, rules)
        # The rules that this reader brought stand before it: array readers call readers above them.
        bodies += rules.text[start:] + ['\n', body]
    return HEAD + '#include "api/api_types.h"\n\n' + ''.join(bodies)


# ---- writers

def write_value(kind, required, to, indent):
    """Statements that append the value `to`."""
    pad = ' ' * indent
    if isinstance(kind, StringType):
        return f'{pad}json_append_string(buf, {to});\n'
    if isinstance(kind, BytesType):
        return f'{pad}encode_base64(buf, {to});\n'
    if isinstance(kind, IntegerType):
        return f'{pad}buf_append_i64(buf, {to});\n'
    if isinstance(kind, NumberType):
        return f'{pad}json_append_double(buf, {to});\n'
    if isinstance(kind, BoolType):
        return f'{pad}encode_bool(buf, {to});\n'
    if isinstance(kind, TimeType):
        return f'{pad}encode_time(buf, {to});\n'
    if isinstance(kind, EnumType):
        return f'{pad}encode_word(buf, api_{kind.name}_name({to}));\n'
    if isinstance(kind, RawType):
        return f'{pad}encode_raw(buf, &{to});\n'
    if isinstance(kind, PairsType):
        return f'{pad}encode_pairs(buf, {to}, {to}_count);\n'
    if isinstance(kind, ObjectType):
        return f'{pad}api_write_{kind.name}(buf, {"&" if required else ""}{to});\n'
    if isinstance(kind, ArrayType):
        item = write_value(kind.item, True, f'{to}[i]', indent + 16)
        return (f'{pad}buf_append_char(buf, \'[\');\n{pad}for (size_t i = 0; i < {to}_count; i++) {{\n'
                f'{pad}        if (i > 0)\n{pad}                buf_append_char(buf, \',\');\n'
                + item.replace(pad + ' ' * 16, pad + ' ' * 8) +
                f'{pad}}}\n{pad}buf_append_char(buf, \']\');\n')
    raise TypeError(kind)


def is_present(kind, target, field):
    if isinstance(kind, (IntegerType, NumberType, BoolType, TimeType)):
        return f'{target}has_{field.removesuffix("_ms")}'
    if isinstance(kind, (StringType, BytesType)):
        return f'{target}{field}.ptr'
    if isinstance(kind, RawType):
        return f'({target}{field}.value || {target}{field}.text.ptr)'
    if isinstance(kind, EnumType):
        return f'{target}{field} != 0'
    return f'{target}{field}'


def writer(obj):
    out = [f'void api_write_{obj.name}(struct buf *buf, const struct api_{obj.name} *value)\n{{\n']
    certain, uncertain = False, any(not inline(p) for p in obj.properties)
    body = []
    if not obj.properties:
        return ''.join(out) + '        (void)value;\n        buf_append(buf, "{}", 2);\n}\n\n'
    flag = False
    for i, prop in enumerate(obj.properties):
        key = json.dumps(prop.name) + ':'
        lead = '{' if i == 0 else ','
        present = is_present(prop.type, 'value->', prop.field)
        text = write_value(prop.type, inline(prop), f'value->{prop.field}', 8 if prop.required else 16)
        if prop.required:
            if i > 0 and not certain:
                flag = True
                body.append('        buf_append_char(buf, comma);\n')
                body.append(f'        buf_append(buf, {c_string(key)}, {len(key)});\n')
            else:
                body.append(f'        buf_append(buf, {c_string(lead + key)}, {len(key) + 1});\n')
            if prop.nullable:
                text = write_value(prop.type, False, f'value->{prop.field}', 16)
                body.append(f'        if ({present}) {{\n{text}        }} else {{\n'
                            '                buf_append(buf, "null", 4);\n        }\n')
            else:
                body.append(text)
            certain = True
            continue
        if certain:
            head = f'                buf_append(buf, {c_string("," + key)}, {len(key) + 1});\n'
        else:
            flag = True
            head = (f'                buf_append_char(buf, comma);\n                comma = \',\';\n'
                    f'                buf_append(buf, {c_string(key)}, {len(key)});\n')
        body.append(f'        if ({present}) {{\n{head}{text}        }}\n')
    if flag:
        out.append('        char comma = \'{\';\n\n')
    out += body
    if not certain and uncertain:
        out.append('        if (comma == \'{\')\n                buf_append_char(buf, \'{\');\n')
    out.append('        buf_append_char(buf, \'}\');\n}\n\n')
    return ''.join(out)


def encode_c(contract):
    return (HEAD + '#include "api/api_types.h"\n#include "api/encode.h"\n#include "base/json_write.h"\n\n' +
            ''.join(writer(o) for o in sorted(contract.objects.values(), key=lambda o: o.order)))
