/* SPDX-License-Identifier: Apache-2.0 */
#include "api/route.h"

static const char *const method_names[API_METHOD_COUNT] = {
        [API_GET] = "GET",     [API_POST] = "POST",     [API_PUT] = "PUT",
        [API_PATCH] = "PATCH", [API_DELETE] = "DELETE",
};

bool api_method_from(struct str name, enum api_method *ret)
{
        for (int i = 0; i < API_METHOD_COUNT; i++) {
                if (!str_is(name, method_names[i]))
                        continue;
                *ret = (enum api_method)i;
                return true;
        }
        return false;
}

const char *api_method_name(enum api_method method)
{
        return method_names[method];
}

bool api_query_parse(struct arena *arena, struct str query, struct api_call *call, struct err *err)
{
        struct api_query *items;
        size_t count = 1;

        if (query.len == 0)
                return true;
        for (size_t i = 0; i < query.len; i++)
                count += query.ptr[i] == '&';
        if (count > API_QUERY_MAX)
                return err_set(err, ERR_BAD_PARAMETER, "%zu query parameters, at most %d are allowed", count,
                               API_QUERY_MAX);
        items = ARENA_ARRAY(arena, struct api_query, count);
        if (!items)
                return arena_check(arena, err);
        call->query = items;
        while (query.len > 0) {
                struct str pair;
                struct str name;

                (void)str_cut(&query, '&', &pair);
                if (pair.len == 0)
                        continue;
                (void)str_cut(&pair, '=', &name);
                if (!percent_decode(arena, name, true, &items->name) ||
                    !percent_decode(arena, pair, true, &items->value))
                        return err_set(err, ERR_BAD_PARAMETER, "the query has a malformed percent escape");
                items++;
                call->query_count++;
        }
        return true;
}

/* What api_route_find carries down the tree. */
struct search {
        enum api_method method;
        struct arena *arena;
        struct api_call *call;
        int *ret_index;
        unsigned allow;
};

static bool node_ends(struct search *search, const struct api_node *node)
{
        for (int i = 0; i < API_METHOD_COUNT; i++)
                if (node->routes[i] >= 0)
                        search->allow |= 1U << i;
        *search->ret_index = node->routes[search->method];
        return *search->ret_index >= 0;
}

static bool take_value(struct search *search, unsigned taken, struct str segment)
{
        return taken < API_PATH_MAX && segment.len > 0 &&
               percent_decode(search->arena, segment, false, &search->call->path[taken]);
}

/* `path` begins with "/" or is at its end. As deep as the longest template. */
static bool node_walk(struct search *search, const struct api_node *node, struct str path, unsigned taken)
{
        struct str segment;

        if (path.len == 0)
                return node_ends(search, node);
        path = str_slice(path, 1, path.len);
        if (node->tail && take_value(search, taken, path) && node_ends(search, node->tail))
                return true;
        segment = str_slice(path, 0,
                            (size_t)(str_find(path, '/') < 0 ? (ptrdiff_t)path.len : str_find(path, '/')));
        path = str_slice(path, segment.len, path.len);
        for (unsigned i = 0; i < node->edge_count; i++) {
                const struct api_edge *edge = &node->edges[i];

                if (edge->len == segment.len && memcmp(edge->segment, segment.ptr, segment.len) == 0) {
                        if (node_walk(search, edge->node, path, taken))
                                return true;
                        break;
                }
        }
        return node->parameter && take_value(search, taken, segment) &&
               node_walk(search, node->parameter, path, taken + 1);
}

enum api_found api_route_find(const struct api_node *root, enum api_method method, struct str path,
                              struct arena *arena, struct api_call *call, int *ret_index,
                              unsigned *ret_allow)
{
        struct search search = {method, arena, call, ret_index, 0};

        *ret_index = -1;
        *ret_allow = 0;
        if (path.len == 0 || path.ptr[0] != '/')
                return API_FOUND_NO_PATH;
        if (node_walk(&search, root, path, 0)) {
                *ret_allow = search.allow;
                return API_FOUND;
        }
        *ret_allow = search.allow;
        return search.allow != 0 ? API_FOUND_NO_METHOD : API_FOUND_NO_PATH;
}
