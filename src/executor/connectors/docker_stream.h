/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream in which the Docker Engine mixes a container's standard output and
 * standard error (Engine API 1.41, ContainerAttach, "Stream format"): frames of
 * one byte for the stream (0 stdin, 1 stdout, 2 stderr), three zero bytes, the
 * payload's length (32 bits, big-endian), the payload. A container with a
 * terminal has no frames.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

enum { DOCKER_FRAME_HEADER_BYTES = 8, DOCKER_FRAME_MAX_BYTES = 64 * 1024 * 1024 };

struct docker_stream {
        bool raw; /* a terminal's: no frames */
        unsigned header_len;
        uint8_t header[DOCKER_FRAME_HEADER_BYTES];
        uint32_t left_bytes; /* of the frame's payload */
};

typedef void (*docker_stream_fn)(void *arg, struct str bytes);

/* Takes the next bytes, however they were cut; payloads go to `fn`. UPSTREAM_PROTOCOL for no such stream. */
bool docker_stream_feed(struct docker_stream *stream, struct str bytes, docker_stream_fn fn, void *arg,
                        struct err *err) MUST_USE;
/* At the stream's end: UPSTREAM_PROTOCOL when it ended within a frame. */
bool docker_stream_end(const struct docker_stream *stream, struct err *err) MUST_USE;
