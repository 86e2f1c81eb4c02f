/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many actions a second a server takes from being asked for to being
 * reported, over HTTP: 64 clients, each playing agent, approver and executor
 * one after another (submit, decide, claim, report), each answer durable.
 *
 *   actions_bench <place.json
 *
 * place.json names the server and whom to play, as bench.py prepares it. One
 * JSON object comes out: actions a second, microseconds for each step, the
 * CPU that server and clients spent, and what one signature check costs here.
 */
#include "base/base64.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/json_write.h"
#include "crypto/dsse.h"
#include "crypto/sha256.h"
#include "documents/report.h"
#include "documents/statement.h"
#include "io/http_client.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { STEPS = 4, CLIENTS_MAX = 1024, SAMPLES_MAX = 1 << 20, ARENA_BYTES = 1 << 20 };

static const char *const step_names[STEPS] = {"submit", "decide", "claim", "report"};

struct person {
        struct str authorization; /* "Bearer cs_…" */
        struct ed25519_key *key;
};

static struct str server_url, workspace, executor_id;
static struct person agent, approver, executor;
static int64_t clients = 64, server_pid, warm_up_ms = 1000, run_ms = 5000;

static struct http_client *http;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static int64_t running; /* under the lock */
static int64_t end_us, measure_from_us;

/* Of the loop's thread until it has ended. */
static int64_t samples[STEPS][SAMPLES_MAX];
static size_t sample_count;
static int64_t cpu_from_us[2], cpu_to_us[2]; /* server, clients */
static int64_t measured_from_us, measured_to_us;

static void check(bool ok, const struct err *err)
{
        if (ok)
                return;
        fprintf(stderr, "%s: %s\n", err_name(err->code), err->message);
        exit(1);
}

/* ---- CPU --------------------------------------------------------------------------------------- */

/* utime and stime, the 14th and 15th field (proc(5)). */
static int64_t server_cpu_us(void)
{
        char path[64], text[1024];
        const char *at;
        unsigned long user, system;
        FILE *file;
        size_t len;

        snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)server_pid);
        file = fopen(path, "r");
        if (!file)
                exit(1);
        len = fread(text, 1, sizeof(text) - 1, file);
        fclose(file);
        text[len] = '\0';
        at = strrchr(text, ')');
        if (!at || sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
                exit(1);
        return (int64_t)(user + system) * 1000000 / sysconf(_SC_CLK_TCK);
}

static int64_t own_cpu_us(void)
{
        struct rusage usage;

        getrusage(RUSAGE_SELF, &usage);
        return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000) + usage.ru_utime.tv_usec +
               usage.ru_stime.tv_usec;
}

static void take_cpu(int64_t ret_us[2])
{
        ret_us[0] = server_cpu_us();
        ret_us[1] = own_cpu_us();
}

/* ---- one action -------------------------------------------------------------------------------- */

static FIBER_FN void post(struct arena *arena, const struct person *who, struct str path, struct str body,
                          struct json *ret)
{
        const struct http_header headers[] = {
                {STR("Authorization"), who->authorization},
                {STR("Content-Type"), STR("application/json")},
        };
        struct http_client_call call = {
                .method = STR("POST"),
                .url = arena_printf(arena, "%.*s/v1/workspaces/%.*s/actions%.*s", STR_ARG(server_url),
                                    STR_ARG(workspace), STR_ARG(path)),
                .headers = headers,
                .n_headers = body.ptr ? 2 : 1,
                .body = body,
        };
        struct http_response response;
        struct err err;

        check(http_fiber_call(http, &call, arena, &response, &err), &err);
        if (response.status >= 300) {
                fprintf(stderr, "POST %.*s: %d %.*s\n", STR_ARG(path), response.status,
                        STR_ARG(response.body));
                exit(1);
        }
        check(json_parse(arena, response.body, ret, &err), &err);
}

static struct str decision_body(struct arena *arena, struct str statement)
{
        struct dsse_signature signature;
        struct err err;

        check(dsse_sign(arena, approver.key, STR(STATEMENT_PAYLOAD_TYPE), statement, &signature, &err),
              &err);
        return arena_printf(arena,
                            "{\"verdict\":\"approve\",\"signature\":{\"keyid\":\"%.*s\",\"sig\":\"%.*s\"}}",
                            STR_ARG(signature.key_id), STR_ARG(base64_encode(arena, signature.signature)));
}

static struct str report_body(struct arena *arena, struct str action, struct str claim, struct str digest)
{
        struct dsse_signature signature;
        struct dsse_envelope envelope = {
                .payload_type = STR(REPORT_PAYLOAD_TYPE), .signatures = &signature, .count = 1};
        int64_t now_ms = clock_now_ms();
        struct report report = {
                .action = action,
                .claim = claim,
                .executor = executor_id,
                .digest = digest,
                .outcome = OUTCOME_SUCCEEDED,
                .message = STR("the container is gone"),
                .started_ms = now_ms,
                .ended_ms = now_ms,
                .output_sha256 = STR("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        };
        BUF_SCOPED text;
        struct err err;

        check(report_build(arena, &report, &envelope.payload, &err), &err);
        check(dsse_sign(arena, executor.key, envelope.payload_type, envelope.payload, &signature, &err),
              &err);
        buf_init(&text, 1 << 16);
        dsse_append(&text, &envelope);
        check(buf_check(&text, "the report", &err), &err);
        return arena_str(arena, buf_str(&text));
}

static struct str submit_body(struct arena *arena, int64_t number)
{
        return arena_printf(
                arena,
                "{\"environment\":\"test\",\"connector\":\"docker\",\"operation\":\"container.remove\","
                "\"target\":\"%064llx\",\"parameters\":{\"force\":true},\"task_name\":\"bench\"}",
                (unsigned long long)number);
}

static FIBER_FN void play(struct arena *arena, int64_t number, int64_t ret_at_us[STEPS + 1])
{
        struct json answer;
        struct str action, digest, claim, statement;

        ret_at_us[0] = clock_mono_us();
        post(arena, &agent, STR(""), submit_body(arena, number), &answer);
        ret_at_us[1] = clock_mono_us();
        action = json_get_string(&answer, "id");
        digest = json_get_string(&answer, "digest");
        if (!str_is(json_get_string(&answer, "state"), "pending") ||
            !base64_decode(arena, json_get_string(&answer, "statement"), &statement))
                exit(1);
        post(arena, &approver, arena_printf(arena, "/%.*s/decisions", STR_ARG(action)),
             decision_body(arena, statement), &answer);
        ret_at_us[2] = clock_mono_us();
        if (!str_is(json_get_string(&answer, "state"), "approved"))
                exit(1);
        post(arena, &executor, arena_printf(arena, "/%.*s/claim", STR_ARG(action)), STR_NULL, &answer);
        ret_at_us[3] = clock_mono_us();
        claim = json_get_string(&answer, "claim");
        post(arena, &executor, arena_printf(arena, "/%.*s/report", STR_ARG(action)),
             report_body(arena, action, claim, digest), &answer);
        ret_at_us[4] = clock_mono_us();
        if (!str_is(json_get_string(&answer, "state"), "succeeded"))
                exit(1);
}

static void record(const int64_t at_us[STEPS + 1])
{
        if (at_us[STEPS] < measure_from_us || at_us[STEPS] >= end_us || sample_count == SAMPLES_MAX)
                return;
        if (sample_count == 0) {
                take_cpu(cpu_from_us);
                measured_from_us = clock_mono_us();
        }
        for (int i = 0; i < STEPS; i++)
                samples[i][sample_count] = at_us[i + 1] - at_us[i];
        sample_count++;
}

static FIBER_ENTRY void client_main(void *arg)
{
        int64_t number = (int64_t)(intptr_t)arg << 32;
        int64_t at_us[STEPS + 1];
        ARENA_SCOPED arena;

        arena_init(&arena, ARENA_BYTES);
        do {
                play(&arena, ++number, at_us);
                record(at_us);
                arena_reset(&arena);
        } while (at_us[STEPS] < end_us);
        pthread_mutex_lock(&lock);
        if (running-- == clients) { /* the first to end */
                take_cpu(cpu_to_us);
                measured_to_us = clock_mono_us();
        }
        pthread_cond_signal(&ended);
        pthread_mutex_unlock(&lock);
}

/* ---- the whole --------------------------------------------------------------------------------- */

/* What one check of a signature over a statement's bytes takes, with nothing else to do. */
static double verify_us(void)
{
        enum { ROUNDS = 1000 };
        char text[900];
        struct str payload = str_make(text, sizeof(text));
        struct dsse_signature signature;
        struct dsse_envelope envelope = {.payload_type = STR(STATEMENT_PAYLOAD_TYPE),
                                         .payload = payload,
                                         .signatures = &signature,
                                         .count = 1};
        ARENA_SCOPED arena;
        struct err err;
        int64_t start_us;

        memset(text, 'x', sizeof(text));
        arena_init(&arena, 1 << 16);
        check(dsse_sign(&arena, approver.key, envelope.payload_type, payload, &signature, &err), &err);
        start_us = own_cpu_us();
        for (int i = 0; i < ROUNDS; i++)
                check(dsse_verify(&envelope, &signature, ed25519_key_public(approver.key), &err), &err);
        return (double)(own_cpu_us() - start_us) / ROUNDS;
}

static struct str text_of(const struct json *place, const char *key)
{
        struct str text = json_get_string(place, key);

        if (!text.ptr) {
                fprintf(stderr, "place.json lacks \"%s\"\n", key);
                exit(2);
        }
        return text;
}

static void read_person(struct arena *arena, const struct json *place, const char *name, struct person *ret)
{
        struct str seed;
        struct err err;
        const struct json *of = json_get(place, name);

        ret->authorization = arena_printf(arena, "Bearer %.*s", STR_ARG(text_of(of, "api_key")));
        if (!hex_decode(arena, text_of(of, "seed"), &seed) || seed.len != ED25519_SEED_SIZE)
                exit(2);
        check(ed25519_key_from_seed((const uint8_t *)seed.ptr, &ret->key, &err), &err);
}

static void read_place(struct arena *arena)
{
        static char text[65536];
        struct json place;
        struct err err;

        check(json_parse(arena, str_make(text, fread(text, 1, sizeof(text), stdin)), &place, &err), &err);
        server_url = text_of(&place, "url");
        workspace = text_of(&place, "workspace");
        executor_id = text_of(&place, "executor_id");
        read_person(arena, &place, "agent", &agent);
        read_person(arena, &place, "approver", &approver);
        read_person(arena, &place, "executor", &executor);
        (void)json_get_int(&place, "clients", &clients);
        (void)json_get_int(&place, "warm_up_ms", &warm_up_ms);
        (void)json_get_int(&place, "run_ms", &run_ms);
        if (!json_get_int(&place, "server_pid", &server_pid) || clients < 1 || clients > CLIENTS_MAX)
                exit(2);
}

static int compare_i64(const void *a, const void *b)
{
        int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

        return (x > y) - (x < y);
}

static void print_result(double check_us)
{
        double seconds = (double)(measured_to_us - measured_from_us) / 1e6;
        double actions = (double)sample_count;

        printf("{\"bench\":\"actions\",\"clients\":%lld,\"actions\":%zu,\"per_second\":%.0f",
               (long long)clients, sample_count, actions / seconds);
        for (int i = 0; i < STEPS; i++) {
                qsort(samples[i], sample_count, sizeof(samples[i][0]), compare_i64);
                printf(",\"%s_p50_us\":%lld,\"%s_p99_us\":%lld", step_names[i],
                       (long long)samples[i][sample_count / 2], step_names[i],
                       (long long)samples[i][sample_count * 99 / 100]);
        }
        printf(",\"server_cpu_us\":%.1f,\"client_cpu_us\":%.1f,\"check_us\":%.1f}\n",
               (double)(cpu_to_us[0] - cpu_from_us[0]) / actions,
               (double)(cpu_to_us[1] - cpu_from_us[1]) / actions, check_us);
}

int main(void)
{
        struct http_client_config config;
        struct loops *loops;
        struct arena arena;
        struct err err;
        double check_us;

        arena_init(&arena, 1 << 20);
        read_place(&arena);
        check_us = verify_us();
        http_client_config_init(&config);
        config.idle_max = (unsigned)clients;
        check(http_client_new(&config, &http, &err), &err);
        check(loops_start(1, &loops, &err), &err);
        measure_from_us = clock_mono_us() + warm_up_ms * 1000;
        end_us = measure_from_us + run_ms * 1000;
        running = clients;
        for (int64_t i = 0; i < clients; i++)
                check(fiber_spawn(loops_at(loops, 0), client_main, (void *)(intptr_t)(i + 1), &err), &err);
        pthread_mutex_lock(&lock);
        while (running > 0)
                pthread_cond_wait(&ended, &lock);
        pthread_mutex_unlock(&lock);
        http_client_free(http);
        loops_free(loops);
        if (sample_count == 0)
                exit(1);
        print_result(check_us);
        ed25519_key_free(agent.key);
        ed25519_key_free(approver.key);
        ed25519_key_free(executor.key);
        arena_done(&arena);
        return 0;
}
