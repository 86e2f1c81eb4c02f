/* SPDX-License-Identifier: Apache-2.0 */
/* What a Docker Engine may send: streams however they are cut, and JSON of any shape. */
#include "fuzz.h"

#include "executor/connectors/docker_private.h"
#include "executor/connectors/docker_stream.h"

struct seen {
        size_t bytes;
        struct sha256_stream digest;
};

static void take(void *arg, struct str bytes)
{
        struct seen *seen = arg;

        seen->bytes += bytes.len;
        sha256_add(&seen->digest, bytes);
}

/* Feeds in pieces of this size; whether it was accepted, and what came out. */
static bool feed(struct str text, size_t piece, size_t *ret_bytes, struct sha256 *ret_digest)
{
        struct docker_stream stream = {0};
        struct seen seen = {0};
        struct err err;
        bool ok = true;

        sha256_begin(&seen.digest);
        for (size_t at = 0; ok && at < text.len; at += piece)
                ok = docker_stream_feed(&stream, str_slice(text, at, piece), take, &seen, &err);
        ok = ok && docker_stream_end(&stream, &err);
        sha256_end(&seen.digest, ret_digest);
        *ret_bytes = seen.bytes;
        return ok;
}

static void fuzz_stream(struct str text)
{
        struct sha256 whole_digest, cut_digest;
        size_t whole, cut;
        bool ok = feed(text, text.len + 1, &whole, &whole_digest);

        FUZZ_CHECK(feed(text, 1, &cut, &cut_digest) == ok);
        if (ok)
                FUZZ_CHECK(cut == whole && sha256_eq(&whole_digest, &cut_digest));
        FUZZ_CHECK(whole <= text.len);
}

static void fuzz_views(struct str text)
{
        ARENA_SCOPED arena;
        struct output *output;
        struct output_sum sum;
        struct json json;
        struct err err;

        arena_init(&arena, 64 << 20);
        if (!json_parse(&arena, text, &json, &err) || !output_new(NULL, NULL, &output, &err))
                return;
        if (docker_print_containers(&json, output, &err) || docker_print_images(&json, output, &err) ||
            docker_print_container(&json, output, &err)) {
                struct json printed;

                /* What we print is JSON again. */
                FUZZ_CHECK(json_parse(&arena, output_kept(output), &printed, &err));
        }
        output_finish(output, 0, &sum);
        output_free(output);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct str text = str_make(data, size);
        char said[DOCKER_SAID_MAX];

        fuzz_stream(text);
        fuzz_views(text);
        docker_say(text, said, sizeof(said));
        FUZZ_CHECK(strlen(said) < sizeof(said));
        return 0;
}
