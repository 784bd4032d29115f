"""A connection to an MQTT broker: version 5, or 3.1.1 where the broker knows no better."""

from __future__ import annotations

import secrets
import ssl
import threading
import time
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Literal, Protocol

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.errors import SinkError
from edge.sinks.outbox.outbox import Entry

# Long enough for a slow link's TLS handshake, short enough to still look like an answer to a command.
CONNECT_TIMEOUT_S = 5.0
# A broker that stays silent this long says the device is gone after 1.5 times as much.
_KEEPALIVE_S = 30
# Waiting for acknowledgements goes on while some arrive; this long without any is a broken link.
_ACK_TIMEOUT_S = 10.0
# A run of many short records does not wait for a missing broker at each of them.
_ASK_AGAIN_AFTER_S = 60.0
_LARGEST_PACKET = 65_536
UNSUPPORTED_VERSION = 0x84
_REFUSED_LOGIN = (0x86, 0x87)


Version = Literal["auto", "5", "3.1.1"]

ATTEMPTS: dict[Version, tuple[Version, ...]] = {"auto": ("5", "3.1.1"), "5": ("5",), "3.1.1": ("3.1.1",)}
PROTOCOLS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}


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


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """A message on its way out.

    Attributes
    ----------
    topic, payload : str, bytes
        What is said where.
    qos : int
        0 at most once, 1 at least once.
    retain : bool
        Whether the broker keeps it for those who subscribe later.
    expiry_s : int or None
        After this long it is of no use to anybody, and the broker need not keep it (MQTT 5).
    alert : Entry or None
        What the outbox keeps of it, if it is a phase of an alert.
    """

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    expiry_s: int | None = None
    alert: Entry | None = None


def properties(publication: Publication, version: Version) -> Properties | None:
    """Return what MQTT 5 says with a message."""
    if version != "5" or publication.expiry_s is None:
        return None
    said = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    said.MessageExpiryInterval = publication.expiry_s
    return said


def a_client(
    broker: Broker,
    client_id: str,
    protocol: MQTTProtocolVersion,
    will: Publication | None,
    *,
    will_delay_s: int | None = None,
) -> paho.Client:
    """Return a client that knows how to get in, not yet connected; a will can be delayed in version 5.

    Raises
    ------
    SinkError
        If the certificates cannot be used.
    """
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=protocol)
    client.connect_timeout = CONNECT_TIMEOUT_S
    if will is not None:
        delayed = None
        if will_delay_s is not None:
            delayed = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]
            delayed.WillDelayInterval = will_delay_s
        client.will_set(will.topic, will.payload, will.qos, will.retain, delayed)
    client.username_pw_set(broker.username, broker.password)
    if broker.tls:
        ca, certificate, key = (
            str(path) if path else None for path in (broker.ca_file, broker.cert_file, broker.key_file)
        )
        try:
            client.tls_set(ca_certs=ca, certfile=certificate, keyfile=key)
        except (OSError, ValueError) as error:
            reason = f"certificates cannot be used, {getattr(error, 'strerror', None) or error}"
            raise SinkError(broker.url, reason, "check mqtt.ca_file, mqtt.cert_file and mqtt.key_file") from error
    return client


def terms(session_s: int | None) -> Properties:
    """Return what is agreed with a broker of MQTT 5: it sends nothing large, and keeps a session for our return."""
    asked = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    asked.MaximumPacketSize = _LARGEST_PACKET
    if session_s is not None:
        asked.SessionExpiryInterval = session_s
    return asked


def unreachable(broker: Broker, error: Exception) -> SinkError:
    """Return why a broker cannot be reached, for people."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = f"its certificate is not trusted, {error.verify_message}"
        return SinkError(broker.url, reason, "give the broker's CA in mqtt.ca_file")
    if isinstance(error, ssl.SSLError) and "CERTIFICATE_REQUIRED" in str(error):
        return SinkError(broker.url, "it asks for a certificate", "give mqtt.cert_file and mqtt.key_file")
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return SinkError(broker.url, f"cannot connect, {reason}", "check that the broker runs at this address")


def refused(broker: Broker, answer: ReasonCode) -> SinkError:
    """Return why a broker does not let us in, for people."""
    fix = "check mqtt.username and mqtt.password_file" if answer.value in _REFUSED_LOGIN else ""
    return SinkError(broker.url, f"broker refuses the connection, {answer}", fix)


class Publisher(Protocol):
    """Brings messages to a broker."""

    @property
    def where(self) -> str:
        """The broker's address, for people."""

    @property
    def trouble(self) -> str | None:
        """Why the broker is not there or does not take what it is given, as far as that is known."""

    def connect(self, will: Publication) -> None:
        """Connect; the broker is to publish `will` if the connection breaks. May raise `SinkError`.

        If already connected, begin anew: what was retained is forgotten.
        """

    def publish(self, publication: Publication) -> None:
        """Send a message. May raise `SinkError`."""

    def close(self) -> None:
        """Wait until everything was acknowledged, and disconnect. May raise `SinkError`."""


class MqttPublisher:
    """Publishes over one connection, made again when it breaks.

    Messages of QoS 1 wait in memory meanwhile, those of QoS 0 are lost. What is retained is published again after each
    reconnect, and whenever a last will has been put in its place: a broker may notice only a minute later that the
    connection of an earlier start was broken.

    Parameters
    ----------
    broker : Broker
        Where to connect to.
    device : str
        Device id. Each connection's client id is its own, so that two runs under one device id, say two replays, do not
        disconnect each other.

    Attributes
    ----------
    version : str
        Of the protocol, once connected.
    """

    def __init__(self, broker: Broker, device: str) -> None:
        self._broker = broker
        self._client_id = f"ecg-edge-{device}-{secrets.token_hex(4)}"
        self._acknowledged: SimpleQueue[int] = SimpleQueue()
        self._pending: set[int] = set()
        self._refused: list[ReasonCode] = []
        self._retained: dict[str, Publication] = {}
        self._retained_lock = threading.Lock()
        self._client: paho.Client | None = None
        self._refusal: SinkError | None = None
        self._asked_at = 0.0
        self.version: Version = broker.version
        self.trouble: str | None = None

    @property
    def where(self) -> str:
        """The broker's address."""
        return self._broker.url

    def connect(self, will: Publication | None) -> None:
        """Connect with the best version the broker knows.

        Raises
        ------
        SinkError
            If the broker cannot be reached in time or does not let us in, or could not a moment ago.
        """
        if self._refusal is not None and time.monotonic() < self._asked_at + _ASK_AGAIN_AFTER_S:
            raise self._refusal
        self.close()
        self._retained.clear()
        self._refused.clear()
        try:
            self.version = self._negotiate(will)
        except SinkError as error:
            self._stop()
            self._refusal, self._asked_at = error, time.monotonic()
            raise

    def _negotiate(self, will: Publication | None) -> Version:
        for version in ATTEMPTS[self._broker.version]:
            answer = self._attempt(will, PROTOCOLS[version])
            if answer is not None and not answer.is_failure:
                return version
            self._stop()
            if answer is not None and answer.value != UNSUPPORTED_VERSION:
                raise refused(self._broker, answer)
        reason = f"no MQTT broker answers within {CONNECT_TIMEOUT_S:g} s"
        raise SinkError(self._broker.url, reason, "check address and mqtt.version")

    def publish(self, publication: Publication) -> None:
        """Send a message, or queue it while the connection is down.

        Raises
        ------
        SinkError
            If it was never made.
        """
        if self._client is None:
            raise SinkError(self._broker.url, "is not connected")
        if publication.retain:
            with self._retained_lock:
                self._retained[publication.topic] = publication
                self._send(self._client, publication)
        else:
            self._send(self._client, publication)
        self._collect()

    def close(self) -> None:
        """Wait until all messages of QoS 1 are acknowledged, and disconnect.

        Raises
        ------
        SinkError
            If some were not, or were refused, and how many.
        """
        if self._client is None:
            return
        self._collect()
        while self._pending:
            try:
                self._pending.discard(self._acknowledged.get(timeout=_ACK_TIMEOUT_S))
            except Empty:
                break
        unacknowledged = len(self._pending)
        self._stop()
        if unacknowledged:
            reason = f"{unacknowledged} messages were not acknowledged within {_ACK_TIMEOUT_S:g} s"
            raise SinkError(self._broker.url, reason, "check the broker and the network")
        if self._refused:
            reason = f"{len(self._refused)} messages were refused, {self._refused[0]}"
            raise SinkError(self._broker.url, reason, "let this user write below ecg/v1/<device id>/")

    def _on_publish(self, _client: paho.Client, _data: Any, mid: int, reason: ReasonCode, _properties: Any) -> None:
        # A broker acknowledges what its access list forbids, too; version 5 says so.
        if reason.is_failure:
            self._refused.append(reason)
        self._acknowledged.put(mid)

    def _attempt(self, will: Publication | None, protocol: MQTTProtocolVersion) -> ReasonCode | None:
        """Return the broker's answer; None if it gave none or hung up, as some do that only know an older version."""
        answers: SimpleQueue[ReasonCode | None] = SimpleQueue()
        started = time.monotonic()
        client = a_client(self._broker, self._client_id, protocol, will)
        client.on_publish = self._on_publish

        def on_connect(client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
            if will is not None and not reason.is_failure:
                client.subscribe(will.topic, qos=1)
            self._say_again(client)
            answers.put(reason)

        def on_message(client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
            if will is not None and message.payload == will.payload and not message.retain:
                self._say_again(client)

        client.on_connect, client.on_message = on_connect, on_message
        client.on_disconnect = lambda *_: answers.put(None)
        self._client = client
        try:
            client.connect(self._broker.host, self._broker.port, keepalive=_KEEPALIVE_S)
            client.loop_start()
            return answers.get(timeout=max(CONNECT_TIMEOUT_S - (time.monotonic() - started), 0.1))
        except (OSError, ValueError) as error:
            raise unreachable(self._broker, error) from error
        except Empty:
            return None

    def _send(self, client: paho.Client, publication: Publication) -> None:
        info = self._hand_over(client, publication)
        if publication.qos:
            self._pending.add(info.mid)

    def _say_again(self, client: paho.Client) -> None:
        # From paho's own thread; these are not counted, for the next change of state is what matters.
        with self._retained_lock:
            for publication in self._retained.values():
                self._hand_over(client, publication)

    def _hand_over(self, client: paho.Client, publication: Publication) -> paho.MQTTMessageInfo:
        return client.publish(
            publication.topic,
            publication.payload,
            publication.qos,
            publication.retain,
            properties=properties(publication, self.version),
        )

    def _collect(self) -> None:
        while not self._acknowledged.empty():
            self._pending.discard(self._acknowledged.get())

    def _stop(self) -> None:
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None
