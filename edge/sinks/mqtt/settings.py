"""Settings of MQTT: `[mqtt]` of the configuration."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

import msgspec

Version = Literal["auto", "5", "3.1.1"]
"""Of the protocol; `auto` tries 5 and then 3.1.1."""


class Mqtt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[mqtt]`: where results are published.

    Attributes
    ----------
    url : str or None
        `mqtt://host[:port]`, or `mqtts://…` over TLS; None publishes nothing.
    username : str or None
        For brokers that ask.
    password_file : str or None
        A file that holds the password alone; it is never given in this file or in the address. A bare name is that of a
        systemd credential; by default the credential `mqtt-password`, if there is one.
    ca_file : str or None
        Certificates to trust for `mqtts` instead of the system's.
    cert_file, key_file : str or None
        Certificate and key that this device shows to a broker that asks; files, or names of systemd credentials.
    version : str
        Of the protocol: `5`, `3.1.1`, or `auto`, which tries both in this order.
    waveform : bool
        Publish samples for live view.
    home_assistant : bool
        Announce the device to Home Assistant, from `run`.
    """

    url: str | None = None
    username: str | None = None
    password_file: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    version: Version = "auto"
    waveform: bool = False
    home_assistant: bool = False

    def __post_init__(self) -> None:
        if self.url is not None:
            address(self.url)
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("mqtt.key_file needs mqtt.cert_file")


def address(url: str) -> tuple[str, int, bool]:
    """Return host, port and whether to use TLS.

    Raises
    ------
    ValueError
        If `url` is not an address of an MQTT broker.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"mqtt.url {_without_login(url)!r} cannot be understood, {error}") from None
    if parts.scheme not in ("mqtt", "mqtts") or not host or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"mqtt.url takes mqtt://host[:port] or mqtts://host[:port], not {_without_login(url)!r}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("mqtt.url takes no login: give mqtt.username and mqtt.password_file")
    tls = parts.scheme == "mqtts"
    return host, port or (8883 if tls else 1883), tls


def _without_login(url: str) -> str:
    return re.sub(r"//[^/]*@", "//", url)
