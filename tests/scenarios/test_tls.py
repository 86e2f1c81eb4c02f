# SPDX-License-Identifier: Apache-2.0
"""TLS at the front door: 1.3 only, and certificates that change while the server runs."""
import datetime
import signal
import socket
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def write_certificate(folder, name):
    """A self-signed certificate for 127.0.0.1; the name tells which one it is."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
                   .not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256()))
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                                       serialization.NoEncryption()))
    return certificate.public_bytes(serialization.Encoding.DER)


def handshake(port, version=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version:
        context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", port), 10) as plain, context.wrap_socket(plain) as wire:
        wire.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := wire.recv(65536):
            answer += piece
        return wire.getpeercert(binary_form=True), wire.version(), answer


@pytest.fixture
def tls_server(make_server, tmp_path):
    first = write_certificate(tmp_path, "first")
    server = make_server(options=["--tls-certificate", tmp_path / "cert.pem", "--tls-key", tmp_path / "key.pem"])
    server.start(ready=False)
    server.port = int(server.process.wait_for(r"serving.*https://[0-9.]+:(\d+)").group(1))
    return server, first


def test_only_tls_1_3_is_spoken(tls_server):
    server, first = tls_server
    certificate, version, answer = handshake(server.port)
    assert certificate == first
    assert version == "TLSv1.3"
    assert answer.startswith(b"HTTP/1.1 200")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(server.port, ssl.TLSVersion.TLSv1_2)
    with socket.create_connection(("127.0.0.1", server.port), 10) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            assert b"200" not in plain.recv(65536)
        except ConnectionResetError:
            pass  # plain text is no handshake: cutting it off is an answer


def test_a_new_certificate_is_taken_without_a_restart(tls_server, tmp_path):
    server, first = tls_server
    second = write_certificate(tmp_path, "second")
    assert handshake(server.port)[0] == first
    server.process.process.send_signal(signal.SIGHUP)
    server.process.wait_for("read the TLS files again")
    assert handshake(server.port)[0] == second
    (tmp_path / "key.pem").write_text("not a key")
    server.process.process.send_signal(signal.SIGHUP)
    server.process.wait_for("the old ones stay")
    assert handshake(server.port)[0] == second
    assert server.stop() == 0
