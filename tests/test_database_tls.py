"""Tests that clients of the database in AWS talk only to a server whose certificate Amazon RDS signed for its name.

PostgreSQL here speaks no TLS, so a listener in front of it does, as the servers of RDS do, with a certificate of ours.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from anyio.from_thread import start_blocking_portal
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import app
from app import logins

ROOTS = Path(app.__file__).parent / "rds-ca.pem"
NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a self-signed certificate for the name localhost, in a file together with its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    builder = x509.CertificateBuilder(NAME, NAME, key.public_key(), x509.random_serial_number())
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    signed = (
        builder.not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + signed.public_bytes(Encoding.PEM))
    return file


async def _forward(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(65_536):
        target.write(data)
        await target.drain()
    target.close()


@pytest.fixture
def encrypted(database_url: str, certificate: Path) -> Iterator[Callable[[str], str]]:
    """Start the listener; return a function that gives the test database's address there, for a name of the host."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    behind = urlsplit(database_url)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(ConnectionError, ssl.SSLError):
            await reader.readexactly(8)  # may I speak TLS?
            writer.write(b"S")
            await writer.start_tls(context)
            answers, database = await asyncio.open_connection(behind.hostname, behind.port)
            with closing(database):
                await asyncio.gather(_forward(reader, database), _forward(answers, writer))

    with start_blocking_portal() as portal:
        listener = portal.call(asyncio.start_server, serve, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]

        def address(host: str) -> str:
            netloc = f"{behind.username}:{behind.password}@{host}:{port}"
            return urlunsplit(behind._replace(netloc=netloc, query="sslmode=verify-full&hostaddr=127.0.0.1"))

        yield address
        portal.call(listener.close)


def test_a_server_that_proves_its_name_is_talked_to(
    encrypted: Callable[[str], str], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSSLROOTCERT", str(certificate))
    with psycopg.connect(encrypted("localhost")) as connection:
        assert connection.pgconn.ssl_in_use
        assert connection.execute("SELECT current_user").fetchone() == (logins.SERVICES,)


@pytest.mark.parametrize(
    ("host", "trusts_it", "because"),
    [("localhost", False, "certificate verify failed"), ("ledger.example", True, "does not match host name")],
)
def test_a_server_that_does_not_is_refused(
    encrypted: Callable[[str], str],
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    trusts_it: bool,
    because: str,
) -> None:
    monkeypatch.setenv("PGSSLROOTCERT", str(certificate if trusts_it else ROOTS))
    with pytest.raises(psycopg.OperationalError, match=because):
        psycopg.connect(encrypted(host))


def test_the_roots_are_of_rds_signed_by_themselves_and_last_for_years() -> None:
    roots = x509.load_pem_x509_certificates(ROOTS.read_bytes())
    names = [root.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value for root in roots]
    for root, name in zip(roots, names, strict=True):
        root.verify_directly_issued_by(root)
        assert str(name).startswith("Amazon RDS ")
        assert root.not_valid_after_utc > datetime.now(UTC) + timedelta(days=3650)
    for kind in ("RSA2048", "RSA4096", "ECC384"):
        assert f"Amazon RDS us-east-1 Root CA {kind} G1" in names
