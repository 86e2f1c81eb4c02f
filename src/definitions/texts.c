/* SPDX-License-Identifier: Apache-2.0 */
#include "definitions/texts.h"

#include <ctype.h>

static bool fail(const char **ret_why, const char *why)
{
        *ret_why = why;
        return false;
}

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
        return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool all_digits(struct str text)
{
        for (size_t i = 0; i < text.len; i++)
                if (!is_digit(text.ptr[i]))
                        return false;
        return text.len > 0;
}

/* ---- versions ----------------------------------------------------------------------------------- */

static bool is_number_part(struct str text)
{
        return all_digits(text) && text.len <= 9 && (text.len == 1 || text.ptr[0] != '0');
}

/* Identifiers between dots; of a pre-release, numeric ones have no leading zeros. */
static bool are_identifiers(struct str text, bool strict)
{
        struct str part;
        bool more = true;

        while (more) {
                more = str_cut(&text, '.', &part);
                if (part.len == 0 || (strict && all_digits(part) && !is_number_part(part)))
                        return false;
                for (size_t i = 0; i < part.len; i++)
                        if (!is_alnum(part.ptr[i]) && part.ptr[i] != '-')
                                return false;
        }
        return true;
}

bool text_is_version(struct str text, const char **ret_why)
{
        static const char why[] = "write three numbers, such as 1.2.0 (semver.org)";
        struct str core, pre, part;
        bool has_build, has_pre;

        if (text.len > 64)
                return fail(ret_why, "it is longer than 64 characters");
        has_build = str_cut(&text, '+', &core);
        if (has_build && !are_identifiers(text, false))
                return fail(ret_why, why);
        pre = core;
        has_pre = str_cut(&pre, '-', &core);
        if (has_pre && !are_identifiers(pre, true))
                return fail(ret_why, why);
        for (int i = 0; i < 3; i++)
                if (str_cut(&core, '.', &part) != (i < 2) || !is_number_part(part))
                        return fail(ret_why, why);
        return true;
}

static int sign(int64_t value)
{
        return (value > 0) - (value < 0);
}

/* Numeric ones by number and before the others, which go by their bytes. */
static int identifier_compare(struct str a, struct str b)
{
        if (all_digits(a) && all_digits(b))
                return a.len != b.len ? sign((int64_t)a.len - (int64_t)b.len) : sign(str_compare(a, b));
        if (all_digits(a) != all_digits(b))
                return all_digits(a) ? -1 : 1;
        return sign(str_compare(a, b));
}

static int identifiers_compare(struct str a, struct str b)
{
        struct str x, y;

        while (a.len > 0 && b.len > 0) {
                int order;

                (void)str_cut(&a, '.', &x);
                (void)str_cut(&b, '.', &y);
                order = identifier_compare(x, y);
                if (order != 0)
                        return order;
        }
        return (a.len > 0) - (b.len > 0);
}

int version_compare(struct str a, struct str b)
{
        struct str core_a, core_b, pre_a, pre_b;
        int order;

        /* Build metadata does not count. */
        (void)str_cut(&a, '+', &pre_a);
        (void)str_cut(&b, '+', &pre_b);
        (void)str_cut(&pre_a, '-', &core_a);
        (void)str_cut(&pre_b, '-', &core_b);
        order = identifiers_compare(core_a, core_b);
        if (order != 0 || (pre_a.len == 0 && pre_b.len == 0))
                return order;
        /* One with a pre-release comes before the one without. */
        if (pre_a.len == 0 || pre_b.len == 0)
                return pre_a.len == 0 ? 1 : -1;
        return identifiers_compare(pre_a, pre_b);
}

/* ---- names and addresses -------------------------------------------------------------------------- */

bool text_is_label(struct str text, const char **ret_why)
{
        bool ok =
                text.len >= 1 && text.len <= 63 && is_alnum(text.ptr[0]) && is_alnum(text.ptr[text.len - 1]);

        for (size_t i = 0; ok && i < text.len; i++)
                ok = is_alnum(text.ptr[i]) || text.ptr[i] == '-';
        return ok || fail(ret_why, "write 1 to 63 letters, digits and hyphens, no hyphen at the ends");
}

bool text_is_uri(struct str text, const char **ret_why)
{
        ptrdiff_t at = str_find_str(text, STR("://"));
        bool ok = at > 0 && (size_t)at + 3 < text.len && !is_digit(text.ptr[0]) && is_alnum(text.ptr[0]);

        for (ptrdiff_t i = 0; ok && i < at; i++)
                ok = is_alnum(text.ptr[i]) || strchr("+-.", text.ptr[i]);
        for (size_t i = 0; ok && i < text.len; i++)
                ok = (unsigned char)text.ptr[i] > ' ' && !strchr("<>\"\\^`", text.ptr[i]);
        return ok || fail(ret_why, "write a whole address, such as https://example.com/x");
}

bool text_is_pointer(struct str text, const char **ret_why)
{
        bool ok = text.len == 0 || text.ptr[0] == '/';

        for (size_t i = 0; ok && i < text.len; i++)
                ok = text.ptr[i] != '~' ||
                     (i + 1 < text.len && (text.ptr[i + 1] == '0' || text.ptr[i + 1] == '1'));
        return ok || fail(ret_why, "write a JSON pointer, such as /do/0/first");
}

/* ---- times ------------------------------------------------------------------------------------------- */

static bool take_amount(struct str *text, const char *units, int *last)
{
        size_t i = 0;
        const char *unit;

        while (i < text->len && is_digit(text->ptr[i]))
                i++;
        if (i == 0 || i > 9)
                return false;
        if (i + 1 < text->len && text->ptr[i] == '.' && is_digit(text->ptr[i + 1]))
                for (i++; i < text->len && is_digit(text->ptr[i]);)
                        i++;
        unit = i < text->len ? strchr(units, text->ptr[i]) : NULL;
        if (!unit || unit - units < *last)
                return false;
        *last = (int)(unit - units) + 1;
        *text = str_slice(*text, i + 1, SIZE_MAX);
        return true;
}

bool text_is_duration(struct str text, const char **ret_why)
{
        static const char why[] = "write an ISO 8601 duration, such as PT30S or P1DT2H";
        struct str rest = str_slice(text, 1, SIZE_MAX);
        bool any = false;
        int last = 0;

        if (!str_starts(text, STR("P")))
                return fail(ret_why, why);
        while (rest.len > 0 && rest.ptr[0] != 'T') {
                if (!take_amount(&rest, "YMWD", &last))
                        return fail(ret_why, why);
                any = true;
        }
        if (rest.len > 0) {
                rest = str_slice(rest, 1, SIZE_MAX);
                any = false;
                for (last = 0; rest.len > 0; any = true)
                        if (!take_amount(&rest, "HMS", &last))
                                return fail(ret_why, why);
        }
        return any || fail(ret_why, why);
}

struct cron_field {
        int64_t min, max;
        const char *names; /* three letters each, the first is worth `min` */
};

static bool cron_value(const struct cron_field *field, struct str text, int64_t *ret)
{
        char lower[4] = "";
        const char *at;

        if (all_digits(text))
                return str_to_i64(text, ret) && *ret >= field->min && *ret <= field->max;
        if (!field->names || text.len != 3)
                return false;
        for (int i = 0; i < 3; i++)
                lower[i] = (char)tolower((unsigned char)text.ptr[i]);
        at = strstr(field->names, lower);
        if (!at || (at - field->names) % 3 != 0)
                return false;
        *ret = field->min + (at - field->names) / 3;
        return true;
}

/* "*", "5", "1-5", each perhaps with "/2". */
static bool cron_item(const struct cron_field *field, struct str item)
{
        int64_t from, to, step;
        struct str range, first;
        bool has_step, is_range;

        has_step = str_cut(&item, '/', &range);
        if (has_step && (!all_digits(item) || !str_to_i64(item, &step) || step < 1 || step > field->max))
                return false;
        if (str_is(range, "*"))
                return true;
        is_range = str_cut(&range, '-', &first);
        if (!cron_value(field, first, &from))
                return false;
        if (is_range)
                return cron_value(field, range, &to) && from <= to;
        return !has_step;
}

bool text_is_cron(struct str text, const char **ret_why)
{
        static const struct cron_field fields[] = {
                {0, 59, NULL},
                {0, 23, NULL},
                {1, 31, NULL},
                {1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
                {0, 7, "sunmontuewedthufrisat"},
        };
        static const char why[] = "write minute, hour, day, month and weekday, such as 0 6 * * mon-fri";
        struct str word, item;

        for (int i = 0; i < 5; i++) {
                bool more = true;

                text = str_trim(text);
                (void)str_cut(&text, ' ', &word);
                if (word.len == 0)
                        return fail(ret_why, why);
                while (more) {
                        more = str_cut(&word, ',', &item);
                        if (!cron_item(&fields[i], item))
                                return fail(ret_why, why);
                }
        }
        return str_trim(text).len == 0 || fail(ret_why, why);
}

/* ---- expressions ---------------------------------------------------------------------------------------
 */

bool text_begins_expression(struct str text)
{
        return str_starts(str_trim(text), STR("${"));
}

/* What closes a bracket; 0 for what is none. */
static char closing(char c)
{
        return c == '(' ? ')' : c == '[' ? ']' : c == '{' ? '}' : '\0';
}

bool text_is_expression(struct str text, const char **ret_why)
{
        char open[64];
        size_t depth = 0;

        text = str_trim(text);
        if (!str_starts(text, STR("${")) || !str_ends(text, STR("}")))
                return fail(ret_why, "write it as ${ … }");
        for (size_t i = 1; i < text.len; i++) {
                char c = text.ptr[i];

                if (c == '"') {
                        for (i++; i < text.len && text.ptr[i] != '"'; i++)
                                if (text.ptr[i] == '\\')
                                        i++;
                        if (i >= text.len)
                                return fail(ret_why, "a quoted text in it does not end");
                } else if (closing(c)) {
                        if (depth == sizeof(open))
                                return fail(ret_why, "its brackets are nested too deep");
                        open[depth++] = closing(c);
                } else if (c == ')' || c == ']' || c == '}') {
                        if (depth == 0 || open[--depth] != c)
                                return fail(ret_why, "its brackets do not match");
                        if (depth == 0 && i + 1 < text.len)
                                return fail(ret_why, "something follows its last }");
                }
        }
        return depth == 0 || fail(ret_why, "its brackets do not match");
}
