# SPDX-License-Identifier: Apache-2.0
"""A proxy between server and PostgreSQL that counts messages in both directions, and cuts a connection at one of them.

The protocol: https://www.postgresql.org/docs/15/protocol-message-formats.html. After the client's first message, which
has no type, each is a byte for the type and four for the length.
"""
import os
import pathlib
import shutil
import socket
import struct
import tempfile
import threading


class Proxy:
    """Listens as another PostgreSQL's socket in a folder of its own."""

    def __init__(self, real_folder):
        self.real = str(pathlib.Path(real_folder) / ".s.PGSQL.5432")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="countersign-proxy-"))
        self.lock = threading.Lock()
        self.count = 0
        self.cut_at = None
        self.cut = threading.Event()
        self.was = None  # (direction, type) of the message that was kept back
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(self.folder / ".s.PGSQL.5432"))
        self.listening.listen(64)
        os.chmod(self.folder, 0o755)
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, at=None):
        """Counts from here; the message `at` (from 1) and all that follow on its connection do not arrive."""
        with self.lock:
            self.count, self.cut_at, self.was = 0, at, None
            self.cut.clear()

    def close(self):
        self.listening.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _accept(self):
        while True:
            try:
                client, _ = self.listening.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self.real)
            except OSError:
                client.close()
                continue
            pair = {"client": client, "server": server, "listens": False}
            for direction in ("client", "server"):
                threading.Thread(target=self._pump, args=(pair, direction), daemon=True).start()

    def _pump(self, pair, direction):
        source, sink = pair[direction], pair["server" if direction == "client" else "client"]
        typed = direction == "server"
        buffer = b""
        try:
            while True:
                received = source.recv(65536)
                if not received:
                    break
                buffer += received
                out = b""
                while True:
                    head = 5 if typed else 4
                    if len(buffer) < head:
                        break
                    size = struct.unpack(">I", buffer[head - 4:head])[0] + head - 4
                    if len(buffer) < size:
                        break
                    message, buffer = buffer[:size], buffer[size:]
                    # The line on which nodes hear each other beats by itself; it is not part of the story.
                    pair["listens"] |= b"LISTEN" in message
                    if self._is_cut(pair, direction, message, typed):
                        sink.sendall(out)
                        return
                    out += message
                    typed = True
                sink.sendall(out)
        except OSError:
            pass
        finally:
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def _is_cut(self, pair, direction, message, typed):
        with self.lock:
            if pair["listens"]:
                return False
            self.count += 1
            if self.count != self.cut_at:
                return False
            self.was = (direction, chr(message[0]) if typed else "startup")
            self.cut.set()
            return True
