/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report: what happened, signed with the executor's key
 * (docs/protocol.md, "Report"). Strings of a parsed report point into the arena.
 */
#pragma once

#include "base/arena.h"

#define REPORT_FORMAT "countersign/report/v1"
#define REPORT_PAYLOAD_TYPE "application/vnd.countersign.report.v1+json"

enum { REPORT_MESSAGE_MAX = 500 /* characters */, REPORT_MAX_BYTES = 8 * 1024 };

enum outcome {
        OUTCOME_SUCCEEDED,
        OUTCOME_FAILED,
        OUTCOME_INDETERMINATE,
        OUTCOME_REFUSED, /* the executor's own checks failed; nothing was sent to the target */
};

/* "succeeded", "failed", "indeterminate", "refused". */
const char *outcome_name(enum outcome outcome);
bool outcome_from(struct str name, enum outcome *ret) MUST_USE;

struct report {
        struct str action, claim, executor;
        struct str digest; /* the statement's, 64 hex digits */
        enum outcome outcome;
        struct str message;
        int64_t started_ms, ended_ms;
        int64_t output_bytes;
        struct str output_sha256; /* 64 hex digits */
        bool output_truncated;
};

/* RFC 8785. A longer message is cut at a character. */
bool report_build(struct arena *arena, const struct report *report, struct str *ret_bytes,
                  struct err *err) MUST_USE;
/* BAD_ENVELOPE, with the place. */
bool report_parse(struct arena *arena, struct str bytes, struct report *ret, struct err *err) MUST_USE;
