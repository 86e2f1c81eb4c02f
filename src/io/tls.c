/* SPDX-License-Identifier: Apache-2.0 */
#include "io/tls_private.h"

#include "base/heap.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>

struct tls_server {
        pthread_mutex_t lock; /* of context */
        SSL_CTX *context;     /* replaced by a reload; sessions keep the one that they began with */
        char *certificate_file;
        char *key_file;
        bool allow_tls12;
};

struct tls_client {
        SSL_CTX *context;
};

static const unsigned char alpn_http11[] = "\x08http/1.1";

/* RFC 7301 section 3.2: no common protocol is a fatal alert; a client without ALPN is welcome. */
static int alpn_select(SSL *ssl, const unsigned char **ret_out, unsigned char *ret_len,
                       const unsigned char *in, unsigned in_len, void *arg)
{
        (void)ssl;
        (void)arg;
        if (SSL_select_next_proto((unsigned char **)ret_out, ret_len, alpn_http11, sizeof(alpn_http11) - 1,
                                  in, in_len) != OPENSSL_NPN_NEGOTIATED)
                return SSL_TLSEXT_ERR_ALERT_FATAL;
        return SSL_TLSEXT_ERR_OK;
}

static bool tls_fail(struct err *err, enum err_code code, const char *what, const char *file)
{
        char reason[128];

        return err_set(err, code, "%s%s%s: %s", what, file ? " " : "", file ? file : "",
                       net_tls_reason(reason, sizeof(reason)));
}

static SSL_CTX *context_new(const SSL_METHOD *method, bool allow_tls12)
{
        SSL_CTX *context = SSL_CTX_new(method);

        if (!context)
                return NULL;
        SSL_CTX_set_min_proto_version(context, allow_tls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
        SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        /* RFC 9325 sections 3.3, 3.5 and 4.2. */
        SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                             SSL_OP_CIPHER_SERVER_PREFERENCE);
        if (SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1) {
                SSL_CTX_free(context);
                return NULL;
        }
        return context;
}

static SSL_CTX *server_context(const struct tls_server *tls, struct err *err)
{
        SSL_CTX *context = context_new(TLS_server_method(), tls->allow_tls12);
        bool is_ready = false;

        ERR_clear_error();
        if (!context)
                tls_fail(err, ERR_TLS, "cannot set up TLS", NULL);
        else if (SSL_CTX_use_certificate_chain_file(context, tls->certificate_file) != 1)
                tls_fail(err, ERR_CONFIG, "cannot use the certificate", tls->certificate_file);
        else if (SSL_CTX_use_PrivateKey_file(context, tls->key_file, SSL_FILETYPE_PEM) != 1)
                tls_fail(err, ERR_CONFIG, "cannot use the private key", tls->key_file);
        else if (SSL_CTX_check_private_key(context) != 1)
                tls_fail(err, ERR_CONFIG, "the private key does not belong to the certificate",
                         tls->key_file);
        else
                is_ready = true;
        if (!is_ready) {
                SSL_CTX_free(context);
                return NULL;
        }
        SSL_CTX_set_alpn_select_cb(context, alpn_select, NULL);
        /* One session ticket instead of two: less to send, and less memory at the client. */
        SSL_CTX_set_num_tickets(context, 1);
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        return context;
}

static char *copy(struct str s)
{
        char *text = heap_alloc(s.len + 1);

        if (text)
                snprintf(text, s.len + 1, "%.*s", STR_ARG(s));
        return text;
}

bool tls_server_new(const struct tls_server_config *config, struct tls_server **ret_tls, struct err *err)
{
        struct tls_server *tls = heap_alloc_zeroed(1, sizeof(*tls));

        if (!tls)
                return err_set(err, ERR_NO_MEMORY, "no memory for TLS");
        pthread_mutex_init(&tls->lock, NULL);
        tls->certificate_file = copy(config->certificate_file);
        tls->key_file = copy(config->key_file);
        tls->allow_tls12 = config->allow_tls12;
        if (!tls->certificate_file || !tls->key_file)
                err_set(err, ERR_NO_MEMORY, "no memory for TLS");
        else
                tls->context = server_context(tls, err);
        if (!tls->context) {
                tls_server_free(tls);
                return false;
        }
        *ret_tls = tls;
        return true;
}

bool tls_server_reload(struct tls_server *tls, struct err *err)
{
        SSL_CTX *fresh = server_context(tls, err);
        SSL_CTX *old;

        if (!fresh)
                return false;
        pthread_mutex_lock(&tls->lock);
        old = tls->context;
        tls->context = fresh;
        pthread_mutex_unlock(&tls->lock);
        SSL_CTX_free(old);
        return true;
}

void tls_server_free(struct tls_server *tls)
{
        if (!tls)
                return;
        SSL_CTX_free(tls->context);
        pthread_mutex_destroy(&tls->lock);
        heap_free(tls->certificate_file);
        heap_free(tls->key_file);
        heap_free(tls);
}

bool tls_accept(struct tls_server *tls, int fd, SSL **ret_ssl)
{
        pthread_mutex_lock(&tls->lock);
        *ret_ssl = SSL_new(tls->context);
        pthread_mutex_unlock(&tls->lock);
        if (!*ret_ssl || SSL_set_fd(*ret_ssl, fd) != 1) {
                SSL_free(*ret_ssl);
                *ret_ssl = NULL;
                ERR_clear_error();
                return false;
        }
        SSL_set_accept_state(*ret_ssl);
        return true;
}

bool tls_client_new(const struct tls_client_config *config, struct tls_client **ret_tls, struct err *err)
{
        struct tls_client *tls = heap_alloc_zeroed(1, sizeof(*tls));
        _cleanup_(heap_freep) char *ca_file = copy(config->ca_file);
        bool is_ready = false;

        ERR_clear_error();
        if (!tls || !ca_file) {
                heap_free(tls);
                return err_set(err, ERR_NO_MEMORY, "no memory for TLS");
        }
        tls->context = context_new(TLS_client_method(), true);
        if (!tls->context)
                tls_fail(err, ERR_TLS, "cannot set up TLS", NULL);
        else if (ca_file[0] && SSL_CTX_load_verify_file(tls->context, ca_file) != 1)
                tls_fail(err, ERR_CONFIG, "cannot use the file of certificate authorities", ca_file);
        else if (!ca_file[0] && SSL_CTX_set_default_verify_paths(tls->context) != 1)
                tls_fail(err, ERR_TLS, "cannot use the system's certificate authorities", NULL);
        else
                is_ready = true;
        if (!is_ready) {
                tls_client_free(tls);
                return false;
        }
        SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_session_cache_mode(tls->context, SSL_SESS_CACHE_OFF);
        /* Returns 0 for success, unlike everything else. */
        if (SSL_CTX_set_alpn_protos(tls->context, alpn_http11, sizeof(alpn_http11) - 1) != 0) {
                tls_client_free(tls);
                return tls_fail(err, ERR_TLS, "cannot set up TLS", NULL);
        }
        *ret_tls = tls;
        return true;
}

void tls_client_free(struct tls_client *tls)
{
        if (!tls)
                return;
        SSL_CTX_free(tls->context);
        heap_free(tls);
}

bool tls_connect(struct tls_client *tls, int fd, struct str host, SSL **ret_ssl, struct err *err)
{
        char name[256];
        unsigned char address[16];
        SSL *ssl;
        bool is_address;
        bool is_ready;

        if (host.len >= sizeof(name) || host.len == 0)
                return err_set(err, ERR_BAD_PARAMETER, "the host's name is too long");
        snprintf(name, sizeof(name), "%.*s", STR_ARG(host));
        is_address = inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
        ERR_clear_error();
        ssl = SSL_new(tls->context);
        is_ready = ssl && SSL_set_fd(ssl, fd) == 1;
        if (is_ready && is_address) {
                /* RFC 6066 section 3: no server name indication for addresses. */
                is_ready = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
        } else if (is_ready) {
                SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
                is_ready = SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
        }
        if (!is_ready) {
                SSL_free(ssl);
                return tls_fail(err, ERR_TLS, "cannot set up TLS", NULL);
        }
        SSL_set_connect_state(ssl);
        *ret_ssl = ssl;
        return true;
}
