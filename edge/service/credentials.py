"""Passwords, keys and certificates: where they lie, and whether others can read them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from edge.errors import ConfigError
from edge.sinks.mqtt.settings import Mqtt

PASSWORD = "mqtt-password"  # noqa: S105  # the name of a credential, not one
"""Name of the systemd credential that is taken where `mqtt.password_file` is not set."""

_MAX_CHARACTERS = 1 << 16
_SOURCE = Path("/etc/ecg-edge")
"""Where the unit takes credentials from; whoever runs `ecg-edge doctor` there means the same files."""


def located(name: str) -> Path:
    """Return a file: a bare name is looked up among systemd's credentials, then here, then where these come from."""
    if "/" in name:
        return Path(name)
    return _credential(name) or next((path for path in (Path(name), _SOURCE / name) if path.is_file()), Path(name))


def _credential(name: str) -> Path | None:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    path = Path(folder) / name if folder else None
    return path if path is not None and path.is_file() else None


def password_path(mqtt: Mqtt) -> Path | None:
    """Return the file that holds the password; None if there is none."""
    if mqtt.password_file is not None:
        return located(mqtt.password_file)
    # Not asked for by name, only what was given to this service.
    return _credential(PASSWORD)


def password(mqtt: Mqtt) -> str | None:
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
        with path.open(encoding="utf-8") as file:
            return file.read(_MAX_CHARACTERS).rstrip("\r\n")
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


def exposed(mqtt: Mqtt) -> list[str]:
    """Return a line for each secret that everybody on this machine can read."""
    named = (("mqtt.password_file", password_path(mqtt)), ("mqtt.key_file", mqtt.key_file and located(mqtt.key_file)))
    return [
        f"config {key}: {path} can be read by everybody: chmod o-rwx {path}"
        for key, path in named
        if path and path.is_file() and path.stat().st_mode & stat.S_IRWXO
    ]
