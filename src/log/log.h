/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tamper-evident log: one for each cell, in C2SP tlog-tiles form
 * (https://c2sp.org/tlog-tiles, RFC 6962 hashing). See README.md beside this.
 *
 * An entry is appended in the transaction of the change that it records, so
 * that a change that cannot be recorded does not happen. A checkpoint (a signed
 * tree head) is made on demand, only over entries that are durable, and only
 * after its size and root stand in the directory: a cell that has lost entries
 * since its last checkpoint can then be told apart, and opens a new epoch (a
 * new log with a new key) instead of signing a fork.
 *
 * Functions with a `tx` run on a store thread and know nothing of loops.
 * Functions with a `store` block and run several transactions: for plain
 * threads, or inside fiber_offload.
 */
#pragma once

#include "crypto/envelope.h"
#include "crypto/merkle.h"
#include "crypto/tlog.h"
#include "store/store.h"

/* ---- what an entry says: an OCSF 1.8.0 API Activity event (class 6003) ------------------------- */

enum log_activity { /* activity_id of class 6003 */
                    LOG_CREATE = 1,
                    LOG_READ = 2,
                    LOG_UPDATE = 3,
                    LOG_DELETE = 4,
                    LOG_OTHER = 99,
};

enum log_actor { LOG_ANONYMOUS, LOG_USER, LOG_SERVICE, LOG_AGENT, LOG_EXECUTOR, LOG_SYSTEM };

struct log_resource {
        const char *type; /* "action" */
        struct str id;    /* "act_…" */
};

struct log_detail {
        const char *key; /* lower-case letters, digits and '_'; each once */
        struct str value;
};

/*
 * Only opaque ids, codes and digests: an entry is never changed nor erased, so
 * that personal data must not be in it. Empty strings are left out.
 */
struct log_event {
        int64_t time_ms; /* 0: now */
        enum log_activity activity;
        bool denied;          /* action_id 2 Denied, otherwise 1 Allowed */
        bool failed;          /* allowed, but without success: status_id 2 */
        struct str operation; /* "action.decide"; required */
        struct str code;      /* why not: the name of an error, for instance "SELF_APPROVAL" */
        enum log_actor actor;
        struct str actor_id;      /* "agt_…" */
        struct str credential_id; /* the API key's or session's id */
        struct str workspace;     /* "wrk_…" */
        struct str source;        /* kind of the caller's end: "api" when empty */
        struct str request_id;    /* "req_…" */
        struct str trace_id;      /* 32 hex digits of a W3C traceparent */
        const struct log_resource *resources;
        size_t resource_count;
        const struct log_detail *details; /* in any order */
        size_t detail_count;
};

enum { LOG_RESOURCES_MAX = 16, LOG_DETAILS_MAX = 32 };

struct log_position {
        int64_t epoch; /* from 1 */
        int64_t seq;   /* from 0: the leaf's index */
};

/*
 * The event's bytes, in RFC 8785 form, integers and strings only. `event_id`
 * makes each entry one of its kind ("evt_…"). ERR_INTERNAL when the event is
 * not complete, ERR_BODY_TOO_LARGE beyond TLOG_ENTRY_MAX bytes.
 */
bool log_event_format(struct buf *buf, struct str tenant, struct str region, struct str event_id,
                      const struct log_event *event, struct err *err) MUST_USE;

/* ---- writing and reading, inside a transaction -------------------------------------------------- */

/* ret may be NULL. */
bool log_append(struct tx *tx, const struct log_event *event, struct log_position *ret,
                struct err *err) MUST_USE;
/* One line of text: no newline, and not beginning like a line of an export that is not an entry. */
bool log_append_raw(struct tx *tx, struct str leaf, struct log_position *ret, struct err *err) MUST_USE;

struct log_head {
        int64_t epoch; /* 0: there is no log yet */
        uint64_t size; /* entries, committed in this snapshot */
        uint64_t signed_size;
        struct str origin; /* NULL before the first checkpoint, as the next two */
        struct str vkey;   /* the verifier's key, https://c2sp.org/signed-note */
        struct str note;   /* the last checkpoint */
};
/* epoch 0 is the current one. ERR_NOT_FOUND for one that is not there. */
bool log_head(struct tx *tx, int64_t epoch, struct log_head *ret, struct err *err) MUST_USE;

/* One entry's exact bytes. ERR_NOT_FOUND. */
bool log_entry(struct tx *tx, int64_t epoch, uint64_t seq, struct str *ret_leaf, struct err *err) MUST_USE;
/* The root of the first `size` entries. */
bool log_root(struct tx *tx, int64_t epoch, uint64_t size, struct sha256 *ret, struct err *err) MUST_USE;
/*
 * Appends the bytes of a tile or entry bundle, as tlog-tiles serves them.
 * ERR_NOT_FOUND when the log is not that large.
 */
bool log_tile(struct tx *tx, int64_t epoch, const struct tlog_tile *tile, struct buf *buf,
              struct err *err) MUST_USE;
/* A tlog-proof of the entry under the last checkpoint. ERR_CONFLICT when that does not reach it. */
bool log_receipt(struct tx *tx, int64_t epoch, uint64_t seq, struct buf *buf, struct err *err) MUST_USE;

/*
 * The export, a piece at a time (docs/log-format.md): up to the last
 * checkpoint, or ERR_CONFLICT when there is none. Each piece may be read in a transaction of its
 * own, since what it gives never changes.
 */
struct log_export {
        int64_t epoch;
        uint64_t size;
        uint64_t next; /* the entry that comes next */
};
bool log_export_begin(struct tx *tx, int64_t epoch, struct log_export *ret, struct buf *buf,
                      struct err *err) MUST_USE;
/* At most one tile with its entries. Done when export->next == export->size. */
bool log_export_next(struct tx *tx, struct log_export *export, struct buf *buf, struct err *err) MUST_USE;
/* The largest that one of the two above appends. */
enum { LOG_EXPORT_PIECE_MAX = TLOG_TILE_WIDTH * (TLOG_ENTRY_MAX + 1) + 65536 };

/* ---- whether a copy of a cell has the whole log ---------------------------------------------------- */

struct log_extent {
        int64_t epoch;
        uint64_t size;
        struct sha256 root; /* by the tiles */
        uint64_t signed_size;
        struct sha256 signed_root; /* of the last checkpoint; counts when signed_size > 0 */
};
/* The first epoch after this one; *ret_has is false beyond the last. */
bool log_extent_next(struct tx *tx, int64_t after, struct log_extent *ret, bool *ret_has,
                     struct err *err) MUST_USE;
/*
 * Adds up to `most` entries that come next to the frontier, hashed anew from
 * their bytes; fewer only at the end. ERR_LOG_FORKED when an entry is missing or
 * does not have the hash that stands beside it.
 */
bool log_recount(struct tx *tx, int64_t epoch, unsigned most, struct merkle_frontier *frontier,
                 struct err *err) MUST_USE;
/* The largest checkpoint that a cell's log may have signed; in the directory. */
struct log_mark {
        bool found;
        int64_t epoch;
        uint64_t size;
        struct sha256 root;
};
bool log_mark_get(struct tx *tx, const struct cell_ref *cell, struct log_mark *ret,
                  struct err *err) MUST_USE;
/* Only forwards. */
bool log_mark_raise(struct tx *tx, const struct cell_ref *cell, const struct log_mark *mark,
                    struct err *err) MUST_USE;

/* ---- checkpoints ---------------------------------------------------------------------------------- */

/* What signing needs; one for the process. The struct and what it points to outlive its use. */
struct log_signer {
        const struct envelope *envelope;
        const char *origin_prefix; /* a schema-less URL, for instance "logs.example.com" */
};

/*
 * The signed note of a checkpoint over every entry that was durable when this
 * was called; the last one again when nothing came after it. In the arena. The
 * origin is <prefix>/<tenant>/<region>/<epoch>.
 */
bool log_checkpoint(const struct log_signer *signer, struct store *store, const struct cell_ref *cell,
                    struct arena *arena, struct str *ret_note, struct err *err) MUST_USE;

/* For the rotation of the root key: wraps anew the keys of this cell's log that are not under its current
 * version. */
bool log_keys_rewrap(struct tx *tx, const struct envelope *envelope, int64_t *ret_changed,
                     struct err *err) MUST_USE;
