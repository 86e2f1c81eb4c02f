/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of a running executor share. */
#pragma once

#include "base/id.h"
#include "executor/connectors/connector.h"
#include "executor/executor.h"
#include "executor/floor.h"
#include "executor/journal.h"
#include "executor/server.h"
#include "executor/state.h"
#include "executor/verify.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
        WORK_ARENA_BYTES = 64 * 1024 * 1024, /* of one item: the engine's answers and their trees */
        PAUSE_FIRST_MS = 250,
        PAUSE_MAX_MS = 30 * 1000,
};

/* An item in work, or one that failed and rests for a while. */
struct work {
        struct work *next;
        struct executor *executor;
        struct id id; /* act_… or res_… */
        bool running;
        bool has_thread; /* to be joined once it does not run */
        pthread_t thread;
        int64_t rest_until_us;
        bool is_claim;
        char connector[33], operation[65], target[513]; /* of a resolution */
};

struct executor {
        const struct executor_config *config;
        struct state state;
        struct tls_client *tls; /* NULL unless the server is https:// */
        struct server server;
        struct journal *journal;
        struct connector *docker;
        struct floor floor;
        struct arena arena; /* the floor's */

        pthread_mutex_t roster_lock; /* the two below */
        struct arena roster_arena;
        struct roster roster;

        pthread_mutex_t lock; /* all below */
        pthread_cond_t changed;
        struct work *works;
        unsigned running;
        bool failed;
        struct err failure;
        bool kick; /* something unfinished was left: look at the journal */

        atomic_bool stopping;
        int wake_fd; /* readable once it stops */
};

/* ---- executor.c -------------------------------------------------------------------------------------- */

/* Ends the executor with this error. From any thread. */
void executor_fail(struct executor *executor, const struct err *err);
/* Sleeps, growing *pause_ms with jitter; false when the executor stops. */
bool executor_pause(struct executor *executor, int64_t *pause_ms);
/* A call failed: STOP ends the executor. True when it should be tried again. */
bool executor_try_again(struct executor *executor, enum server_verdict verdict, const struct err *err);
/* The connector of that name, or NULL. */
struct connector *executor_connector(struct executor *executor, struct str name);

/* ---- enrol.c ------------------------------------------------------------------------------------------ */

bool executor_exchange_token(struct executor *executor, struct err *err) MUST_USE;
/* Follows the roster to the version that the server speaks of, and keeps it. */
bool executor_follow_roster(struct executor *executor, int64_t version, enum server_verdict *ret_verdict,
                            struct err *err) MUST_USE;

/* ---- work.c ------------------------------------------------------------------------------------------- */

/* Takes what the server offers until the executor stops. On a thread of its own. */
void *work_poll_main(void *executor);
/* Makes the item ours; false when somebody has it, it rests, or too much is in work. */
bool work_take(struct executor *executor, struct str id, struct work **ret);
/* Lets it go; it rests for so long before it can be taken again. */
void work_release(struct work *work, int64_t rest_ms);
/* Waits for all that run. */
void work_wait_all(struct executor *executor);
void work_free_all(struct executor *executor);

/* ---- claim.c ------------------------------------------------------------------------------------------ */

/* One claim, from asking for it to its report. Returns how long the action should rest. */
int64_t claim_run(struct executor *executor, struct str action);

/* What is known of an end, for its report. */
struct claim_end {
        struct str action, claim, digest;
        enum outcome outcome;
        bool open;
        const char *message;
        int64_t started_ms;
        struct output_sum output;
};
/* Signs, journals, sends. True when the server has it. */
bool claim_finish(struct executor *executor, struct arena *arena, const struct claim_end *end);
/* Sends a report until the server has it or says no; false when the executor stops before. */
bool claim_send_report(struct executor *executor, struct arena *arena, struct str action, struct str report);

/* ---- settle.c ------------------------------------------------------------------------------------------
 */

/* Settles what the journal has unfinished. On a thread of its own. */
void *settle_main(void *executor);
/* Looks at the journal soon. */
void settle_kick(struct executor *executor);
