/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of an entry: an OCSF 1.8.0 API Activity event (class 6003 of
 * category 6) with profile security_control. The keys of each object are
 * written in the order of RFC 8785 section 3.2.3, so that the text is canonical.
 */
#include "log/log.h"
#include "base/clock.h"
#include "base/json_write.h"

#include <stdlib.h>

enum {
        OCSF_CATEGORY_APPLICATION = 6,
        OCSF_CLASS_API_ACTIVITY = 6003,
        OCSF_ALLOWED = 1, /* action_id and disposition_id 1 Allowed, 2 Denied and Blocked */
        OCSF_DENIED = 2,
        OCSF_SUCCESS = 1,
        OCSF_FAILURE = 2,
        OCSF_INFORMATIONAL = 1, /* severity_id */
        OCSF_LOW = 2,
};

static const struct {
        const char *name;
        int type_id; /* of OCSF's user object */
} log_actors[] = {
        [LOG_ANONYMOUS] = {"anonymous", 0}, [LOG_USER] = {"user", 1},
        [LOG_SERVICE] = {"service", 4},     [LOG_AGENT] = {"agent", 99},
        [LOG_EXECUTOR] = {"executor", 99},  [LOG_SYSTEM] = {"system", 3},
};

/* Absent facts are left out, never empty. */
static void log_field(struct json_writer *w, const char *key, struct str value)
{
        if (value.len > 0)
                json_field_str(w, key, value);
}

static void log_write_actor(struct json_writer *w, const struct log_event *event)
{
        json_key(w, "actor");
        json_object_begin(w);
        json_key(w, "user");
        json_object_begin(w);
        log_field(w, "credential_uid", event->credential_id);
        json_field_c(w, "type", log_actors[event->actor].name);
        json_field_int(w, "type_id", log_actors[event->actor].type_id);
        /* The user object needs one of account, name, uid. */
        json_field_str(w, "uid",
                       event->actor_id.len > 0 ? event->actor_id : str_from(log_actors[event->actor].name));
        json_object_end(w);
        json_object_end(w);
}

static void log_write_api(struct json_writer *w, const struct log_event *event)
{
        json_key(w, "api");
        json_object_begin(w);
        json_field_str(w, "operation", event->operation);
        if (event->request_id.len > 0) {
                json_key(w, "request");
                json_object_begin(w);
                json_field_str(w, "uid", event->request_id);
                json_object_end(w);
        }
        json_object_end(w);
}

static void log_write_metadata(struct json_writer *w, struct str tenant, struct str event_id,
                               const struct log_event *event)
{
        json_key(w, "metadata");
        json_object_begin(w);
        log_field(w, "correlation_uid", event->trace_id);
        json_key(w, "product");
        json_object_begin(w);
        json_field_c(w, "name", "Countersign");
        json_field_c(w, "vendor_name", "Countersign");
        json_object_end(w);
        json_key(w, "profiles");
        json_array_begin(w);
        json_c(w, "security_control");
        json_array_end(w);
        log_field(w, "tenant_uid", tenant);
        json_field_str(w, "uid", event_id);
        json_field_c(w, "version", "1.8.0");
        json_object_end(w);
}

static void log_write_resources(struct json_writer *w, const struct log_event *event)
{
        if (event->resource_count == 0)
                return;
        json_key(w, "resources");
        json_array_begin(w);
        for (size_t i = 0; i < event->resource_count; i++) {
                json_object_begin(w);
                json_field_c(w, "type", event->resources[i].type);
                log_field(w, "uid", event->resources[i].id);
                json_object_end(w);
        }
        json_array_end(w);
}

static int log_compare_details(const void *a, const void *b)
{
        return strcmp(((const struct log_detail *)a)->key, ((const struct log_detail *)b)->key);
}

/* What OCSF has no place for. Keys are ASCII, so that strcmp's order is RFC 8785's. */
static void log_write_unmapped(struct json_writer *w, struct str region, const struct log_event *event)
{
        struct log_detail sorted[LOG_DETAILS_MAX + 2];
        size_t count = 0;
        for (size_t i = 0; i < event->detail_count; i++) {
                if (event->details[i].value.len > 0)
                        sorted[count++] = event->details[i];
        }
        if (region.len > 0)
                sorted[count++] = (struct log_detail){"region", region};
        if (event->workspace.len > 0)
                sorted[count++] = (struct log_detail){"workspace", event->workspace};
        if (count == 0)
                return;
        qsort(sorted, count, sizeof(sorted[0]), log_compare_details);
        json_key(w, "unmapped");
        json_object_begin(w);
        for (size_t i = 0; i < count; i++)
                json_field_str(w, sorted[i].key, sorted[i].value);
        json_object_end(w);
}

static bool log_event_check(const struct log_event *event, struct err *err)
{
        if (event->operation.len == 0 || event->resource_count > LOG_RESOURCES_MAX ||
            event->detail_count > LOG_DETAILS_MAX || event->actor > LOG_SYSTEM)
                return err_set(err, ERR_INTERNAL,
                               "a log event without an operation, or with too much in it");
        for (size_t i = 0; i < event->detail_count; i++) {
                const char *key = event->details[i].key;
                if (strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(key) || !*key ||
                    strcmp(key, "region") == 0 || strcmp(key, "workspace") == 0)
                        return err_set(err, ERR_INTERNAL, "\"%s\" cannot be the key of a log event's detail",
                                       key);
                for (size_t j = 0; j < i; j++) {
                        if (strcmp(key, event->details[j].key) == 0)
                                return err_set(err, ERR_INTERNAL, "a log event has two details \"%s\"", key);
                }
        }
        return true;
}

bool log_event_format(struct buf *buf, struct str tenant, struct str region, struct str event_id,
                      const struct log_event *event, struct err *err)
{
        if (!log_event_check(event, err))
                return false;
        size_t before = buf->len;
        int action = event->denied ? OCSF_DENIED : OCSF_ALLOWED;
        bool success = !event->denied && !event->failed;
        struct json_writer w;
        json_writer_init(&w, buf);
        json_object_begin(&w);
        json_field_int(&w, "action_id", action);
        json_field_int(&w, "activity_id", event->activity);
        /* "activity_name … should be set if activity_id is 99" */
        if (event->activity == LOG_OTHER)
                json_field_str(&w, "activity_name", event->operation);
        log_write_actor(&w, event);
        log_write_api(&w, event);
        json_field_int(&w, "category_uid", OCSF_CATEGORY_APPLICATION);
        json_field_int(&w, "class_uid", OCSF_CLASS_API_ACTIVITY);
        json_field_c(&w, "disposition", event->denied ? "Blocked" : "Allowed");
        json_field_int(&w, "disposition_id", action);
        log_write_metadata(&w, tenant, event_id, event);
        log_write_resources(&w, event);
        json_field_int(&w, "severity_id", success ? OCSF_INFORMATIONAL : OCSF_LOW);
        json_key(&w, "src_endpoint");
        json_object_begin(&w);
        json_field_str(&w, "name", event->source.len > 0 ? event->source : STR("api"));
        json_object_end(&w);
        log_field(&w, "status_code", event->code);
        json_field_int(&w, "status_id", success ? OCSF_SUCCESS : OCSF_FAILURE);
        json_field_int(&w, "time", event->time_ms != 0 ? event->time_ms : clock_now_ms());
        json_field_int(&w, "type_uid", OCSF_CLASS_API_ACTIVITY * 100 + (int)event->activity);
        log_write_unmapped(&w, region, event);
        json_object_end(&w);
        if (!buf_check(buf, "a log entry", err))
                return false;
        if (buf->len - before > TLOG_ENTRY_MAX)
                return err_set(err, ERR_BODY_TOO_LARGE, "a log entry of %zu bytes is larger than %d",
                               buf->len - before, TLOG_ENTRY_MAX);
        return true;
}
