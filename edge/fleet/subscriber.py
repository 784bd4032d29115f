"""Hears all devices of a broker in a session that the broker keeps, and says what is safe only when it is."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.errors import SinkError
from edge.fleet.inbox import Received
from edge.fleet.store.batch import Message
from edge.sinks.mqtt.broker import Broker, in_words, refused, unreachable

_log = logging.getLogger(__name__)

KEPT_S = 30 * 86_400
"""A broker keeps the session so long while nobody is there (MQTT 5)."""
IN_FLIGHT = 5000
"""So many messages may be on their way to the database at once; brokers have limits of their own."""
_KEEPALIVE_S = 15
_ANSWER_S = 10.0
_LOOK_S = 0.2
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 15.0
_UNSUPPORTED_VERSION = 0x84
_PROTOCOLS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}
_ATTEMPTS = {"auto": ("5", "3.1.1"), "5": ("5",), "3.1.1": ("3.1.1",)}


class Subscriber:
    """One session with a broker, over as many connections as it takes.

    Parameters
    ----------
    broker : Broker
        Where.
    client_id : str
        As whom; the session is known by it.
    topics : sequence of (str, int)
        What is subscribed to, and with which QoS.
    take : callable
        Given every message.

    Attributes
    ----------
    connected : bool
        Whether the broker is there now.
    """

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        topics: Sequence[tuple[str, int]],
        take: Callable[[Received], None],
    ) -> None:
        self._broker, self._client_id, self._topics, self._take = broker, client_id, list(topics), take
        self.connected = False

    def run(self, stop: threading.Event) -> None:
        """Listen until `stop` is set; a broker that is away is waited for."""
        wait_s, said = _FIRST_WAIT_S, ""
        while not stop.is_set():
            try:
                client = self._connect(stop)
            except SinkError as error:
                if str(error) != said:
                    said = str(error)
                    _log.warning("%s; trying again", said)
                stop.wait(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
                continue
            if client is None:
                return
            _log.info("%s: listening", self._broker.url)
            wait_s, said = _FIRST_WAIT_S, ""
            self._serve(client, stop)
            if not stop.is_set():
                _log.warning("%s: the connection is lost; trying again", self._broker.url)

    def _connect(self, stop: threading.Event) -> _Connection | None:
        for version in _ATTEMPTS[self._broker.version]:
            connection = _Connection(self._broker, self._client_id, version, self._take)
            answer = connection.open(stop)
            if stop.is_set():
                connection.close()
                return None
            if answer is not None and not answer[0].is_failure:
                if connection.subscribe(self._topics, stop):
                    return connection
                connection.close()
                raise SinkError(self._broker.url, "does not answer to a subscription", "look at the broker")
            connection.close()
            if answer is not None and answer[0].value != _UNSUPPORTED_VERSION:
                raise refused(self._broker, *answer)
        raise SinkError(self._broker.url, "no MQTT broker answers", "check address and mqtt.version")

    def _serve(self, connection: _Connection, stop: threading.Event) -> None:
        self.connected = True
        try:
            while connection.alive and not stop.is_set():
                connection.wait(_LOOK_S)
        finally:
            self.connected = False
            connection.close()


class _Connection:
    """One connection; what came over it can be acknowledged over it alone, for numbers are used again."""

    def __init__(self, broker: Broker, client_id: str, version: str, take: Callable[[Received], None]) -> None:
        self._broker, self._version, self._take = broker, version, take
        five = version == "5"
        self._asked: list[tuple[str, int]] = []
        self._answer: tuple[ReasonCode, Properties | None] | None = None
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            # The broker keeps what comes while nobody is there: never a clean session.
            clean_session=None if five else False,
            protocol=_PROTOCOLS[version],
            manual_ack=True,
            reconnect_on_failure=False,
        )
        self._news = threading.Event()
        self._kept = threading.Event()
        self._over = threading.Event()
        self._client.username_pw_set(broker.username, broker.password)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.max_inflight_messages_set(IN_FLIGHT)

    @property
    def alive(self) -> bool:
        return not self._over.is_set()

    def open(self, stop: threading.Event) -> tuple[ReasonCode, Properties | None] | None:
        terms: dict[str, Any] = {}
        if self._version == "5":
            asked = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            asked.SessionExpiryInterval, asked.ReceiveMaximum = KEPT_S, IN_FLIGHT
            terms = {"clean_start": False, "properties": asked}
        broker = self._broker
        try:
            if broker.tls:
                files = (str(path) if path else None for path in (broker.ca_file, broker.cert_file, broker.key_file))
                ca, certificate, key = files
                self._client.tls_set(ca_certs=ca, certfile=certificate, keyfile=key)
            self._client.connect(broker.host, broker.port, keepalive=_KEEPALIVE_S, **terms)
        except (OSError, ValueError) as error:
            self.close()
            raise unreachable(broker, error) from error
        # A thread of paho's own writes and reads: acknowledgements come from another one.
        self._client.loop_start()
        self._wait_for(lambda: self._answer is not None, stop)
        return self._answer

    def subscribe(self, topics: list[tuple[str, int]], stop: threading.Event) -> bool:
        """Return whether the broker says that it keeps what comes from now on; some take seconds to."""
        # Again each time: a broker may have lost the session, and it costs nothing if not.
        self._asked = topics
        self._client.subscribe(topics)
        return self._wait_for(self._kept.is_set, stop) or stop.is_set()

    def _wait_for(self, what: Callable[[], bool], stop: threading.Event) -> bool:
        until = time.monotonic() + _ANSWER_S
        while not what() and self.alive and time.monotonic() < until and not stop.is_set():
            self._news.wait(0.1)
            self._news.clear()
        return what()

    def wait(self, timeout_s: float) -> None:
        self._over.wait(timeout_s)

    def close(self) -> None:
        client = self._client
        client.on_message = None
        client.disconnect()
        client.loop_stop()
        self._over.set()
        # Nothing refers to it any more: what paho still holds open is closed at once.
        client.on_connect = client.on_subscribe = client.on_disconnect = None

    def _acknowledge(self, mid: int, qos: int) -> None:
        if self.alive:
            self._client.ack(mid, qos)

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        mid, qos = message.mid, message.qos
        came = Message(message.topic, bytes(message.payload), datetime.now(UTC))
        self._take(Received(came, (lambda: self._acknowledge(mid, qos)) if qos else None))

    def _on_connect(
        self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, said: Properties | None
    ) -> None:
        self._answer = reason, said
        self._news.set()

    def _on_disconnect(self, *_: Any) -> None:
        self._over.set()
        self._news.set()

    def _on_subscribe(
        self, _client: paho.Client, _data: Any, _mid: int, reasons: list[ReasonCode], said: Properties | None
    ) -> None:
        for (topic, _), reason in zip(self._asked, reasons, strict=False):
            if reason.is_failure:
                _log.error("%s: may not listen to %s, %s", self._broker.url, topic, in_words(reason, said))
        self._kept.set()
        self._news.set()
