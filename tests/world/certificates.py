"""A certificate authority of the test's own, and servers' certificates: a good one, and each kind of bad one."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
GOOD = ("*.origin.example", "*.cdn.example", "*.rebinding.example", "allowed.example", "public.example")


@dataclass(frozen=True, kw_only=True)
class Issuer:
    name: x509.Name
    key: ec.EllipticCurvePrivateKey


def write_all(folder: Path) -> None:
    """`ca.pem`, and a file with certificate and key for each kind of server: good, expired, selfsigned, wronghost."""
    authority = Issuer(name=_name("The CA of the tests"), key=ec.generate_private_key(ec.SECP256R1()))
    public = _certificate(authority, authority.name, authority.key.public_key(), [], ca=True)
    (folder / "ca.pem").write_bytes(public.public_bytes(serialization.Encoding.PEM))
    _write(folder / "good.pem", authority, GOOD)
    _write(folder / "expired.pem", authority, ["expired.tls.example"], until=NOW - DAY)
    _write(folder / "wronghost.pem", authority, ["somebody.else.example"])
    _write(folder / "selfsigned.pem", None, ["selfsigned.tls.example"])


def context(file: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(file)
    return made


def _write(file: Path, authority: Issuer | None, names: Sequence[str], until: datetime = NOW + DAY) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(names[0])
    certificate = _certificate(authority or Issuer(name=subject, key=key), subject, key.public_key(), names, until=until)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _certificate(
    issuer: Issuer,
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey,
    names: Sequence[str],
    *,
    until: datetime = NOW + DAY,
    ca: bool = False,
) -> x509.Certificate:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer.name).public_key(key)
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(NOW - 30 * DAY).not_valid_after(until)
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    builder = builder.add_extension(authority_key, critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
    if ca:
        others = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
        usage = dict.fromkeys((*others, "encipher_only", "decipher_only"), False) | {"key_cert_sign": True, "crl_sign": True}
        builder = builder.add_extension(x509.KeyUsage(**usage), critical=True)
    return builder.sign(issuer.key, hashes.SHA256())
