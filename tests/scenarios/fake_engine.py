# SPDX-License-Identifier: Apache-2.0
"""Something that answers on a Docker socket, as well or as badly as a test wants it to.

It knows containers by name, keeps what it was asked to change, and can refuse
to answer, answer nonsense, or go away in the middle.
"""
import hashlib
import json
import os
import socket
import threading

DATE = "2026-01-01T00:00:00.000000000Z"


class FakeEngine:
    """`mode` of changing requests: ok, hang, nonsense, close-before, close-after, error. `all_modes` of every request."""

    def __init__(self, path):
        self.socket = str(path)
        self.mode = "ok"
        self.read_mode = "ok"
        self.containers = {}
        self.changes = []  # (method, path) in the order in which they took effect
        self.lock = threading.Lock()
        self.released = threading.Event()
        self.listener = None

    def add(self, name):
        identity = hashlib.sha256(name.encode()).hexdigest()
        with self.lock:
            self.containers[identity] = name
        return identity

    def start(self):
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.socket)
        self.listener.listen(16)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()
        return self

    def stop(self):
        """Gone: the socket is not there any more."""
        if self.listener:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        self.released.set()

    def _accept(self, listener):
        while True:
            try:
                wire, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(wire,), daemon=True).start()

    def _serve(self, wire):
        with wire, wire.makefile("rb") as stream:
            while True:
                try:
                    line = stream.readline().split()
                except ConnectionResetError:
                    return
                if len(line) != 3:
                    return
                method, target = line[0].decode(), line[1].decode()
                length = 0
                while True:
                    header = stream.readline().strip()
                    if not header:
                        break
                    name, _, value = header.partition(b":")
                    if name.lower() == b"content-length":
                        length = int(value)
                stream.read(length)
                if not self._answer(wire, method, target):
                    return

    def _find(self, text):
        for identity, name in self.containers.items():
            if text in (identity, name):
                return identity
        return None

    def _answer(self, wire, method, target):
        reads = method == "GET"
        mode = self.read_mode if reads else self.mode
        if mode == "hang":
            self.released.wait()
            return False
        if mode == "nonsense":
            wire.sendall(b"\x00\xff\x00\xff this is no HTTP\r\n\r\n")
            return False
        if mode == "bad-json":
            self._send(wire, 200, b'{"Id": "', "application/json")
            return True
        if mode == "close-before":
            return False
        if mode == "error":
            self._send(wire, 500, b'{"message":"it does not feel like it"}', "application/json")
            return True
        status, body = self._do(method, target)
        if mode == "close-after":
            return False
        if mode == "half":
            wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
            return False
        self._send(wire, status, body, "application/json")
        return True

    @staticmethod
    def _send(wire, status, body, kind):
        wire.sendall(f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                     + body)

    def _inspect(self, identity):
        name = self.containers[identity]
        return {"Id": identity, "Name": f"/{name}", "Image": "sha256:" + identity, "Created": DATE, "Path": "sleep",
                "Args": [], "RestartCount": 0, "Mounts": [],
                "Config": {"Image": "busybox:latest", "Tty": False, "Labels": {}, "Env": [], "Cmd": ["sleep"]},
                "HostConfig": {"NetworkMode": "none"}, "NetworkSettings": {"Networks": {}},
                "State": {"Running": True, "Status": "running", "StartedAt": DATE, "FinishedAt": DATE, "ExitCode": 0,
                          "Pid": 1, "Error": "", "OOMKilled": False, "Paused": False, "Restarting": False,
                          "Dead": False}}

    def _do(self, method, target):
        path = target.split("?")[0]
        parts = [part for part in path.split("/") if part]
        if parts and parts[0].startswith("v1."):
            parts = parts[1:]
        with self.lock:
            if parts[:1] in (["_ping"], ["version"]):
                return 200, b'{"ApiVersion":"1.41","Version":"20.10"}'
            if parts == ["containers", "json"]:
                return 200, json.dumps([{"Id": i, "Names": [f"/{n}"], "Image": "busybox:latest", "ImageID": "sha256:" + i,
                                         "State": "running", "Status": "Up", "Created": 0, "Labels": {}}
                                        for i, n in self.containers.items()]).encode()
            if len(parts) < 2 or parts[0] != "containers":
                return 404, b'{"message":"page not found"}'
            identity = self._find(parts[1])
            if identity is None:
                return 404, json.dumps({"message": f"No such container: {parts[1]}"}).encode()
            if method == "GET" and parts[2:] == ["json"]:
                return 200, json.dumps(self._inspect(identity)).encode()
            if method == "DELETE":
                del self.containers[identity]
            self.changes.append((method, target))
            return 204, b""
