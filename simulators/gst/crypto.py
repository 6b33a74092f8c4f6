"""The portal's side of the encryption: application key, session key, response envelope.

A payload is encrypted once under a key of its own; per answer only that key is wrapped for the session, which keeps
serving cheap without changing what a client sees.
"""

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.x509.oid import NameOID

BLOCK = 16


def encrypt(key: bytes, plain: bytes) -> bytes:
    """Encrypt with AES-256-ECB and PKCS7 padding."""
    pad = BLOCK - len(plain) % BLOCK
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - what the portal uses
    return encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()


def decrypt(key: bytes, secret: bytes) -> bytes:
    """Undo `encrypt`.

    Raises:
        ValueError: the text does not decrypt under this key.
    """
    decryptor = Cipher(algorithms.AES(key), modes.ECB()).decryptor()  # noqa: S305 - what the portal uses
    padded = decryptor.update(secret) + decryptor.finalize()
    pad = padded[-1] if padded else 0
    if not 1 <= pad <= BLOCK or padded[-pad:] != bytes([pad]) * pad:
        raise ValueError("wrong key or damaged text")
    return padded[:-pad]


def b64(raw: bytes) -> str:
    """Encode as base64 text."""
    return base64.b64encode(raw).decode("ascii")


def sign(key: bytes, message: bytes) -> str:
    """Give the base64 HMAC-SHA256 of the message."""
    return b64(hmac.digest(key, message, "sha256"))


@dataclass(frozen=True, slots=True)
class Sealed:
    """A payload encrypted under its own key, ready to be served to any session."""

    key: bytes
    data: str
    mac: str

    @classmethod
    def of(cls, payload: bytes) -> "Sealed":
        """Seal a JSON text; the key follows from the content."""
        key = hashlib.sha256(b"payload key" + payload).digest()
        inner = base64.b64encode(payload)
        return cls(key, b64(encrypt(key, inner)), sign(key, inner))

    def envelope(self, session_key: bytes, *, mac: str | None = None) -> bytes:
        """Wrap for one session."""
        rek = b64(encrypt(session_key, self.key))
        return (f'{{"status_cd":"1","rek":"{rek}","data":"{self.data}","hmac":"{mac or self.mac}"}}').encode()


def open_request(session_key: bytes, data: str, mac: str) -> bytes:
    """Decrypt the body of a PUT or POST.

    Raises:
        ValueError: the text or its signature is wrong.
    """
    inner = decrypt(session_key, base64.b64decode(data))
    if not hmac.compare_digest(sign(session_key, inner), mac):
        raise ValueError("wrong signature")
    return base64.b64decode(inner)


class KeyPair:
    """The portal's RSA key with its self-signed certificate, kept in the state folder."""

    def __init__(self, folder: Path) -> None:
        """Load the pair from the folder, or make it."""
        self.certificate = folder / "portal_cert.pem"
        secret = folder / "portal_key.pem"
        if secret.exists() and self.certificate.exists():
            loaded = serialization.load_pem_private_key(secret.read_bytes(), None)
            if not isinstance(loaded, rsa.RSAPrivateKey):
                raise TypeError("the stored key is not an RSA key")
            self._key = loaded
            return
        self._key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "simulated-portal")])
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=365))
            .sign(self._key, hashes.SHA256())
        )
        folder.mkdir(parents=True, exist_ok=True)
        secret.write_bytes(
            self._key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        secret.chmod(0o600)
        self.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def unwrap(self, text: str) -> bytes:
        """Decrypt an application key sent by a client.

        Raises:
            ValueError: not encrypted with this certificate, or not 32 bytes.
        """
        key = self._key.decrypt(base64.b64decode(text), padding.PKCS1v15())
        if len(key) != 32:
            raise ValueError("an application key has 32 bytes")
        return key


def fresh_key() -> bytes:
    """Give 32 random bytes."""
    return os.urandom(32)
