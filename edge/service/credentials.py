"""Passwords, keys and certificates: where they lie, and whether others can read them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from edge import config
from edge.errors import ConfigError

PASSWORD = "mqtt-password"  # noqa: S105  # the name of a credential, not one
"""Name of the systemd credential that is taken where `mqtt.password_file` is not set."""


def located(name: str) -> Path:
    """Return a file: a bare name is looked up among systemd's credentials first."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if folder and "/" not in name and (path := Path(folder) / name).is_file():
        return path
    return Path(name)


def password_path(mqtt: config.Mqtt) -> Path | None:
    """Return the file that holds the password; None if there is none."""
    if mqtt.password_file is not None:
        return located(mqtt.password_file)
    found = located(PASSWORD)
    return found if found.is_absolute() else None


def password(mqtt: config.Mqtt) -> str | None:
    """Return the password.

    Raises
    ------
    ConfigError
        If its file cannot be read; the message never holds its content.
    """
    path = password_path(mqtt)
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = f"{path} cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'})"
        raise ConfigError("mqtt.password_file", reason) from error


def certificate(key: str, name: str | None) -> Path | None:
    """Return the file of a key or a certificate.

    Raises
    ------
    ConfigError
        If it is not there.
    """
    if name is None:
        return None
    path = located(name)
    if not path.is_file():
        raise ConfigError(key, f"{path} is not there")
    return path


def exposed(mqtt: config.Mqtt) -> list[str]:
    """Return a line for each secret that everybody on this machine can read."""
    named = (("mqtt.password_file", password_path(mqtt)), ("mqtt.key_file", mqtt.key_file and located(mqtt.key_file)))
    return [
        f"config {key}: {path} can be read by everybody: chmod o-rwx {path}"
        for key, path in named
        if path and path.is_file() and path.stat().st_mode & stat.S_IRWXO
    ]
