/* SPDX-License-Identifier: Apache-2.0 */
#include "catalogue/checks.h"

#include "base/id.h"

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static bool is_alphanumeric(char c)
{
        return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* An alphanumeric first (or one of `first`), then alphanumerics or any of `rest`. */
static bool is_made_of(struct str text, const char *first, const char *rest)
{
        if (text.len == 0 ||
            (!is_alphanumeric(text.ptr[0]) && (!text.ptr[0] || !strchr(first, text.ptr[0]))))
                return false;
        for (size_t i = 1; i < text.len; i++)
                if (!is_alphanumeric(text.ptr[i]) && (!text.ptr[i] || !strchr(rest, text.ptr[i])))
                        return false;
        return true;
}

bool check_docker_name(struct str text)
{
        return text.len >= 2 && is_made_of(text, "", "_.-");
}

bool check_hex_id(struct str text)
{
        if (text.len != 64)
                return false;
        for (size_t i = 0; i < text.len; i++)
                if (!is_digit(text.ptr[i]) && (text.ptr[i] < 'a' || text.ptr[i] > 'f'))
                        return false;
        return true;
}

bool check_sha256_id(struct str text)
{
        return str_starts(text, STR("sha256:")) && check_hex_id(str_slice(text, 7, text.len));
}

bool check_image_reference(struct str text)
{
        return is_made_of(text, "", "_./:@-");
}

bool check_signal(struct str text)
{
        static const char *const names[] = {"SIGABRT", "SIGALRM", "SIGCONT", "SIGHUP",
                                            "SIGINT",  "SIGKILL", "SIGQUIT", "SIGSTOP",
                                            "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGWINCH"};

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (str_is(text, names[i]))
                        return true;
        return false;
}

bool check_env_name(struct str text)
{
        return text.len > 0 && !is_digit(text.ptr[0]) && is_made_of(text, "_", "_");
}

bool check_label_name(struct str text)
{
        for (size_t i = 0; i < text.len; i++)
                if (text.ptr[i] <= ' ' || text.ptr[i] > '~')
                        return false;
        return text.len > 0;
}

/* Decimal without leading zeros, in the range. */
static bool is_number(struct str text, uint64_t min, uint64_t max)
{
        uint64_t value;

        return text.len > 0 && is_digit(text.ptr[0]) && (text.ptr[0] != '0' || text.len == 1) &&
               str_to_u64(text, &value) && value >= min && value <= max;
}

bool check_container_port(struct str text)
{
        struct str port;

        return str_cut(&text, '/', &port) && is_number(port, 1, 65535) &&
               (str_is(text, "tcp") || str_is(text, "udp"));
}

bool check_host_address(struct str text)
{
        struct str address, part;

        if (!str_cut(&text, ':', &address) || !is_number(text, 1, 65535))
                return false;
        for (int i = 0; i < 3; i++)
                if (!str_cut(&address, '.', &part) || !is_number(part, 0, 255))
                        return false;
        return is_number(address, 0, 255);
}

bool check_user(struct str text)
{
        struct str user;

        if (!str_cut(&text, ':', &user))
                return is_made_of(user, "_", "_.-");
        return is_made_of(user, "_", "_.-") && is_made_of(text, "_", "_.-");
}

bool check_network_mode(struct str text)
{
        return check_docker_name(text) && !str_is(text, "host");
}

bool check_tenant_id(struct str text)
{
        return id_is(text, "ten");
}

bool check_workspace_id(struct str text)
{
        return id_is(text, "wsp");
}

bool check_any_id(struct str text)
{
        return id_is_any(text);
}
