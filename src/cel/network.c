/* SPDX-License-Identifier: Apache-2.0 */
/* The extension network: net.IP and net.CIDR. */
#include "cel/network.h"

#include "cel/fn.h"

#include <arpa/inet.h>
#include <stdio.h>

struct ip {
        struct cel_opaque opaque;
        uint8_t family; /* 4 or 6 */
        uint8_t prefix; /* of a CIDR */
        uint8_t bytes[16];
};

static const struct ip *ip_of(const struct cel_opaque *opaque)
{
        return (const struct ip *)opaque;
}

static uint32_t length_of(const struct ip *ip)
{
        return ip->family == 4 ? 4 : 16;
}

static bool ip_equal(const struct cel_opaque *a, const struct cel_opaque *b)
{
        return ip_of(a)->family == ip_of(b)->family && ip_of(a)->prefix == ip_of(b)->prefix &&
               memcmp(ip_of(a)->bytes, ip_of(b)->bytes, length_of(ip_of(a))) == 0;
}

static void ip_append(struct buf *buf, const struct cel_opaque *self)
{
        char text[INET6_ADDRSTRLEN];

        buf_append_c(buf, inet_ntop(ip_of(self)->family == 4 ? AF_INET : AF_INET6, ip_of(self)->bytes, text,
                                    sizeof(text)));
}

static void cidr_append(struct buf *buf, const struct cel_opaque *self)
{
        ip_append(buf, self);
        buf_printf(buf, "/%u", ip_of(self)->prefix);
}

static const struct cel_opaque_type ip_type = {"net.IP", ip_equal, ip_append};
static const struct cel_opaque_type cidr_type = {"net.CIDR", ip_equal, cidr_append};

static const struct ip *as(struct cel_value value, const struct cel_opaque_type *type)
{
        return value.kind == CEL_OPAQUE && value.opaque->type == type ? ip_of(value.opaque) : NULL;
}

static struct cel_value make(struct cel_call *call, const struct ip *ip, const struct cel_opaque_type *type)
{
        struct ip *copy = eval_alloc(call, 1, sizeof(*copy));

        if (!copy)
                return eval_stopped();
        *copy = *ip;
        copy->opaque.type = type;
        return cel_opaque(&copy->opaque);
}

/* ---- Texts ---- */

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

/* NULL, or why the text is no address. ::ffff:c0a8:1 is the IPv4 address; written with dots it is refused.
 */
static const char *parse_ip(struct str text, struct ip *ret)
{
        char copy[INET6_ADDRSTRLEN];

        memset(ret, 0, sizeof(*ret));
        if (str_find(text, '%') >= 0)
                return "with zone value is not allowed";
        if (text.len >= sizeof(copy) || memchr(text.len > 0 ? text.ptr : "", '\0', text.len))
                return "parse error during conversion from string";
        memcpy(copy, text.len > 0 ? text.ptr : "", text.len);
        copy[text.len] = '\0';
        if (inet_pton(AF_INET, copy, ret->bytes) == 1) {
                ret->family = 4;
                return NULL;
        }
        if (inet_pton(AF_INET6, copy, ret->bytes) != 1)
                return "parse error during conversion from string";
        ret->family = 6;
        if (memcmp(ret->bytes, mapped, sizeof(mapped)) != 0)
                return NULL;
        if (str_find(text, '.') >= 0)
                return "is an IPv4-mapped IPv6 address, which is not allowed";
        memmove(ret->bytes, ret->bytes + 12, 4);
        memset(ret->bytes + 4, 0, 12);
        ret->family = 4;
        return NULL;
}

static const char *parse_cidr(struct str text, struct ip *ret)
{
        struct str address;
        struct str rest = text;
        const char *why;
        uint64_t prefix;

        if (!str_cut(&rest, '/', &address))
                return "parse error during conversion from string";
        why = parse_ip(address, ret);
        if (why)
                return why;
        if (!str_to_u64(rest, &prefix) || prefix > length_of(ret) * 8u ||
            (rest.len > 1 && rest.ptr[0] == '0'))
                return "parse error during conversion from string";
        ret->prefix = (uint8_t)prefix;
        return NULL;
}

static uint64_t big_endian(const uint8_t *bytes)
{
        uint64_t number = 0;

        for (unsigned i = 0; i < 8; i++)
                number = number << 8 | bytes[i];
        return number;
}

static struct network_address as_numbers(const struct ip *ip)
{
        return (struct network_address){
                .high = big_endian(ip->bytes), .low = big_endian(ip->bytes + 8), .family = ip->family};
}

bool network_address(struct str text, struct network_address *ret)
{
        struct ip ip;

        if (parse_ip(text, &ip))
                return false;
        *ret = as_numbers(&ip);
        return true;
}

bool network_range(struct str text, struct network_address *ret, uint32_t *ret_prefix)
{
        struct ip ip;

        if (parse_cidr(text, &ip))
                return false;
        *ret = as_numbers(&ip);
        *ret_prefix = ip.prefix;
        return true;
}

FUNCTION(to_ip)
{
        struct ip ip;
        const char *why;

        UNUSED_ARGUMENTS;
        if (as(args[0], &ip_type))
                return args[0];
        if (args[0].kind != CEL_STRING)
                return no_overload();
        why = parse_ip(cel_text(args[0]), &ip);
        if (why)
                return cel_fail(call, "IP Address '%.*s' %s", STR_ARG(str_slice(cel_text(args[0]), 0, 60)),
                                why);
        return make(call, &ip, &ip_type);
}

FUNCTION(to_cidr)
{
        struct ip ip;
        const char *why;

        UNUSED_ARGUMENTS;
        if (as(args[0], &cidr_type))
                return args[0];
        if (args[0].kind != CEL_STRING)
                return no_overload();
        why = parse_cidr(cel_text(args[0]), &ip);
        if (why)
                return cel_fail(call, "CIDR '%.*s' %s", STR_ARG(str_slice(cel_text(args[0]), 0, 60)), why);
        return make(call, &ip, &cidr_type);
}

FUNCTION(is_ip)
{
        struct ip ip;

        UNUSED_ARGUMENTS;
        return args[0].kind == CEL_STRING ? cel_bool(!parse_ip(cel_text(args[0]), &ip)) : no_overload();
}

FUNCTION(is_cidr)
{
        struct ip ip;

        UNUSED_ARGUMENTS;
        return args[0].kind == CEL_STRING ? cel_bool(!parse_cidr(cel_text(args[0]), &ip)) : no_overload();
}

FUNCTION(is_canonical)
{
        struct cel_value value = to_ip(call, args, count, data);
        char memory[64];
        struct buf text = {.ptr = memory, .size_bytes = sizeof(memory) - 1, .cap_bytes = sizeof(memory) - 1};

        if (is_error(value) || args[0].kind != CEL_STRING)
                return is_error(value) ? value : no_overload();
        memory[0] = '\0';
        ip_append(&text, value.opaque);
        return cel_bool(str_eq(buf_str(&text), cel_text(args[0])));
}

/* ---- Kinds of address ---- */

static bool all_zero(const struct ip *ip, uint32_t from, uint32_t to)
{
        for (uint32_t i = from; i < to; i++)
                if (ip->bytes[i] != 0)
                        return false;
        return true;
}

static bool unspecified(const struct ip *ip)
{
        return all_zero(ip, 0, length_of(ip));
}

static bool loopback(const struct ip *ip)
{
        return ip->family == 4 ? ip->bytes[0] == 127 : all_zero(ip, 0, 15) && ip->bytes[15] == 1;
}

static bool multicast(const struct ip *ip)
{
        return ip->family == 4 ? ip->bytes[0] >> 4 == 14 : ip->bytes[0] == 0xFF;
}

static bool link_local_multicast(const struct ip *ip)
{
        if (ip->family == 4)
                return ip->bytes[0] == 224 && ip->bytes[1] == 0 && ip->bytes[2] == 0;
        return ip->bytes[0] == 0xFF && (ip->bytes[1] & 0x0F) == 2;
}

static bool link_local_unicast(const struct ip *ip)
{
        if (ip->family == 4)
                return ip->bytes[0] == 169 && ip->bytes[1] == 254;
        return ip->bytes[0] == 0xFE && (ip->bytes[1] & 0xC0) == 0x80;
}

static bool global_unicast(const struct ip *ip)
{
        static const uint8_t broadcast[4] = {255, 255, 255, 255};

        return !unspecified(ip) && !loopback(ip) && !multicast(ip) && !link_local_unicast(ip) &&
               !(ip->family == 4 && memcmp(ip->bytes, broadcast, 4) == 0);
}

#define KIND(name, function)                                                                                \
        FUNCTION(name)                                                                                      \
        {                                                                                                   \
                const struct ip *ip = as(args[0], &ip_type);                                                \
                                                                                                            \
                UNUSED_ARGUMENTS;                                                                           \
                return ip ? cel_bool(function(ip)) : no_overload();                                         \
        }
KIND(is_unspecified, unspecified)
KIND(is_loopback, loopback)
KIND(is_link_local_multicast, link_local_multicast)
KIND(is_link_local_unicast, link_local_unicast)
KIND(is_global_unicast, global_unicast)

FUNCTION(family)
{
        const struct ip *ip = as(args[0], &ip_type);

        UNUSED_ARGUMENTS;
        return ip ? cel_int(ip->family) : no_overload();
}

/* ---- Networks ---- */

static struct ip mask(const struct ip *ip, uint32_t prefix)
{
        struct ip masked = *ip;

        for (uint32_t i = 0; i < 16; i++) {
                uint32_t kept = prefix > i * 8 ? prefix - i * 8 : 0;

                if (kept < 8)
                        masked.bytes[i] &= (uint8_t)(0xFF00u >> kept);
        }
        return masked;
}

static bool holds(const struct ip *network, const struct ip *ip)
{
        struct ip a = mask(network, network->prefix);
        struct ip b = mask(ip, network->prefix);

        return network->family == ip->family && memcmp(a.bytes, b.bytes, length_of(&a)) == 0;
}

/* The argument as an address or network, from a text too. False: *ret_error. */
static bool argument(struct cel_call *call, struct cel_value value, bool cidr, struct ip *ret,
                     struct cel_value *ret_error)
{
        const struct ip *given = as(value, cidr ? &cidr_type : &ip_type);
        const char *why;

        if (given) {
                *ret = *given;
                return true;
        }
        *ret_error = no_overload();
        if (value.kind != CEL_STRING)
                return false;
        why = cidr ? parse_cidr(cel_text(value), ret) : parse_ip(cel_text(value), ret);
        if (why)
                *ret_error = cel_fail(call, "'%.*s' %s", STR_ARG(str_slice(cel_text(value), 0, 60)), why);
        return !why;
}

FUNCTION(contains_ip)
{
        const struct ip *network = as(args[0], &cidr_type);
        struct cel_value error;
        struct ip ip;

        UNUSED_ARGUMENTS;
        if (!network)
                return no_overload();
        return argument(call, args[1], false, &ip, &error) ? cel_bool(holds(network, &ip)) : error;
}

FUNCTION(contains_cidr)
{
        const struct ip *network = as(args[0], &cidr_type);
        struct cel_value error;
        struct ip other;

        UNUSED_ARGUMENTS;
        if (!network)
                return no_overload();
        if (!argument(call, args[1], true, &other, &error))
                return error;
        return cel_bool(other.prefix >= network->prefix && holds(network, &other));
}

FUNCTION(address_of)
{
        const struct ip *network = as(args[0], &cidr_type);
        struct ip ip;

        UNUSED_ARGUMENTS;
        if (!network)
                return no_overload();
        ip = *network;
        ip.prefix = 0;
        return make(call, &ip, &ip_type);
}

FUNCTION(masked_network)
{
        const struct ip *network = as(args[0], &cidr_type);
        struct ip ip;

        UNUSED_ARGUMENTS;
        if (!network)
                return no_overload();
        ip = mask(network, network->prefix);
        return make(call, &ip, &cidr_type);
}

FUNCTION(prefix_length)
{
        const struct ip *network = as(args[0], &cidr_type);

        UNUSED_ARGUMENTS;
        return network ? cel_int(network->prefix) : no_overload();
}

static const struct builtin rows[] = {
        {"ip", "(string) net.IP", to_ip},
        {"ip", "net.CIDR.() net.IP", address_of},
        {"cidr", "(string) net.CIDR", to_cidr},
        {"isIP", "(string) bool", is_ip},
        {"isCIDR", "(string) bool", is_cidr},
        {"ip.isCanonical", "(string) bool", is_canonical},
        {"family", "net.IP.() int", family},
        {"isUnspecified", "net.IP.() bool", is_unspecified},
        {"isLoopback", "net.IP.() bool", is_loopback},
        {"isLinkLocalMulticast", "net.IP.() bool", is_link_local_multicast},
        {"isLinkLocalUnicast", "net.IP.() bool", is_link_local_unicast},
        {"isGlobalUnicast", "net.IP.() bool", is_global_unicast},
        {"containsIP", "net.CIDR.(net.IP) bool; net.CIDR.(string) bool", contains_ip},
        {"containsCIDR", "net.CIDR.(net.CIDR) bool; net.CIDR.(string) bool", contains_cidr},
        {"masked", "net.CIDR.() net.CIDR", masked_network},
        {"prefixLength", "net.CIDR.() int", prefix_length},
};

LIBRARY(library_network, rows);
