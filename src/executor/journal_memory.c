/* SPDX-License-Identifier: Apache-2.0 */
#include "executor/journal_memory.h"

#include "base/heap.h"

#include <stdio.h>

static void unfinished_free(struct unfinished *item)
{
        heap_free(item->statement);
        heap_free(item->report);
        heap_free(item);
}

static void free_all(struct unfinished **first)
{
        while (*first) {
                struct unfinished *next = (*first)->next;

                unfinished_free(*first);
                *first = next;
        }
}

void memory_forget_closed(struct journal_memory *memory)
{
        free_all(&memory->closed);
}

void memory_done(struct journal_memory *memory)
{
        free_all(&memory->first);
        free_all(&memory->closed);
        seen_done(&memory->seen);
}

/* Where the action is linked in, or would be: behind the last. */
static struct unfinished **slot_of(struct journal_memory *memory, struct str action)
{
        struct unfinished **at = &memory->first;

        while (*at && !str_eq(id_str(&(*at)->action), action))
                at = &(*at)->next;
        return at;
}

struct unfinished *memory_find(const struct journal_memory *memory, struct str action)
{
        struct unfinished *item = memory->first;

        while (item && !str_eq(id_str(&item->action), action))
                item = item->next;
        return item;
}

static struct unfinished *find_or_add(struct journal_memory *memory, struct str action, struct err *err)
{
        struct unfinished **at = slot_of(memory, action);

        if (*at)
                return *at;
        *at = heap_alloc_zeroed(1, sizeof(**at));
        if (!*at) {
                err_set(err, ERR_NO_MEMORY, "no memory for a journal entry");
                return NULL;
        }
        (*at)->action = id_from(action);
        return *at;
}

void memory_no_claim(struct journal_memory *memory, struct str action)
{
        struct unfinished **at = slot_of(memory, action);
        struct unfinished *gone = *at;

        if (gone) {
                *at = gone->next;
                unfinished_free(gone);
        }
}

/* Finished: what it carried goes from memory now, and from the file with the next journal_erase_closed. */
static void put_to_closed(struct journal_memory *memory, struct str action)
{
        struct unfinished **at = slot_of(memory, action);
        struct unfinished *item = *at;

        if (!item)
                return;
        *at = item->next;
        heap_free(item->statement);
        heap_free(item->report);
        item->statement = item->report = NULL;
        item->next = memory->closed;
        memory->closed = item;
}

static bool replace_bytes(char **bytes, size_t *len, struct str with, struct err *err)
{
        char *copy = heap_alloc(with.len + 1);

        if (!copy)
                return err_set(err, ERR_NO_MEMORY, "no memory for a journal entry");
        if (with.len > 0)
                memcpy(copy, with.ptr, with.len);
        copy[with.len] = '\0';
        heap_free(*bytes);
        *bytes = copy;
        *len = with.len;
        return true;
}

static bool set_facts(struct unfinished *item, struct str claim, struct str digest, struct err *err)
{
        if (!id_is(claim, "clm") || (digest.len != 0 && digest.len != sizeof(item->digest) - 1))
                return err_set(err, ERR_BAD_FIELD, "a journal entry needs a claim's id and a digest");
        item->claim = id_from(claim);
        memcpy(item->digest, digest.len > 0 ? digest.ptr : "", digest.len);
        item->digest[digest.len] = '\0';
        return true;
}

bool memory_see(struct journal_memory *memory, struct str action, struct str digest, struct err *err)
{
        if (!seen_add(&memory->seen, action, err))
                return false;
        return digest.len == 0 || seen_add(&memory->seen, digest, err);
}

bool memory_claiming(struct journal_memory *memory, struct str action, struct err *err)
{
        return find_or_add(memory, action, err) != NULL;
}

bool memory_begun(struct journal_memory *memory, const struct journal_entry *entry, struct err *err)
{
        struct unfinished *item = find_or_add(memory, entry->action, err);

        if (!item || !set_facts(item, entry->claim, entry->digest, err) ||
            !replace_bytes(&item->statement, &item->statement_len, entry->statement, err))
                return false;
        item->begun_ms = entry->begun_ms;
        return memory_see(memory, entry->action, entry->digest, err);
}

bool memory_ended(struct journal_memory *memory, const struct journal_result *result, int64_t ended_ms,
                  struct err *err)
{
        struct unfinished *item = find_or_add(memory, result->action, err);

        if (!item || !set_facts(item, result->claim, result->digest, err) ||
            !replace_bytes(&item->report, &item->report_len, result->report, err))
                return false;
        (void)snprintf(item->outcome, sizeof(item->outcome), "%.*s", STR_ARG(result->outcome));
        item->ended_ms = ended_ms;
        item->open = result->open;
        item->reported = false;
        return memory_see(memory, result->action, result->digest, err);
}

void memory_reported(struct journal_memory *memory, struct str action)
{
        struct unfinished *item = memory_find(memory, action);

        if (item && item->open)
                item->reported = true;
        else
                put_to_closed(memory, action);
}
