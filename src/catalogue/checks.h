/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The forms that texts in the catalogue must have: small predicates, without
 * regular expressions, so that each can be read and tested.
 */
#pragma once

#include "base/str.h"

/* [A-Za-z0-9][A-Za-z0-9_.-]+, as Docker wants names of containers, networks and volumes. */
bool check_docker_name(struct str text);
/* `sha256:` and 64 lower-case hex digits. */
bool check_sha256_id(struct str text);
/* 64 lower-case hex digits. */
bool check_hex_id(struct str text);
/* What an image reference is made of: [A-Za-z0-9][A-Za-z0-9_./:@-]*. */
bool check_image_reference(struct str text);
/* A POSIX signal's name, such as SIGTERM. */
bool check_signal(struct str text);
/* [A-Za-z_][A-Za-z0-9_]*. */
bool check_env_name(struct str text);
/* Printable ASCII without spaces. */
bool check_label_name(struct str text);
/* `80/tcp`, `53/udp`. */
bool check_container_port(struct str text);
/* `127.0.0.1:8080`: an IPv4 address and a port. */
bool check_host_address(struct str text);
/* A name or a number, and after a colon a group. */
bool check_user(struct str text);
/* `ten_…`, `wsp_…`, and an id of any kind. */
bool check_tenant_id(struct str text);
bool check_workspace_id(struct str text);
bool check_any_id(struct str text);
/* A network's name; not `host`, and not another container's. */
bool check_network_mode(struct str text);
