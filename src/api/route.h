/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The route table, generated from api/openapi.yaml by tools/apigen.py, and what
 * its decoders are given of a request.
 */
#pragma once

#include "api/decode.h"
#include "base/percent.h"

struct request;

enum api_method { API_GET, API_POST, API_PUT, API_PATCH, API_DELETE, API_METHOD_COUNT };
enum api_scope { API_SCOPE_PUBLIC, API_SCOPE_PLATFORM, API_SCOPE_TENANT, API_SCOPE_WORKSPACE };
enum api_transaction { API_TRANSACTION_NONE, API_TRANSACTION_READ, API_TRANSACTION_WRITE };
enum api_log { API_LOG_NEVER, API_LOG_DENIED, API_LOG_ALWAYS };

/* Instead of an enum permission. */
enum { API_PERMISSION_NONE = -2, API_PERMISSION_AUTHENTICATED = -1 };

enum { API_PATH_MAX = 8, API_QUERY_MAX = 32, API_METHOD_NAME_MAX = 8 };

struct api_query {
        struct str name;
        struct str value;
};

/* The pieces of a request that an operation's decoder reads. */
struct api_call {
        struct str path[API_PATH_MAX]; /* values of the template's names, in order, percent-decoded */
        const struct api_query *query;
        size_t query_count;
        struct str (*header)(void *data, const char *name); /* {NULL, 0} when absent */
        void *header_data;
        bool has_body;
        struct str body;
};

struct api_route {
        unsigned index; /* in api_routes */
        const char *operation;
        const char *capability; /* its first tag */
        enum api_method method;
        const char *path; /* the template */
        int permission;   /* enum permission, or one of the two above */
        enum api_scope scope;
        enum api_transaction transaction;
        enum api_log log;
        const char *log_action;
        bool idempotent;
        bool body_required;
        bool late;    /* the handler knows more of the resource, and asks access_check_resource */
        bool secrets; /* the body or the answer carries secrets: the request's memory is wiped at its end */
        bool streams; /* the handler writes the reply itself */
        uint32_t second_factor_s; /* people need a second factor not older than this; 0: none */
        bool oauth_errors;        /* refusals as in RFC 6749 section 5.2 */
        uint32_t body_limit;      /* bytes; 0: no body at all */
        const char *body_media;   /* NULL: none */
        int status;               /* first success status */
        const char *reply_media;  /* NULL: no content */
        int tenant_position;      /* in api_call.path; -1: none */
        int workspace_position;
        bool names_thing; /* the path has an id besides the tenant's and the workspace's */
        size_t in_size;
        size_t out_size; /* 0: no typed reply */
        bool (*decode)(const struct api_call *call, struct decoder *d, void *in);
        bool (*handle)(struct request *req, const void *in, void *out, struct err *err);
        void (*encode)(struct buf *buf, const void *out); /* NULL: none, or struct api_text */
};

/* A reply that is not JSON. */
struct api_text {
        struct str text;
};

/* One step of the path's tree; generated. */
struct api_node {
        const struct api_edge *edges; /* literal segments */
        uint8_t edge_count;
        const struct api_node *parameter; /* any segment; NULL: none */
        const struct api_node *tail;      /* the whole rest; NULL: none */
        int16_t routes[API_METHOD_COUNT]; /* index into api_routes; -1: none */
};

struct api_edge {
        const char *segment;
        uint16_t len;
        const struct api_node *node;
};

extern const struct api_route api_routes[];
extern const size_t api_route_count;
extern const struct api_node api_root;
/* The contract's own text, NUL-terminated. */
extern const char api_contract_text[];
extern const size_t api_contract_len;

enum api_found { API_FOUND, API_FOUND_NO_PATH, API_FOUND_NO_METHOD };

/*
 * Finds the route; a literal segment wins over a parameter. The path is as on
 * the wire, without the query; its values are percent-decoded into the arena,
 * each segment after it was cut out, so that %2F never makes a new segment.
 * *ret_allow has a bit for each method that the path has.
 */
enum api_found api_route_find(const struct api_node *root, enum api_method method, struct str path,
                              struct arena *arena, struct api_call *call, int *ret_index,
                              unsigned *ret_allow);

/* False for a method that no route has. */
bool api_method_from(struct str name, enum api_method *ret);
const char *api_method_name(enum api_method method);

/*
 * Cuts the query (without "?") into names and values, percent-decoded, "+" being
 * a space (WHATWG URL section 5.1). ERR_BAD_PARAMETER for bad escapes or too many.
 */
bool api_query_parse(struct arena *arena, struct str query, struct api_call *call, struct err *err) MUST_USE;
