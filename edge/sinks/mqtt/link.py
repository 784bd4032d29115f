"""A connection that lasts for months: made again whenever it breaks, and fed from the outbox.

One thread does all that has to do with the network. The others only leave things for it: phases of alerts in the
outbox, everything else in `Outgoing`.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence

import paho.mqtt.client as paho

from edge.contract import topics
from edge.errors import SinkError
from edge.kinds import title
from edge.sinks.mqtt import connection as connections
from edge.sinks.mqtt.broker import Broker
from edge.sinks.mqtt.connection import Connection
from edge.sinks.mqtt.home_assistant import BIRTH, BIRTH_TOPIC
from edge.sinks.mqtt.loop import FIRST_WAIT_S, Backoff, Waker
from edge.sinks.mqtt.outgoing import Outgoing
from edge.sinks.mqtt.publication import Publication
from edge.sinks.mqtt.session import Memory, Session
from edge.sinks.mqtt.settings import Version
from edge.sinks.outbox.outbox import Entry, Outbox

_log = logging.getLogger(__name__)

_STABLE_AFTER_S = 10.0
# At the end: for a command that is over when all is delivered, and for a service that is to stop soon.
_PATIENCE_S, _HASTE_S, _HASTE_IN_ALL_S, _FAREWELL_S, _JOIN_S = 10.0, 1.0, 2.0, 0.5, 0.3
# A run of many short records does not wait for a missing broker at each of them.
_ASK_AGAIN_AFTER_S = 60.0
# A replay that waits for a broker does not fill the memory meanwhile.
_MOST_WAITING = 200
# Of the kinds of alert that are left.
_NAMED = 4


class MqttLink:
    """Publishes for as long as the process lives, whatever the network does.

    Phases of alerts are put into the outbox and leave it on PUBACK, in order; one that the broker does not take is left
    out, and offered again later. What is retained is published again after each reconnect, its newest value only. Live
    data is dropped while the connection is down or stalled.

    Parameters
    ----------
    broker : Broker
        Where to connect to.
    device : str
        Device id.
    outbox : Outbox, optional
        Keeps the alerts. Without one the broker must be there: `connect` waits for it, and `close` complains of
        whatever it did not take.
    patient : bool
        Whether nothing is dropped while the broker is there but slow, and `close` waits for a broker that acknowledges
        and complains of what it did not; otherwise that stays in the outbox for the next start.
    commands : callable, optional
        Given what arrives at the device's `command` topic, from the connection's thread.
    announcements : sequence of Publication
        For Home Assistant; retained, and said again after a reconnect and whenever that has started anew.

    Attributes
    ----------
    trouble : str or None
        Why the broker is not there or does not take what it is given.
    undelivered : str or None
        What the broker does not have although the connection was closed.
    version : str
        Of the protocol, once connected.
    """

    def __init__(
        self,
        broker: Broker,
        device: str,
        outbox: Outbox | None = None,
        *,
        patient: bool = False,
        commands: Callable[[bytes], None] | None = None,
        announcements: Sequence[Publication] = (),
    ) -> None:
        self._broker = broker
        self._device = device
        self._needed = outbox is None
        self._patient = patient or outbox is None
        self._outbox = outbox or Outbox(None)
        # A service has one connection and takes it over from its own earlier start; a command may run beside it.
        self._lasting = self._outbox.exclusive and not self._patient
        self._client_id = f"ecg-edge-{device}" if self._lasting else f"ecg-edge-{device}-{secrets.token_hex(4)}"
        self._commands = commands
        self._command_topic = topics.COMMAND.of(device)
        self._announced = bool(announcements)
        self._outgoing = Outgoing(announcements)
        self._memory = Memory()
        self._session: Session | None = None
        self._ever_connected = False
        self._error: SinkError | None = None
        self._asked_at = 0.0
        self._backoff = Backoff()
        self._stop = threading.Event()
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None
        self.trouble: str | None = None
        self.undelivered: str | None = None
        self.version: Version = broker.version

    @property
    def where(self) -> str:
        """The broker's address."""
        return self._broker.url

    # -- for the other threads ----------------------------------------------------------------------------------------

    def connect(self, will: Publication | None) -> None:
        """Begin to connect, and go on for ever; what was retained for an earlier stream is forgotten.

        Raises
        ------
        SinkError
            If there is no outbox, and the broker cannot be reached in time or does not let us in, or could not a moment
            ago.
        """
        if self._needed and self._error is not None and time.monotonic() < self._asked_at + _ASK_AGAIN_AFTER_S:
            raise self._error
        self._outgoing.begin()
        if self._thread is not None:
            return
        for event in (self._stop, self._hurry):
            event.clear()
        self._will = will
        self._error, self._ever_connected = None, False
        self._memory = Memory()
        self.trouble = self.undelivered = None
        self._waker = Waker()
        self._thread = threading.Thread(target=self._run, args=(self._waker,), name="mqtt", daemon=True)
        self._thread.start()
        if self._needed:
            self._await_connection()

    def publish(self, publication: Publication) -> None:
        """Leave a message for the connection.

        Raises
        ------
        SinkError
            If `connect` was not called.
        """
        if self._thread is None:
            raise SinkError(self._broker.url, "is not connected")
        if self._patient:
            self._await(lambda: self._outgoing.has_room(publication))
        if publication.retain:
            self._outgoing.retain(publication)
        elif self._session is not None:
            self._outgoing.add(publication)
        self._waker.wake()

    def deliver(self, entry: Entry) -> None:
        """Keep a phase of an alert until the broker has it; it is on the disk when this returns.

        Raises
        ------
        SinkError
            If `connect` was not called.
        """
        if self._thread is None:
            raise SinkError(self._broker.url, "is not connected")
        if self._patient:
            self._await(lambda: self._outbox.offerable < _MOST_WAITING)
        self._outbox.put(entry)
        self._waker.wake()

    def close(self, farewell: Publication | None = None) -> None:
        """Give the broker time to acknowledge, say farewell, and disconnect.

        Raises
        ------
        SinkError
            If something is left, and this connection was to wait for it, or nothing keeps it.
        """
        if self._thread is None:
            return
        self._hurry.set()
        self._memory.farewell = farewell
        if farewell is not None and self._session is None:
            self._outgoing.retain(farewell)  # should there be a connection yet
        self._waker.wake()
        self._await_delivery()
        if self._memory.farewell is not None and self._session is not None:
            self._say_farewell(self._session, self._memory.farewell)
        thread, self._thread = self._thread, None
        self._stop.set()
        self._waker.wake()
        thread.join(_JOIN_S)
        self._conclude()

    def _conclude(self) -> None:
        """Say what the broker does not have."""
        durable = self._outbox.durable
        what = self._left()
        if what is not None:
            kept = f"they wait in {self._outbox.path} for the next start" if durable else "they are lost"
            if not self._outbox.pending:
                kept = ""
            why = self._outbox.refused or (self.trouble or "").removeprefix(f"{self._broker.url}: ")
            self.undelivered = f"{self._broker.url}: {what}{kept and ': '}{kept}{f' ({why})' if why else ''}"
            if self._patient or not durable:
                fix = self._outbox.refused or "check the broker"
                raise SinkError(self._broker.url, what, f"{kept}{kept and '; '}{fix}")
        if not self._needed:
            return
        if (refused := self._memory.refused) is not None:
            raise SinkError(self._broker.url, refused, f"let this user write below {topics.BASE}/<device id>/")
        if not self._outgoing.empty or self._memory.unanswered:
            raise SinkError(self._broker.url, "not everything was acknowledged", "check the broker and the network")

    def _left(self) -> str | None:
        """Say how many alerts of which kinds the broker does not have, or that it has nothing at all."""
        if pending := self._outbox.pending:
            refusal = self._outbox.refusal if self._needed else None
            how = "were not acknowledged" if refusal is None else f"were refused, {refusal}"
            kinds = [title(kind) for kind in self._outbox.kinds()]
            named = ", ".join(kinds[:_NAMED] + ([f"{len(kinds) - _NAMED} other kinds"] if kinds[_NAMED:] else []))
            return f"{pending} alert messages ({named}) {how}"
        return "nothing was delivered" if not self._needed and not self._memory.progress else None

    def _await_connection(self) -> None:
        with self._outgoing.news:
            while self._session is None and self._error is None:
                self._outgoing.news.wait(0.5)
        if (error := self._error) is not None:
            thread, self._thread = self._thread, None
            self._stop.set()
            self._waker.wake()
            if thread is not None:
                thread.join(_HASTE_S)
            raise error

    def _await(self, true: Callable[[], bool]) -> None:
        """Wait for a broker that is there but slow; one that answers nothing at all is soon not there any more."""
        with self._outgoing.news:
            while (self._session is not None) and not true():
                self._waker.wake()
                self._outgoing.news.wait(0.1)

    def _await_delivery(self) -> None:
        begun = time.monotonic()
        before, since = self._memory.progress, begun
        with self._outgoing.news:
            while not self._outgoing.empty or self._memory.unanswered or self._outbox.offerable:
                self._outgoing.news.wait(0.1)
                now = time.monotonic()
                if self._memory.progress != before:
                    before, since = self._memory.progress, now
                patient = self._patient and ((self._session is not None) or self._error is None)
                limit_s = _PATIENCE_S if patient else _HASTE_S
                if now - since > limit_s or (not self._patient and now - begun > _HASTE_IN_ALL_S):
                    return

    def _say_farewell(self, session: Session, farewell: Publication) -> None:
        """Say the last word, and wait until the broker has it."""
        self._outgoing.retain(farewell)
        self._waker.wake()
        until = time.monotonic() + (_PATIENCE_S if self._patient else _FAREWELL_S)
        with self._outgoing.news:
            while self._session is session and self._memory.farewell is not None and time.monotonic() < until:
                self._outgoing.news.wait(0.1)

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _run(self, waker: Waker) -> None:
        with contextlib.closing(waker):
            self._last()

    def _last(self) -> None:
        """Connect again and again, until it is no longer wanted."""
        while not self._stop.is_set():
            try:
                self._connect_once()
            except SinkError as error:
                self._failed(error)
            except Exception as error:  # whatever a broker sends, the connection is made again
                reason = f"unexpected {type(error).__name__}, {error}"
                self._failed(SinkError(self._broker.url, reason, "it is tried again"))
            if not self._stop.is_set():
                self._pause(FIRST_WAIT_S if self._hurry.is_set() else self._backoff.wait_s())

    def _connect_once(self) -> None:
        connection = connections.connect(
            self._broker,
            self._client_id,
            self._will,
            self._waker,
            spoken=self.version,
            lasting=self._lasting,
            wanted=lambda: not self._stop.is_set(),
        )
        self.version = connection.version
        self._backoff.connected()
        begun, progress = time.monotonic(), self._memory.progress
        session = Session(
            connection,
            self._outbox,
            self._outgoing,
            self._memory,
            active=topics.ACTIVE.of(self._device),
            say=self._say,
        )
        session.on_message = self._on_message
        try:
            self._welcome(connection, session)
            session.serve(lambda: not self._stop.is_set(), hurried=self._hurry.is_set)
            if not self._stop.is_set():
                raise self._lost(connection)
        finally:
            self._part(connection)
            lived_s = time.monotonic() - begun
            if not connection.taken_over and (self._memory.progress != progress or lived_s > _STABLE_AFTER_S):
                self._backoff.reset()

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        hurried = self._hurry.is_set()
        while (left := until - time.monotonic()) > 0 and not self._stop.is_set() and hurried == self._hurry.is_set():
            self._waker.wait(left)

    def _failed(self, error: SinkError) -> None:
        with self._outgoing.news:
            self._error, self._asked_at = error, time.monotonic()
            self._outgoing.news.notify_all()
        self._say(str(error))

    def _say(self, trouble: str | None) -> None:
        """Tell of a change; who waits for the broker is told by an exception instead."""
        before, self.trouble = self.trouble, trouble
        if trouble == before or self._stop.is_set() or (self._needed and not self._ever_connected):
            return
        if trouble is None:
            _log.info("%s: connected", self._broker.url)
        else:
            _log.warning("%s", trouble)

    def _lost(self, connection: Connection) -> SinkError:
        if connection.taken_over or (connection.ended is None and self._backoff.flapping):
            self._memory.doubt_s = _STABLE_AFTER_S
            surely = "another client connects" if connection.taken_over else "perhaps another client connects"
            reason = f"connection lost, {connection.ended or 'again and again'}: {surely} as {self._client_id}"
            return SinkError(self._broker.url, reason, "give each device its own device.id")
        how = f"the broker ended the connection, {connection.ended}" if connection.ended else "connection lost"
        return SinkError(self._broker.url, f"{how}, it is tried again")

    def _welcome(self, connection: Connection, session: Session) -> None:
        if self._will is not None:
            connection.subscribe(self._will.topic, qos=1)
        if self._commands is not None:
            self._memory.deaf = None
            connection.subscribe(self._command_topic, qos=1, on_refused=session.hears_no_commands)
        if self._announced:
            connection.subscribe(BIRTH_TOPIC)
        self._outgoing.say_again()
        with self._outgoing.news:
            self._session, self._ever_connected, self._error = session, True, None
            self._outgoing.news.notify_all()
        session.say_how_it_is()

    def _part(self, connection: Connection) -> None:
        with self._outgoing.news:
            self._session = None
            self._outgoing.forget_live()
            self._outgoing.news.notify_all()
        if not self._stop.is_set():
            self._memory.unanswered = 0
            self._outbox.withdraw()
        # Whom it could not be told that this is the end is told so by the will.
        connection.close(politely=self._stop.is_set() and self._memory.farewell is None)

    def _on_message(self, message: paho.MQTTMessage) -> None:
        if message.topic == self._command_topic:
            # A command that the broker kept is one that nobody gives now.
            if self._commands is not None and not message.retain:
                self._commands(bytes(message.payload))
            return
        if self._announced and message.topic == BIRTH_TOPIC:
            if message.payload == BIRTH and not message.retain:
                self._outgoing.say_again()
            return
        # A broker may notice only now that the connection of an earlier start was broken.
        will = self._will
        if will is not None and message.topic == will.topic and message.payload == will.payload and not message.retain:
            self._outgoing.say_again()
