# SPDX-License-Identifier: Apache-2.0
"""What can protect the root key file: a real token (SoftHSM), and a stand-in that speaks Vault's transit API."""
import base64
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import threading

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import harness
from test_rotation import key_file, rotate, stage, still_reads

SOFTHSM = next((path for path in map(pathlib.Path, ("/usr/lib/softhsm/libsofthsm2.so",
                                                    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"))
                if path.exists()), None)


def private(path, text):
    path.touch(0o600)
    path.write_text(text)
    return path


class Transit:
    """Vault's and OpenBao's transit engine, as its HTTP API documents it: versions, encrypt, decrypt."""

    def __init__(self):
        self.keys = [AESGCM(os.urandom(32))]
        self.token = "s.test-token"
        self.calls = []
        transit = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, data = transit.answer(self.path, self.headers.get("X-Vault-Token"), body)
                text = json.dumps(data).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def answer(self, path, token, body):
        self.calls.append(path)
        if token != self.token:
            return 403, {"errors": ["permission denied"]}
        if path == "/v1/transit/encrypt/countersign":
            nonce = os.urandom(12)
            sealed = nonce + self.keys[-1].encrypt(nonce, base64.b64decode(body["plaintext"]), None)
            return 200, {"data": {"ciphertext": f"vault:v{len(self.keys)}:{base64.b64encode(sealed).decode()}",
                                  "key_version": len(self.keys)}}
        if path == "/v1/transit/decrypt/countersign":
            _, version, sealed = body["ciphertext"].split(":")
            sealed = base64.b64decode(sealed)
            try:
                plain = self.keys[int(version[1:]) - 1].decrypt(sealed[:12], sealed[12:], None)
            except Exception:  # cryptography's InvalidTag
                return 400, {"errors": ["cipher: message authentication failed"]}
            return 200, {"data": {"plaintext": base64.b64encode(plain).decode()}}
        return 404, {"errors": []}

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def refused(server):
    server.start(ready=False)
    assert server.process.wait() != 0
    return server.process.text


def test_vault_protects_the_key_file(make_server, tmp_path):
    transit = Transit()
    token = private(tmp_path / "token", transit.token + "\n")
    options = ["--root-provider", "vault", "--root-vault-url", transit.url, "--root-vault-key", "countersign",
               "--root-vault-token-file", str(token)]
    server = make_server(options=options).start()
    tenant = stage(server)
    still_reads(tenant, server)
    text = (server.data / "root.key").read_text()
    assert text.startswith("countersign-root-key v1 vault\n")
    line = base64.b64decode(text.splitlines()[1].split()[2]).decode()
    assert line.startswith("vault:v1:")
    asked = len(transit.calls)
    still_reads(tenant, server)
    assert len(transit.calls) == asked, "no request asks the service"
    transit.keys.append(AESGCM(os.urandom(32)))  # the service's key has a newer version
    assert rotate(server)["current"] == 2
    assert base64.b64decode((server.data / "root.key").read_text().splitlines()[1].split()[2]).startswith(b"vault:v2:")
    server.restart()
    still_reads(tenant, server)
    server.stop()
    token.write_text("another")
    assert "403" in refused(server)
    token.chmod(0o644)
    assert "can be read by others" in refused(server)
    token.chmod(0o600)
    token.write_text(transit.token)
    transit.keys = [AESGCM(os.urandom(32)), AESGCM(os.urandom(32))]
    assert "answers 400" in refused(server)
    transit.close()
    assert "key service" in refused(server)
    server.options.remove("vault")
    server.options.remove("--root-provider")
    assert "it is protected by \"vault\"" in refused(server)


@pytest.fixture
def token(tmp_path, monkeypatch):
    """A SoftHSM token with one AES-256 key that cannot leave it."""
    if SOFTHSM is None or shutil.which("pkcs11-tool") is None:
        pytest.skip("no SoftHSM or no pkcs11-tool is installed (softhsm2, opensc)")
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}\nobjectstore.backend = file\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm2.conf"))
    subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", "countersign", "--pin", "1234", "--so-pin", "5678"],
                   check=True, stdout=subprocess.DEVNULL)
    make_key("root-1")
    return ["--root-provider", "pkcs11", "--root-pkcs11-module", str(SOFTHSM), "--root-pkcs11-token", "countersign",
            "--root-pkcs11-key", "root-1", "--root-pkcs11-pin-file", str(private(tmp_path / "pin", "1234\n"))]


def make_key(label):
    subprocess.run(["pkcs11-tool", "--module", str(SOFTHSM), "--token-label", "countersign", "--login", "--pin", "1234",
                    "--keygen", "--key-type", "AES:32", "--label", label, "--id", label.encode().hex(), "--sensitive"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_a_token_protects_the_key_file(make_server, token, tmp_path):
    server = make_server(options=token).start()
    tenant = stage(server)
    still_reads(tenant, server)
    assert (server.data / "root.key").read_text().startswith("countersign-root-key v1 pkcs11\n")
    server.restart()
    still_reads(tenant, server)
    # Another key of the token takes over: the older one opens until the rotation has gone by.
    make_key("root-2")
    server.options[server.options.index("root-1")] = "root-2"
    server.restart()
    still_reads(tenant, server)
    assert rotate(server)["current"] == 2
    assert all(b"root-2" in base64.b64decode(line.split()[2])
               for line in (server.data / "root.key").read_text().splitlines()[1:])
    assert key_file(server) == {"current": 2, "derive": 1}
    server.stop()
    good = (server.data / "root.key").read_text()
    wrapped = bytearray(base64.b64decode(good.splitlines()[1].split()[2]))
    wrapped[-1] ^= 1
    (server.data / "root.key").write_text(good.replace(good.splitlines()[1].split()[2], base64.b64encode(wrapped).decode()))
    assert "altered" in refused(server)
    (server.data / "root.key").write_text(good)
    (tmp_path / "pin").write_text("9999")
    assert "take the PIN" in refused(server)
    server.options[server.options.index("root-2")] = "root-3"
    (tmp_path / "pin").write_text("1234")
    assert "no AES key \"root-3\"" in refused(server)
    server.options[server.options.index("root-3")] = "root-2"
    server.start()
    still_reads(tenant, server)
