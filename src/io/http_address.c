/* SPDX-License-Identifier: Apache-2.0 */
#include "io/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

/* IPv4 networks that are not the public internet (RFC 6890 and its registry). */
static const struct {
        uint32_t network;
        unsigned bits;
} special4[] = {
        {0x00000000, 8},  /* this network */
        {0x0a000000, 8},  /* private */
        {0x64400000, 10}, /* shared, carriers' */
        {0x7f000000, 8},  /* loopback */
        {0xa9fe0000, 16}, /* link-local; clouds' metadata */
        {0xac100000, 12}, /* private */
        {0xc0000000, 24}, /* protocol assignments */
        {0xc0000200, 24}, /* documentation */
        {0xc0586300, 24}, /* 6to4 relays */
        {0xc0a80000, 16}, /* private */
        {0xc6120000, 15}, /* benchmarks */
        {0xc6336400, 24}, /* documentation */
        {0xcb007100, 24}, /* documentation */
        {0xe0000000, 3},  /* multicast, reserved, broadcast */
};

static bool is_public4(uint32_t address)
{
        for (size_t i = 0; i < sizeof(special4) / sizeof(special4[0]); i++)
                if (((address ^ special4[i].network) >> (32 - special4[i].bits)) == 0)
                        return false;
        return true;
}

static uint32_t word_at(const uint8_t *bytes)
{
        return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Only 2000::/3 is global unicast; within it what holds an IPv4 address is judged by that. */
static bool is_public6(const uint8_t bytes[16])
{
        static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
        static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};

        if (memcmp(bytes, mapped, sizeof(mapped)) == 0 || memcmp(bytes, nat64, sizeof(nat64)) == 0)
                return is_public4(word_at(bytes + 12));
        if ((bytes[0] & 0xe0) != 0x20)
                return false;
        if (bytes[0] == 0x20 && bytes[1] == 0x02) /* 6to4 */
                return is_public4(word_at(bytes + 2));
        if (word_at(bytes) == 0x20010db8 || (word_at(bytes) & 0xfffffff0) == 0x3fff0000) /* documentation */
                return false;
        /* 2001::/23: Teredo, ORCHID, benchmarks and the like. */
        return (word_at(bytes) & 0xfffffe00) != 0x20010000;
}

bool http_address_is_public(const struct sockaddr *address)
{
        if (address->sa_family == AF_INET) {
                struct sockaddr_in in;

                memcpy(&in, address, sizeof(in));
                return is_public4(ntohl(in.sin_addr.s_addr));
        }
        if (address->sa_family == AF_INET6) {
                struct sockaddr_in6 in6;

                memcpy(&in6, address, sizeof(in6));
                return is_public6(in6.sin6_addr.s6_addr);
        }
        return false;
}
