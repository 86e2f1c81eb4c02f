/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/rendering.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "documents/statement.h"

enum {
        LINES_MAX = 40 + STATEMENT_FACTS_MAX,
        VALUE_MAX_BYTES = 16 * STATEMENT_MAX_BYTES, /* every byte written out */
};

/* 9999-12-31: what RFC 3339 can say. */
#define TIME_MAX_MS INT64_C(253402300799999)

/* ---- characters -------------------------------------------------------------------------------- */

/*
 * Ranges of code points that are invisible, that change how their neighbours
 * are shown, or that pass for an ordinary space (Unicode 15: categories Cc, Cf,
 * Co, Zl, Zp, Zs but U+0020, Default_Ignorable_Code_Point, and blank letters).
 */
static const struct range {
        uint32_t first, last;
} hidden[] = {
        {0x0000, 0x001F},   {0x007F, 0x00A0},   {0x00AD, 0x00AD},   {0x034F, 0x034F},    {0x0600, 0x0605},
        {0x061C, 0x061C},   {0x06DD, 0x06DD},   {0x070F, 0x070F},   {0x0890, 0x0891},    {0x08E2, 0x08E2},
        {0x115F, 0x1160},   {0x1680, 0x1680},   {0x17B4, 0x17B5},   {0x180B, 0x180F},    {0x2000, 0x200F},
        {0x2028, 0x202F},   {0x205F, 0x206F},   {0x2800, 0x2800},   {0x3000, 0x3000},    {0x3164, 0x3164},
        {0xE000, 0xF8FF},   {0xFDD0, 0xFDEF},   {0xFE00, 0xFE0F},   {0xFEFF, 0xFEFF},    {0xFFA0, 0xFFA0},
        {0xFFF0, 0xFFFB},   {0xFFFE, 0xFFFF},   {0x110BD, 0x110BD}, {0x110CD, 0x110CD},  {0x13430, 0x1343F},
        {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF}, {0xF0000, 0x10FFFF},
};

static bool is_hidden(uint32_t code)
{
        for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
                if (code >= hidden[i].first && code <= hidden[i].last)
                        return true;
        return false;
}

/* The code point at the front of valid UTF-8, and its length. */
static uint32_t code_point(struct str text, size_t *ret_len)
{
        const unsigned char *at = (const unsigned char *)text.ptr;
        size_t len = at[0] < 0x80 ? 1 : at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : 4;
        uint32_t code = len == 1 ? at[0] : at[0] & (0x7Fu >> len);

        for (size_t i = 1; i < len; i++)
                code = code << 6 | (at[i] & 0x3Fu);
        *ret_len = len;
        return code;
}

static void append_visible(struct buf *buf, struct str text)
{
        while (text.len > 0) {
                struct str valid = str_slice(text, 0, str_utf8_prefix(text));

                text = str_slice(text, valid.len, text.len);
                while (valid.len > 0) {
                        size_t len;
                        uint32_t code = code_point(valid, &len);

                        if (is_hidden(code))
                                buf_printf(buf, "<U+%04X>", (unsigned)code);
                        else
                                buf_append(buf, valid.ptr, len);
                        valid = str_slice(valid, len, valid.len);
                }
                if (text.len > 0) {
                        buf_printf(buf, "<0x%02X>", (unsigned char)text.ptr[0]);
                        text = str_slice(text, 1, text.len);
                }
        }
}

static bool is_plain(struct str text)
{
        bool plain = true;

        for (size_t i = 0; i < text.len; i++)
                plain = plain && text.ptr[i] >= ' ' && text.ptr[i] <= '~';
        return plain;
}

struct str rendering_visible(struct arena *arena, struct str text)
{
        BUF_SCOPED buf = {0};

        if (is_plain(text))
                return arena_str(arena, text);
        buf_init(&buf, VALUE_MAX_BYTES);
        append_visible(&buf, text);
        if (buf.failed) {
                /* Nothing at all rather than a part that looks like the whole. */
                arena->failed = true;
                return STR_NULL;
        }
        return arena_str(arena, buf_str(&buf));
}

/* ---- lines ------------------------------------------------------------------------------------- */

struct page {
        struct arena *arena;
        struct rendering *rendering;
        unsigned room;
};

static void put(struct page *page, struct str label, struct str value, bool uninspectable)
{
        struct rendering_line *line;

        if (page->rendering->count == page->room) {
                page->arena->failed = true;
                return;
        }
        line = &page->rendering->lines[page->rendering->count++];
        line->label = rendering_visible(page->arena, label);
        line->value = rendering_visible(page->arena, value);
        line->uninspectable = uninspectable;
}

static void put_c(struct page *page, const char *label, struct str value)
{
        put(page, str_from(label), value, false);
}

static void put_time(struct page *page, const char *label, int64_t time_ms)
{
        char text[CLOCK_RFC3339_SIZE];

        if (time_ms < 0 || time_ms > TIME_MAX_MS) {
                put(page, str_from(label), arena_printf(page->arena, "%lld ms", (long long)time_ms), true);
                return;
        }
        clock_format(time_ms, text);
        put_c(page, label, str_from(text));
}

static void put_operation(struct page *page, const struct statement *statement,
                          const struct catalogue_operation *operation)
{
        static const char *const effects[] = {
                [EFFECT_READS] = "reads: nothing is different afterwards",
                [EFFECT_CHANGES] = "changes: something is different afterwards",
                [EFFECT_DESTROYS] = "destroys: something is gone afterwards",
        };
        struct str name = arena_printf(page->arena, "%.*s %.*s", STR_ARG(statement->connector),
                                       STR_ARG(statement->operation));
        bool as_known = operation && operation->effect == statement->effect;

        if (operation)
                put_c(page, "What", str_from(operation->summary));
        put(page, STR("Operation"), name, !operation);
        put(page, STR("Effect"), str_from(effects[statement->effect]), !as_known);
        put_c(page, "Environment", statement->environment);
}

static void put_target(struct page *page, const struct statement *statement,
                       const struct catalogue_operation *operation)
{
        enum target_kind kind = operation ? operation->target : TARGET_NONE;
        unsigned known_count;
        const struct target_fact *known = target_kind_facts(kind, &known_count);
        struct err ignored;

        if (!statement->has_target) {
                if (kind != TARGET_NONE)
                        put(page, STR("Target"), STR("missing"), true);
                return;
        }
        put(page, STR("Target"), statement->target_name,
            !target_check(kind, statement->target_name, &ignored));
        for (unsigned i = 0; i < known_count; i++) {
                struct str value = statement_fact(statement, known[i].name);

                if (value.ptr)
                        put(page, str_from(known[i].label), value,
                            !target_fact_check(kind, str_from(known[i].name), value, &ignored));
                else if (known[i].required)
                        put(page, str_from(known[i].label), STR("missing"), true);
        }
        for (unsigned i = 0; i < statement->fact_count; i++) {
                bool shown = false;

                for (unsigned j = 0; j < known_count; j++)
                        shown = shown || str_is(statement->facts[i].name, known[j].name);
                if (!shown)
                        put(page, statement->facts[i].name, statement->facts[i].value, true);
        }
}

/* A parameter's value for people: texts as they are, all else as JSON. */
static struct str parameter_text(struct arena *arena, const struct json *value)
{
        BUF_SCOPED buf = {0};

        if (value->type == JSON_STRING)
                return value->string;
        if (value->type == JSON_BOOL)
                return value->boolean ? STR("yes") : STR("no");
        if ((value->type == JSON_ARRAY || value->type == JSON_OBJECT) && value->count == 0)
                return STR("none");
        buf_init(&buf, VALUE_MAX_BYTES);
        json_append_canonical(&buf, value);
        if (buf.failed) {
                arena->failed = true;
                return STR_NULL;
        }
        return arena_str(arena, buf_str(&buf));
}

static void put_parameters(struct page *page, const struct statement *statement,
                           const struct catalogue_operation *operation)
{
        struct err ignored;
        bool all_fit = operation && catalogue_parameters_check(operation, &statement->parameters, &ignored);

        for (uint32_t i = 0; i < statement->parameters.count; i++) {
                const struct json_member *member = &statement->parameters.members[i];
                const struct catalogue_parameter *parameter =
                        operation ? catalogue_parameter_find(operation, member->key) : NULL;

                put(page, parameter ? str_from(parameter->label) : member->key,
                    parameter_text(page->arena, &member->value),
                    !all_fit || !parameter || parameter->opaque);
        }
        if (operation && !all_fit)
                put(page, STR("Parameters"), str_from(ignored.message), true);
}

static void put_requirement(struct page *page, const struct statement *statement)
{
        BUF_SCOPED buf = {0};

        put_c(page, "Asked by",
              arena_printf(page->arena, "%.*s (%.*s, %.*s)", STR_ARG(statement->requester_name),
                           STR_ARG(statement->requester_kind), STR_ARG(statement->requester_id)));
        put_c(page, "Rule", statement->rule);
        if (statement->decisions == 0) {
                put(page, STR("Needs"), STR("no approval"), statement->effect != EFFECT_READS);
                return;
        }
        buf_init(&buf, 4096);
        buf_printf(&buf, "%u approval%s, by %s", statement->decisions, statement->decisions == 1 ? "" : "s",
                   statement->decisions == 1 ? "somebody" : "distinct people");
        buf_append_c(&buf, " other than who asks, in the role ");
        for (unsigned i = 0; i < statement->role_count; i++) {
                buf_append_c(&buf, i == 0 ? "" : " or ");
                buf_append_str(&buf, statement->roles[i]);
        }
        put_c(page, "Needs", buf_str(&buf));
        page->arena->failed = page->arena->failed || buf.failed;
}

static void put_rest(struct page *page, const struct statement *statement, struct str bytes)
{
        put_time(page, "Asked at", statement->created_ms);
        put_time(page, "Expires", statement->expires_ms);
        put_c(page, "Tenant", statement->tenant);
        put_c(page, "Workspace", statement->workspace);
        put_c(page, "Action", statement->action);
        put_c(page, "Policy", statement->policy);
        put_c(page, "Nonce", statement->nonce);
        put_c(page, "Digest", statement_digest(page->arena, bytes));
}

bool rendering_make(struct arena *arena, struct str statement_bytes, struct rendering *ret, struct err *err)
{
        struct page page = {.arena = arena, .rendering = ret};
        const struct catalogue_operation *operation;
        struct statement statement;
        struct err why;

        *ret = (struct rendering){0};
        if (!statement_parse(arena, statement_bytes, &statement, &why)) {
                if (!arena_check(arena, err))
                        return false;
                page.room = 2;
                ret->lines = ARENA_ARRAY(arena, struct rendering_line, page.room);
                if (!ret->lines)
                        return arena_check(arena, err);
                put(&page, STR("Not a statement"), str_from(why.message), true);
                put(&page, STR("Bytes"), statement_bytes, true);
                return arena_check(arena, err);
        }
        page.room = LINES_MAX + statement.parameters.count;
        ret->lines = ARENA_ARRAY(arena, struct rendering_line, page.room);
        if (!ret->lines)
                return arena_check(arena, err);
        operation = catalogue_find(statement.connector, statement.operation);
        put_operation(&page, &statement, operation);
        put_target(&page, &statement, operation);
        put_parameters(&page, &statement, operation);
        put_requirement(&page, &statement);
        put_rest(&page, &statement, statement_bytes);
        return arena_check(arena, err);
}
