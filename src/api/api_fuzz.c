/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever comes in, decoders and the route's parts only read what is there;
 * and what they accept, they write so that it is accepted again as the same.
 */
#include "api/api_types.h"
#include "api/cursor.h"
#include "api/route.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_MOST_BYTES = 8 << 20, TEXT_MOST_BYTES = 8 << 20 };

/* Reads, writes, reads again, writes again: both texts must be the same. */
#define ROUND_TRIP(name)                                                                                    \
        static void round_trip_##name(struct arena *arena, struct str text)                                 \
        {                                                                                                   \
                struct decoder d = {.arena = arena};                                                        \
                struct api_##name value;                                                                    \
                struct json json;                                                                           \
                struct err err;                                                                             \
                struct buf first;                                                                           \
                struct buf second;                                                                          \
                                                                                                            \
                d.err = &err;                                                                               \
                if (!json_parse(arena, text, &json, &err) || !api_read_##name(&d, &json, &value))           \
                        return;                                                                             \
                buf_init(&first, TEXT_MOST_BYTES);                                                          \
                buf_init(&second, TEXT_MOST_BYTES);                                                         \
                api_write_##name(&first, &value);                                                           \
                if (!json_parse(arena, buf_str(&first), &json, &err) ||                                     \
                    !api_read_##name(&d, &json, &value))                                                    \
                        abort();                                                                            \
                api_write_##name(&second, &value);                                                          \
                if (!str_eq(buf_str(&first), buf_str(&second)))                                             \
                        abort();                                                                            \
                buf_done(&first);                                                                           \
                buf_done(&second);                                                                          \
        }

ROUND_TRIP(action_submit)
ROUND_TRIP(action)
ROUND_TRIP(decision_create)
ROUND_TRIP(envelope)
ROUND_TRIP(principal_create)
ROUND_TRIP(resolution_answer)
ROUND_TRIP(output_append)
ROUND_TRIP(log_entry_page)

static const struct api_node node_end = {NULL, 0, NULL, NULL, {0, 1, 2, 3, 4}};
static const struct api_edge edges[] = {{"a", 1, &node_end}, {"bb", 2, &node_end}};
static const struct api_node node_inner = {edges, 2, &node_end, &node_end, {5, -1, -1, -1, -1}};
static const struct api_edge root_edges[] = {{"v1", 2, &node_inner}};
static const struct api_node root = {root_edges, 1, &node_inner, NULL, {-1, -1, -1, -1, -1}};

static void route(struct arena *arena, struct str text)
{
        struct api_call call = {0};
        struct str path;
        struct str key;
        struct err err;
        unsigned allow;
        int index;

        (void)str_cut(&text, '?', &path);
        if (api_route_find(&root, API_GET, path, arena, &call, &index, &allow) == API_FOUND && index < 0)
                abort();
        (void)api_query_parse(arena, text, &call, &err);
        if (cursor_take(arena, path, &key, &err) && path.ptr && key.len == 0 && path.len > 0)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static void (*const targets[])(struct arena * arena, struct str text) = {
                round_trip_action_submit, round_trip_action,           round_trip_decision_create,
                round_trip_envelope,      round_trip_principal_create, round_trip_resolution_answer,
                round_trip_output_append, round_trip_log_entry_page,   route,
        };
        struct arena arena;

        if (size == 0)
                return 0;
        arena_init(&arena, ARENA_MOST_BYTES);
        targets[data[0] % (sizeof(targets) / sizeof(targets[0]))](&arena, str_make(data + 1, size - 1));
        arena_done(&arena);
        return 0;
}
