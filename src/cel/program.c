/* SPDX-License-Identifier: Apache-2.0 */
/* From the checked tree to operations, with constants folded; then everything moves into one block. */
#include "cel/program.h"

#include "base/heap.h"
#include "cel/checker.h"
#include "cel/eval.h"

enum {
        COMPILE_MEMORY_MAX = 64 << 20,
        FOLD_COST_MAX = 2000,
        FOLD_SIZE_MAX = 1024,
};

struct emitter {
        struct arena *arena;
        struct cel_program program; /* arrays that grow, in the arena */
        uint32_t op_room;
        uint32_t operand_room;
        uint32_t operand_count;
        bool unchecked;
        struct err *err;
};

#define NO_OP UINT32_MAX

_Static_assert((int)CEL_NODES_MAX <= UINT16_MAX, "an operation counts its operands in 16 bits");

static uint32_t emit(struct emitter *e, struct node *node);

static uint32_t no_memory(struct emitter *e)
{
        err_set(e->err, ERR_NO_MEMORY, "no memory to compile the expression");
        return NO_OP;
}

static NOINLINE uint32_t add_op(struct emitter *e, const struct node *node, struct op op)
{
        struct cel_program *p = &e->program;

        if (p->op_count == e->op_room) {
                uint32_t room = e->op_room ? e->op_room * 2 : 64;
                struct op *ops = ARENA_ARRAY(e->arena, struct op, room);
                struct span *spans = ARENA_ARRAY(e->arena, struct span, room);

                if (!ops || !spans)
                        return no_memory(e);
                if (p->op_count > 0) {
                        memcpy(ops, p->ops, p->op_count * sizeof(*ops));
                        memcpy(spans, p->spans, p->op_count * sizeof(*spans));
                }
                p->ops = ops;
                p->spans = spans;
                e->op_room = room;
        }
        p->ops[p->op_count] = op;
        p->spans[p->op_count] = (struct span){node->start, node->end, node->position};
        return p->op_count++;
}

/* Room for `count` operands; the index of the first, or NO_OP. */
static uint32_t add_operands(struct emitter *e, uint32_t count)
{
        struct cel_program *p = &e->program;
        uint32_t first = e->operand_count;

        if (first + count > e->operand_room) {
                uint32_t room = (first + count) * 2;
                uint32_t *operands = ARENA_ARRAY(e->arena, uint32_t, room);

                if (!operands)
                        return no_memory(e);
                if (first > 0)
                        memcpy(operands, p->operands, first * sizeof(*operands));
                p->operands = operands;
                e->operand_room = room;
        }
        e->operand_count += count;
        return first;
}

/* ---- Folding ---- */

static bool is_constant(const struct emitter *e, uint32_t index)
{
        const struct op *op = &e->program.ops[index];

        switch ((enum op_code)op->code) {
        case OP_LITERAL:
        case OP_VARIABLE:
        case OP_LOCAL:
        case OP_UNKNOWN:
        case OP_STRUCT:
        case OP_DISPATCH:
        case OP_LOOP:
        case OP_BIND:
        case OP_BLOCK:
        case OP_OPT_MAP:
        case OP_OPT_OR:
                return false;
        default:
                break;
        }
        for (uint32_t i = 0; i < op_children(op); i++)
                if (e->program.ops[op_child(&e->program, op, i)].code != OP_LITERAL)
                        return false;
        return true;
}

/* The memory of a constant in the program's block, without its 16 bytes; SIZE_MAX: cannot be one. */
static size_t constant_size(struct cel_value value)
{
        size_t size = 0;
        size_t inner;

        switch ((enum cel_kind)value.kind) {
        case CEL_STRING:
        case CEL_BYTES:
                return value.len;
        case CEL_LIST:
                size = value.len * sizeof(struct cel_value);
                for (uint32_t i = 0; i < value.len; i++) {
                        inner = constant_size(value.items[i]);
                        size = inner == SIZE_MAX || size == SIZE_MAX ? SIZE_MAX : size + inner;
                }
                return size;
        case CEL_MAP:
                size = sizeof(struct cel_map) + value.len * sizeof(struct cel_entry) +
                       map_bucket_count(value.len) * sizeof(uint32_t);
                for (uint32_t i = 0; i < value.len; i++) {
                        inner = constant_size(value.map->entries[i].value);
                        size = inner == SIZE_MAX || size == SIZE_MAX ? SIZE_MAX : size + inner;
                        size = size == SIZE_MAX ? size : size + constant_size(value.map->entries[i].key);
                }
                return size;
        case CEL_OPTIONAL:
        case CEL_OPAQUE:
        case CEL_ERROR:
        case CEL_UNSET:
                return SIZE_MAX;
        default:
                return 0;
        }
}

/* Evaluates a constant operation now; one that fails stays, to fail when it is reached. */
static NOINLINE void fold(struct emitter *e, uint32_t index, uint32_t first_op, uint32_t first_operand)
{
        struct cel_program *p = &e->program;
        struct cel_call call = {.program = p,
                                .ops = p->ops,
                                .operands = p->operands,
                                .limit = FOLD_COST_MAX,
                                .arena = e->arena};
        struct cel_value value;
        struct span span = p->spans[index];

        if (!is_constant(e, index))
                return;
        value = eval_op(&call, index);
        if (call.stopped || is_error(value) || constant_size(value) > FOLD_SIZE_MAX)
                return;
        for (uint32_t i = first_op; i <= index; i++)
                if (p->ops[i].code == OP_MATCHES)
                        regex_free(p->ops[i].regex);
        p->ops[first_op] = (struct op){.code = OP_LITERAL, .value = value};
        p->spans[first_op] = span;
        p->op_count = first_op + 1;
        e->operand_count = first_operand;
}

/* ---- Nodes ---- */

static NOINLINE uint32_t emit_list(struct emitter *e, struct node *node, struct op op)
{
        uint32_t first = add_operands(e, node->count);
        uint32_t child;

        if (first == NO_OP)
                return NO_OP;
        for (uint32_t i = 0; i < node->count; i++) {
                child = emit(e, node->args[i]);
                if (child == NO_OP)
                        return NO_OP;
                e->program.operands[first + i] =
                        child | (node->args[i]->optional_item ? OPERAND_OPTIONAL : 0);
        }
        op.a = first;
        op.count = (uint16_t)node->count;
        return add_op(e, node, op);
}

static NOINLINE uint32_t emit_unary(struct emitter *e, struct node *node, struct op op)
{
        op.a = emit(e, node->args[0]);
        return op.a == NO_OP ? NO_OP : add_op(e, node, op);
}

static NOINLINE uint32_t emit_binary(struct emitter *e, struct node *node, enum op_code code, uint32_t slot)
{
        struct op op = {.code = (uint8_t)code,
                        .flags = code == OP_OPT_OR ? node->name.len > 2 : node->optional};

        op.a = emit(e, node->args[0]);
        if (op.a == NO_OP)
                return NO_OP;
        op.b = emit(e, node->args[1]);
        op.c = slot;
        return op.b == NO_OP ? NO_OP : add_op(e, node, op);
}

static bool operator_code(struct str name, enum op_code *ret)
{
        static const struct {
                const char *name;
                enum op_code code;
        } operators[] = {
                {"_==_", OP_EQ}, {"_!=_", OP_NE}, {"_<_", OP_LT},  {"_<=_", OP_LE}, {"_>_", OP_GT},
                {"_>=_", OP_GE}, {"@in", OP_IN},  {"_+_", OP_ADD}, {"_-_", OP_SUB}, {"_*_", OP_MUL},
                {"_/_", OP_DIV}, {"_%_", OP_MOD}, {"-_", OP_NEG},  {"!_", OP_NOT},
        };

        if (name.ptr[0] != '_' && name.ptr[0] != '@' && name.ptr[0] != '-' && name.ptr[0] != '!')
                return false;
        for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
                if (str_is(name, operators[i].name)) {
                        *ret = operators[i].code;
                        return true;
                }
        }
        return false;
}

/* x.matches("…"): the pattern is compiled once. */
static NOINLINE uint32_t emit_matches(struct emitter *e, struct node *node, const struct overload *overload)
{
        struct str pattern = cel_text(node->args[1]->literal);
        struct op op = {.code = OP_MATCHES};
        char why[100];
        uint32_t index;

        op.regex = regex_new(pattern.ptr, pattern.len, why, sizeof(why));
        if (!op.regex && e->unchecked)
                return emit_list(e, node, (struct op){.code = OP_CALL, .function = overload->function});
        if (!op.regex) {
                cel_message_at(e->err, ERR_EXPRESSION, e->program.source, node->args[1]->start,
                               "the regular expression is not valid: %s", why);
                return NO_OP;
        }
        op.regex_cost = regex_cost(op.regex);
        index = emit_unary(e, node, op);
        if (index == NO_OP)
                regex_free(op.regex);
        return index;
}

/* The built-in function that takes so many arguments in this style; all its overloads share it. */
static const struct overload *builtin_overload(const struct function *function, const struct node *node)
{
        for (const struct overload *o = function->overloads; o; o = o->next)
                if (o->member == node->member && o->count == node->count)
                        return o;
        return NULL;
}

static NOINLINE uint32_t emit_unknown(struct emitter *e, struct node *node)
{
        struct op op = {.code = OP_UNKNOWN, .value = cel_string(node->name)};

        return add_op(e, node, op);
}

static NOINLINE uint32_t emit_call(struct emitter *e, struct node *node)
{
        const struct overload *overload;
        enum op_code code;

        if (operator_code(node->name, &code)) {
                if (node->count == 1)
                        return emit_unary(e, node, (struct op){.code = (uint8_t)code});
                return emit_binary(e, node, code, 0);
        }
        if (!node->function)
                return emit_unknown(e, node);
        if (node->function->host)
                return emit_list(e, node,
                                 (struct op){.code = OP_DISPATCH,
                                             .flags = node->member,
                                             .overloads = node->function});
        overload = builtin_overload(node->function, node);
        if (str_is(node->name, "matches") && node->count == 2 && node->args[1]->kind == NODE_LITERAL &&
            node->args[1]->literal.kind == CEL_STRING)
                return emit_matches(e, node, overload);
        if (overload && node->member && node->count == 2 &&
            (str_is(node->name, "or") || str_is(node->name, "orValue")))
                return emit_binary(e, node, OP_OPT_OR, 0);
        if (str_is(node->name, "dyn") && overload)
                return emit(e, node->args[0]);
        return emit_list(
                e, node,
                (struct op){.code = OP_CALL, .function = overload ? overload->function : overload_missing});
}

static NOINLINE uint32_t emit_select(struct emitter *e, struct node *node)
{
        enum op_code code = node->test ? OP_HAS : node->optional ? OP_SELECT_OPTIONAL : OP_SELECT;

        return emit_unary(e, node, (struct op){.code = (uint8_t)code, .value = cel_string(node->name)});
}

static NOINLINE uint32_t emit_bound(struct emitter *e, struct node *node)
{
        switch ((enum bound_kind)node->bound) {
        case BOUND_VARIABLE:
                return add_op(e, node, (struct op){.code = OP_VARIABLE, .a = node->slot});
        case BOUND_LOCAL:
                return add_op(e, node, (struct op){.code = OP_LOCAL, .a = node->slot});
        case BOUND_TYPE:
                return add_op(e, node, (struct op){.code = OP_LITERAL, .value = node->literal});
        default:
                return emit_unknown(e, node);
        }
}

static NOINLINE uint32_t emit_node(struct emitter *e, struct node *node)
{
        uint8_t flags;

        if (node->kind == NODE_IDENT || node->bound)
                return emit_bound(e, node);
        switch ((enum node_kind)node->kind) {
        case NODE_LITERAL:
                return add_op(e, node, (struct op){.code = OP_LITERAL, .value = node->literal});
        case NODE_SELECT:
                return emit_select(e, node);
        case NODE_CALL:
                return emit_call(e, node);
        case NODE_INDEX:
                return emit_binary(e, node, node->optional ? OP_INDEX_OPTIONAL : OP_INDEX, 0);
        case NODE_AND:
                return emit_list(e, node, (struct op){.code = OP_AND});
        case NODE_OR:
                return emit_list(e, node, (struct op){.code = OP_OR});
        case NODE_CONDITION:
                return emit_list(e, node, (struct op){.code = OP_CONDITION});
        case NODE_LIST:
                return emit_list(e, node, (struct op){.code = OP_LIST});
        case NODE_MAP:
                return emit_list(e, node, (struct op){.code = OP_MAP});
        case NODE_STRUCT:
                return emit_list(e, node, (struct op){.code = OP_STRUCT, .value = cel_string(node->name)});
        case NODE_COMPREHENSION:
                flags = (uint8_t)(node->loop | (node->name2.len > 0 ? LOOP_TWO : 0));
                return emit_list(e, node, (struct op){.code = OP_LOOP, .flags = flags, .c = node->slot});
        case NODE_BIND:
                return emit_binary(e, node, OP_BIND, node->slot);
        case NODE_BLOCK:
                return emit_list(e, node, (struct op){.code = OP_BLOCK, .c = node->slot});
        case NODE_OPT_MAP:
                return emit_binary(e, node, OP_OPT_MAP, node->slot);
        default:
                return NO_OP;
        }
}

static uint32_t emit(struct emitter *e, struct node *node)
{
        uint32_t first_op = e->program.op_count;
        uint32_t first_operand = e->operand_count;
        uint32_t index = emit_node(e, node);

        if (index != NO_OP) {
                fold(e, index, first_op, first_operand);
                index = e->program.op_count - 1;
        }
        return index;
}

/* ---- Entry ---- */

static void free_regexes(struct cel_program *program)
{
        for (uint32_t i = 0; i < program->op_count; i++)
                if (program->ops[i].code == OP_MATCHES)
                        regex_free(program->ops[i].regex);
}

static bool check_result(const struct cel_options *options, struct checker *c, const struct node *root)
{
        BUF_SCOPED text;

        buf_init(&text, 4096);
        if (!options->result || unify_assignable(c, options->result, root->type))
                return true;
        buf_append_c(&text, "the expression must yield ");
        cel_type_append(&text, options->result);
        buf_append_c(&text, ", not ");
        cel_type_append(&text, root->type);
        return cel_message_at(c->err, ERR_EXPRESSION, c->source, root->position, "%.*s",
                              STR_ARG(buf_str(&text)));
}

static bool compile_in(struct arena *arena, const struct cel_env *env, struct str source,
                       const struct cel_options *options, struct cel_program **ret, struct err *err)
{
        struct node *root;
        struct checker checker = {
                .env = env, .arena = arena, .source = source, .unchecked = options->unchecked, .err = err};
        struct emitter e = {.arena = arena, .unchecked = options->unchecked, .err = err};
        BUF_SCOPED type;

        buf_init(&type, 65536);
        if (!cel_parse(arena, source, options->no_macros, &root, err) || !cel_check(&checker, root) ||
            (!options->unchecked && !check_result(options, &checker, root)))
                return false;
        e.program.source = source;
        e.program.locals = checker.locals_most;
        e.program.variables = env->variable_count;
        e.program.root = emit(&e, root);
        if (e.program.root == NO_OP) {
                free_regexes(&e.program);
                return false;
        }
        cel_type_append(&type, root->type);
        *ret = program_seal(&e.program, e.operand_count, buf_str(&type), err);
        if (!*ret)
                free_regexes(&e.program);
        return *ret != NULL;
}

bool cel_compile(const struct cel_env *env, struct str source, const struct cel_options *options,
                 struct cel_program **ret, struct err *err)
{
        static const struct cel_options none;
        ARENA_SCOPED arena;
        uint32_t most;

        arena_init(&arena, COMPILE_MEMORY_MAX);
        *ret = NULL;
        options = options ? options : &none;
        most = options->source_max_bytes ? options->source_max_bytes : CEL_SOURCE_MAX_BYTES;
        if (source.len > most)
                return err_set(err, ERR_EXPRESSION, "the expression has %zu bytes; %u are allowed",
                               source.len, most);
        if (!compile_in(&arena, env, source, options, ret, err))
                /* A name that could not be written down looks like one that does not exist. */
                return arena_failed(&arena)
                               ? err_set(err, ERR_NO_MEMORY, "no memory to compile the expression")
                               : false;
        if (options->cost_max > 0 && (*ret)->cost.least > options->cost_max) {
                err_set(err, ERR_COST_EXCEEDED, "the expression costs at least %llu; %llu is allowed",
                        (unsigned long long)(*ret)->cost.least, (unsigned long long)options->cost_max);
                cel_program_free(*ret);
                *ret = NULL;
        }
        return *ret != NULL;
}

void cel_program_free(struct cel_program *program)
{
        if (!program)
                return;
        free_regexes(program);
        heap_free(program);
}
