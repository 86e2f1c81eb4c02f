# SPDX-License-Identifier: Apache-2.0
"""Writes the C of the contract's operations: inputs, handlers' prototypes, decoders, the route table and its tree."""
from apigen_emit import HEAD, Rules, c_string, declare, key_switch
from apigen_model import (BoolType, EnumType, IntegerType, Parameter, StringType, TimeType, PIPELINE_PATH)


def in_struct(op):
    body = ''.join(declare(p.field, p.type, p.required, ', ptr NULL: absent' if not p.required else '')
                   for p in op.parameters)
    if op.body:
        body += declare('body', op.body, op.body_required, '')
    elif op.body_media:
        body += '        struct str body; /* the bytes as they came */\n'
    return f'struct api_{op.id}_in {{\n{body or "        char unused;" + chr(10)}}};\n'


def out_param(op):
    if op.streams or not op.out_media:
        return ''
    return f'struct api_{op.out.name} *out, ' if op.out else 'struct api_text *out, '


def prototype(op):
    mark = 'FIBER_FN ' if op.transaction == 'none' else ''
    return (f'/* {op.method} {op.path} */\n{mark}bool {op.id}(struct request *req, const struct api_{op.id}_in *in, '
            f'{out_param(op)}struct err *err) MUST_USE;\n\n')


def handlers_h(contract):
    """All prototypes; those that are not written yet fail to link."""
    return (HEAD + '#pragma once\n\n#include "api/api_types.h"\n#include "api/request.h"\n#include "api/route.h"\n\n' +
            ''.join(in_struct(op) + prototype(op) for op in contract.operations))


# ---- decoders

def read_parameter(parameter, source, rules):
    kind, to = parameter.type, f'in->{parameter.field}'
    if isinstance(kind, StringType):
        return f'decode_parameter_string(d, {source}, {rules.string(kind)}, &{to})'
    if isinstance(kind, IntegerType):
        return f'decode_parameter_integer(d, {source}, {rules.integer(kind)}, &{to})'
    if isinstance(kind, BoolType):
        return f'decode_parameter_bool(d, {source}, &{to})'
    if isinstance(kind, TimeType):
        return f'decode_parameter_time(d, {source}, &{to})'
    if isinstance(kind, EnumType):
        return f'decode_parameter_enum(d, {source}, {rules.enum(kind)}, &word)'
    raise TypeError(kind)


def read_statements(parameter, source, rules, pad):
    out = [f'{pad}d->parameter = {c_string(parameter.name)};\n',
           f'{pad}if (!{read_parameter(parameter, source, rules)})\n{pad}        return false;\n']
    if isinstance(parameter.type, EnumType):
        out.append(f'{pad}in->{parameter.field} = (enum api_{parameter.type.name})word;\n')
    elif not parameter.required and not isinstance(parameter.type, StringType):
        out.append(f'{pad}in->has_{parameter.field.removesuffix("_ms")} = true;\n')
    return ''.join(out)


def query_reader(op, rules):
    query = [p for p in op.parameters if p.place == 'query']
    if not query and op.any_query:
        return '', ''
    if not query:
        return '', ('        if (call->query_count > 0) {\n'
                    '                return parameter_unknown(d, call->query[0].name);\n        }\n')
    cases = ''.join(f'        case {i}:\n{read_statements(p, "text", rules, " " * 16)}                return true;\n'
                    for i, p in enumerate(query))
    word = '        int word;\n\n' if any(isinstance(p.type, EnumType) for p in query) else ''
    required = sum(1 << i for i, p in enumerate(query) if p.required)
    check = ''
    if required:
        names = ', '.join(c_string(p.name) for p in query)
        check = (f'        if ((seen & {required}u) != {required}u) {{\n'
                 f'                static const char *const names[] = {{{names}}};\n\n'
                 f'                d->parameter = names[__builtin_ctzll({required}u & ~seen)];\n'
                 '                return parameter_missing(d);\n        }\n')
    helper = f'''static int query_key_{op.id}(struct str key)
{{
{key_switch([p.name for p in query])}}}

static bool query_{op.id}(struct decoder *d, int key, struct str text, struct api_{op.id}_in *in)
{{
{word}        switch (key) {{
{cases}        }}
        return true;
}}

'''
    unknown = 'continue' if op.any_query else 'return parameter_unknown(d, call->query[i].name)'
    use = f'''        for (size_t i = 0; i < call->query_count; i++) {{
                int key = query_key_{op.id}(call->query[i].name);

                if (key < 0)
                        {unknown};
                if (seen >> key & 1)
                        return parameter_repeated(d, call->query[i].name);
                seen |= (uint64_t)1 << key;
                if (!query_{op.id}(d, key, call->query[i].value, in))
                        return false;
        }}
{check}'''
    return helper, use


def decoder(op, rules):
    path = [p for p in op.parameters if p.place == 'path']
    headers = [p for p in op.parameters if p.place == 'header']
    helper, query = query_reader(op, rules)
    local = ['        uint64_t seen = 0;\n'] if 'seen' in query else []
    body = []
    if not op.parameters and not op.body_media:
        body.append('        (void)memory;\n')
    else:
        local.insert(0, f'        struct api_{op.id}_in *in = memory;\n')
    if any(isinstance(p.type, EnumType) for p in path + headers):
        local.append('        int word;\n')
    if path:
        body.append('        d->in_path = true;\n')
    for p in path:
        body.append(read_statements(p, f'call->path[{p.position}]', rules, ' ' * 8))
    if path:
        body.append('        d->in_path = false;\n')
    body.append(query)
    if headers:
        local.append('        struct str text;\n')
    for p in headers:
        body.append(f'        text = call->header(call->header_data, {c_string(p.name)});\n        if (text.ptr) {{\n'
                    f'{read_statements(p, "text", rules, " " * 16)}        }}')
        body.append(' else {\n                d->parameter = ' + c_string(p.name) +
                    ';\n                return parameter_missing(d);\n        }\n' if p.required else '\n')
    body.append('        d->parameter = NULL;\n')
    if op.body:
        local.append('        struct json value;\n')
        if not op.body_required:
            local.append('        void *room;\n')
            body.append('        if (!call->has_body)\n                return true;\n')
        body.append('        if (!json_parse(d->arena, call->body, &value, d->err))\n                return false;\n')
        if op.body_required:
            body.append(f'        return api_read_{op.body.name}(d, &value, &in->body);\n')
        else:
            body.append('        if (!decode_room(d, sizeof(*in->body), &room))\n                return false;\n'
                        f'        in->body = room;\n        return api_read_{op.body.name}(d, &value, room);\n')
    else:
        body.append('        in->body = call->body;\n' if op.body_media else '')
        body.append('        return true;\n')
    return f'''{helper}static bool decode_{op.id}(const struct api_call *call, struct decoder *d, void *memory)
{{
{''.join(local)}
{'' if 'call' in ''.join(body) else '        (void)call;' + chr(10)}{''.join(body)}}}

static bool handle_{op.id}(struct request *req, const void *in, void *out, struct err *err)
{{
        {'(void)out;' + chr(10) + '        ' if not out_param(op) else ''}return {op.id}(req, in, {'out, ' if out_param(op) else ''}err);
}}

''' + (f'''static void encode_{op.id}(struct buf *buf, const void *out)
{{
        api_write_{op.out.name}(buf, out);
}}

''' if op.out else '')


def permission(op):
    if op.permission in ('none', 'authenticated'):
        return f'API_PERMISSION_{op.permission.upper()}'
    return 'PERMISSION_' + op.permission.upper().replace('.', '_')


def row(index, op):
    out = f'struct api_{op.out.name}' if op.out else 'struct api_text'
    fields = {
        'index': index, 'operation': c_string(op.id), 'capability': c_string(op.tags[0] if op.tags else ''),
        'method': f'API_{op.method}', 'path': c_string(op.path), 'permission': permission(op),
        'scope': f'API_SCOPE_{op.scope.upper()}', 'transaction': f'API_TRANSACTION_{op.transaction.upper()}',
        'log': f'API_LOG_{op.log.upper()}', 'log_action': c_string(op.log_action),
        'idempotent': str(op.idempotent).lower(), 'body_required': str(op.body_required).lower(),
        'late': str(op.late).lower(), 'secrets': str(op.secrets).lower(),
        'streams': str(op.streams).lower(),
        'second_factor_s': f'{op.second_factor}u', 'oauth_errors': str(op.oauth_errors).lower(),
        'body_limit': f'{op.body_limit if op.body_media else 0}u',
        'body_media': c_string(op.body_media) if op.body_media else 'NULL', 'status': op.status,
        'reply_media': c_string(op.out_media) if op.out_media else 'NULL',
        'tenant_position': op.path_names.index('tenant') if 'tenant' in op.path_names else -1,
        'workspace_position': op.path_names.index('workspace') if 'workspace' in op.path_names else -1,
        'names_thing': str(any(p.place == 'path' and isinstance(p.type, StringType) and p.type.format == 'ID'
                               for p in op.parameters)).lower(),
        'in_size': f'sizeof(struct api_{op.id}_in)', 'out_size': f'sizeof({out})' if out_param(op) else 0,
        'decode': f'decode_{op.id}', 'handle': f'handle_{op.id}', 'encode': f'encode_{op.id}' if op.out else 'NULL',
    }
    return '        {' + ', '.join(f'.{k} = {v}' for k, v in fields.items()) + '},\n'


# ---- the tree

class Node:
    def __init__(self):
        self.literal, self.parameter, self.tail, self.routes = {}, None, None, {}


def tree(operations):
    root = Node()
    for index, op in enumerate(operations):
        node, segments = root, op.path.strip('/').split('/')
        for i, segment in enumerate(segments):
            if segment.startswith('{') and op.path_tail and i == len(segments) - 1:
                node.tail = node.tail or Node()
                node = node.tail
            elif segment.startswith('{'):
                node.parameter = node.parameter or Node()
                node = node.parameter
            elif '{' in segment:
                raise ValueError(f'{op.id}: a parameter must be a whole segment')
            else:
                node = node.literal.setdefault(segment, Node())
        if op.method in node.routes:
            raise ValueError(f'{op.id}: another operation has this path and method')
        node.routes[op.method] = index
    return root


def emit_node(node, name, out, counter):
    def child(one):
        if one is None:
            return 'NULL'
        counter[0] += 1
        inner = f'node_{counter[0]}'
        emit_node(one, inner, out, counter)
        return '&' + inner
    edges = [(s, child(n)) for s, n in node.literal.items()]
    parameter, tail = child(node.parameter), child(node.tail)
    table = 'NULL'
    if edges:
        table = f'{name}_edges'
        out.append(f'static const struct api_edge {table}[] = {{\n' +
                   ''.join(f'        {{{c_string(s)}, {len(s)}, {n}}},\n' for s, n in edges) + '};\n')
    routes = ', '.join(str(node.routes.get(m, -1)) for m in ('GET', 'POST', 'PUT', 'PATCH', 'DELETE'))
    storage = '' if name == 'api_root' else 'static '
    out.append(f'{storage}const struct api_node {name} = {{{table}, {len(edges)}, {parameter}, {tail}, '
               f'{{{routes}}}}};\n')


def routes_c(contract, operations):
    rules = Rules()
    bodies = [decoder(op, rules) for op in operations]
    nodes = []
    emit_node(tree(operations), 'api_root', nodes, [0])
    rows = ''.join(row(i, op) for i, op in enumerate(operations))
    return (HEAD + '#include "api/api_handlers.h"\n#include "api/api_permissions.h"\n\n' + ''.join(rules.text) + '\n' +
            ''.join(bodies) + f'const struct api_route api_routes[] = {{\n{rows}}};\n'
            'const size_t api_route_count = sizeof(api_routes) / sizeof(api_routes[0]);\n\n' + ''.join(nodes))
