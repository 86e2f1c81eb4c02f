/* SPDX-License-Identifier: Apache-2.0 */
#include "executor/output.h"

#include "base/buf.h"
#include "base/heap.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
/* clang-format on */

/* A receiver that notes what comes; it can fail a number of times first. */
struct receiver {
        pthread_mutex_t lock;
        struct buf got;
        int fail;
        atomic_int calls;
        atomic_bool away;
};

static bool receive(void *arg, int64_t offset, struct str piece, struct err *err)
{
        struct receiver *r = arg;
        bool ok;

        atomic_fetch_add(&r->calls, 1);
        if (atomic_load(&r->away))
                return err_set(err, ERR_UPSTREAM_UNREACHABLE, "away");
        pthread_mutex_lock(&r->lock);
        ok = r->fail == 0;
        if (!ok) {
                r->fail--;
                err_set(err, ERR_UPSTREAM_TIMEOUT, "not now");
        } else if ((size_t)offset == r->got.len) {
                buf_append_str(&r->got, piece);
        }
        pthread_mutex_unlock(&r->lock);
        return ok;
}

static void receiver_init(struct receiver *r)
{
        *r = (struct receiver){.lock = PTHREAD_MUTEX_INITIALIZER};
        buf_init(&r->got, 4 << 20);
}

static void pieces_arrive_in_order(void **state)
{
        struct receiver r;
        struct output *output;
        struct output_sum sum;
        struct sha256 digest;
        BUF_SCOPED all;
        struct err err;

        receiver_init(&r);
        buf_init(&all, 1 << 20);
        r.fail = 2;
        assert_true(output_new(receive, &r, &output, &err));
        for (int i = 0; i < 2000; i++) {
                char line[64];
                int len = snprintf(line, sizeof(line), "line %d of what it prints\n", i);

                buf_append(&all, line, (size_t)len);
                output_write(output, str_make(line, (size_t)len));
        }
        output_finish(output, 10000, &sum);
        sha256_of(buf_str(&all), &digest);
        assert_true(str_eq(buf_str(&r.got), buf_str(&all)));
        assert_int_equal(sum.total_bytes, all.len);
        assert_true(sha256_eq(&sum.digest, &digest));
        assert_false(sum.truncated);
        output_free(output);
        buf_done(&r.got);
        (void)state;
}

static void beyond_the_cap_it_is_digested_and_not_kept(void **state)
{
        struct receiver r;
        struct output *output;
        struct output_sum sum;
        struct sha256_stream stream;
        struct sha256 digest;
        char block[3000];
        struct err err;

        memset(block, 'x', sizeof(block));
        receiver_init(&r);
        sha256_begin(&stream);
        assert_true(output_new(receive, &r, &output, &err));
        for (int i = 0; i < 1000; i++) {
                output_write(output, str_make(block, sizeof(block)));
                sha256_add(&stream, str_make(block, sizeof(block)));
        }
        output_finish(output, 10000, &sum);
        sha256_end(&stream, &digest);
        assert_int_equal(r.got.len, OUTPUT_KEPT_MAX_BYTES);
        assert_int_equal(sum.total_bytes, 3000000);
        assert_true(sha256_eq(&sum.digest, &digest));
        assert_true(sum.truncated);
        output_free(output);
        buf_done(&r.got);
        (void)state;
}

static void an_absent_server_does_not_hold_the_operation_up(void **state)
{
        struct receiver r;
        struct output *output;
        struct output_sum sum;
        struct err err;

        receiver_init(&r);
        atomic_store(&r.away, true);
        assert_true(output_new(receive, &r, &output, &err));
        output_write(output, STR("hello"));
        output_finish(output, 50, &sum);
        assert_int_equal(sum.total_bytes, 5);
        assert_false(sum.truncated);
        output_free(output);
        assert_int_equal(r.got.len, 0);
        assert_true(atomic_load(&r.calls) >= 1);
        buf_done(&r.got);
        (void)state;
}

static void nothing_printed_has_the_digest_of_nothing(void **state)
{
        struct output *output;
        struct output_sum sum;
        struct sha256 digest;
        struct err err;

        assert_true(output_new(NULL, NULL, &output, &err));
        output_write(output, STR(""));
        output_finish(output, 1000, &sum);
        sha256_of(STR(""), &digest);
        assert_true(sha256_eq(&sum.digest, &digest));
        assert_int_equal(sum.total_bytes, 0);
        output_free(output);
        (void)state;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(pieces_arrive_in_order),
                cmocka_unit_test(beyond_the_cap_it_is_digested_and_not_kept),
                cmocka_unit_test(an_absent_server_does_not_hold_the_operation_up),
                cmocka_unit_test(nothing_printed_has_the_digest_of_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
