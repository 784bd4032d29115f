"""What is sent over one connection, and what comes back, until it breaks. Used by the connection's thread."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
import paho.mqtt.client as paho

from edge.contract.encoder import without_strip
from edge.errors import SinkError
from edge.sinks.mqtt.connection import Connection
from edge.sinks.mqtt.outgoing import OnTheirWay, Outgoing
from edge.sinks.mqtt.publication import Publication
from edge.sinks.outbox.outbox import Outbox

_TICK_S = 0.5
# A broker that answers nothing for so long is as good as none.
_UNANSWERED_S = 10.0
# What a broker does not take is offered again after so long, then twice as long, and so on.
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 600.0


class Memory(msgspec.Struct, kw_only=True):
    """What one connection leaves to the next.

    Attributes
    ----------
    progress : int
        Messages acknowledged so far.
    unanswered : int
        Messages on their way.
    careful : bool
        Whether alerts go one at a time, because the broker may not stand one of them.
    refused : str or None
        Why the broker does not take something other than an alert.
    deaf : str or None
        Why no commands arrive.
    doubt_s : float or None
        That the broker is there again is only told once it has acknowledged something and stayed so long.
    farewell : Publication or None
        The last word, until the broker has it.
    wait_s, waits_since_s : float
        After how long, and since when, what it does not take waits to be offered again.
    """

    progress: int = 0
    unanswered: int = 0
    careful: bool = False
    refused: str | None = None
    deaf: str | None = None
    doubt_s: float | None = None
    farewell: Publication | None = None
    wait_s: float = _FIRST_WAIT_S
    waits_since_s: float = 0.0


class Session:
    """Feeds one connection.

    Parameters
    ----------
    connection : Connection
        Just made.
    outbox, outgoing : Outbox, Outgoing
        What waits.
    memory : Memory
        What was learnt of this broker before.
    active : str
        Topic of the alerts in force, which follows the alerts.
    say : callable
        Told what is wrong, or None if nothing is.
    """

    def __init__(
        self,
        connection: Connection,
        outbox: Outbox,
        outgoing: Outgoing,
        memory: Memory,
        *,
        active: str,
        say: Callable[[str | None], None],
    ) -> None:
        self._connection = connection
        self._outbox = outbox
        self._outgoing = outgoing
        self._memory = memory
        self._say = say
        self._on_their_way = OnTheirWay(connection.limits.receive)
        self._active = active
        self._begun = time.monotonic()
        self._last_sent = 0
        self._farewell_mid: int | None = None
        self.on_message: Callable[[paho.MQTTMessage], None] = lambda _message: None

    def serve(self, wanted: Callable[[], bool], hurried: Callable[[], bool]) -> None:
        """Feed the connection until it breaks or is no longer wanted.

        Raises
        ------
        SinkError
            If the broker acknowledges nothing.
        """
        connection = self._connection
        connection.on_acknowledged = self._on_acknowledged
        connection.on_message = self.on_message
        while connection.alive and wanted():
            if not hurried():
                self._offer_again()
            self._feed()
            connection.turn(_TICK_S)
            self._believe()
            if self._on_their_way.waits_s() > _UNANSWERED_S:
                self._suspect("does not acknowledge")
                self._memory.doubt_s = 0.0
                reason = f"the broker acknowledges nothing for {_UNANSWERED_S:g} s"
                raise SinkError(connection.where, reason, "it is left and tried again")
        if wanted():
            self._suspect("ends the connection over")

    def say_how_it_is(self) -> None:
        """Say that the broker is there, and what it does not take."""
        lacking = self._connection.limits.shortcomings()
        refused = self._outbox.refused or self._memory.refused
        trouble = ", ".join(filter(None, (lacking, refused, self._memory.deaf)))
        if trouble or self._memory.doubt_s is None:
            self._say(f"{self._connection.where}: {trouble}" if trouble else None)

    def hears_no_commands(self, why: str) -> None:
        """Say that the broker does not let this device hear what it is told to do."""
        self._memory.deaf = f"the broker lets no commands through, {why}"
        self.say_how_it_is()

    def _believe(self) -> None:
        """Say that the broker is there, after it was not all too believable, once it proves to be."""
        doubt_s, acknowledged = self._memory.doubt_s, self._on_their_way.acknowledged
        if doubt_s is not None and acknowledged and time.monotonic() - self._begun >= doubt_s:
            self._memory.doubt_s = None
            self.say_how_it_is()

    # -- what is sent -------------------------------------------------------------------------------------------------

    def _feed(self) -> None:
        """Send what waits: the state, live data, alerts in their order, and only then which of them are in force."""
        way = self._on_their_way
        while not way.full and (retained := self._outgoing.next_retained(but=self._active)) is not None:
            self._send(retained)
        while not self._connection.busy and (live := self._outgoing.next_live(only_qos_0=way.full)) is not None:
            self._send(live)
        # Those that go one at a time go last: else it could be anything that the broker does not stand.
        if not self._memory.careful or (self._outgoing.empty and not len(way)):
            self._feed_alerts()
        while not way.full and (retained := self._outgoing.next_retained()) is not None:
            self._send(retained)
        self._notify()

    def _feed_alerts(self) -> None:
        way, memory = self._on_their_way, self._memory
        while (
            not way.full_of_alerts(careful=memory.careful) and (found := self._outbox.next(self._last_sent)) is not None
        ):
            self._last_sent, topic, payload = found
            publication = Publication(topic=topic, payload=payload, qos=1)
            if not self._connection.fits(publication) and (short := without_strip(payload)) is not None:
                publication = Publication(topic=topic, payload=short, qos=1)
            if not self._connection.fits(publication):
                self._defer(self._last_sent, f"larger than the {self._connection.limits.packet_bytes} bytes it takes")
                continue
            try:
                self._send(publication, self._last_sent)
            except ValueError as error:  # a topic or a size that no broker takes
                self._defer(self._last_sent, str(error))

    def _send(self, publication: Publication, seq: int | None = None) -> None:
        if not self._connection.fits(publication):
            self._refuse(f"{publication.topic} is larger than the broker takes")
            return
        mid = self._connection.send(publication)
        if publication is self._memory.farewell:
            self._farewell_mid = mid
        if publication.qos:
            self._on_their_way.sent(mid, seq)
            if not self._connection.limits.qos:
                self._on_acknowledged(mid, None)  # nobody will
        self._memory.unanswered = len(self._on_their_way)

    # -- what the broker does not take --------------------------------------------------------------------------------

    def _offer_again(self) -> None:
        """Offer once more what the broker did not take, after ever longer."""
        memory, now = self._memory, time.monotonic()
        if self._outbox.deferred and now - memory.waits_since_s > memory.wait_s and not self._on_their_way.alerts:
            memory.waits_since_s = now
            memory.wait_s = min(2 * memory.wait_s, _LONGEST_WAIT_S)
            self._outbox.release()
            self._last_sent = 0

    def _defer(self, seq: int, why: str) -> None:
        if not self._outbox.deferred:
            self._memory.waits_since_s = time.monotonic()
        self._outbox.defer(seq, why)
        self.say_how_it_is()

    def _refuse(self, why: str) -> None:
        self._memory.refused = f"the broker does not take all that is published, {why}"
        self.say_how_it_is()

    def _suspect(self, what: str) -> None:
        """Find the alert that the broker cannot stand: after a failure they go one at a time, after the rest.

        One that was alone on its way, where the broker has taken something else, is left out.
        """
        alerts = self._on_their_way.alerts
        if alerts and self._memory.careful and len(self._on_their_way) == 1 and self._on_their_way.acknowledged:
            self._outbox.defer(alerts[0], f"it {what} it")
            self._memory.waits_since_s = time.monotonic()
        self._memory.careful = bool(alerts) or self._memory.careful

    # -- what comes back ----------------------------------------------------------------------------------------------

    def _on_acknowledged(self, mid: int, refused: str | None) -> None:
        known, seq = self._on_their_way.take(mid)
        if not known:
            return
        if mid == self._farewell_mid:
            self._memory.farewell = None
        if refused is None:
            self._on_their_way.acknowledged += 1
            self._memory.progress += 1
        if seq is None:
            if refused is not None:
                self._refuse(refused)
        elif refused is not None:
            self._defer(seq, refused)
        else:
            was_refused = self._outbox.refused
            self._outbox.acknowledge(seq)
            self._memory.careful = False
            if was_refused != self._outbox.refused:
                self._memory.wait_s = _FIRST_WAIT_S
                self.say_how_it_is()
        self._memory.unanswered = len(self._on_their_way)
        self._notify()

    def _notify(self) -> None:
        with self._outgoing.news:
            self._outgoing.news.notify_all()
