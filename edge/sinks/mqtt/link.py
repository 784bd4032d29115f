"""A connection that lasts for months: made again whenever it breaks, and fed from the outbox.

One thread does all that has to do with the network. The others only leave things for it: phases of alerts in the
outbox, what is retained in a table of its newest values, live data in a short queue that is emptied when nobody can
take it.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.errors import SinkError
from edge.sinks.mqtt.client import (
    ATTEMPTS,
    CONNECT_TIMEOUT_S,
    PROTOCOLS,
    UNSUPPORTED_VERSION,
    Broker,
    Publication,
    Version,
    a_client,
    properties,
    refused,
    terms,
    unreachable,
)
from edge.sinks.mqtt.home_assistant import BIRTH, BIRTH_TOPIC
from edge.sinks.mqtt.loop import FIRST_WAIT_S, Backoff, Waker, drop, notice_black_holes, turn
from edge.sinks.outbox.outbox import Outbox

_KEEPALIVE_S = 15
# Under the 20 that brokers take by default, with room for what is retained.
_WINDOW = 12
_STABLE_AFTER_S = 10.0
_LIVE_QUEUE = 64
# A device that is back within this long was not offline (MQTT 5).
_WILL_DELAY_S, _SESSION_S = 5, 30
_TICK_S = 0.5
# At the end: for a command that is over when all is delivered, and for a service that is to stop soon.
_PATIENCE_S, _HASTE_S, _HASTE_IN_ALL_S = 10.0, 1.0, 2.0


class MqttLink:
    """Publishes for as long as the process lives, whatever the network does.

    Phases of alerts are put into the outbox and leave it on PUBACK, in order. What is retained is published again after
    each reconnect, its newest value only. Live data is dropped while the connection is down or stalled.

    Parameters
    ----------
    broker : Broker
        Where to connect to.
    device : str
        Device id.
    outbox : Outbox
        Keeps the alerts.
    patient : bool
        Whether `close` waits for a broker that acknowledges, and complains of what it did not; otherwise that stays in
        the outbox for the next start.
    report : callable, optional
        Told when the broker is lost or refuses, and when it is there again.
    commands : callable, optional
        Given what arrives at the device's `command` topic, from the connection's thread.
    announcements : sequence of Publication
        For Home Assistant; retained, and said again after a reconnect and whenever that has started anew.
    """

    def __init__(
        self,
        broker: Broker,
        device: str,
        outbox: Outbox,
        *,
        patient: bool = False,
        report: Callable[[str], None] | None = None,
        commands: Callable[[bytes], None] | None = None,
        announcements: Sequence[Publication] = (),
    ) -> None:
        self._broker = broker
        # A service has one connection and takes it over from its own earlier start; a command may run beside it.
        alone = outbox.exclusive and not patient
        self._client_id = f"ecg-edge-{device}" if alone else f"ecg-edge-{device}-{secrets.token_hex(4)}"
        self._lasting = alone
        self._outbox = outbox
        self._patient = patient
        self._commands = commands
        self._announcements = {publication.topic: publication for publication in announcements}
        self._command_topic = f"ecg/v1/{device}/command"
        self._report = report or (lambda _line: None)
        self._lock = threading.Condition()
        self._live: deque[tuple[float, Publication]] = deque(maxlen=_LIVE_QUEUE)
        self._retained: dict[str, Publication] = {}
        self._unsaid: dict[str, None] = {}
        self._sent: dict[int, int | None] = {}
        self._last_sent = 0
        self._progress = 0
        self._connected = False
        self._refused = False
        self.trouble: str | None = None
        self._stop = threading.Event()
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None
        self._client: paho.Client | None = None
        self.version: Version = broker.version

    @property
    def where(self) -> str:
        """The broker's address."""
        return self._broker.url

    # -- for the other threads ----------------------------------------------------------------------------------------

    def connect(self, will: Publication | None) -> None:
        """Begin to connect, and go on for ever; what was retained for an earlier stream is forgotten."""
        with self._lock:
            self._retained = dict(self._announcements)
            self._unsaid = dict.fromkeys(self._retained)
        if self._thread is not None:
            return
        self._stop.clear()
        self._hurry.clear()
        self._will = will
        self._waker = Waker()
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._thread.start()

    def publish(self, publication: Publication) -> None:
        """Leave a message for the connection; a phase of an alert is on the disk when this returns.

        Raises
        ------
        SinkError
            If `connect` was not called.
        """
        if self._thread is None:
            raise SinkError(self._broker.url, "is not connected")
        if publication.alert is not None:
            self._outbox.put(publication.alert)
        else:
            with self._lock:
                if publication.retain:
                    self._retained[publication.topic] = publication
                    self._unsaid[publication.topic] = None
                elif self._connected:
                    self._live.append((time.monotonic() + (publication.expiry_s or _STABLE_AFTER_S), publication))
        self._waker.wake()

    def close(self) -> None:
        """Give the broker time to acknowledge, and disconnect.

        Raises
        ------
        SinkError
            If phases of alerts are left, and this connection was to wait for them, or nothing keeps them.
        """
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._hurry.set()
        self._waker.wake()
        self._await_delivery()
        self._stop.set()
        self._waker.wake()
        thread.join(_HASTE_S)
        if not thread.is_alive():
            self._waker.close()
        pending = self._outbox.pending
        if pending and (self._patient or not self._outbox.durable):
            kept = "they wait in the outbox for the next start" if self._outbox.durable else "they are lost"
            raise SinkError(
                self._broker.url, f"{pending} alert messages were not acknowledged", f"{kept}; check the broker"
            )

    def _await_delivery(self) -> None:
        begun = time.monotonic()
        patience_s = _PATIENCE_S if self._patient else _HASTE_S
        with self._lock:
            before, since = self._progress, begun
            while self._unsaid or self._live or self._sent or self._outbox.pending:
                self._lock.wait(0.1)
                now = time.monotonic()
                if self._progress != before:
                    before, since = self._progress, now
                limit_s = patience_s if self._connected or not self._refused else _HASTE_S
                if now - since > limit_s or (not self._patient and now - begun > _HASTE_IN_ALL_S):
                    return

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        backoff = Backoff()
        while not self._stop.is_set():
            try:
                self._connect_once(backoff)
            except SinkError as error:
                self._failed(error)
            except Exception as error:  # whatever a broker sends, the connection is made again
                reason = f"unexpected {type(error).__name__}, {error}"
                self._failed(SinkError(self._broker.url, reason, "it is tried again"))
            if not self._stop.is_set():
                self._pause(FIRST_WAIT_S if self._hurry.is_set() else backoff.wait_s())

    def _connect_once(self, backoff: Backoff) -> None:
        client = self._attempt()
        if client is None:
            return
        begun, progress = time.monotonic(), self._progress
        try:
            self._serve(client)
        finally:
            self._part(client)
        if self._progress != progress or time.monotonic() - begun > _STABLE_AFTER_S:
            backoff.reset()

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        hurried = self._hurry.is_set()
        while (left := until - time.monotonic()) > 0 and not self._stop.is_set() and hurried == self._hurry.is_set():
            self._waker.wait(left)

    def _attempt(self) -> paho.Client | None:
        """Connect with the best version the broker knows; None if it does not let us in."""
        # A broker that once spoke 5 goes on to; the older version is only settled for until the next attempt.
        for version in ATTEMPTS["5" if self.version == "5" else self._broker.version]:
            answers: list[ReasonCode] = []
            client = self._new_client(version, answers)
            try:
                client.connect(
                    self._broker.host,
                    self._broker.port,
                    keepalive=_KEEPALIVE_S,
                    clean_start=not self._lasting if version == "5" else MQTT_CLEAN_START_FIRST_ONLY,
                    properties=terms(_SESSION_S if self._lasting else None) if version == "5" else None,
                )
                self._await_answer(client, answers)
            except (OSError, ValueError) as error:
                drop(client)
                self._failed(unreachable(self._broker, error))
                return None
            if answers and not answers[0].is_failure:
                self.version = version
                return client
            drop(client)
            if answers and answers[0].value != UNSUPPORTED_VERSION:
                self._failed(refused(self._broker, answers[0]))
                return None
        self._failed(SinkError(self._broker.url, f"no MQTT broker answers within {CONNECT_TIMEOUT_S:g} s"))
        return None

    def _failed(self, error: SinkError) -> None:
        self._refused = True
        self._say(str(error))

    def _say(self, trouble: str | None) -> None:
        if trouble != self.trouble and not self._stop.is_set():
            self._report(trouble or f"{self._broker.url}: connected")
        self.trouble = trouble

    def _new_client(self, version: Version, answers: list[ReasonCode]) -> paho.Client:
        delay_s = _WILL_DELAY_S if self._lasting and version == "5" else None
        client = a_client(self._broker, self._client_id, PROTOCOLS[version], self._will, will_delay_s=delay_s)
        client.on_connect = lambda _client, _data, _flags, reason, _properties: answers.append(reason)
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        return client

    def _await_answer(self, client: paho.Client, answers: list[ReasonCode]) -> None:
        until = time.monotonic() + CONNECT_TIMEOUT_S
        while not answers and client.socket() is not None and time.monotonic() < until and not self._stop.is_set():
            turn(client, self._waker, 0.1)

    def _serve(self, client: paho.Client) -> None:
        """Feed a connection until it breaks or is no longer wanted."""
        self._client = client
        notice_black_holes(client)
        self._welcome(client)
        while client.socket() is not None and not self._stop.is_set():
            self._feed(client)
            turn(client, self._waker, _TICK_S)
        # One that does not take an alert is left and tried again without a word, until it takes one.
        if client.socket() is None and self._outbox.refused is None:
            self._say(f"{self._broker.url}: connection lost, it is tried again")

    def _part(self, client: paho.Client) -> None:
        with self._lock:
            self._connected = False
            self._live.clear()
            self._sent.clear()
            self._last_sent = 0
        if not self._stop.is_set():
            self._outbox.withdraw()
        drop(client)

    def _welcome(self, client: paho.Client) -> None:
        if self._will is not None:
            client.subscribe(self._will.topic, qos=1)
        if self._commands is not None:
            client.subscribe(self._command_topic, qos=1)
        if self._announcements:
            client.subscribe(BIRTH_TOPIC)
        with self._lock:
            self._connected = True
            self._refused = False
            self._unsaid = dict.fromkeys(self._retained)
            self._lock.notify_all()
        if self._outbox.refused is None:
            self._say(None)

    def _feed(self, client: paho.Client) -> None:
        """Send what waits: live data, then alerts in their order, then the newest of what is retained."""
        while not client.want_write() and (live := self._next_live()) is not None:
            self._send(client, live)
        while self._alerts_on_their_way() < _WINDOW and (entry := self._outbox.next(self._last_sent)) is not None:
            self._last_sent, topic, payload = entry
            mid = self._send(client, Publication(topic=topic, payload=payload, qos=1))
            with self._lock:
                self._sent[mid] = self._last_sent
        while (retained := self._next_retained()) is not None:
            mid = self._send(client, retained)
            with self._lock:
                self._sent[mid] = None
        with self._lock:
            self._lock.notify_all()

    def _alerts_on_their_way(self) -> int:
        return sum(seq is not None for seq in self._sent.values())

    def _next_live(self) -> Publication | None:
        now = time.monotonic()
        with self._lock:
            while self._live:
                expires_at, publication = self._live.popleft()
                if expires_at > now:
                    return publication
        return None

    def _next_retained(self) -> Publication | None:
        with self._lock:
            if not self._unsaid or len(self._sent) - self._alerts_on_their_way() >= 4:
                return None
            topic = next(iter(self._unsaid))
            del self._unsaid[topic]
            return self._retained[topic]

    def _send(self, client: paho.Client, publication: Publication) -> int:
        info = client.publish(
            publication.topic,
            publication.payload,
            publication.qos,
            publication.retain,
            properties=properties(publication, self.version),
        )
        return info.mid

    def _on_publish(
        self, client: paho.Client, _data: Any, mid: int, reason: ReasonCode, _properties: Properties
    ) -> None:
        if mid not in self._sent:
            return
        if reason.is_failure and self._sent[mid] is None:
            if self._outbox.refused is None:
                self._say(f"{self._broker.url}: the broker does not take all that is published, {reason}")
        elif reason.is_failure:
            # To go on would change the order. It is offered again, after a pause.
            self._outbox.refuse(str(reason))
            self._say(f"{self._broker.url}: {self._outbox.refused}")
            client.disconnect()
            return
        with self._lock:
            seq = self._sent.pop(mid)
        if seq is not None:
            if self._outbox.refused is not None:
                self._say(None)
            self._outbox.acknowledge(seq)
        with self._lock:
            # What is retained is said again on each connection; that brings an alert that is refused no further.
            self._progress += self._outbox.refused is None
            self._lock.notify_all()

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        if message.topic == self._command_topic:
            # A command that the broker kept is one that nobody gives now.
            if self._commands is not None and not message.retain:
                self._commands(bytes(message.payload))
            return
        if self._announcements and message.topic == BIRTH_TOPIC:
            if message.payload == BIRTH and not message.retain:
                with self._lock:
                    self._unsaid = dict.fromkeys(self._retained)
            return
        # A broker may notice only now that the connection of an earlier start was broken.
        will = self._will
        if will is not None and message.topic == will.topic and message.payload == will.payload and not message.retain:
            with self._lock:
                self._unsaid = dict.fromkeys(self._retained)
