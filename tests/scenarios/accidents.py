# SPDX-License-Identifier: Apache-2.0
"""What went wrong inside a process of the program, carried into the message of the story that it happened in.

The sanitizers write their reports into a folder of this run, a file for each process, whoever started it and
whether or not anybody reads its output. A story in which one comes has failed, whatever else it says.
"""
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import harness

FOLDER = "COUNTERSIGN_SANITIZER_REPORTS"
OPTIONS = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS")
# How a process ends that was broken from inside: SIGABRT, SIGILL, SIGBUS, SIGFPE, SIGSEGV, ThreadSanitizer's code.
BROKEN = {-6, -4, -7, -8, -11, 66}
MOST_CHARACTERS = 12000
ENDING_S = 10.0


class Reports:
    """The folder that the sanitizers write to; takes each report once.

    Where several workers run stories (pytest-xdist), each has a folder of its own within that of the whole run.
    """

    def __init__(self, worker=None):
        whole = os.environ.get(FOLDER) if worker else None
        self.folder = pathlib.Path(whole or tempfile.mkdtemp(prefix="countersign-reports-")) / (worker or "")
        self.folder.mkdir(exist_ok=True)
        os.environ.setdefault(FOLDER, str(self.folder))
        for name in OPTIONS:
            os.environ[name] = harness.sanitizer_options(name, log_path=self.folder / "report")[name]

    def take(self):
        found = []
        for path in sorted(path for path in self.folder.rglob("*") if path.is_file()):
            text = self._whole(path)
            summary = [line for line in text.splitlines() if line.startswith("SUMMARY: ")]
            found.append((summary or text.strip().splitlines() or ["an empty report"])[0] + "\n" + text)
            path.unlink()
        return found

    @staticmethod
    def _whole(path):
        """The report, once its process has written all of it and has ended."""
        process = pathlib.Path("/proc") / path.suffix[1:] / "status"
        deadline = time.monotonic() + ENDING_S
        while time.monotonic() < deadline:
            try:
                if "State:\tZ" in process.read_text():
                    break
            except OSError:
                break
            time.sleep(0.02)
        return path.read_text(errors="replace")

    def remove(self):
        os.environ.pop(FOLDER, None)
        shutil.rmtree(self.folder, ignore_errors=True)


def last_words(processes, story_failed):
    """What those said that broke, each once."""
    said = []
    for process in processes:
        if process.told:
            continue
        try:
            # Who saw its socket close may be here before the end itself.
            code = process.process.wait(0.3) if story_failed else process.process.poll()
        except subprocess.TimeoutExpired:
            continue
        if code is not None:
            process.told = True
            process.reader.join(1)
            said.append(f"{process.name} ended with {code}:\n{process.text[-MOST_CHARACTERS:]}")
    return said


def attach(report, accidents):
    """Makes the report of one phase of a story a failure, with the accidents at the top of its message."""
    if not accidents:
        return
    text = "\n\n".join(accident[:MOST_CHARACTERS] for accident in accidents)
    if not report.failed:
        report.outcome = "failed"
        report.longrepr = text
        return
    report.sections.append(("went wrong inside", text))
    place = getattr(report.longrepr, "reprcrash", None)
    if place is None:
        report.longrepr = f"{text}\n\n{report.longrepr}"
    else:
        place.message = f"{text}\n\n{place.message}"
