"""Where a broker is, how to get in, what it takes, and what it means when it does not let us in."""

from __future__ import annotations

import ssl
from pathlib import Path

import msgspec
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.errors import SinkError
from edge.sinks.mqtt.settings import Version

TAKEN_OVER = 0x8E
_REFUSED_LOGIN = (0x86, 0x87)


class Broker(msgspec.Struct, frozen=True, kw_only=True):
    """Where the broker is and how to get in.

    Attributes
    ----------
    host, port : str, int
        Its address.
    tls : bool
        Whether to encrypt; its certificate is then checked.
    ca_file : Path or None
        Certificates to trust instead of the system's.
    cert_file, key_file : Path or None
        What this device shows to a broker that asks; the key may be in the certificate's file.
    username, password : str or None
        For brokers that ask.
    version : str
        Of the protocol; `auto` tries 5 and then 3.1.1.
    """

    host: str
    port: int = 1883
    tls: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    username: str | None = None
    password: str | None = None
    version: Version = "auto"

    @property
    def url(self) -> str:
        """Its address as it is shown; never with the password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a broker takes; only one of version 5 says so.

    Attributes
    ----------
    receive : int
        Messages of QoS 1 that it has not acknowledged yet, at once.
    packet_bytes : int or None
        Of one packet; None if it does not say.
    qos : int
        The highest.
    retain : bool
        Whether it keeps the newest message for those who subscribe later.

    Notes
    -----
    MQTT 5.0, 3.2.2.3 (CONNACK properties).
    """

    receive: int = 65_535
    packet_bytes: int | None = None
    qos: int = 2
    retain: bool = True

    @classmethod
    def of(cls, said: Properties | None) -> Limits:
        """Return what a broker says of itself as it lets us in."""
        return cls(
            receive=getattr(said, "ReceiveMaximum", None) or 65_535,
            packet_bytes=getattr(said, "MaximumPacketSize", None) or None,
            qos=getattr(said, "MaximumQoS", 2),
            retain=bool(getattr(said, "RetainAvailable", 1)),
        )

    def shortcomings(self) -> str | None:
        """Return what whoever listens has to do without; None if nothing."""
        lacking = [
            None if self.retain else "it keeps no retained messages: who joins late is not told the state",
            None if self.qos else "it takes QoS 0 only: whether alerts arrive is not known",
        ]
        return ", ".join(filter(None, lacking)) or None


def unreachable(broker: Broker, error: Exception) -> SinkError:
    """Return why a broker cannot be reached, for people."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = f"its certificate is not trusted, {error.verify_message}"
        return SinkError(broker.url, reason, "give the broker's CA in mqtt.ca_file")
    if isinstance(error, ssl.SSLError) and "CERTIFICATE_REQUIRED" in str(error):
        return SinkError(broker.url, "it asks for a certificate", "give mqtt.cert_file and mqtt.key_file")
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return SinkError(broker.url, f"cannot connect, {reason}", "check that the broker runs at this address")


def refused(broker: Broker, answer: ReasonCode, said: Properties | None) -> SinkError:
    """Return why a broker does not let us in, for people."""
    fix = "check mqtt.username and mqtt.password_file" if answer.value in _REFUSED_LOGIN else ""
    return SinkError(broker.url, f"broker refuses the connection, {in_words(answer, said)}", fix)


def in_words(reason: ReasonCode, said: Properties | None) -> str:
    """Return a reason code, and what the broker adds to it, on one line that holds nothing for a terminal."""
    more = getattr(said, "ReasonString", None)
    text = f"{reason} ({more})" if more else str(reason)
    return "".join(character for character in text if character.isprintable())[:200]
