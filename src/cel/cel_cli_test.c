/* SPDX-License-Identifier: Apache-2.0 */
/* `cel eval` and `cel check`: output and exit codes. */
#include "cel/cel_cli.h"
#include "cel/test_world.h"

#include <unistd.h>

static int command(const char *const *arguments, char *ret_output, size_t size)
{
        char *argv[16] = {(char *)"cel"};
        int argc = 1;
        FILE *output = tmpfile();
        int saved = dup(STDOUT_FILENO);
        int saved_errors = dup(STDERR_FILENO);
        size_t len;
        int code;

        for (; arguments[argc - 1]; argc++)
                argv[argc] = (char *)arguments[argc - 1];
        fflush(stdout);
        dup2(fileno(output), STDOUT_FILENO);
        dup2(fileno(output), STDERR_FILENO);
        code = cel_main(argc, argv);
        fflush(stdout);
        dup2(saved, STDOUT_FILENO);
        dup2(saved_errors, STDERR_FILENO);
        close(saved);
        close(saved_errors);
        rewind(output);
        len = fread(ret_output, 1, size - 1, output);
        ret_output[len] = '\0';
        fclose(output);
        return code;
}

static void the_command_line_evaluates_and_checks(void **state)
{
        static const struct {
                const char *arguments[10];
                int code;
                const char *output;
        } cases[] = {
                {{"eval", "a + size(b)", "--var", "a=1", "--var=b=text"}, 0, "5\n"},
                {{"eval", "[1, a]", "--json", "--var", "a={\"b\":null}"}, 0, "[1,{\"b\":null}]\n"},
                {{"eval", "a > 1 && a < 3", "--var", "a=2", "--explain"}, 0, "a > 1 => true"},
                {{"eval", "a > 1", "--var", "a=2", "--cost"}, 0, "cost 2 (estimated 2 to "},
                {{"eval", "[1, 2].map(x, x)", "--cost"}, 0, "cost 7 (estimated"},
                {{"eval", "1 / 0", "--explain"}, 1, "1:3: division by zero"},
                {{"eval", "lists.range(1000)", "--limit", "5"}, 1, "cost limit of 5"},
                {{"eval", "a"}, 1, "there is no variable \"a\""},
                {{"eval", "1", "2"}, 2, "two expressions"},
                {{"eval"}, 2, "expression is missing"},
                {{"eval", "1", "--nothing"}, 2, "no option --nothing"},
                {{"eval", "1", "--limit", "x"}, 2, "--limit takes a number"},
                {{"eval", "1", "--var", "x"}, 2, "write NAME=JSON"},
                {{"eval", "1", "--var", "x y=1"}, 2, "is no name for a variable"},
                {{"check", "/nonexistent"}, 2, "cannot be read"},
                {{"check"}, 2, "takes one file"},
                {{"--help"}, 0, "usage: countersign cel eval"},
                {{"nothing"}, 2, "no such command"},
                {{NULL}, 2, "a command is missing"},
        };
        char output[8192];

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                int code = command(cases[i].arguments, output, sizeof(output));

                if (code != cases[i].code || !strstr(output, cases[i].output))
                        fail_msg("%s %s: %d, %s", cases[i].arguments[0], cases[i].arguments[1], code,
                                 output);
        }
}

static void check_file(const char *text, int code, const char *wanted)
{
        char path[] = "/tmp/cel_test_XXXXXX";
        const char *arguments[] = {"check", path, NULL};
        char output[8192];
        int fd = mkstemp(path);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
        close(fd);
        assert_int_equal(command(arguments, output, sizeof(output)), code);
        unlink(path);
        if (!strstr(output, wanted))
                fail_msg("%s\n%s", text, output);
}

static void a_file_declares_its_variables(void **state)
{
        (void)state;
        check_file("// What may run.\n// var name: string\nname == \"a\"\n", 0,
                   ": bool, costs at least 2, at most 9");
        check_file("// var l: list(int)\nl.all(i, i > 0)\n", 0, "at most what the inputs decide");
        check_file("// var name string\nname", 1, "write var NAME: TYPE");
        check_file("// var name: strin\nname", 1, "there is no type \"strin\"");
        check_file("// var n: int\n\nn +\n  size(n)\n", 1, ":4:3: \"size\" does not take (int)");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
        const struct CMUnitTest tests[] = {
                TEST(the_command_line_evaluates_and_checks),
                TEST(a_file_declares_its_variables),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
