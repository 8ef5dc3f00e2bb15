"""Makes a self-signed certificate for HTTPS, because browsers let only pages that come over HTTPS use a camera."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import tempfile
from pathlib import Path

from edgeshift.errors import missing

#: Days for which a certificate is valid from now. It is also valid for the day before, because clocks may be wrong.
DAYS = 7


def make_context(address: str) -> tuple[ssl.SSLContext, str]:
    """Return an SSL context with a new key and certificate for one IP address.

    Python's ``ssl`` reads keys from files only. Only this user can read the temporary file, and it is deleted at once.

    Returns:
        The context, and the SHA-256 fingerprint of the certificate in the form that browsers show.

    Raises:
        RuntimeMissingError: the package "cryptography" is not installed.
    """
    key, certificate, fingerprint = _make_certificate(address)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    with tempfile.TemporaryDirectory(prefix="edgeshift-") as folder:
        path = Path(folder) / "certificate.pem"
        path.touch(mode=0o600)
        path.write_bytes(key + certificate)
        context.load_cert_chain(path)
    return context, fingerprint


def _make_certificate(address: str) -> tuple[bytes, bytes, str]:
    """Return a key and a certificate, both as PEM, and the fingerprint of the certificate."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError as error:
        raise missing("cryptography", "phone", "serving a phone over HTTPS") from error
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "edgeshift phone")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return (
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        certificate.public_bytes(pem),
        certificate.fingerprint(hashes.SHA256()).hex(":").upper(),
    )
