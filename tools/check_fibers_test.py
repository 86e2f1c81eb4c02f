#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""That check_fibers.py finds what it is for, and nothing else."""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import check_fibers  # noqa: E402

HEADER = """
FIBER_FN bool can_wait(int a) MUST_USE;
BLOCKING_FN void blocks(void);
void plain(void);
typedef void (*callback)(void);
"""


class CheckFibers(unittest.TestCase):
    def mistakes(self, source, **more):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "h.h").write_text(HEADER)
            (pathlib.Path(folder) / "c.c").write_text(source)
            for name, text in more.items():
                (pathlib.Path(folder) / (name + ".c")).write_text(text)
            return check_fibers.check([folder])[0]

    def test_unmarked_caller_is_found_with_its_line(self):
        found = self.mistakes("void f(void)\n{\n        plain();\n        can_wait(1);\n}\n")
        self.assertEqual(len(found), 1)
        self.assertIn("c.c:4: f calls can_wait", found[0])

    def test_marked_callers_are_fine(self):
        self.assertEqual(self.mistakes(
            "static FIBER_FN int g(void)\n{\n return can_wait(1);\n}\n"
            "FIBER_ENTRY void e(void *arg)\n{\n g();\n}\n"
            "BLOCKING_FN void b(void)\n{\n can_wait(2);\n}\n"), [])

    def test_mark_on_the_declaration_is_enough(self):
        self.assertEqual(self.mistakes("bool can_wait(int a)\n{\n return can_wait(a);\n}\n"), [])

    def test_fiber_that_blocks_is_found(self):
        self.assertEqual(len(self.mistakes("FIBER_FN void f(void)\n{\n blocks();\n}\n")), 1)
        self.assertEqual(self.mistakes("void f(void)\n{\n blocks();\n}\n"), [])

    def test_static_functions_belong_to_their_file(self):
        self.assertEqual(self.mistakes(
            "static void same(void)\n{\n}\nvoid f(void)\n{\n same();\n}\n",
            d="static FIBER_FN void same(void)\n{\n}\n"), [])

    def test_comments_strings_and_macros_are_no_calls(self):
        self.assertEqual(self.mistakes(
            '#define X() \\\n        can_wait(1)\nvoid f(void)\n{\n /* can_wait(1) */ puts("can_wait(1) {"); // can_wait()\n}\n'
        ), [])

    def test_taking_the_address_is_no_call(self):
        self.assertEqual(self.mistakes("void f(void)\n{\n plain_with(can_wait, 1);\n}\n"), [])

    def test_attributes_do_not_hide_the_name(self):
        found = self.mistakes("static __attribute__((noinline)) FIBER_FN int w(void)\n{\n return 1;\n}\n"
                              "int f(void)\n{\n return w();\n}\n")
        self.assertEqual(len(found), 1)


if __name__ == "__main__":
    unittest.main()
