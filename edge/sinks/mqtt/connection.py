"""One connection to a broker, from the first byte until it breaks. Used by one thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.errors import SinkError
from edge.sinks.mqtt.broker import TAKEN_OVER, Broker, Limits, in_words, refused, unreachable
from edge.sinks.mqtt.loop import Waker, drop, notice_black_holes, turn
from edge.sinks.mqtt.publication import Publication
from edge.sinks.mqtt.settings import Version

# Long enough for a slow link's TLS handshake, short enough to still look like an answer to a command.
CONNECT_TIMEOUT_S = 5.0
# A broker that stays silent this long says the device is gone after 1.5 times as much.
_KEEPALIVE_S = 15
_LARGEST_PACKET = 65_536
# A device that is back within this long was not offline (MQTT 5).
_WILL_DELAY_S, _SESSION_S = 5, 30
_UNSUPPORTED_VERSION, _NO_RETAIN, _NO_SUCH_QOS = 0x84, 0x9A, 0x9B

_ATTEMPTS: dict[Version, tuple[Version, ...]] = {"auto": ("5", "3.1.1"), "5": ("5",), "3.1.1": ("3.1.1",)}
_PROTOCOLS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}

OnAcknowledged = Callable[[int, str | None], None]
"""Told the number of a message that the broker has, or that it refuses and why."""

OnMessage = Callable[[paho.MQTTMessage], None]


class Connection:
    """A connection that is made with `connect`.

    Attributes
    ----------
    version : str
        Of the protocol.
    limits : Limits
        What the broker takes.
    ended : str or None
        Why the broker ended it, if it has said so.
    taken_over : bool
        Whether it ended because another client has our id.
    """

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        version: Version,
        will: Publication | None,
        waker: Waker,
        *,
        keepalive_s: int = _KEEPALIVE_S,
        largest_packet: int = _LARGEST_PACKET,
    ) -> None:
        self.version = version
        self._keepalive_s = keepalive_s
        self._largest_packet = largest_packet
        self.limits = Limits()
        self.ended: str | None = None
        self.taken_over = False
        self.on_acknowledged: OnAcknowledged = lambda _mid, _why: None
        self.on_message: OnMessage = lambda _message: None
        self._broker = broker
        self._waker = waker
        self._will = will
        self._answer: tuple[ReasonCode, Properties | None] | None = None
        self._asked: dict[int, Callable[[str], None]] = {}
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=_PROTOCOLS[version])
        self._client.connect_timeout = CONNECT_TIMEOUT_S
        self._client.username_pw_set(broker.username, broker.password)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = lambda _client, _data, message: self.on_message(message)

    @property
    def where(self) -> str:
        """The broker's address."""
        return self._broker.url

    @property
    def alive(self) -> bool:
        """Whether it has not broken, as far as is known."""
        return self._client.socket() is not None

    @property
    def busy(self) -> bool:
        """Whether what was sent has not even left this machine's own queue."""
        return bool(self._client.want_write())

    def open(self, wanted: Callable[[], bool], *, lasting: bool) -> tuple[ReasonCode, Properties | None] | None:
        """Return the broker's answer; None if it gives none, or hangs up, as some do that know an older version only.

        Raises
        ------
        OSError, ValueError
            If it cannot be reached.
        SinkError
            If the certificates cannot be used.
        """
        self._arm(lasting=lasting)
        begun = time.monotonic()
        five = self.version == "5"
        self._client.connect(
            self._broker.host,
            self._broker.port,
            keepalive=self._keepalive_s,
            clean_start=not lasting if five else MQTT_CLEAN_START_FIRST_ONLY,
            properties=_terms(self._largest_packet, lasting=lasting) if five else None,
        )
        notice_black_holes(self._client)
        until = begun + CONNECT_TIMEOUT_S
        while self._answer is None and self.alive and time.monotonic() < until and wanted():
            turn(self._client, self._waker, 0.1)
        return self._answer

    def subscribe(self, topic: str, qos: int = 0, *, on_refused: Callable[[str], None] | None = None) -> None:
        """Ask for what is published to a topic; `on_refused` is told why if the broker does not allow it."""
        _, mid = self._client.subscribe(topic, qos=min(qos, self.limits.qos))
        if mid is not None and on_refused is not None:
            self._asked[mid] = on_refused

    def fits(self, publication: Publication) -> bool:
        """Return whether the broker takes a message of this size."""
        return self.limits.packet_bytes is None or publication.packet_bytes <= self.limits.packet_bytes

    def send(self, publication: Publication) -> int:
        """Send a message as the broker takes it; return its number."""
        said = None
        if self.version == "5" and publication.expiry_s is not None:
            said = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            said.MessageExpiryInterval = publication.expiry_s
        info = self._client.publish(
            publication.topic,
            publication.payload,
            min(publication.qos, self.limits.qos),
            publication.retain and self.limits.retain,
            properties=said,
        )
        return info.mid

    def turn(self, timeout_s: float) -> None:
        """Wait for the network or for work, and do what the network needs."""
        turn(self._client, self._waker, timeout_s)

    def close(self, *, politely: bool = True) -> None:
        """End it; the broker publishes the last will unless that is done politely."""
        client = self._client
        client.on_disconnect = None
        drop(client, politely=politely)
        # Nothing refers to it any more: what paho still holds open is closed at once, not when garbage is collected.
        client.on_connect = client.on_publish = client.on_message = client.on_subscribe = None
        self._asked.clear()
        self.on_acknowledged = lambda _mid, _why: None
        self.on_message = lambda _message: None

    def _arm(self, *, lasting: bool) -> None:
        """Set what the broker is to publish when the connection breaks, and the certificates."""
        if self._will is not None:
            delayed = None
            if lasting and self.version == "5":
                delayed = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]
                delayed.WillDelayInterval = _WILL_DELAY_S
            will = self._will
            qos, retain = min(will.qos, self.limits.qos), will.retain and self.limits.retain
            self._client.will_set(will.topic, will.payload, qos, retain, delayed)
        broker = self._broker
        if broker.tls:
            files = (str(path) if path else None for path in (broker.ca_file, broker.cert_file, broker.key_file))
            ca, certificate, key = files
            try:
                self._client.tls_set(ca_certs=ca, certfile=certificate, keyfile=key)
            except (OSError, ValueError) as error:
                reason = f"certificates cannot be used, {getattr(error, 'strerror', None) or error}"
                raise SinkError(broker.url, reason, "check mqtt.ca_file, mqtt.cert_file and mqtt.key_file") from error

    def _on_connect(
        self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, said: Properties | None
    ) -> None:
        self._answer = reason, said
        self.limits = Limits.of(said)

    def _on_disconnect(
        self, _client: paho.Client, _data: Any, flags: DisconnectFlags, reason: ReasonCode, said: Properties | None
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self.ended = in_words(reason, said)
            self.taken_over = reason.value == TAKEN_OVER

    def _on_publish(
        self, _client: paho.Client, _data: Any, mid: int, reason: ReasonCode, said: Properties | None
    ) -> None:
        # A broker acknowledges what its access list forbids, too; version 5 says so.
        self.on_acknowledged(mid, in_words(reason, said) if reason.is_failure else None)

    def _on_subscribe(
        self, _client: paho.Client, _data: Any, mid: int, reasons: Sequence[ReasonCode], said: Properties | None
    ) -> None:
        on_refused = self._asked.pop(mid, None)
        failures = [reason for reason in reasons if reason.is_failure]
        if on_refused is not None and failures:
            on_refused(in_words(failures[0], said))


def connect(
    broker: Broker,
    client_id: str,
    will: Publication | None,
    waker: Waker,
    *,
    spoken: Version,
    lasting: bool,
    wanted: Callable[[], bool],
    keepalive_s: int = _KEEPALIVE_S,
    largest_packet: int = _LARGEST_PACKET,
) -> Connection:
    """Connect with the best version that the broker knows.

    Parameters
    ----------
    broker, client_id : Broker, str
        Where to, and as whom.
    will : Publication or None
        What the broker publishes if the connection breaks.
    waker : Waker
        Wakes whoever waits for the network.
    spoken : str
        The version that this broker spoke before. One that once spoke 5 goes on to; the older one is only settled for
        until the next attempt.
    lasting : bool
        Whether the broker keeps a session for our return.
    wanted : callable
        Whether to go on waiting for an answer.
    keepalive_s : int
        A broker that is silent for twice as long is gone.
    largest_packet : int
        Bytes of the largest message that the broker is to send.

    Raises
    ------
    SinkError
        If the broker cannot be reached in time, or does not let us in.
    """
    for version in _ATTEMPTS["5" if spoken == "5" else broker.version]:
        limits = Limits()
        # A broker that keeps nothing, or knows QoS 0 only, does not take a will of another kind: MQTT 5.0, 3.2.2.2.
        for _ in range(3):
            connection = Connection(
                broker, client_id, version, will, waker, keepalive_s=keepalive_s, largest_packet=largest_packet
            )
            connection.limits = limits
            try:
                answer = connection.open(wanted, lasting=lasting)
            except (OSError, ValueError) as error:
                connection.close()
                raise unreachable(broker, error) from error
            if answer is not None and not answer[0].is_failure:
                return connection
            connection.close()
            code = answer[0].value if answer is not None else None
            if code == _NO_RETAIN and limits.retain:
                limits = Limits(retain=False, qos=limits.qos)
            elif code == _NO_SUCH_QOS and limits.qos:
                limits = Limits(retain=limits.retain, qos=0)
            else:
                break
        if answer is not None and code != _UNSUPPORTED_VERSION:
            raise refused(broker, *answer)
    reason = f"no MQTT broker answers within {CONNECT_TIMEOUT_S:g} s"
    raise SinkError(broker.url, reason, "check address and mqtt.version")


def _terms(largest_packet: int, *, lasting: bool) -> Properties:
    """Return what is agreed with a broker of MQTT 5: it sends nothing large, and keeps a session for our return."""
    asked = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    asked.MaximumPacketSize = largest_packet
    if lasting:
        asked.SessionExpiryInterval = _SESSION_S
    return asked
