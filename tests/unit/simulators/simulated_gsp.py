"""An independent caller of the simulated provider: it encrypts and decrypts by itself.

It shares no code with the simulator's own crypto, so a mistake there cannot cancel out.
"""

import base64
import hashlib
import hmac
import json
import os
import uuid
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from simulators.gst.app import Simulator
from simulators.gst.parties import Client
from simulators.gst.portal import Settings
from simulators.http import Request, Response

Json = dict[str, Any]


def aes(key: bytes, text: bytes) -> bytes:
    """Encrypt."""
    pad = PKCS7(128).padder()
    engine = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return engine.update(pad.update(text) + pad.finalize()) + engine.finalize()


def undo(key: bytes, text: bytes) -> bytes:
    """Decrypt."""
    engine = Cipher(algorithms.AES(key), modes.ECB()).decryptor()
    pad = PKCS7(128).unpadder()
    return pad.update(engine.update(text) + engine.finalize()) + pad.finalize()


class Gsp:
    """A simulator in this process, and one logged-in caller."""

    def __init__(self, state: Path, **options: Any) -> None:
        self.simulator = Simulator(Settings(**options), state)
        self.service = self.simulator.service
        self.portal = self.service.portal
        self.sessions: dict[str, tuple[str, bytes]] = {}

    def send(
        self, method: str, path: str, query: Json | None = None, body: Json | None = None, **headers: str
    ) -> Response:
        """Send one request."""
        raw = json.dumps(body).encode() if body is not None else b""
        text = {key: str(value) for key, value in (query or {}).items()}
        return self.simulator.handle(Request(method, path, text, headers, raw))

    def control(self, method: str, name: str, body: Json | None = None, **query: str) -> Json:
        """Ask the control side."""
        found: Json = json.loads(self.send(method, f"/_control/{name}", query, body).body)
        return found

    def account(self) -> dict[str, str]:
        """Give the headers of the provider's account."""
        return {"clientid": "gsp-client", "client-secret": "gsp-secret"}

    def auth(self, client: Client, action: str, **body: str) -> Json:
        """Send one step of a login."""
        path = "/gsp/taxpayerapi/v1.0/authenticate"
        full = {"action": action, "username": client.username, **body}
        found: Json = json.loads(self.send("POST", path, None, full, **self.account()).body)
        return found

    def wrapped(self, key: bytes) -> str:
        """Encrypt an application key with the certificate."""
        certificate = x509.load_pem_x509_certificate(self.service.keys.certificate.read_bytes())
        public = certificate.public_key()
        assert isinstance(public, rsa.RSAPublicKey)
        return base64.b64encode(public.encrypt(key, padding.PKCS1v15())).decode()

    def login(self, client: Client, otp: str = "") -> Json:
        """Log in, by default with the right password."""
        key = os.urandom(32)
        first = self.auth(client, "OTPREQUEST", app_key=self.wrapped(key))
        if first["status_cd"] != 1:
            return first
        shown = otp or str(self.control("GET", "otp", username=client.username)["otp"])
        secret = base64.b64encode(aes(key, shown.encode())).decode()
        found = self.auth(client, "AUTHTOKEN", app_key=self.wrapped(key), otp=secret)
        if found["status_cd"] == 1:
            self.sessions[client.gstin] = (found["auth_token"], undo(key, base64.b64decode(found["sek"])))
        return found

    def headers(self, client: Client) -> dict[str, str]:
        """Give the headers of a data call."""
        token = self.sessions[client.gstin][0]
        return {**self.account(), "username": client.username, "auth-token": token, "state-cd": client.gstin[:2],
                "gstin": client.gstin, "txn": uuid.uuid4().hex, "ip-usr": "127.0.0.1"}  # fmt: skip

    def raw(self, client: Client, path: str, **query: Any) -> Response:
        """Make a data call."""
        if client.gstin not in self.sessions:
            self.login(client)
        full = {"gstin": client.gstin, **query}
        return self.send("GET", f"/gsp/taxpayerapi/{path}", full, None, **self.headers(client))

    def get(self, client: Client, path: str, **query: Any) -> Json:
        """Make a data call and decrypt the answer."""
        return self.open(client, self.raw(client, path, **query))

    def open(self, client: Client, response: Response) -> Json:
        """Decrypt an answer; an error comes back as `{"error": code}`."""
        envelope = json.loads(response.body)
        if str(envelope["status_cd"]) != "1":
            return {"error": envelope["error"]["error_cd"]}
        key = undo(self.sessions[client.gstin][1], base64.b64decode(envelope["rek"]))
        inner = undo(key, base64.b64decode(envelope["data"]))
        assert envelope["hmac"] == base64.b64encode(hmac.new(key, inner, hashlib.sha256).digest()).decode()
        found: Json = json.loads(base64.b64decode(inner))
        return found

    def generate(self, client: Client, period: str) -> Json:
        """Ask for a 2B to be generated."""
        if client.gstin not in self.sessions:
            self.login(client)
        key = self.sessions[client.gstin][1]
        inner = base64.b64encode(json.dumps({"rtin": client.gstin, "itcprd": period}).encode())
        mac = base64.b64encode(hmac.new(key, inner, hashlib.sha256).digest()).decode()
        body = {"action": "GEN2B", "data": base64.b64encode(aes(key, inner)).decode(), "hmac": mac}
        path = "/gsp/taxpayerapi/v4.0/returns/gstr2b"
        return self.open(client, self.send("PUT", path, None, body, **self.headers(client)))
