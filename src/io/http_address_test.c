/* SPDX-License-Identifier: Apache-2.0 */
#include "io/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool is_public(const char *text)
{
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
        struct sockaddr_in in = {.sin_family = AF_INET};

        if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
                return http_address_is_public((const struct sockaddr *)&in);
        assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
        return http_address_is_public((const struct sockaddr *)&in6);
}

static void only_the_public_internet_is_public(void **state)
{
        static const char *const yes[] = {"1.1.1.1",        "8.8.8.8",         "172.15.255.255",
                                          "172.32.0.0",     "192.167.255.255", "100.63.255.255",
                                          "198.17.255.255", "223.255.255.255", "2606:4700::1",
                                          "::ffff:8.8.8.8", "2001:200::1",     "2002:808:808::1"};
        static const char *const no[] = {"0.0.0.0",
                                         "10.1.2.3",
                                         "100.64.0.1",
                                         "127.0.0.1",
                                         "127.255.255.255",
                                         "169.254.169.254",
                                         "172.16.0.1",
                                         "172.31.255.255",
                                         "192.168.0.1",
                                         "192.0.2.1",
                                         "198.18.0.1",
                                         "198.51.100.1",
                                         "203.0.113.1",
                                         "224.0.0.1",
                                         "255.255.255.255",
                                         "::",
                                         "::1",
                                         "::ffff:127.0.0.1",
                                         "::ffff:10.0.0.1",
                                         "::7f00:1",
                                         "64:ff9b::a00:1",
                                         "fc00::1",
                                         "fd12::1",
                                         "fe80::1",
                                         "ff02::1",
                                         "2001:db8::1",
                                         "2001::1",
                                         "2002:7f00:1::1",
                                         "2002:a00:1::1",
                                         "3fff::1"};

        (void)state;
        for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
                if (!is_public(yes[i]))
                        fail_msg("%s is public", yes[i]);
        for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
                if (is_public(no[i]))
                        fail_msg("%s is not public", no[i]);
}

static void another_family_is_not_public(void **state)
{
        const struct sockaddr address = {.sa_family = AF_UNIX};

        (void)state;
        assert_false(http_address_is_public(&address));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(only_the_public_internet_is_public),
                cmocka_unit_test(another_family_is_not_public),
        };

        return cmocka_run_group_tests_name("http-address", tests, NULL, NULL);
}
