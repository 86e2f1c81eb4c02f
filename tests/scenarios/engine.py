# SPDX-License-Identifier: Apache-2.0
"""A real Docker Engine for a story: the one that runs, or a private one as root.

The private one has its own data folder and socket, no bridge and no firewall
rules, so that it leaves nothing behind on the machine.
"""
import io
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
import threading

DEFAULT_SOCKET = "/var/run/docker.sock"
BUSYBOX = "/bin/busybox"
START_S = 60


class Unavailable(Exception):
    """No Docker Engine can be had here; the text says why."""


def docker(socket, *words, check=True, data=None):
    done = subprocess.run(["docker", "-H", f"unix://{socket}", *words], input=data, capture_output=True, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"docker {' '.join(words)}: {done.stderr.decode(errors='replace')}")
    return done.stdout.decode(errors="replace").strip()


class Engine:
    """`socket` is its Unix socket."""

    def __init__(self, socket, process=None, folder=None):
        self.socket = str(socket)
        self.process = process
        self.folder = folder
        self.network = ["--network", "none"] if process else []

    def docker(self, *words, check=True):
        return docker(self.socket, *words, check=check)

    def make_image(self, reference):
        """An image from busybox-static, without a registry."""
        if not pathlib.Path(BUSYBOX).exists():
            raise Unavailable("busybox-static is not installed")
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "root.tar"
            with tarfile.open(path, "w") as archive:
                archive.add(BUSYBOX, "bin/busybox")
                for name in ("sh", "sleep", "echo", "cat", "true", "false"):
                    link = tarfile.TarInfo(f"bin/{name}")
                    link.type = tarfile.SYMTYPE
                    link.linkname = "busybox"
                    archive.addfile(link)
                for name, text in (("passwd", b"root:x:0:0:root:/:/bin/sh\n"), ("group", b"root:x:0:\n")):
                    entry = tarfile.TarInfo(f"etc/{name}")
                    entry.size = len(text)
                    archive.addfile(entry, io.BytesIO(text))
            self.docker("import", str(path), reference)

    def run_container(self, name, image, *command):
        self.docker("run", "-d", "--name", name, *self.network, image, *command)

    def remove_container(self, name):
        self.docker("rm", "-f", name, check=False)

    def has_container(self, name):
        return name in self.docker("ps", "-a", "--format", "{{.Names}}").splitlines()

    def stop(self):
        """Ends the private engine; a running one that was there before is left alone."""
        if not self.process:
            return
        for name in self.docker("ps", "-aq", check=False).split():
            self.docker("rm", "-f", name, check=False)
        self.process.terminate()
        self.process.wait(START_S)
        shutil.rmtree(self.folder, ignore_errors=True)


def usable(socket):
    return os.path.exists(socket) and \
        subprocess.run(["docker", "-H", f"unix://{socket}", "version"], capture_output=True, check=False).returncode == 0


def start():
    """The engine that runs, or a private one; raises Unavailable with the reason."""
    if not shutil.which("docker"):
        raise Unavailable("docker is not installed")
    if usable(DEFAULT_SOCKET):
        return Engine(DEFAULT_SOCKET)
    if os.geteuid() != 0:
        raise Unavailable("none is running, and only root can start a private one")
    if not shutil.which("dockerd"):
        raise Unavailable("none is running, and dockerd is not installed")
    return start_private()


def start_private():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cs-docker-"))
    socket = folder / "docker.sock"
    process = subprocess.Popen(
        ["dockerd", "--host", f"unix://{socket}", "--data-root", str(folder / "data"),
         "--exec-root", str(folder / "exec"), "--pidfile", str(folder / "pid"), "--bridge=none", "--iptables=false",
         "--ip6tables=false", "--storage-driver=vfs"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    ready = threading.Event()
    lines = []

    def read():
        for line in process.stderr:
            lines.append(line)
            del lines[:-50]
            if "API listen on" in line:
                ready.set()
        ready.set()

    threading.Thread(target=read, daemon=True).start()
    ready.wait(START_S)
    if not usable(str(socket)):
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
        raise Unavailable("a private dockerd does not start here: " + "".join(lines[-3:]).strip())
    return Engine(socket, process, folder)


def executor_key(state_folder):
    """The API key that an executor was given at its enrolment."""
    return json.loads((pathlib.Path(state_folder) / "credential.json").read_text())["api_key"]
