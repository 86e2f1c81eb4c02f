// SPDX-License-Identifier: Apache-2.0
// RE2 behind C: linear time, bounded memory.

#include <new>
#include <string>
#include <cstdint>
#include <cstring>

#include <re2/re2.h>

struct regex {
        re2::RE2 re;

        explicit regex(re2::StringPiece pattern, const re2::RE2::Options &options) : re(pattern, options)
        {
        }
};

extern "C" {

struct regex *regex_new(const char *pattern, size_t len, char *message, size_t size);
void regex_free(struct regex *regex);
bool regex_found(const struct regex *regex, const char *text, size_t len);
uint64_t regex_cost(const struct regex *regex);

struct regex *regex_new(const char *pattern, size_t len, char *message, size_t size)
{
        re2::RE2::Options options;

        options.set_log_errors(false);
        options.set_max_mem(1 << 19);
        struct regex *made = new (std::nothrow) regex(re2::StringPiece(pattern, len), options);
        if (made && made->re.ok())
                return made;
        const std::string why = made ? made->re.error() : "no memory";
        const size_t shown = why.size() < size ? why.size() : size - 1;
        std::memcpy(message, why.data(), shown);
        message[shown] = '\0';
        delete made;
        return nullptr;
}

void regex_free(struct regex *regex)
{
        delete regex;
}

bool regex_found(const struct regex *regex, const char *text, size_t len)
{
        return re2::RE2::PartialMatch(re2::StringPiece(text, len), regex->re);
}

// The automaton's size decides when RE2 has to step through its states.
uint64_t regex_cost(const struct regex *regex)
{
        return 1 + static_cast<uint64_t>(regex->re.ProgramSize()) / 4;
}
}
