/* SPDX-License-Identifier: Apache-2.0 */
/* How an executor becomes one, and how it follows the roster afterwards. */
#include "executor/executor_private.h"

#include "base/log_line.h"
#include "base/test_hooks.h"

enum { ENROL_ARENA_BYTES = 64 * 1024 * 1024 };

static bool check_digest(const struct executor_config *config, const struct roster *roster, struct err *err)
{
        if (!config->roster_digest || str_is(roster->digest, config->roster_digest))
                return true;
        return err_set(err, ERR_BAD_ENVELOPE,
                       "the server's roster version %lld has the digest %.*s, and not %s as you demand; do "
                       "not trust this server before you know why",
                       (long long)roster->version, STR_ARG(roster->digest), config->roster_digest);
}

static bool keep_chain(struct executor *executor, const struct server_enrolled *enrolled,
                       const struct roster *last, struct err *err)
{
        for (size_t i = 0; i < enrolled->roster_count; i++) {
                int64_t version = last->version - (int64_t)(enrolled->roster_count - 1 - i);

                if (!state_write_roster(&executor->state, version, enrolled->roster_json[i], err))
                        return false;
        }
        return true;
}

static void token_digest(const struct executor_config *config, char ret_hex[SHA256_HEX_SIZE])
{
        struct sha256 hash;

        sha256_of(str_from(config->token), &hash);
        sha256_format(&hash, ret_hex);
}

static bool enrol(struct executor *executor, struct arena *arena, struct err *err)
{
        char token_sha256[SHA256_HEX_SIZE];
        const struct executor_config *config = executor->config;
        const struct ed25519_public *public_key = ed25519_key_public(executor->state.key);
        struct server_enrolled enrolled;
        enum server_verdict verdict;
        struct credential credential;
        struct roster roster;

        test_step("enrol");
        if (!server_enrol(&executor->server, arena, str_from(config->token), ed25519_public_str(public_key),
                          &enrolled, &verdict, err))
                return err_prefix(err, "the enrolment failed (a token counts once; if it was used, announce "
                                       "the executor again)");
        test_step("enrolled");
        if (!roster_follow(arena, NULL, enrolled.tenant, enrolled.roster, enrolled.roster_count, &roster,
                           err))
                return err_prefix(err, "the server's roster is not valid");
        if (!check_digest(config, &roster, err))
                return false;
        token_digest(config, token_sha256);
        credential = (struct credential){
                .server_url = str_from(config->server_url),
                .executor = enrolled.executor,
                .tenant = enrolled.tenant,
                .workspace = enrolled.workspace,
                .environment = enrolled.environment,
                .api_key = enrolled.api_key,
                .token_sha256 = str_from(token_sha256),
        };
        if (!journal_create(executor->state.dir, NULL, err) ||
            !keep_chain(executor, &enrolled, &roster, err) ||
            !state_write_credential(&executor->state, &credential, err))
                return false;
        test_step("credential kept");
        log_line(LOG_INFO, "enrolled", LOG_STR("executor", credential.executor),
                 LOG_STR("environment", credential.environment), LOG_INT("roster_version", roster.version),
                 LOG_STR("roster_digest", roster.digest));
        return true;
}

bool executor_exchange_token(struct executor *executor, struct err *err)
{
        char token_sha256[SHA256_HEX_SIZE];
        struct arena arena;
        bool ok;

        if (executor->state.enrolled) {
                token_digest(executor->config, token_sha256);
                /* A service is started with the same command line every time. */
                if (str_is(executor->state.credential.token_sha256, token_sha256))
                        return true;
                return err_set(err, ERR_CONFLICT,
                               "%s is enrolled already, as %.*s, with another token; start it without a "
                               "token, or enrol another one in a folder of its own",
                               executor->state.dir, STR_ARG(executor->state.credential.executor));
        }
        if (!executor->config->server_url)
                return err_set(err, ERR_CONFIG, "an enrolment needs the server's URL");
        arena_init_zeroing(&arena, ENROL_ARENA_BYTES);
        ok = enrol(executor, &arena, err);
        arena_done(&arena);
        return ok;
}

/* With the roster's lock held. */
static bool follow(struct executor *executor, struct arena *arena, int64_t version,
                   enum server_verdict *ret_verdict, struct err *err)
{
        struct dsse_envelope *envelopes;
        struct str *texts;
        size_t count;
        struct roster last;
        int64_t standing = executor->roster.version;

        if (standing >= version)
                return true;
        if (!server_get_roster(&executor->server, arena, executor->state.credential.tenant, standing,
                               &envelopes, &texts, &count, ret_verdict, err))
                return false;
        *ret_verdict = SERVER_NO;
        if (count == 0)
                return err_set(err, ERR_ROSTER_CONFLICT,
                               "the server speaks of roster version %lld and gives none after %lld",
                               (long long)version, (long long)standing);
        if (!roster_follow(arena, &executor->roster, executor->state.credential.tenant, envelopes, count,
                           &last, err))
                return err_prefix(err, "a roster after version %lld is not valid", (long long)standing);
        for (size_t i = 0; i < count; i++) {
                if (!state_write_roster(&executor->state, standing + 1 + (int64_t)i, texts[i], err))
                        return false;
        }
        arena_reset(&executor->roster_arena);
        if (!state_read_roster(&executor->state, &executor->roster_arena, &executor->roster, err))
                return false;
        log_line(LOG_INFO, "the roster has changed", LOG_INT("version", executor->roster.version),
                 LOG_STR("digest", executor->roster.digest));
        return true;
}

bool executor_follow_roster(struct executor *executor, int64_t version, enum server_verdict *ret_verdict,
                            struct err *err)
{
        struct arena arena;
        bool ok;

        *ret_verdict = SERVER_NO;
        arena_init(&arena, ENROL_ARENA_BYTES);
        pthread_mutex_lock(&executor->roster_lock);
        ok = follow(executor, &arena, version, ret_verdict, err);
        pthread_mutex_unlock(&executor->roster_lock);
        arena_done(&arena);
        return ok;
}
