"""GSTN's encryption from the client's side: what is sealed opens again, and what was touched never does."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from clientsync.errors import ContractChanged, ProviderMisconfigured
from connectors.gst.provider import crypto

KEYS = st.binary(min_size=32, max_size=32)


@cache
def _private() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _certificate(encoding: Encoding) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "portal")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(7)
    builder = builder.public_key(_private().public_key())
    made = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    return made.sign(_private(), hashes.SHA256()).public_bytes(encoding)


def _envelope(session_key: bytes, rek: bytes, content: bytes) -> dict[str, object]:
    inner = base64.b64encode(content)
    return {
        "status_cd": "1",
        "rek": crypto.to_text(crypto.encrypt(session_key, rek)),
        "data": crypto.to_text(crypto.encrypt(rek, inner)),
        "hmac": crypto.sign(rek, inner),
    }


@given(KEYS, st.binary(max_size=300))
def test_what_is_encrypted_decrypts_to_itself(key: bytes, plain: bytes) -> None:
    sealed = crypto.encrypt(key, plain)
    assert len(sealed) % 16 == 0
    assert crypto.decrypt(key, sealed) == plain


@given(KEYS, KEYS, st.binary(max_size=300))
def test_an_answer_opens_to_exactly_what_was_sealed(session_key: bytes, rek: bytes, content: bytes) -> None:
    assert crypto.open_answer(session_key, _envelope(session_key, rek, content)) == content


@settings(max_examples=60)
@given(st.data(), st.sampled_from(["rek", "data", "hmac"]))
def test_an_answer_with_any_changed_byte_never_opens(data: st.DataObject, part: str) -> None:
    session_key, rek = os.urandom(32), os.urandom(32)
    envelope = _envelope(session_key, rek, b'{"b2b":[]}')
    raw = bytearray(base64.b64decode(str(envelope[part])))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    envelope[part] = base64.b64encode(bytes(raw)).decode()
    with pytest.raises(crypto.SealBroken):
        crypto.open_answer(session_key, envelope)


@pytest.mark.parametrize("missing", ["rek", "data", "hmac"])
def test_an_answer_without_one_of_its_parts_is_refused(missing: str) -> None:
    envelope = _envelope(b"k" * 32, b"r" * 32, b"{}")
    del envelope[missing]
    with pytest.raises(crypto.SealBroken):
        crypto.open_answer(b"k" * 32, envelope)


def test_a_signature_of_another_length_or_alphabet_is_refused_without_a_crash() -> None:
    for mac in ("", "x", "ä" * 44, "A" * 44):
        envelope = _envelope(b"k" * 32, b"r" * 32, b"{}") | {"hmac": mac}
        with pytest.raises(crypto.SealBroken):
            crypto.open_answer(b"k" * 32, envelope)


@given(KEYS, st.binary(max_size=200))
def test_a_request_is_sealed_as_the_portal_opens_it(session_key: bytes, content: bytes) -> None:
    sealed = crypto.seal_request(session_key, content)
    inner = crypto.decrypt(session_key, base64.b64decode(sealed["data"]))
    assert base64.b64decode(inner) == content
    assert sealed["hmac"] == crypto.sign(session_key, inner)


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_the_app_key_is_wrapped_for_the_certificate(encoding: Encoding) -> None:
    key = crypto.new_app_key()
    wrapped = crypto.wrap_app_key(crypto.load_public_key(_certificate(encoding)), key)
    assert _private().decrypt(base64.b64decode(wrapped), padding.PKCS1v15()) == key


def test_a_bare_public_key_is_read_too() -> None:
    pem = _private().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert crypto.load_public_key(pem).key_size == 2048


def test_what_is_no_certificate_is_the_providers_misconfiguration() -> None:
    other = ed25519.Ed25519PrivateKey.generate().public_key()
    wrong = other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for text in (b"", b"hello", b"-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n", wrong):
        with pytest.raises(ProviderMisconfigured):
            crypto.load_public_key(text)


def test_the_session_key_comes_out_of_48_sealed_bytes() -> None:
    app_key, session_key = crypto.new_app_key(), os.urandom(32)
    sealed = crypto.encrypt(app_key, session_key)
    assert len(sealed) == 48
    assert crypto.open_session_key(app_key, crypto.to_text(sealed)) == session_key
    with pytest.raises(crypto.SealBroken):
        crypto.open_session_key(app_key, crypto.to_text(crypto.encrypt(app_key, b"short")))


def test_a_broken_seal_says_nothing_of_what_it_held_and_is_a_changed_contract() -> None:
    with pytest.raises(ContractChanged) as caught:
        crypto.decrypt(b"k" * 32, b"secret text of 1")
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
