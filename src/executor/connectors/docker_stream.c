/* SPDX-License-Identifier: Apache-2.0 */
#include "executor/connectors/docker_stream.h"

static bool frame_begin(struct docker_stream *stream, struct err *err)
{
        const uint8_t *h = stream->header;

        stream->header_len = 0;
        stream->left_bytes = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
        if (h[0] > 2 || h[1] != 0 || h[2] != 0 || h[3] != 0)
                return err_set(err, ERR_UPSTREAM_PROTOCOL,
                               "the engine's output is not in frames: one begins with %02x %02x %02x %02x",
                               h[0], h[1], h[2], h[3]);
        if (stream->left_bytes > DOCKER_FRAME_MAX_BYTES)
                return err_set(err, ERR_UPSTREAM_PROTOCOL, "the engine announces a frame of %u bytes",
                               stream->left_bytes);
        return true;
}

bool docker_stream_feed(struct docker_stream *stream, struct str bytes, docker_stream_fn fn, void *arg,
                        struct err *err)
{
        if (stream->raw) {
                fn(arg, bytes);
                return true;
        }
        while (bytes.len > 0) {
                size_t take;

                if (stream->left_bytes > 0) {
                        take = bytes.len < stream->left_bytes ? bytes.len : stream->left_bytes;
                        fn(arg, str_slice(bytes, 0, take));
                        stream->left_bytes -= (uint32_t)take;
                } else {
                        take = DOCKER_FRAME_HEADER_BYTES - stream->header_len;
                        if (take > bytes.len)
                                take = bytes.len;
                        memcpy(stream->header + stream->header_len, bytes.ptr, take);
                        stream->header_len += (unsigned)take;
                        if (stream->header_len == DOCKER_FRAME_HEADER_BYTES && !frame_begin(stream, err))
                                return false;
                }
                bytes = str_slice(bytes, take, bytes.len);
        }
        return true;
}

bool docker_stream_end(const struct docker_stream *stream, struct err *err)
{
        if (stream->header_len > 0 || stream->left_bytes > 0)
                return err_set(err, ERR_UPSTREAM_PROTOCOL, "the engine's output ended within a frame");
        return true;
}
