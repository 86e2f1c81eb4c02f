/* SPDX-License-Identifier: Apache-2.0 */
/* Moves a compiled program from the arena, where it grew, into one block of the heap. */
#include "cel/program.h"

#include "base/heap.h"
#include "cel/cost.h"
#include "cel/eval.h"

/* Copies what a constant points to behind *at. The text of the source is not copied again. */
struct sealer {
        char *at;
        struct str old_source;
        const char *new_source;
};

static bool in_source(struct str source, struct cel_value value)
{
        return value.bytes >= source.ptr && value.bytes < source.ptr + source.len;
}

static void *seal_take(struct sealer *s, size_t size)
{
        void *taken = s->at;

        s->at += (size + 7) & ~(size_t)7;
        return taken;
}

static struct cel_value seal(struct sealer *s, struct cel_value value);

static struct cel_value seal_map(struct sealer *s, struct cel_value value)
{
        struct cel_map *map = seal_take(s, sizeof(*map));
        struct cel_entry *entries = seal_take(s, value.len * sizeof(*entries));
        uint32_t *buckets = seal_take(s, map_bucket_count(value.len) * sizeof(*buckets));

        for (uint32_t i = 0; i < value.len; i++) {
                entries[i].key = seal(s, value.map->entries[i].key);
                entries[i].value = seal(s, value.map->entries[i].value);
        }
        (void)map_build(map, entries, value.len, buckets);
        value.map = map;
        return value;
}

static struct cel_value seal(struct sealer *s, struct cel_value value)
{
        if (value.kind == CEL_STRING || value.kind == CEL_BYTES) {
                if (value.len == 0) {
                        value.bytes = "";
                } else if (in_source(s->old_source, value)) {
                        value.bytes = s->new_source + (value.bytes - s->old_source.ptr);
                } else {
                        char *copy = seal_take(s, value.len);

                        memcpy(copy, value.bytes, value.len);
                        value.bytes = copy;
                }
        } else if (value.kind == CEL_LIST) {
                struct cel_value *items = seal_take(s, value.len * sizeof(*items));

                for (uint32_t i = 0; i < value.len; i++)
                        items[i] = seal(s, value.items[i]);
                value.items = items;
        } else if (value.kind == CEL_MAP) {
                return seal_map(s, value);
        }
        /* Names of types are constants, or in the environment. */
        return value;
}

/* An upper bound of what seal() takes. */
static size_t seal_size(struct cel_value value, struct str source)
{
        size_t size = 0;

        switch ((enum cel_kind)value.kind) {
        case CEL_STRING:
        case CEL_BYTES:
                return in_source(source, value) ? 0 : (value.len + 7u) & ~7u;
        case CEL_LIST:
                size = value.len * sizeof(struct cel_value);
                for (uint32_t i = 0; i < value.len; i++)
                        size += seal_size(value.items[i], source);
                return size;
        case CEL_MAP:
                size = sizeof(struct cel_map) + value.len * sizeof(struct cel_entry) +
                       ((map_bucket_count(value.len) * sizeof(uint32_t) + 7) & ~(size_t)7);
                for (uint32_t i = 0; i < value.len; i++)
                        size += seal_size(value.map->entries[i].key, source) +
                                seal_size(value.map->entries[i].value, source);
                return size + 8;
        default:
                return 0;
        }
}

static bool has_value(const struct op *op)
{
        return op->code == OP_LITERAL || op->code == OP_UNKNOWN || op->code == OP_SELECT ||
               op->code == OP_SELECT_OPTIONAL || op->code == OP_HAS || op->code == OP_STRUCT;
}

struct cel_program *program_seal(const struct cel_program *p, uint32_t operand_count, struct str type,
                                 struct err *err)
{
        size_t ops_bytes = p->op_count * sizeof(struct op);
        size_t operands_bytes = (operand_count * sizeof(uint32_t) + 7) & ~(size_t)7;
        size_t spans_bytes = (p->op_count * sizeof(struct span) + 7) & ~(size_t)7;
        size_t size = sizeof(struct cel_program) + ops_bytes + operands_bytes + spans_bytes +
                      ((p->source.len + 7) & ~(size_t)7) + ((type.len + 7) & ~(size_t)7);
        struct cel_program *made;
        struct sealer s = {.old_source = p->source};

        for (uint32_t i = 0; i < p->op_count; i++)
                if (has_value(&p->ops[i]))
                        size += seal_size(p->ops[i].value, p->source);
        made = size <= UINT32_MAX ? heap_alloc_zeroed(1, size) : NULL;
        if (!made) {
                err_set(err, ERR_NO_MEMORY, "no memory for the program");
                return NULL;
        }
        *made = *p;
        made->size_bytes = (uint32_t)size;
        s.at = (char *)(made + 1);
        made->ops = seal_take(&s, ops_bytes);
        made->operands = seal_take(&s, operands_bytes);
        made->spans = seal_take(&s, spans_bytes);
        made->source.ptr = s.new_source = memcpy(seal_take(&s, p->source.len), p->source.ptr, p->source.len);
        made->type = str_make(memcpy(seal_take(&s, type.len), type.ptr, type.len), type.len);
        memcpy(made->ops, p->ops, ops_bytes);
        if (operand_count > 0)
                memcpy(made->operands, p->operands, operand_count * sizeof(uint32_t));
        memcpy(made->spans, p->spans, p->op_count * sizeof(struct span));
        for (uint32_t i = 0; i < p->op_count; i++)
                if (has_value(&p->ops[i]))
                        made->ops[i].value = seal(&s, p->ops[i].value);
        if (!cost_estimate(made, &made->cost)) {
                heap_free(made);
                err_set(err, ERR_NO_MEMORY, "no memory for the program");
                return NULL;
        }
        return made;
}
