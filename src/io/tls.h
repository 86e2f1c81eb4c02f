/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS 1.3 with OpenSSL; 1.2 only where the configuration asks for it (then with
 * AEAD and forward secrecy only, RFC 9325). ALPN says http/1.1 (RFC 7301).
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

struct tls_server;
struct tls_client;

struct tls_server_config {
        struct str certificate_file; /* PEM, the chain, leaf first */
        struct str key_file;         /* PEM */
        bool allow_tls12;
};

bool tls_server_new(const struct tls_server_config *config, struct tls_server **ret_tls,
                    struct err *err) MUST_USE;
/*
 * Reads the files again, for SIGHUP. New connections get the new certificate;
 * when it cannot be used the old one stays and false tells why. Any thread.
 */
bool tls_server_reload(struct tls_server *tls, struct err *err) MUST_USE;
void tls_server_free(struct tls_server *tls);

struct tls_client_config {
        struct str ca_file; /* PEM; "" = the system's store */
};

/* Peers are always verified, name included (RFC 6125). There is no switch
 * against it. */
bool tls_client_new(const struct tls_client_config *config, struct tls_client **ret_tls,
                    struct err *err) MUST_USE;
void tls_client_free(struct tls_client *tls);
