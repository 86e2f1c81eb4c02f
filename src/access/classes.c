/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conditional bindings at one place are put together by what they allow or
 * forbid: a decision then looks at the few classes that speak of what is asked,
 * and at each of their conditions once, however many bindings have it.
 */
#include "access/rules_private.h"
#include "base/heap.h"

#include <stdlib.h>
#include <string.h>

/* Negative, 0, positive: the order of classes. */
static int compare_class(const struct access_rule *a, const struct access_rule *b)
{
        int order = (int)b->forbid - (int)a->forbid;

        if (order == 0)
                order = memcmp(&a->allows, &b->allows, sizeof(a->allows));
        return order ? order : memcmp(&a->owner, &b->owner, sizeof(a->owner));
}

/* Within a class: what is late last, equal conditions side by side, else as the rules stand. */
static int compare_rules(const void *one, const void *two, void *data)
{
        const struct access_rule *rules = data;
        const struct access_rule *a = &rules[*(const uint32_t *)one];
        const struct access_rule *b = &rules[*(const uint32_t *)two];
        int order = compare_class(a, b);

        if (order == 0)
                order = (int)a->late - (int)b->late;
        if (order == 0 && a->condition_index != b->condition_index)
                order = a->condition_index < b->condition_index ? -1 : 1;
        return order ? order : (a > b) - (a < b);
}

/* Room for the classes of one scope, as many as could be. */
struct making {
        uint32_t *order; /* the scope's conditional rules, sorted */
        uint32_t *conditions;
        uint32_t *rules;
        uint32_t used; /* of the two arrays above */
        struct access_class *classes;
        uint32_t class_count;
};

static void make_scope(struct making *m, struct access_scope *scope)
{
        uint32_t count = (uint32_t)scope->conditional_count;
        const struct access_rule *before = NULL;
        struct access_class *class = &m->classes[m->class_count];

        for (uint32_t i = 0; i < count; i++)
                m->order[i] = i;
        qsort_r(m->order, count, sizeof(*m->order), compare_rules, (void *)(uintptr_t)scope->rules);
        scope->classes = class;
        for (uint32_t i = 0; i < count; i++) {
                const struct access_rule *rule = &scope->rules[m->order[i]];

                if (!before || compare_class(before, rule) != 0) {
                        class = &m->classes[m->class_count++];
                        *class = (struct access_class){.forbid = rule->forbid,
                                                       .allows = rule->allows,
                                                       .owner = rule->owner,
                                                       .conditions = &m->conditions[m->used],
                                                       .rules = &m->rules[m->used]};
                        scope->class_count++;
                } else if (before->condition_index == rule->condition_index) {
                        continue;
                }
                before = rule;
                m->conditions[m->used] = rule->condition_index;
                m->rules[m->used++] = m->order[i];
                class->count++;
                class->late_count += rule->late;
        }
}

/* How many classes there are, so that only they are kept. */
static bool keep_classes(struct access_rules *rules, const struct making *m, struct err *err)
{
        struct access_class *kept = ARENA_ARRAY(&rules->arena, struct access_class, m->class_count);

        if (!kept)
                return arena_check(&rules->arena, err);
        memcpy(kept, m->classes, m->class_count * sizeof(*kept));
        for (size_t i = 0; i < rules->scope_count; i++)
                rules->scopes[i].classes = kept + (rules->scopes[i].classes - m->classes);
        return true;
}

bool access_classes_make(struct access_rules *rules, struct err *err)
{
        size_t count = rules->rule_count;
        _cleanup_(heap_freep) uint32_t *order = heap_alloc_zeroed(count, sizeof(*order));
        _cleanup_(heap_freep) struct access_class *classes = heap_alloc_zeroed(count, sizeof(*classes));
        struct making m = {.order = order,
                           .classes = classes,
                           .conditions = ARENA_ARRAY(&rules->arena, uint32_t, count),
                           .rules = ARENA_ARRAY(&rules->arena, uint32_t, count)};

        if (!order || !classes)
                return err_set(err, ERR_NO_MEMORY, "no memory for the rules of a principal");
        if (!arena_check(&rules->arena, err))
                return false;
        for (size_t i = 0; i < rules->scope_count; i++)
                make_scope(&m, &rules->scopes[i]);
        return keep_classes(rules, &m, err);
}
