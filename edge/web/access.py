"""Who may look: one password for the ward, and sessions that outlive a restart."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import threading
import time
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from edge.errors import ConfigError

COOKIE = "ecg_edge_session"
LASTS_S = 7 * 24 * 3600
_SECRET_BYTES = 32
_MAX_PASSWORD = 1024
_SHORTEST = 8
# RFC 9106's second recommendation for machines with little memory.
_hasher = PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=1)


def hashed(password: str) -> str:
    """Return what may be kept of a password."""
    return _hasher.hash(password)


def read_password(path: Path) -> str:
    """Return what a password file holds: a password, or the Argon2 hash of one.

    Raises
    ------
    ConfigError
        If it cannot be read, or a password is too short; the message never holds it.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = f"{path} cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'})"
        raise ConfigError("--password-file", reason) from error
    if len(text) < _SHORTEST:
        raise ConfigError("--password-file", f"{path}: a password has {_SHORTEST} characters at least")
    return text


class Access:
    """Checks passwords and sessions.

    Parameters
    ----------
    password : str
        The password, or its Argon2 hash.
    secret : bytes
        Signs sessions; those of another password or another secret are over.
    """

    def __init__(self, password: str, secret: bytes) -> None:
        self._hash = password if password.startswith("$argon2") else hashed(password)
        self._key = hmac.digest(secret, password.encode(), hashlib.sha256)
        self._accepted = b""
        # Each check takes 64 MB for a moment: never two at once.
        self._checking = threading.Lock()

    def is_password(self, given: str) -> bool:
        """Return whether this is the password; takes a tenth of a second unless it was right before."""
        given = given[:_MAX_PASSWORD]
        digest = hmac.digest(self._key, given.encode(), hashlib.sha256)
        if self._accepted and hmac.compare_digest(digest, self._accepted):
            return True
        with self._checking:
            try:
                _hasher.verify(self._hash, given)
            except (InvalidHashError, VerificationError):
                return False
        self._accepted = digest
        return True

    def is_basic(self, header: str) -> bool:
        """Return whether an `Authorization` header holds the password, whatever the user is called."""
        kind, _, text = header.partition(" ")
        if kind.lower() != "basic":
            return False
        try:
            _, _, password = base64.b64decode(text, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        return self.is_password(password)

    def session(self, now_s: float | None = None) -> str:
        """Return a new session."""
        expires = int((time.time() if now_s is None else now_s) + LASTS_S)
        body = f"{expires}.{secrets.token_urlsafe(16)}"
        return f"{body}.{self._sign(body)}"

    def remaining_s(self, session: str, now_s: float | None = None) -> float:
        """Return how long a session is still good for; 0 if it is not."""
        body, _, signature = session.rpartition(".")
        if not hmac.compare_digest(self._sign(body).encode(), signature.encode()):
            return 0.0
        return max(0.0, int(body.partition(".")[0]) - (time.time() if now_s is None else now_s))

    def _sign(self, body: str) -> str:
        return hmac.digest(self._key, body.encode(), hashlib.sha256).hex()


def secret_of(folder: Path) -> bytes:
    """Return the secret that is kept in a folder; made if there is none."""
    path = folder / "secret"
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_SECRET_BYTES))
    except FileExistsError:
        pass
    return path.read_bytes()
