# SPDX-License-Identifier: Apache-2.0
"""The exit gate that a person runs (`./dev exit-gate`) is held as a scenario, on the store that is tested."""
import subprocess
import sys

import harness
from test_web import chromium, modules  # noqa: F401 (fixtures)


def test_every_line_of_the_exit_gate_holds(modules):  # noqa: F811
    store = "postgres" if harness.on_postgres() else "embedded"
    done = subprocess.run([sys.executable, harness.ROOT / "tools" / "dev" / "exit_gate.py", "--binary", harness.binary(),
                           "--store", store], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "11 lines held" in done.stdout, done.stdout
