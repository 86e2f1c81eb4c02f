/* SPDX-License-Identifier: Apache-2.0 */
/* Comprehensions. `all` and `exists` absorb errors as && and || do; the others do not. */
#include "cel/eval.h"

#include "cel/ast.h"

struct loop {
        struct cel_call *call;
        const struct op *op;
        struct cel_value range;
        uint32_t count;
        bool two;
        struct cel_value key; /* of the round: the index, or the map's key */
};

/* Sets the variables of round i. An error of a lazily fetched item comes back as it is. */
static struct cel_value begin_round(struct loop *loop, uint32_t i)
{
        struct cel_call *call = loop->call;
        struct cel_value *first = &call->locals[loop->op->c];

        if (!cel_charge(call, 1))
                return eval_stopped();
        if (loop->range.kind == CEL_LIST) {
                struct cel_value item = cel_at(call, loop->range, i);

                loop->key = cel_int(i);
                first[0] = loop->two ? loop->key : item;
                first[1] = item;
                return item;
        }
        if (loop->two || loop->range.form == CEL_FORM_NATIVE) {
                struct cel_entry entry = cel_entry_at(call, loop->range, i);

                loop->key = first[0] = entry.key;
                first[1] = entry.value;
                return entry.value;
        }
        loop->key = loop->range.form == CEL_FORM_JSON
                            ? cel_string(loop->range.json->members[i].key)
                            : cel_string(loop->range.host_map->key_at(loop->range.host_map, i));
        first[0] = loop->key;
        return loop->key;
}

static struct cel_value part(const struct loop *loop, uint32_t index)
{
        return eval_op(loop->call, loop->call->operands[loop->op->a + index]);
}

static struct cel_value not_bool(struct cel_value value)
{
        return is_error(value) ? value : error_value(&failure_overload);
}

static struct cel_value quantify(struct loop *loop, bool decisive)
{
        struct cel_value error = {0};

        for (uint32_t i = 0; i < loop->count; i++) {
                struct cel_value value = begin_round(loop, i);

                if (!is_error(value))
                        value = part(loop, 1);
                if (loop->call->stopped)
                        return eval_stopped();
                if (value.kind == CEL_BOOL) {
                        if (value.boolean == decisive)
                                return value;
                } else if (error.kind == CEL_UNSET) {
                        error = not_bool(value);
                }
        }
        return error.kind == CEL_UNSET ? cel_bool(!decisive) : error;
}

static struct cel_value exists_one(struct loop *loop)
{
        uint32_t found = 0;

        for (uint32_t i = 0; i < loop->count; i++) {
                struct cel_value value = begin_round(loop, i);

                if (!is_error(value))
                        value = part(loop, 1);
                if (value.kind != CEL_BOOL)
                        return not_bool(value);
                found += value.boolean;
        }
        return cel_bool(found == 1);
}

/* Whether the round counts, by the condition before the transformation. CEL_BOOL or an error. */
static struct cel_value wanted(struct loop *loop, uint32_t i)
{
        struct cel_value value = begin_round(loop, i);

        if (is_error(value) || (loop->op->count == 2 && (loop->op->flags & ~LOOP_TWO) != LOOP_FILTER))
                return is_error(value) ? value : cel_bool(true);
        value = part(loop, 1);
        return value.kind == CEL_BOOL ? value : not_bool(value);
}

static struct cel_value make_list(struct loop *loop, bool filter)
{
        struct cel_value *items = eval_alloc(loop->call, loop->count, sizeof(*items));
        uint32_t count = 0;

        if (!items)
                return eval_stopped();
        for (uint32_t i = 0; i < loop->count; i++) {
                struct cel_value value = wanted(loop, i);

                if (is_error(value))
                        return value;
                if (!value.boolean)
                        continue;
                value = filter ? loop->call->locals[loop->op->c] : part(loop, loop->op->count - 1u);
                if (is_error(value))
                        return value;
                items[count++] = value;
        }
        return cel_list(items, count);
}

static struct cel_value make_map(struct loop *loop)
{
        struct cel_entry *entries = eval_alloc(loop->call, loop->count, sizeof(*entries));
        uint32_t count = 0;

        if (!entries)
                return eval_stopped();
        for (uint32_t i = 0; i < loop->count; i++) {
                struct cel_value value = wanted(loop, i);

                if (!is_error(value) && !value.boolean)
                        continue;
                if (!is_error(value))
                        value = part(loop, loop->op->count - 1u);
                if (is_error(value))
                        return value;
                entries[count++] = (struct cel_entry){loop->key, value};
        }
        return map_from_entries(loop->call, entries, count);
}

/* Each round makes a map; their entries together are the result. */
static struct cel_value merge_maps(struct loop *loop)
{
        struct cel_entry *entries = NULL;
        uint32_t count = 0;
        uint32_t room = 0;

        for (uint32_t i = 0; i < loop->count; i++) {
                struct cel_value value = wanted(loop, i);
                uint32_t more;

                if (!is_error(value) && !value.boolean)
                        continue;
                if (!is_error(value))
                        value = part(loop, loop->op->count - 1u);
                if (value.kind != CEL_MAP)
                        return not_bool(value);
                more = cel_count(value);
                if (more > UINT32_MAX / 4 - count)
                        return cel_fail(loop->call, "the map would be too large");
                if (count + more > room) {
                        struct cel_entry *larger;

                        room = (count + more) * 2;
                        larger = eval_alloc(loop->call, room, sizeof(*larger));
                        if (!larger)
                                return eval_stopped();
                        if (count > 0)
                                memcpy(larger, entries, count * sizeof(*larger));
                        entries = larger;
                }
                for (uint32_t j = 0; j < more; j++)
                        entries[count++] = cel_entry_at(loop->call, value, j);
        }
        return map_from_entries(loop->call, entries, count);
}

struct cel_value eval_loop(struct cel_call *call, const struct op *op)
{
        struct loop loop = {.call = call, .op = op, .two = (op->flags & LOOP_TWO) != 0};

        loop.range = part(&loop, 0);
        if (is_error(loop.range))
                return loop.range;
        if (loop.range.kind != CEL_LIST && loop.range.kind != CEL_MAP)
                return error_value(&failure_overload);
        loop.count = cel_count(loop.range);
        switch ((enum loop_kind)(op->flags & ~LOOP_TWO)) {
        case LOOP_ALL:
                return quantify(&loop, false);
        case LOOP_EXISTS:
                return quantify(&loop, true);
        case LOOP_EXISTS_ONE:
                return exists_one(&loop);
        case LOOP_FILTER:
                return make_list(&loop, true);
        case LOOP_MAP:
                return make_list(&loop, false);
        case LOOP_TRANSFORM_MAP:
                return make_map(&loop);
        case LOOP_TRANSFORM_MAP_ENTRY:
                return merge_maps(&loop);
        }
        return eval_stopped();
}
