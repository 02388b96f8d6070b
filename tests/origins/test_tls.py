"""TLS: the certificate must be for what the URL says, and from somebody we trust."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from services.errors import SourceTooSlow, SourceUnavailable
from services.origins.fetch import Origins
from services.origins.source_url import parse
from tests.origins.origin import Origin, moved, origin, page

pytestmark = pytest.mark.anyio


def certificate(folder: Path, address: str) -> Path:
    """Signed by itself, for this address; a file with its key too."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, address)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / f"{address}.pem"
    file.write_bytes(private + builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = certificate(tmp_path, "127.0.0.2")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return file


def context(file: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(file)
    return made


@pytest.fixture
async def served(trusted: Path) -> AsyncIterator[Origin]:
    async with origin(tls=context(trusted)) as running:
        running.pages["/"] = page(b"a picture")
        yield running


async def fetch(*served: Origin, target: str = "/") -> bytes:
    ports = [running.port for running in served]
    hosts = Origins(sources=["*"], ports=ports, networks=[ip_network("127.0.0.0/8")], own_host="", max_bytes=1000, deadline=8)
    async with hosts.get(parse(served[0].url(target)), signed=False) as fetched:
        assert fetched.chunks
        return b"".join([chunk async for chunk in fetched.chunks])


async def test_a_host_with_the_right_certificate_is_believed(served: Origin) -> None:
    assert await fetch(served) == b"a picture"


@pytest.mark.parametrize("wrong", ["another address", "nobody's"])
async def test_a_wrong_certificate_is_no_host(trusted: Path, tmp_path: Path, wrong: str) -> None:
    (folder := tmp_path / wrong).mkdir()
    host = "127.0.0.3" if wrong == "another address" else "127.0.0.2"
    async with origin(host, tls=context(trusted if wrong == "another address" else certificate(folder, host))) as other:
        other.pages["/"] = page(b"a picture")
        with pytest.raises(SourceUnavailable):
            await fetch(other)
        assert not other.asked


async def test_a_redirect_does_not_leave_tls_but_may_enter_it(served: Origin) -> None:
    async with origin() as plain:
        plain.pages |= {"/": page(b"plain"), "/to-tls": moved(served.url("/"))}
        served.pages["/down"] = moved(plain.url("/"))
        with pytest.raises(SourceUnavailable):
            await fetch(served, plain, target="/down")
        assert not plain.asked
        assert await fetch(plain, served, target="/to-tls") == b"a picture"


async def test_tls_with_a_host_that_speaks_none_ends(trusted: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def chatty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(page(b"no TLS"))
        await silent(reader, writer)

    for handler, error, seconds in ((silent, SourceTooSlow, 2.0), (chatty, SourceUnavailable, 0.0)):
        server = await asyncio.start_server(handler, "127.0.0.2", 0)
        port = server.sockets[0].getsockname()[1]
        began = time.monotonic()
        with pytest.raises(error):
            await fetch(Origin(host="127.0.0.2", port=port, scheme="https"))
        assert seconds - 0.1 < time.monotonic() - began < seconds + 0.8
        server.close()
        await asyncio.sleep(0.05)


async def test_a_caller_who_leaves_in_the_handshake_closes_the_connection(trusted: Path) -> None:
    come, gone = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        come.set()
        await reader.read()
        gone.set()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.2", 0)
    port = server.sockets[0].getsockname()[1]
    fetching = asyncio.create_task(fetch(Origin(host="127.0.0.2", port=port, scheme="https")))
    await come.wait()
    fetching.cancel()
    async with asyncio.timeout(1):
        await gone.wait()
    server.close()
