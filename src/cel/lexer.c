/* SPDX-License-Identifier: Apache-2.0 */
#include "cel/ast.h"

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static bool is_word_start(char c)
{
        return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_word(char c)
{
        return is_word_start(c) || is_digit(c);
}

static char peek(const struct lexer *lexer, uint32_t ahead)
{
        return lexer->at + ahead < lexer->source.len ? lexer->source.ptr[lexer->at + ahead] : '\0';
}

static void skip_blanks(struct lexer *lexer)
{
        for (;;) {
                char c = peek(lexer, 0);

                if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f')
                        lexer->at++;
                else if (c == '/' && peek(lexer, 1) == '/')
                        while (lexer->at < lexer->source.len && lexer->source.ptr[lexer->at] != '\n')
                                lexer->at++;
                else
                        return;
        }
}

static void finish(struct lexer *lexer, struct token *token, enum token_kind kind)
{
        token->kind = kind;
        token->end = lexer->at;
        token->text = str_make(lexer->source.ptr + token->start, lexer->at - token->start);
}

static enum token_kind word_kind(struct str word)
{
        static const struct {
                const char *word;
                enum token_kind kind;
        } words[] = {
                {"true", TOKEN_TRUE},          {"false", TOKEN_FALSE},
                {"null", TOKEN_NULL},          {"in", TOKEN_IN},
                {"as", TOKEN_RESERVED},        {"break", TOKEN_RESERVED},
                {"const", TOKEN_RESERVED},     {"continue", TOKEN_RESERVED},
                {"else", TOKEN_RESERVED},      {"for", TOKEN_RESERVED},
                {"function", TOKEN_RESERVED},  {"if", TOKEN_RESERVED},
                {"import", TOKEN_RESERVED},    {"let", TOKEN_RESERVED},
                {"loop", TOKEN_RESERVED},      {"package", TOKEN_RESERVED},
                {"namespace", TOKEN_RESERVED}, {"return", TOKEN_RESERVED},
                {"var", TOKEN_RESERVED},       {"void", TOKEN_RESERVED},
                {"while", TOKEN_RESERVED},
        };

        if (word.len < 2 || word.len > 9)
                return TOKEN_IDENT;
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                if (words[i].word[0] == word.ptr[0] && str_is(word, words[i].word))
                        return words[i].kind;
        return TOKEN_IDENT;
}

static void lex_exponent(struct lexer *lexer, enum token_kind *kind)
{
        uint32_t sign = peek(lexer, 1) == '+' || peek(lexer, 1) == '-';

        if ((peek(lexer, 0) != 'e' && peek(lexer, 0) != 'E') || !is_digit(peek(lexer, 1 + sign)))
                return;
        lexer->at += 1 + sign;
        while (is_digit(peek(lexer, 0)))
                lexer->at++;
        *kind = TOKEN_DOUBLE;
}

static bool lex_number(struct lexer *lexer, struct token *token)
{
        enum token_kind kind = TOKEN_INT;

        if (peek(lexer, 0) == '0' && (peek(lexer, 1) == 'x' || peek(lexer, 1) == 'X') &&
            str_hex_digit(peek(lexer, 2)) >= 0) {
                lexer->at += 2;
                while (str_hex_digit(peek(lexer, 0)) >= 0)
                        lexer->at++;
        } else {
                while (is_digit(peek(lexer, 0)))
                        lexer->at++;
                if (peek(lexer, 0) == '.' && is_digit(peek(lexer, 1))) {
                        kind = TOKEN_DOUBLE;
                        lexer->at++;
                        while (is_digit(peek(lexer, 0)))
                                lexer->at++;
                }
                lex_exponent(lexer, &kind);
        }
        if (kind == TOKEN_INT && (peek(lexer, 0) == 'u' || peek(lexer, 0) == 'U')) {
                kind = TOKEN_UINT;
                lexer->at++;
        }
        finish(lexer, token, kind);
        if (is_word(peek(lexer, 0)))
                return cel_message_at(lexer->err, ERR_EXPRESSION, lexer->source, token->start,
                                      "this is no number; numbers are written 1, 0x1F, 1u, 1.5, 1e9");
        return true;
}

/* True when a string starts here; says what its prefix is and how long. */
static bool string_starts(const struct lexer *lexer, uint32_t *ret_prefix, bool *ret_raw, bool *ret_bytes)
{
        uint32_t at = 0;

        *ret_bytes = peek(lexer, at) == 'b' || peek(lexer, at) == 'B';
        at += *ret_bytes;
        *ret_raw = peek(lexer, at) == 'r' || peek(lexer, at) == 'R';
        at += *ret_raw;
        *ret_prefix = at;
        return peek(lexer, at) == '"' || peek(lexer, at) == '\'';
}

static bool unterminated(struct lexer *lexer, struct token *token)
{
        return cel_message_at(lexer->err, ERR_EXPRESSION, lexer->source, token->start,
                              "the string does not end; close it with the quotes that opened it");
}

static bool lex_string(struct lexer *lexer, struct token *token, uint32_t prefix, bool raw, bool bytes)
{
        char quote;
        uint32_t quotes;
        uint32_t body;
        struct str text;

        lexer->at += prefix;
        quote = peek(lexer, 0);
        quotes = peek(lexer, 1) == quote && peek(lexer, 2) == quote ? 3 : 1;
        lexer->at += quotes;
        body = lexer->at;
        for (;; lexer->at++) {
                char c = peek(lexer, 0);

                if (lexer->at >= lexer->source.len || (quotes == 1 && (c == '\n' || c == '\r')))
                        return unterminated(lexer, token);
                if (c == '\\' && !raw)
                        lexer->at++;
                else if (c == quote && (quotes == 1 || (peek(lexer, 1) == quote && peek(lexer, 2) == quote)))
                        break;
        }
        text = str_make(lexer->source.ptr + body, lexer->at - body);
        lexer->at += quotes;
        finish(lexer, token, bytes ? TOKEN_BYTES : TOKEN_STRING);
        return literal_unescape(lexer, text, raw, bytes, body, &token->value);
}

/* A field name in backquotes: letters, digits and _ . - / and blanks. */
static bool lex_quoted_ident(struct lexer *lexer, struct token *token)
{
        lexer->at++;
        while (is_word(peek(lexer, 0)) || (peek(lexer, 0) && strchr(".-/ ", peek(lexer, 0))))
                lexer->at++;
        if (peek(lexer, 0) != '`' || lexer->at == token->start + 1)
                return cel_message_at(
                        lexer->err, ERR_EXPRESSION, lexer->source, lexer->at,
                        "a field name in backquotes has letters, digits, '_', '.', '-', '/' and "
                        "blanks, and ends with a backquote");
        lexer->at++;
        finish(lexer, token, TOKEN_QUOTED_IDENT);
        token->text = str_make(token->text.ptr + 1, token->text.len - 2);
        return true;
}

static bool lex_operator(struct lexer *lexer, struct token *token)
{
        static const struct {
                char text[3];
                enum token_kind kind;
        } doubles[] = {
                {"==", TOKEN_EQ}, {"!=", TOKEN_NE},  {"<=", TOKEN_LE},
                {">=", TOKEN_GE}, {"&&", TOKEN_AND}, {"||", TOKEN_OR},
        };
        char c = peek(lexer, 0);

        for (size_t i = 0; i < sizeof(doubles) / sizeof(doubles[0]); i++) {
                if (c == doubles[i].text[0] && peek(lexer, 1) == doubles[i].text[1]) {
                        lexer->at += 2;
                        finish(lexer, token, doubles[i].kind);
                        return true;
                }
        }
        if (!c || !strchr("<>()[]{}.,?:!-+*/%", c)) {
                const char *hint = c == '='               ? "; comparison is =="
                                   : c == '&' || c == '|' ? "; the logical operators are && and ||"
                                                          : "";

                return cel_message_at(lexer->err, ERR_EXPRESSION, lexer->source, lexer->at,
                                      "unexpected character%s", hint);
        }
        lexer->at++;
        finish(lexer, token, c == '<' ? TOKEN_LT : c == '>' ? TOKEN_GT : TOKEN_PUNCTUATION);
        return true;
}

bool lexer_next(struct lexer *lexer, struct token *ret_token)
{
        uint32_t prefix;
        bool raw;
        bool bytes;
        char c;

        skip_blanks(lexer);
        ret_token->start = lexer->at;
        if (lexer->at >= lexer->source.len) {
                finish(lexer, ret_token, TOKEN_END);
                return true;
        }
        c = peek(lexer, 0);
        if (string_starts(lexer, &prefix, &raw, &bytes))
                return lex_string(lexer, ret_token, prefix, raw, bytes);
        if (is_word_start(c)) {
                while (is_word(peek(lexer, 0)))
                        lexer->at++;
                finish(lexer, ret_token, TOKEN_IDENT);
                ret_token->kind = word_kind(ret_token->text);
                return true;
        }
        if (is_digit(c) || (c == '.' && is_digit(peek(lexer, 1))))
                return lex_number(lexer, ret_token);
        if (c == '`')
                return lex_quoted_ident(lexer, ret_token);
        return lex_operator(lexer, ret_token);
}
