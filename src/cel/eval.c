/* SPDX-License-Identifier: Apache-2.0 */
#include "cel/eval.h"

#include "cel/ast.h"
#include "cel/env.h"

enum { FEW_ARGUMENTS = 4, FEW_LOCALS = 8 };

/* ---- Errors as values ---- */

/* Where a fresh error came from, and for a missing overload the kinds that met there. */
static struct cel_value place_error(struct cel_value error, uint32_t index, const struct cel_value *args,
                                    uint32_t count)
{
        if (error.len != 0)
                return error;
        error.len = index + 1;
        if (error.failure == &failure_overload)
                for (uint32_t i = 0; i < count && i < 4; i++)
                        error.reserved |= (uint16_t)(args[i].kind << 4 * i);
        return error;
}

/* ---- Operations ---- */

static struct cel_value eval_variable(struct cel_call *call, uint32_t index, uint32_t slot)
{
        const struct cel_activation *activation = call->activation;
        struct cel_value value = {0};

        if (call->fetched && call->fetched[slot].kind != CEL_UNSET)
                return call->fetched[slot];
        if (activation && activation->fetch) {
                uint32_t count = call->program->variables;

                if (!call->fetched)
                        call->fetched = eval_alloc(call, count, sizeof(*call->fetched));
                if (!call->fetched)
                        return eval_stopped();
                value = activation->fetch(activation->data, call, slot);
                if (is_error(value))
                        return place_error(value, index, NULL, 0);
                call->fetched[slot] = value;
        }
        if (value.kind == CEL_UNSET)
                value = place_error(cel_fail(call, "the variable has no value here"), index, NULL, 0);
        return value;
}

static struct cel_value eval_unknown(struct cel_call *call, uint32_t index)
{
        const struct op *op = &call->ops[index];

        return place_error(cel_fail(call, "undeclared reference to \"%.*s\"", STR_ARG(cel_text(op->value))),
                           index, NULL, 0);
}

/* The commonest comparison by far, without the detour; costs what value_equal charges. */
static inline struct cel_value equal_texts(struct cel_call *call, struct cel_value a, struct cel_value b)
{
        if (a.len != b.len)
                return cel_bool(false);
        call->cost += 1 + (a.len + 15u) / 16;
        if (call->cost > call->limit)
                return eval_stop(call, ERR_COST_EXCEEDED);
        return cel_bool(a.len == 0 || memcmp(a.bytes, b.bytes, a.len) == 0);
}

static NOINLINE struct cel_value eval_binary(struct cel_call *call, uint32_t index)
{
        const struct op *op = &call->ops[index];
        struct cel_value args[2];
        struct cel_value result;

        args[0] = eval_op(call, op->a);
        if (is_error(args[0]))
                return args[0];
        args[1] = eval_op(call, op->b);
        if (is_error(args[1]))
                return args[1];
        if (op->code <= OP_INDEX_OPTIONAL)
                result = op->code == OP_INDEX ? index_value(call, args[0], args[1])
                                              : select_optional(call, args[0], args[1]);
        else if (op->code == OP_EQ && args[0].kind == CEL_STRING && args[1].kind == CEL_STRING)
                return equal_texts(call, args[0], args[1]);
        else
                result = operate(call, op->code, args[0], args[1]);
        return is_error(result) ? place_error(result, index, args, 2) : result;
}

/* A member of a small object; NULL: none. Most keys differ in length or first character. */
static inline const struct json *find_member(const struct json *object, struct cel_value key)
{
        for (uint32_t i = 0; i < object->count; i++) {
                const struct json_member *m = &object->members[i];

                if (m->key.len == key.len && (key.len == 0 || (m->key.ptr[0] == key.bytes[0] &&
                                                               memcmp(m->key.ptr, key.bytes, key.len) == 0)))
                        return &m->value;
        }
        return NULL;
}

static NOINLINE struct cel_value eval_select(struct cel_call *call, uint32_t index)
{
        const struct op *op = &call->ops[index];
        struct cel_value operand = eval_op(call, op->a);
        struct cel_value result;

        if (is_error(operand))
                return operand;
        if (operand.kind == CEL_MAP && operand.form == CEL_FORM_JSON && operand.len <= 16) {
                const struct json *found = find_member(operand.json, op->value);

                if (found)
                        return cel_json(found);
        }
        result = select_field(call, operand, op->value);
        return is_error(result) ? place_error(result, index, &operand, 1) : result;
}

static NOINLINE struct cel_value eval_unary(struct cel_call *call, uint32_t index)
{
        const struct op *op = &call->ops[index];
        struct cel_value operand = eval_op(call, op->a);
        struct cel_value result;

        if (is_error(operand))
                return operand;
        switch ((enum op_code)op->code) {
        case OP_SELECT_OPTIONAL:
                result = select_optional(call, operand, op->value);
                break;
        case OP_HAS:
                result = has_field(call, operand, op->value);
                break;
        case OP_MATCHES:
                if (operand.kind != CEL_STRING)
                        result = error_value(&failure_overload);
                else if (!cel_charge(call, (operand.len / 16 + 1) * op->regex_cost))
                        result = eval_stopped();
                else
                        result = cel_bool(regex_found(op->regex, operand.bytes, operand.len));
                break;
        default:
                result = operate(call, op->code, operand, operand);
                break;
        }
        return is_error(result) ? place_error(result, index, &operand, 1) : result;
}

/* langdef "Logical Operators": one decisive value wins over any error, in any order. */
static NOINLINE struct cel_value eval_logical(struct cel_call *call, uint32_t index)
{
        const struct op *op = &call->ops[index];
        bool decisive = op->code == OP_OR;
        struct cel_value error = {0};

        for (uint32_t i = 0; i < op->count; i++) {
                struct cel_value value = eval_op(call, call->operands[op->a + i]);

                if (call->stopped)
                        return eval_stopped();
                if (value.kind == CEL_BOOL) {
                        if (value.boolean == decisive)
                                return value;
                } else if (error.kind == CEL_UNSET) {
                        error = is_error(value)
                                        ? value
                                        : place_error(error_value(&failure_overload), index, &value, 1);
                }
        }
        return error.kind == CEL_UNSET ? cel_bool(!decisive) : error;
}

static struct cel_value eval_condition(struct cel_call *call, uint32_t index)
{
        const struct op *op = &call->ops[index];
        struct cel_value value = eval_op(call, call->operands[op->a]);

        if (is_error(value))
                return value;
        if (value.kind != CEL_BOOL)
                return place_error(error_value(&failure_overload), index, &value, 1);
        return eval_op(call, call->operands[op->a + (value.boolean ? 1 : 2)]);
}

/* The item of an entry marked with '?': CEL_UNSET when there is none. */
static struct cel_value unwrap_item(struct cel_call *call, uint32_t index, struct cel_value value)
{
        if (is_error(value))
                return value;
        if (value.kind != CEL_OPTIONAL)
                return place_error(cel_fail(call,
                                            "an entry marked with '?' needs an optional value, not %.*s",
                                            STR_ARG(cel_type_name(value))),
                                   index, NULL, 0);
        return value.optional ? *value.optional : (struct cel_value){0};
}

static NOINLINE struct cel_value eval_list(struct cel_call *call, uint32_t index)
{
        const struct op *op = &call->ops[index];
        struct cel_value *items = eval_alloc(call, op->count, sizeof(*items));
        uint32_t count = 0;

        if (!items)
                return eval_stopped();
        for (uint32_t i = 0; i < op->count; i++) {
                uint32_t operand = call->operands[op->a + i];
                struct cel_value value = eval_op(call, operand & ~OPERAND_OPTIONAL);

                if (operand & OPERAND_OPTIONAL)
                        value = unwrap_item(call, index, value);
                if (is_error(value))
                        return value;
                if (value.kind != CEL_UNSET)
                        items[count++] = value;
        }
        return cel_list(items, count);
}

/* The entries of a map or struct literal. False: *ret_error. */
static bool eval_entries(struct cel_call *call, uint32_t index, struct cel_entry **ret_entries,
                         uint32_t *ret_count, struct cel_value *ret_error)
{
        const struct op *op = &call->ops[index];
        struct cel_entry *entries = eval_alloc(call, op->count / 2, sizeof(*entries));
        uint32_t count = 0;

        *ret_error = eval_stopped();
        for (uint32_t i = 0; entries && i < op->count; i += 2) {
                uint32_t operand = call->operands[op->a + i];
                struct cel_value key = eval_op(call, operand & ~OPERAND_OPTIONAL);
                struct cel_value value;

                *ret_error = key;
                if (is_error(key))
                        return false;
                value = eval_op(call, call->operands[op->a + i + 1]);
                if (operand & OPERAND_OPTIONAL)
                        value = unwrap_item(call, index, value);
                *ret_error = value;
                if (is_error(value))
                        return false;
                if (value.kind != CEL_UNSET)
                        entries[count++] = (struct cel_entry){key, value};
        }
        *ret_entries = entries;
        *ret_count = count;
        return entries != NULL;
}

static NOINLINE struct cel_value eval_map(struct cel_call *call, uint32_t index)
{
        struct cel_entry *entries;
        struct cel_value result;
        uint32_t count;

        if (!eval_entries(call, index, &entries, &count, &result))
                return result;
        result = call->ops[index].code == OP_MAP
                         ? map_from_entries(call, entries, count)
                         : wellknown_make(call, cel_text(call->ops[index].value), entries, count);
        return is_error(result) ? place_error(result, index, NULL, 0) : result;
}

/* A function of a host may have overloads by type: the first that takes the values. */
static struct cel_value dispatch(struct cel_call *call, const struct op *op, const struct cel_value *args)
{
        bool unbound = false;

        for (const struct overload *o = op->overloads->overloads; o; o = o->next) {
                uint32_t i = 0;

                if (o->member != (bool)op->flags || o->count != op->count)
                        continue;
                while (i < o->count && type_takes(o->params[i], args[i]))
                        i++;
                if (i < o->count)
                        continue;
                unbound = !o->function;
                if (unbound)
                        continue;
                if (!cel_charge(call, o->cost))
                        return eval_stopped();
                return o->function(call, args, op->count, o->data);
        }
        return unbound ? cel_fail(call, "unbound function \"%.*s\"", STR_ARG(op->overloads->name))
                       : error_value(&failure_overload);
}

static NOINLINE struct cel_value eval_call(struct cel_call *call, uint32_t index)
{
        const struct op *op = &call->ops[index];
        struct cel_value args[FEW_ARGUMENTS];
        struct cel_value *all = args;
        struct cel_value result;

        if (op->count > FEW_ARGUMENTS) {
                all = eval_alloc(call, op->count, sizeof(*all));
                if (!all)
                        return eval_stopped();
        }
        for (uint32_t i = 0; i < op->count; i++) {
                all[i] = eval_op(call, call->operands[op->a + i]);
                if (is_error(all[i]))
                        return all[i];
        }
        result =
                op->code == OP_CALL ? op->function(call, all, op->count, op->data) : dispatch(call, op, all);
        return is_error(result) ? place_error(result, index, all, op->count) : result;
}

static struct cel_value eval_bind(struct cel_call *call, const struct op *op)
{
        struct cel_value value = eval_op(call, op->a);

        if (is_error(value))
                return value;
        call->locals[op->c] = value;
        return eval_op(call, op->b);
}

/* Values are computed when they are first asked for: each at most once, and unused ones never. */
static struct cel_value eval_block(struct cel_call *call, const struct op *op)
{
        uint32_t values = op->count - 1u;

        for (uint32_t i = 0; i < values; i++)
                call->locals[op->c + i] =
                        (struct cel_value){.kind = CEL_UNSET, .len = call->operands[op->a + i]};
        return eval_op(call, call->operands[op->a + values]);
}

static struct cel_value eval_local(struct cel_call *call, uint32_t slot)
{
        struct cel_value value = call->locals[slot];

        if (value.kind == CEL_UNSET) {
                value = eval_op(call, value.len);
                call->locals[slot] = value;
        }
        return value;
}

static NOINLINE struct cel_value eval_opt_map(struct cel_call *call, uint32_t index)
{
        const struct op *op = &call->ops[index];
        struct cel_value value = eval_op(call, op->a);

        if (is_error(value))
                return value;
        if (value.kind != CEL_OPTIONAL)
                return place_error(error_value(&failure_overload), index, &value, 1);
        if (!value.optional)
                return value;
        call->locals[op->c] = *value.optional;
        value = eval_op(call, op->b);
        if (is_error(value))
                return value;
        if (!op->flags)
                return optional_of(call, value);
        return value.kind == CEL_OPTIONAL ? value
                                          : place_error(error_value(&failure_overload), index, &value, 1);
}

static NOINLINE struct cel_value eval_opt_or(struct cel_call *call, uint32_t index)
{
        const struct op *op = &call->ops[index];
        struct cel_value value = eval_op(call, op->a);

        if (is_error(value))
                return value;
        if (value.kind != CEL_OPTIONAL)
                return place_error(error_value(&failure_overload), index, &value, 1);
        if (value.optional)
                return op->flags ? *value.optional : value;
        value = eval_op(call, op->b);
        if (!op->flags && !is_error(value) && value.kind != CEL_OPTIONAL)
                return place_error(error_value(&failure_overload), index, &value, 1);
        return value;
}

static inline struct cel_value run(struct cel_call *call, uint32_t index)
{
        const struct op *op = &call->ops[index];
        struct cel_value value;

        if (op->code == OP_LITERAL)
                return op->value;
        if (++call->cost > call->limit)
                return eval_stop(call, ERR_COST_EXCEEDED);
        switch ((enum op_code)op->code) {
        case OP_VARIABLE:
                if (op->a < call->value_count && call->values[op->a].kind != CEL_UNSET)
                        return call->values[op->a];
                return eval_variable(call, index, op->a);
        case OP_LOCAL:
                return eval_local(call, op->a);
        case OP_UNKNOWN:
                return eval_unknown(call, index);
        case OP_SELECT:
                return eval_select(call, index);
        case OP_SELECT_OPTIONAL:
        case OP_HAS:
        case OP_NEG:
        case OP_NOT:
        case OP_MATCHES:
                return eval_unary(call, index);
        case OP_AND:
        case OP_OR:
                return eval_logical(call, index);
        case OP_CONDITION:
                return eval_condition(call, index);
        case OP_LIST:
                return eval_list(call, index);
        case OP_MAP:
        case OP_STRUCT:
                return eval_map(call, index);
        case OP_CALL:
        case OP_DISPATCH:
                return eval_call(call, index);
        case OP_LOOP:
                value = eval_loop(call, op);
                return is_error(value) ? place_error(value, index, NULL, 0) : value;
        case OP_BIND:
                return eval_bind(call, op);
        case OP_BLOCK:
                return eval_block(call, op);
        case OP_OPT_MAP:
                return eval_opt_map(call, index);
        case OP_OPT_OR:
                return eval_opt_or(call, index);
        default:
                return eval_binary(call, index);
        }
}

struct cel_value eval_op(struct cel_call *call, uint32_t index)
{
        struct cel_value value = run(call, index);

        if (__builtin_expect(call->special, false)) {
                if (call->stopped)
                        return eval_stopped();
                trace_record(call->trace, index, value);
        }
        return value;
}

/* ---- Entry ---- */

static bool finish(struct cel_call *call, struct cel_eval *eval, struct cel_value value,
                   struct cel_value *ret, struct err *err)
{
        eval->cost = call->cost;
        if (call->stopped || is_error(value))
                return failure_report(call, value, err);
        *ret = value;
        return true;
}

bool cel_eval(const struct cel_program *program, struct cel_eval *eval, struct cel_value *ret,
              struct err *err)
{
        struct cel_value locals[FEW_LOCALS];
        struct cel_call call = {
                .program = program,
                .ops = program->ops,
                .operands = program->operands,
                .limit = eval->cost_limit ? eval->cost_limit : CEL_COST_DEFAULT,
                .special = eval->trace != NULL,
                .locals = locals,
                .arena = eval->arena,
                .activation = eval->activation,
                .trace = eval->trace,
        };

        if (eval->activation) {
                call.values = eval->activation->values;
                call.value_count = eval->activation->count;
        }
        if (program->locals > FEW_LOCALS) {
                call.locals = ARENA_ARRAY(eval->arena, struct cel_value, program->locals);
                if (!call.locals)
                        return arena_check(eval->arena, err);
        }
        return finish(&call, eval, eval_op(&call, program->root), ret, err);
}

bool cel_eval_bool(const struct cel_program *program, struct cel_eval *eval, bool *ret, struct err *err)
{
        struct cel_value value;

        if (!cel_eval(program, eval, &value, err))
                return false;
        if (value.kind != CEL_BOOL)
                return cel_message_at(err, ERR_EVALUATION, program->source, 0,
                                      "the condition yields %.*s, not a bool",
                                      STR_ARG(cel_type_name(value)));
        *ret = value.boolean;
        return true;
}
