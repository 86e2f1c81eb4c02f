/* SPDX-License-Identifier: Apache-2.0 */
/* The root key: how it stands, and its rotation. */
#include "api/api_handlers.h"
#include "api/services.h"
#include "keys/rotation.h"

static void status_to_api(struct request *req, struct api_root_key *out)
{
        struct rotation_status status;

        rotation_status(req->services->rotation, &status);
        *out = (struct api_root_key){
                .provider = str_from(status.provider),
                .current = status.current,
                .has_previous = status.previous != 0,
                .previous = status.previous,
                .has_next = status.next != 0,
                .next = status.next,
                .has_waiting_for = status.next != 0 || status.previous != 0,
                .waiting_for = status.waiting,
                .rewrapped = status.keys,
                .cells = status.cells,
                .failures = status.failures,
        };
}

FIBER_FN bool root_key_get(struct request *req, const struct api_root_key_get_in *in,
                           struct api_root_key *out, struct err *err)
{
        (void)in;
        (void)err;
        status_to_api(req, out);
        return true;
}

struct begin {
        struct rotation *rotation;
        bool alone;
        bool ok;
        struct err err;
};

/* Blocks: the key file is made durable, and what protects it may be asked. */
static void begin_offloaded(void *arg)
{
        struct begin *begin = arg;

        begin->ok = rotation_begin(begin->rotation, begin->alone, &begin->err);
}

FIBER_FN bool root_key_rotate(struct request *req, const struct api_root_key_rotate_in *in,
                              struct api_root_key *out, struct err *err)
{
        struct begin begin = {.rotation = req->services->rotation,
                              .alone = in->body.has_alone && in->body.alone};

        fiber_offload(begin_offloaded, &begin);
        if (!begin.ok) {
                *err = begin.err;
                return false;
        }
        status_to_api(req, out);
        request_log_detail(
                req, "version",
                arena_printf(req->arena, "%lld", (long long)(out->has_next ? out->next : out->current)));
        return true;
}
