/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of permissions (enum permission, generated from api/roles.yaml). Plain
 * data: zeroed it is empty. tools/rolesgen.py fails the build when there are
 * more permissions than fit.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { PERMISSION_WORDS = 4, PERMISSION_SET_MAX = PERMISSION_WORDS * 64 };

struct permission_set {
        uint64_t words[PERMISSION_WORDS];
};

static inline bool permission_set_has(const struct permission_set *set, unsigned permission)
{
        return permission < PERMISSION_SET_MAX && (set->words[permission / 64] >> permission % 64 & 1) != 0;
}

static inline void permission_set_add(struct permission_set *set, unsigned permission)
{
        if (permission < PERMISSION_SET_MAX)
                set->words[permission / 64] |= (uint64_t)1 << permission % 64;
}

static inline void permission_set_remove(struct permission_set *set, unsigned permission)
{
        if (permission < PERMISSION_SET_MAX)
                set->words[permission / 64] &= ~((uint64_t)1 << permission % 64);
}

/* set |= other */
static inline void permission_set_or(struct permission_set *set, const struct permission_set *other)
{
        for (unsigned i = 0; i < PERMISSION_WORDS; i++)
                set->words[i] |= other->words[i];
}

/* set &= other */
static inline void permission_set_and(struct permission_set *set, const struct permission_set *other)
{
        for (unsigned i = 0; i < PERMISSION_WORDS; i++)
                set->words[i] &= other->words[i];
}

/* set &= ~other */
static inline void permission_set_subtract(struct permission_set *set, const struct permission_set *other)
{
        for (unsigned i = 0; i < PERMISSION_WORDS; i++)
                set->words[i] &= ~other->words[i];
}

static inline bool permission_set_is_empty(const struct permission_set *set)
{
        uint64_t any = 0;

        for (unsigned i = 0; i < PERMISSION_WORDS; i++)
                any |= set->words[i];
        return any == 0;
}

/* Whether all of `other` is in `set`. */
static inline bool permission_set_covers(const struct permission_set *set,
                                         const struct permission_set *other)
{
        uint64_t missing = 0;

        for (unsigned i = 0; i < PERMISSION_WORDS; i++)
                missing |= other->words[i] & ~set->words[i];
        return missing == 0;
}
