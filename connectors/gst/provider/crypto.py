"""The client's side of GSTN's encryption: application key, session key, sealed answers, requests and files.

Pure functions over bytes. Nothing decrypted is handed on before its signature was compared, in constant time.
The cipher (AES-256-ECB with PKCS7, RSA PKCS#1 v1.5) is the portal's choice, not ours.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from collections.abc import Mapping

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from clientsync.errors import ContractChanged, ProviderMisconfigured

KEY_BYTES = 32
_BLOCK_BITS = 128


class SealBroken(ContractChanged):
    """A sealed text does not open under its key, or its signature does not fit."""

    code = "SEAL_BROKEN"
    next_step = "Re-sync the client; if it stays, the portal changed its encryption: see the runbook."


def new_app_key() -> bytes:
    """Return a fresh application key: 32 random bytes."""
    return os.urandom(KEY_BYTES)


def load_public_key(text: bytes) -> rsa.RSAPublicKey:
    """Return the RSA key of GSTN's public certificate, given as PEM or DER; a bare PEM key is read too.

    Raises:
        ProviderMisconfigured: the text is none of these.
    """
    try:
        if b"BEGIN PUBLIC KEY" in text:
            key = load_pem_public_key(text)
        elif b"BEGIN CERTIFICATE" in text:
            key = x509.load_pem_x509_certificate(text).public_key()
        else:
            key = x509.load_der_x509_certificate(text).public_key()
    except ValueError:
        raise ProviderMisconfigured("GSTN's public certificate cannot be read as PEM or DER.") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise ProviderMisconfigured("GSTN's public certificate holds no RSA key.")
    return key


def wrap_app_key(public_key: rsa.RSAPublicKey, app_key: bytes) -> str:
    """Return the application key sealed for the portal: RSA PKCS#1 v1.5, base64."""
    return to_text(public_key.encrypt(app_key, padding.PKCS1v15()))


def encrypt(key: bytes, plain: bytes) -> bytes:
    """Return ``plain`` under AES-256-ECB with PKCS7 padding."""
    padder = PKCS7(_BLOCK_BITS).padder()
    padded = padder.update(plain) + padder.finalize()
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - the portal's choice
    return encryptor.update(padded) + encryptor.finalize()


def decrypt(key: bytes, sealed: bytes) -> bytes:
    """Undo ``encrypt``.

    Raises:
        SealBroken: wrong key, or a damaged text.
    """
    try:
        decryptor = Cipher(algorithms.AES(key), modes.ECB()).decryptor()  # noqa: S305 - the portal's choice
        padded = decryptor.update(sealed) + decryptor.finalize()
        unpadder = PKCS7(_BLOCK_BITS).unpadder()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError:
        raise SealBroken("A sealed text of the portal does not open under its key.") from None


def to_text(raw: bytes) -> str:
    """Return base64 text."""
    return base64.b64encode(raw).decode("ascii")


def from_text(text: str | bytes) -> bytes:
    """Return the bytes of a base64 text; line breaks and blanks around it are allowed.

    Raises:
        SealBroken: not base64.
    """
    try:
        joined = b"".join(text.split()) if isinstance(text, bytes) else "".join(text.split())
        return base64.b64decode(joined, validate=True)
    except (binascii.Error, ValueError):
        raise SealBroken("A sealed text of the portal is not base64.") from None


def sign(key: bytes, message: bytes) -> str:
    """Return the base64 HMAC-SHA256 of ``message``."""
    return to_text(hmac.digest(key, message, "sha256"))


def seal_text(key: bytes, text: str) -> str:
    """Return a short text (an OTP, a password) under ``key``, base64."""
    return to_text(encrypt(key, text.encode("utf-8")))


def seal_key(session_key: bytes, app_key: bytes) -> str:
    """Return the application key under the current session key, as a token refresh wants it."""
    return to_text(encrypt(session_key, app_key))


def open_session_key(app_key: bytes, sek: str) -> bytes:
    """Return the session key in an auth answer's ``sek``.

    Raises:
        SealBroken: it does not open, or has not 32 bytes.
    """
    return _key_of(decrypt(app_key, from_text(sek)))


def open_answer(session_key: bytes, envelope: Mapping[str, object]) -> bytes:
    """Return the JSON bytes in a sealed answer ``{rek, data, hmac}``.

    The signature is taken over the base64 text inside ``data``, under the answer's own key ``rek``.

    Raises:
        SealBroken: a part is missing, does not open, or the signature does not fit.
    """
    rek, data, mac = (envelope.get(name) for name in ("rek", "data", "hmac"))
    if not (isinstance(rek, str) and isinstance(data, str) and isinstance(mac, str)):
        raise SealBroken("A sealed answer of the portal lacks its key, data or signature.")
    key = _key_of(decrypt(session_key, from_text(rek)))
    inner = decrypt(key, from_text(data))
    if not hmac.compare_digest(sign(key, inner).encode(), mac.strip().encode()):
        raise SealBroken("The signature of a sealed answer does not fit its content.")
    return from_text(inner)


def seal_request(session_key: bytes, content: bytes) -> dict[str, str]:
    """Return the ``data`` and ``hmac`` of a request that carries JSON bytes."""
    inner = base64.b64encode(content)
    return {"data": to_text(encrypt(session_key, inner)), "hmac": sign(session_key, inner)}


def open_file_member(ek: str, text: bytes) -> bytes:
    """Return the JSON bytes of one member of a queued file, sealed under the file's key ``ek`` (base64).

    Raises:
        SealBroken: the key has not 32 bytes, or the member does not open under it.
    """
    return from_text(decrypt(_key_of(from_text(ek)), from_text(text)))


def _key_of(raw: bytes) -> bytes:
    if len(raw) != KEY_BYTES:
        raise SealBroken("A key of the portal has not 32 bytes.")
    return raw
