# SPDX-License-Identifier: Apache-2.0
"""How a server reaches its PostgreSQL: TLS with verification, several hosts of which one writes."""
import datetime
import os
import pwd
import socket

import harness
import postgres
import pytest
from conftest import new_tenant
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

pytestmark = pytest.mark.skipif(postgres.programs() is None, reason="no PostgreSQL is installed (postgresql-15)")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, file, name):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = file
        certificate, _ = self.certificate(self.name, self.key, x509.BasicConstraints(ca=True, path_length=0))
        file.write_bytes(certificate)

    def certificate(self, subject, key, constraints, host=None):
        now = datetime.datetime.now(datetime.timezone.utc)
        made = (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
                .not_valid_after(now + datetime.timedelta(days=1)).add_extension(constraints, critical=True))
        if host:
            made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        return (made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
                key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                  serialization.NoEncryption()))

    def issue(self, host):
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        return self.certificate(subject, ec.generate_private_key(ec.SECP256R1()),
                                x509.BasicConstraints(ca=False, path_length=None), host)


class TlsPostgres(postgres.Postgres):
    """Reached by TLS alone, but for the test itself; its certificate is for `localhost`."""

    def __init__(self, authority):
        super().__init__()
        self.stop()
        self.port = free_port()
        for name, text in zip(("server.crt", "server.key"), authority.issue("localhost")):
            file = self.folder / name
            file.touch(mode=0o600)
            file.write_bytes(text)
            if os.geteuid() == 0:
                user = pwd.getpwnam("postgres")
                os.chown(file, user.pw_uid, user.pw_gid)
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write(f"listen_addresses = '127.0.0.1'\nport = {self.port}\nssl = on\n"
                       f"ssl_cert_file = '{self.folder}/server.crt'\nssl_key_file = '{self.folder}/server.key'\n")
        (self.data / "pg_hba.conf").write_text("local all all trust\nhostssl all all 127.0.0.1/32 trust\n")
        self.place += f" port={self.port}"
        self.start()

    def over_tls(self, database, root, host="localhost", mode="verify-full", before=""):
        return (f"postgres://{postgres.SERVER}@{before}{host}:{self.port}/{database}"
                f"?sslmode={mode}&sslrootcert={root}")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority") / "ca.pem", "the test's own authority")


@pytest.fixture(scope="module")
def tls_postgres(authority):
    own = TlsPostgres(authority)
    own.name = own.migrated(harness.binary())
    yield own
    own.remove()


def starts(folder, url):
    """A server that runs on that database, or its last words."""
    folder.mkdir()
    server = harness.Server(folder, shared_store=url)
    server.start(ready=False)
    try:
        server.url = server.process.wait_for(r"serving.*(http://[0-9.]+:\d+)").group(1)
    except AssertionError:
        assert server.process.wait() != 0
        return None, server.process.text
    return server, ""


def test_a_server_reaches_its_database_by_verified_tls(tls_postgres, authority, tmp_path):
    name = tls_postgres.migrated(harness.binary())
    server, why = starts(tmp_path / "server", tls_postgres.over_tls(name, authority.file))
    assert server, why
    server.bootstrap_key = server.process.wait_for(r"^API key:\s+(cs_\S+)").group(1)
    new_tenant(server)
    # Every connection of it, the listening ones too.
    rows = tls_postgres.sql("SELECT DISTINCT s.ssl, s.version FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) "
                            f"WHERE a.usename = '{postgres.SERVER}'")
    assert rows == [["t", "TLSv1.3"]]
    assert server.stop() == 0


@pytest.mark.fault
@pytest.mark.parametrize("wrong", ["name", "authority", "nothing"])
def test_a_database_that_cannot_prove_who_it_is_is_refused(tls_postgres, authority, tmp_path, wrong):
    root = authority.file
    host = "localhost"
    if wrong == "name":
        host = "127.0.0.1"
    if wrong == "authority":
        root = Authority(tmp_path / "other.pem", "another authority").file
    if wrong == "nothing":
        root = tmp_path / "missing.pem"
    server, why = starts(tmp_path / "server", tls_postgres.over_tls(tls_postgres.name, root, host))
    assert server is None
    assert {"name": "does not match host name", "authority": "certificate verify failed",
            "nothing": "root certificate file"}[wrong] in why, why
    # The same without the mistake, so that it is this that was refused.
    if wrong == "name":
        mode = tls_postgres.over_tls(tls_postgres.name, root, host, mode="verify-ca")
        server, why = starts(tmp_path / "again", mode)
        assert server, why
        server.kill()


def test_the_host_that_answers_is_found(tls_postgres, authority, tmp_path):
    """The first of the URL's hosts is down."""
    name = tls_postgres.migrated(harness.binary())
    url = tls_postgres.over_tls(name, authority.file, before=f"localhost:{free_port()},")
    server, why = starts(tmp_path / "server", url)
    assert server, why
    server.kill()


@pytest.mark.parametrize("attrs", ["", " target_session_attrs=read-write"])
def test_the_host_that_writes_is_found(tmp_path, private_postgres, attrs):
    """The first of the URL's hosts only reads, as a standby or a former primary does."""
    name = private_postgres.migrated(harness.binary())
    reader = postgres.Postgres()
    try:
        # It has the schemas too: only that it does not write tells them apart.
        reader.sql(f"CREATE DATABASE {name} OWNER {postgres.OWNER}")
        reader.migrated_into(harness.binary(), name)
        reader.sql("ALTER SYSTEM SET default_transaction_read_only = on")
        reader.sql("SELECT pg_reload_conf()")
        hosts = ",".join(place.place.removeprefix("host=") for place in (reader, private_postgres))
        server, why = starts(tmp_path / "server", f"host={hosts} user={postgres.SERVER} dbname={name}{attrs}")
        assert server, why
        assert private_postgres.sql("SELECT count(*) FROM countersign.tenant", name) == [["1"]]
        assert reader.sql("SELECT count(*) FROM countersign.tenant", name) == [["0"]]
        server.kill()
        # Asked for any host, it is the first: and that one is no use.
        server, why = starts(tmp_path / "any", f"host={hosts} user={postgres.SERVER} dbname={name} "
                                               "target_session_attrs=any")
        assert server is None and "only reads" in why, why
    finally:
        reader.remove()
