/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind a request's waiting functions. The pipeline provides it; tests may provide their own.
 */
#pragma once

#include "api/request.h"

struct request_ops {
        struct str (*header)(const struct request *req, const char *name);
        bool (*read)(struct request *req, request_work work, void *arg, struct err *err);
        bool (*write)(struct request *req, request_work work, void *arg, struct err *err);
        bool (*prepare)(struct request *req, request_work work, void *arg, struct err *err);
        bool (*wait)(struct request *req, struct notify_waiter *waiter, int64_t deadline_mono_us);
        bool (*is_over)(struct request *req);
        bool (*body_read)(struct request *req, void *bytes, size_t size, size_t *ret_len, struct err *err);
        bool (*stream_begin)(struct request *req, const char *content_type, struct err *err);
        bool (*stream_write)(struct request *req, struct str bytes, struct err *err);
        bool (*sse_event)(struct request *req, struct str id, const char *event, struct str data,
                          struct err *err);
        bool (*sse_ping)(struct request *req, struct err *err);
};
