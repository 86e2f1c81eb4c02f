# SPDX-License-Identifier: Apache-2.0
"""A Docker Engine for tests and the demo, and a small client for it.

Which one: the socket that COUNTERSIGN_DOCKER_SOCKET names; else, as root and with
dockerd installed, a private one with its own folder and socket, ended by its
process id; else the running one, if it may be used. Containers get no network.

As a program it holds an engine until its standard input ends or it is told to end:

    docker_engine.py FOLDER     prints the socket's path once the engine answers
"""
import http.client
import io
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
import urllib.parse

API = "/v1.41"
IMAGE = "countersign-busybox:1"
RUNNING = "/var/run/docker.sock"
START_S = 60


class EngineError(Exception):
    """What the engine answered instead."""

    def __init__(self, status, message):
        super().__init__(f"the engine answers {status}: {message}")
        self.status = status


class _Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout=60):
        super().__init__("docker", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def find():
    """(socket or None for a private engine, reason or None): the reason says why there is none."""
    named = os.environ.get("COUNTERSIGN_DOCKER_SOCKET")
    if named:
        return named, None
    if os.geteuid() == 0 and shutil.which("dockerd"):
        return None, None
    if os.access(RUNNING, os.R_OK | os.W_OK):
        return RUNNING, None
    return None, "no Docker Engine: not root with dockerd installed, and none is running that may be used"


class Engine:
    """One engine; `socket` is where it listens."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.socket, self.reason = find()
        self.process = None
        self.log = None

    def start(self):
        if self.socket is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            # A socket's path has 107 bytes at most; a test's folder may be deeper than that.
            self.socket = str(self.folder / "d.sock")
            assert len(self.socket) < 100, f"{self.socket} is too long for a socket"
            self._spawn()
        self._wait()
        return self

    def _spawn(self):
        self.log = open(self.folder / "dockerd.log", "wb")
        self.process = subprocess.Popen(
            ["dockerd", "--host", f"unix://{self.socket}", "--data-root", str(self.folder / "data"),
             "--exec-root", str(self.folder / "exec"), "--pidfile", str(self.folder / "dockerd.pid"),
             "--bridge=none", "--iptables=false", "--ip6tables=false", "--storage-driver=vfs"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True)

    def _wait(self):
        until = time.monotonic() + START_S
        while True:
            try:
                self.api("GET", "/version", timeout=5)
                return
            except (OSError, http.client.HTTPException) as error:
                ended = self.process is not None and self.process.poll() is not None
                if ended or time.monotonic() > until:
                    raise RuntimeError(f"dockerd does not answer: {error}\n{self.tail()}") from error
            # dockerd tells nobody when it listens; its log is the only sign, and it is buffered.
            time.sleep(0.1)

    def tail(self):
        path = self.folder / "dockerd.log"
        return path.read_text(errors="replace")[-2000:] if path.exists() else ""

    def stop(self):
        """Ends a private engine and what runs in it."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
        self.log.close()

    # ---- a client ------------------------------------------------------------------------------------

    def raw(self, method, path, body=None, headers=None, timeout=60):
        connection = _Connection(self.socket, timeout)
        try:
            connection.request(method, API + path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def api(self, method, path, body=None, timeout=60):
        """The answer's JSON, or None; raises EngineError."""
        data = None if body is None else json.dumps(body).encode()
        status, answer = self.raw(method, path, data, {"Content-Type": "application/json"} if data else None, timeout)
        if status >= 400:
            try:
                raise EngineError(status, json.loads(answer)["message"])
            except (ValueError, KeyError) as error:
                raise EngineError(status, answer[:200]) from error
        return json.loads(answer) if answer else None

    def make_image(self, name=IMAGE):
        """An image of nothing but a static busybox, as `docker import` makes it; its id."""
        busybox = pathlib.Path(shutil.which("busybox") or "/bin/busybox")
        assert busybox.exists(), "busybox-static is missing"
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as tar:
            for folder in ("bin", "etc", "tmp"):
                entry = tarfile.TarInfo(folder)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry)
            entry = tarfile.TarInfo("bin/busybox")
            entry.size, entry.mode = busybox.stat().st_size, 0o755
            with busybox.open("rb") as source:
                tar.addfile(entry, source)
            for applet in ("sh", "sleep", "echo", "cat", "true", "false", "seq"):
                entry = tarfile.TarInfo(f"bin/{applet}")
                entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(entry)
        repository, tag = name.rsplit(":", 1)
        query = urllib.parse.urlencode({"fromSrc": "-", "repo": repository, "tag": tag})
        status, answer = self.raw("POST", f"/images/create?{query}", data.getvalue(),
                                  {"Content-Type": "application/x-tar"})
        assert status == 200 and b"error" not in answer, answer
        return self.api("GET", f"/images/{name}/json")["Id"]

    def create(self, name, command=("sleep", "3600"), image=IMAGE, **host):
        return self.api("POST", f"/containers/create?name={name}",
                        {"Image": image, "Cmd": list(command),
                         "HostConfig": {"NetworkMode": "none", **host}})["Id"]

    def start_container(self, name, command=("sleep", "3600"), image=IMAGE, **host):
        """A running container; its id."""
        identity = self.create(name, command, image, **host)
        self.api("POST", f"/containers/{identity}/start")
        return identity

    def container(self, name):
        """What the engine says of it, or None."""
        try:
            return self.api("GET", f"/containers/{name}/json")
        except EngineError as error:
            if error.status == 404:
                return None
            raise

    def remove(self, name):
        try:
            self.api("DELETE", f"/containers/{name}?force=true&v=true")
        except EngineError as error:
            if error.status != 404:
                raise


def main(arguments):
    if len(arguments) != 2 or arguments[1] in ("-h", "--help"):
        print(__doc__, file=sys.stderr)
        return 2
    engine = Engine(arguments[1])
    if engine.reason:
        print(engine.reason, file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        engine.start()
        print(engine.socket, flush=True)
        sys.stdin.read()
    except KeyboardInterrupt:
        pass
    finally:
        engine.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
