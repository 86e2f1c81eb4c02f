/* SPDX-License-Identifier: Apache-2.0 */
#include "io/http_test_util.h"

#include "io/tls.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* Certificates made for one test: an authority, and a leaf that it signs. */
struct authority {
        EVP_PKEY *key;
        X509 *certificate;
};

struct with_tls {
        struct fixture f;
        char folder[32];
        char ca_file[64];
        char certificate_file[64];
        char key_file[64];
        struct authority authority;
        struct tls_server *tls;
        struct tls_client *tls_client;
        struct http_client *client;
        char base[64];
};

static X509 *certificate_make(EVP_PKEY *key, const char *name, const struct authority *signer, long serial,
                              const char *alternative_names)
{
        X509 *certificate = X509_new();
        X509_NAME *subject = X509_get_subject_name(certificate);
        X509V3_CTX context;
        X509_EXTENSION *extension;
        X509 *issuer = signer ? signer->certificate : certificate;

        X509_set_version(certificate, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
        X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
        X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
        X509_set_pubkey(certificate, key);
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
        X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
        X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
        extension =
                X509V3_EXT_conf_nid(NULL, &context, signer ? NID_subject_alt_name : NID_basic_constraints,
                                    signer ? alternative_names : "critical,CA:TRUE");
        assert_non_null(extension);
        X509_add_ext(certificate, extension, -1);
        X509_EXTENSION_free(extension);
        assert_true(X509_sign(certificate, signer ? signer->key : key, EVP_sha256()) > 0);
        return certificate;
}

static void pem_write(const char *path, X509 *certificate, EVP_PKEY *key)
{
        FILE *file = fopen(path, "w");

        assert_non_null(file);
        if (certificate)
                assert_int_equal(PEM_write_X509(file, certificate), 1);
        if (key)
                assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
        fclose(file);
}

static void leaf_write(struct with_tls *w, long serial, const char *alternative_names)
{
        EVP_PKEY *key = EVP_EC_gen("P-256");
        X509 *leaf = certificate_make(key, "leaf", &w->authority, serial, alternative_names);

        pem_write(w->certificate_file, leaf, NULL);
        pem_write(w->key_file, NULL, key);
        X509_free(leaf);
        EVP_PKEY_free(key);
}

static FIBER_FN void handler(struct http_exchange *x, void *arg)
{
        struct str body;
        struct err err;

        (void)arg;
        if (!http_exchange_is_tls(x))
                fail_msg("the exchange does not know that it is TLS");
        if (!http_body_read_all(x, 8 << 20, &body, &err))
                return;
        http_reply(x, 200, NULL, 0, http_exchange_has_body(x) ? body : STR("secret"), &err);
}

static struct http_client *client_for(struct tls_client *tls)
{
        struct http_client_config config;
        struct http_client *client;
        struct err err;

        http_client_config_init(&config);
        config.tls = tls;
        if (!http_client_new(&config, &client, &err))
                fail_msg("%s", err.message);
        return client;
}

static int start(void **state, bool allow_tls12)
{
        struct with_tls *w = calloc(1, sizeof(*w));
        struct http_server_config config;
        struct tls_server_config server_config;
        struct tls_client_config client_config;
        struct err err;

        strcpy(w->folder, "/tmp/io_tls_XXXXXX");
        assert_non_null(mkdtemp(w->folder));
        snprintf(w->ca_file, sizeof(w->ca_file), "%s/ca.pem", w->folder);
        snprintf(w->certificate_file, sizeof(w->certificate_file), "%s/leaf.pem", w->folder);
        snprintf(w->key_file, sizeof(w->key_file), "%s/leaf.key", w->folder);
        w->authority.key = EVP_EC_gen("P-256");
        w->authority.certificate = certificate_make(w->authority.key, "authority", NULL, 1, NULL);
        pem_write(w->ca_file, w->authority.certificate, NULL);
        leaf_write(w, 100, "IP:127.0.0.1,DNS:good.test");
        server_config = (struct tls_server_config){.certificate_file = str_from(w->certificate_file),
                                                   .key_file = str_from(w->key_file),
                                                   .allow_tls12 = allow_tls12};
        client_config = (struct tls_client_config){.ca_file = str_from(w->ca_file)};
        if (!tls_server_new(&server_config, &w->tls, &err) ||
            !tls_client_new(&client_config, &w->tls_client, &err))
                fail_msg("%s", err.message);
        http_server_config_init(&config);
        config.handler = handler;
        config.tls = w->tls;
        fixture_start(&w->f, &config);
        w->client = client_for(w->tls_client);
        snprintf(w->base, sizeof(w->base), "https://127.0.0.1:%u/", w->f.port);
        *state = w;
        return 0;
}

static int setup(void **state)
{
        return start(state, false);
}

static int setup_tls12(void **state)
{
        return start(state, true);
}

static int teardown(void **state)
{
        struct with_tls *w = *state;

        http_client_free(w->client);
        fixture_end(&w->f);
        tls_client_free(w->tls_client);
        tls_server_free(w->tls);
        X509_free(w->authority.certificate);
        EVP_PKEY_free(w->authority.key);
        unlink(w->ca_file);
        unlink(w->certificate_file);
        unlink(w->key_file);
        rmdir(w->folder);
        free(w);
        return 0;
}

static bool try_call(struct with_tls *w, struct arena *arena, struct str body, struct http_response *ret,
                     struct err *err)
{
        struct http_client_call call = {.method = STR("POST"),
                                        .url = str_from(w->base),
                                        .body = body,
                                        .timeout_ms = TEST_PATIENCE_MS,
                                        .cap_bytes = 8 << 20};

        return http_call(w->client, &call, arena, ret, err);
}

static void calls_go_over_tls(void **state)
{
        struct with_tls *w = *state;
        struct http_server_stats stats;
        struct http_response response;
        struct err err;
        ARENA_SCOPED arena = {0};

        arena_init(&arena, 1 << 20);
        for (int i = 0; i < 5; i++) {
                if (!try_call(w, &arena, STR_NULL, &response, &err))
                        fail_msg("%s", err.message);
                assert_true(str_is(response.body, "secret"));
        }
        http_server_stats(w->f.server, &stats);
        assert_int_equal(stats.connections_accepted, 1);
}

static void large_bodies_go_both_ways(void **state)
{
        struct with_tls *w = *state;
        size_t size_bytes = 3 << 20;
        char *bytes = malloc(size_bytes);
        struct http_response response;
        struct err err;
        ARENA_SCOPED arena = {0};

        arena_init(&arena, 16 << 20);
        for (size_t i = 0; i < size_bytes; i++)
                bytes[i] = (char)(i * 2654435761U >> 24);
        if (!try_call(w, &arena, str_make(bytes, size_bytes), &response, &err))
                fail_msg("%s", err.message);
        assert_true(str_eq(response.body, str_make(bytes, size_bytes)));
        free(bytes);
}

static void unknown_authority_is_refused(void **state)
{
        struct with_tls *w = *state;
        struct tls_client_config system_store = {0};
        struct tls_client *tls;
        struct http_client *known = w->client;
        struct http_response response;
        struct err err;
        ARENA_SCOPED arena = {0};

        arena_init(&arena, 1 << 20);
        assert_true(tls_client_new(&system_store, &tls, &err));
        w->client = client_for(tls);
        assert_false(try_call(w, &arena, STR_NULL, &response, &err));
        assert_int_equal(err.code, ERR_TLS);
        assert_non_null(strstr(err.message, "certificate"));
        http_client_free(w->client);
        tls_client_free(tls);
        w->client = known;
}

static void other_name_is_refused(void **state)
{
        struct with_tls *w = *state;
        struct http_response response;
        struct err err;
        ARENA_SCOPED arena = {0};

        arena_init(&arena, 1 << 20);
        /* The same socket by a name that the certificate does not have. */
        snprintf(w->base, sizeof(w->base), "https://localhost:%u/", w->f.port);
        assert_false(try_call(w, &arena, STR_NULL, &response, &err));
        assert_int_equal(err.code, ERR_TLS);
        assert_non_null(strstr(err.message, "mismatch"));
}

/* What certificate a new connection is shown. */
static long serial_shown(uint16_t port, int version, const char **ret_alpn)
{
        SSL_CTX *context = SSL_CTX_new(TLS_client_method());
        SSL *ssl = SSL_new(context);
        int fd = dial(port);
        long serial = -1;
        const unsigned char *alpn;
        unsigned alpn_len;

        SSL_set_max_proto_version(ssl, version);
        SSL_set_alpn_protos(ssl, (const unsigned char *)"\x02h2\x08http/1.1", 12);
        SSL_set_fd(ssl, fd);
        if (SSL_connect(ssl) == 1) {
                X509 *certificate = SSL_get1_peer_certificate(ssl);

                serial = ASN1_INTEGER_get(X509_get0_serialNumber(certificate));
                X509_free(certificate);
                SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
                if (ret_alpn)
                        *ret_alpn = alpn_len == 8 && memcmp(alpn, "http/1.1", 8) == 0 ? "http/1.1" : "other";
                assert_int_equal(SSL_version(ssl), version);
        }
        ERR_clear_error();
        SSL_free(ssl);
        SSL_CTX_free(context);
        close(fd);
        return serial;
}

static void reload_changes_the_certificate(void **state)
{
        struct with_tls *w = *state;
        struct http_response response;
        struct http_server_stats stats;
        const char *alpn = "";
        struct err err;
        ARENA_SCOPED arena = {0};

        arena_init(&arena, 1 << 20);
        assert_true(try_call(w, &arena, STR_NULL, &response, &err));
        assert_int_equal(serial_shown(w->f.port, TLS1_3_VERSION, &alpn), 100);
        assert_string_equal(alpn, "http/1.1");
        leaf_write(w, 200, "IP:127.0.0.1");
        if (!tls_server_reload(w->tls, &err))
                fail_msg("%s", err.message);
        assert_int_equal(serial_shown(w->f.port, TLS1_3_VERSION, NULL), 200);
        /* The connection from before the reload still serves. */
        assert_true(try_call(w, &arena, STR_NULL, &response, &err));
        http_server_stats(w->f.server, &stats);
        assert_int_equal(stats.connections_accepted, 3);
}

static void reload_of_rubbish_keeps_the_old_certificate(void **state)
{
        struct with_tls *w = *state;
        EVP_PKEY *other = EVP_EC_gen("P-256");
        FILE *file;
        struct err err;

        pem_write(w->key_file, NULL, other);
        EVP_PKEY_free(other);
        assert_false(tls_server_reload(w->tls, &err));
        assert_int_equal(serial_shown(w->f.port, TLS1_3_VERSION, NULL), 100);
        file = fopen(w->certificate_file, "w");
        fputs("not a certificate\n", file);
        fclose(file);
        assert_false(tls_server_reload(w->tls, &err));
        assert_non_null(strstr(err.message, w->certificate_file));
        unlink(w->certificate_file);
        assert_false(tls_server_reload(w->tls, &err));
        assert_int_equal(serial_shown(w->f.port, TLS1_3_VERSION, NULL), 100);
}

static void tls12_is_off_by_default(void **state)
{
        struct with_tls *w = *state;

        assert_int_equal(serial_shown(w->f.port, TLS1_2_VERSION, NULL), -1);
}

static void tls12_can_be_allowed(void **state)
{
        struct with_tls *w = *state;

        assert_int_equal(serial_shown(w->f.port, TLS1_2_VERSION, NULL), 100);
}

static void plain_bytes_to_a_tls_port_get_nothing(void **state)
{
        struct with_tls *w = *state;
        char *text = ask(w->f.port, STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));

        assert_null(strstr(text, "secret"));
        assert_null(strstr(text, "HTTP/1.1 200"));
        free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(calls_go_over_tls),
                TEST(large_bodies_go_both_ways),
                TEST(unknown_authority_is_refused),
                TEST(other_name_is_refused),
                TEST(reload_changes_the_certificate),
                TEST(reload_of_rubbish_keeps_the_old_certificate),
                TEST(tls12_is_off_by_default),
                cmocka_unit_test_setup_teardown(tls12_can_be_allowed, setup_tls12, teardown),
                TEST(plain_bytes_to_a_tls_port_get_nothing),
        };

        return cmocka_run_group_tests_name("tls", tests, NULL, NULL);
}
