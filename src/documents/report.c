/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/report.h"

#include "base/json_write.h"
#include "documents/fields.h"

static const char *const outcome_names[] = {
        [OUTCOME_SUCCEEDED] = "succeeded",
        [OUTCOME_FAILED] = "failed",
        [OUTCOME_INDETERMINATE] = "indeterminate",
        [OUTCOME_REFUSED] = "refused",
};

const char *outcome_name(enum outcome outcome)
{
        return outcome_names[outcome];
}

bool outcome_from(struct str name, enum outcome *ret)
{
        for (unsigned i = 0; i < sizeof(outcome_names) / sizeof(outcome_names[0]); i++)
                if (str_is(name, outcome_names[i])) {
                        *ret = (enum outcome)i;
                        return true;
                }
        return false;
}

/* The number of bytes of the first `most` characters of valid UTF-8. */
static size_t characters_prefix(struct str text, size_t most)
{
        size_t i = 0;

        for (; i < text.len; i++)
                if (((unsigned char)text.ptr[i] & 0xC0) != 0x80 && most-- == 0)
                        break;
        return i;
}

bool report_build(struct arena *arena, const struct report *report, struct str *ret_bytes, struct err *err)
{
        struct str message = str_slice(report->message, 0, str_utf8_prefix(report->message));
        struct report again;
        struct json_writer w;
        BUF_SCOPED buf;

        buf_init(&buf, REPORT_MAX_BYTES);
        json_writer_init(&w, &buf);
        /* In RFC 8785's order already. */
        json_object_begin(&w);
        json_field_str(&w, "action", report->action);
        json_field_str(&w, "claim", report->claim);
        json_field_str(&w, "digest", report->digest);
        json_field_int(&w, "ended_ms", report->ended_ms);
        json_field_str(&w, "executor", report->executor);
        json_field_c(&w, "format", REPORT_FORMAT);
        json_field_str(&w, "message", str_slice(message, 0, characters_prefix(message, REPORT_MESSAGE_MAX)));
        json_field_c(&w, "outcome", outcome_name(report->outcome));
        json_field_int(&w, "output_bytes", report->output_bytes);
        json_field_str(&w, "output_sha256", report->output_sha256);
        json_field_bool(&w, "output_truncated", report->output_truncated);
        json_field_int(&w, "started_ms", report->started_ms);
        json_object_end(&w);
        if (!buf_check(&buf, "the report", err))
                return false;
        *ret_bytes = arena_str(arena, buf_str(&buf));
        if (!arena_check(arena, err))
                return false;
        if (!report_parse(arena, *ret_bytes, &again, err)) {
                err->code = ERR_INTERNAL;
                return err_prefix(err, "a report was built that cannot be read");
        }
        return true;
}

static bool parse_outcome(const struct fields *fields, struct report *ret, struct err *err)
{
        struct str outcome;

        if (!fields_text(fields, "outcome", 1, 32, &outcome, err) ||
            !fields_text(fields, "message", 0, 4 * REPORT_MESSAGE_MAX, &ret->message, err) ||
            !fields_int(fields, "started_ms", 0, FIELDS_INTEGER_MAX, &ret->started_ms, err) ||
            !fields_int(fields, "ended_ms", 0, FIELDS_INTEGER_MAX, &ret->ended_ms, err))
                return false;
        if (!outcome_from(outcome, &ret->outcome))
                return fields_refuse(fields, "outcome", err, "\"%.*s\" is no outcome", STR_ARG(outcome));
        if (characters_prefix(ret->message, REPORT_MESSAGE_MAX) != ret->message.len)
                return fields_refuse(fields, "message", err, "the message has more than %d characters",
                                     REPORT_MESSAGE_MAX);
        return true;
}

bool report_parse(struct arena *arena, struct str bytes, struct report *ret, struct err *err)
{
        static const char *const names[] = {
                "format",        "action",           "claim",      "executor", "digest",
                "outcome",       "message",          "started_ms", "ended_ms", "output_bytes",
                "output_sha256", "output_truncated", NULL,
        };
        struct fields fields = {.path = ""};
        struct json root;

        *ret = (struct report){0};
        if (!fields_parse(arena, bytes, REPORT_MAX_BYTES, "report", &root, err))
                return false;
        fields.object = &root;
        return fields_exact(&fields, names, err) && fields_format(&fields, REPORT_FORMAT, err) &&
               fields_id(&fields, "action", "act", &ret->action, err) &&
               fields_id(&fields, "claim", "clm", &ret->claim, err) &&
               fields_id(&fields, "executor", "exe", &ret->executor, err) &&
               fields_sha256(&fields, "digest", &ret->digest, err) && parse_outcome(&fields, ret, err) &&
               fields_int(&fields, "output_bytes", 0, FIELDS_INTEGER_MAX, &ret->output_bytes, err) &&
               fields_sha256(&fields, "output_sha256", &ret->output_sha256, err) &&
               fields_bool(&fields, "output_truncated", &ret->output_truncated, err);
}
