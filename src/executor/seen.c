/* SPDX-License-Identifier: Apache-2.0 */
#include "executor/seen.h"

#include "base/heap.h"
#include "crypto/sha256.h"

static struct seen_key key_of(struct str name)
{
        struct sha256 hash;
        struct seen_key key;

        sha256_of(name, &hash);
        memcpy(&key, hash.bytes, sizeof(key));
        /* Zero means free; nobody finds a name whose hash begins so, but it must not be lost. */
        if (key.words[0] == 0 && key.words[1] == 0)
                key.words[0] = 1;
        return key;
}

static bool key_eq(const struct seen_key *a, const struct seen_key *b)
{
        return a->words[0] == b->words[0] && a->words[1] == b->words[1];
}

/* The key's slot, or the free slot where it belongs. There is always a free one. */
static size_t slot_of(const struct seen_key *slots, size_t slot_count, const struct seen_key *key)
{
        static const struct seen_key free_slot;
        size_t at = key->words[0] & (slot_count - 1);

        while (!key_eq(&slots[at], &free_slot) && !key_eq(&slots[at], key))
                at = (at + 1) & (slot_count - 1);
        return at;
}

static bool grow(struct seen *seen, struct err *err)
{
        size_t slot_count = seen->slot_count > 0 ? seen->slot_count * 2 : 256;
        struct seen_key *slots = heap_alloc_zeroed(slot_count, sizeof(*slots));

        if (!slots)
                return err_set(err, ERR_NO_MEMORY, "no memory for %zu journal keys", slot_count);
        for (size_t i = 0; i < seen->slot_count; i++) {
                const struct seen_key *key = &seen->slots[i];

                if (key->words[0] != 0 || key->words[1] != 0)
                        slots[slot_of(slots, slot_count, key)] = *key;
        }
        heap_free(seen->slots);
        seen->slots = slots;
        seen->slot_count = slot_count;
        return true;
}

bool seen_add(struct seen *seen, struct str name, struct err *err)
{
        struct seen_key key = key_of(name);
        size_t at;

        /* At most three quarters full. */
        if ((seen->count + 1) * 4 > seen->slot_count * 3 && !grow(seen, err))
                return false;
        at = slot_of(seen->slots, seen->slot_count, &key);
        if (!key_eq(&seen->slots[at], &key)) {
                seen->slots[at] = key;
                seen->count++;
        }
        return true;
}

bool seen_has(const struct seen *seen, struct str name)
{
        struct seen_key key = key_of(name);

        if (seen->slot_count == 0)
                return false;
        return key_eq(&seen->slots[slot_of(seen->slots, seen->slot_count, &key)], &key);
}

void seen_done(struct seen *seen)
{
        heap_free(seen->slots);
        *seen = (struct seen){0};
}
