"""Between the broker's thread and the browsers: one ward, in the server's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from uuid import UUID, uuid4

import msgspec

from edge.contract import topics
from edge.contract.commands import Acknowledge, Answer
from edge.errors import EcgEdgeError
from edge.sinks.mqtt.broker import Broker
from edge.web.clock import Now
from edge.web.ward.bed import Bed, BedView
from edge.web.ward.clients import ALL, WARD, EventClient, WaveClient
from edge.web.ward.subscriber import Subscriber
from edge.web.ward.ward import Ward

_log = logging.getLogger(__name__)

FRAMES_EVERY_S = 0.1
_BEDS_EVERY, _WATCH_EVERY, _HEARTBEAT_EVERY = 2, 5, 10
_ANSWER_S = 5.0
# Half a minute of a large ward: only a server that stands still ever has so many.
_MOST_WAITING = 10_000
_MAY_BE_LOST = (topics.WAVEFORM.name, topics.BEATS.name, topics.VITALS.name)


class WardView(msgspec.Struct, frozen=True, kw_only=True):
    """What pages are told of the ward, once a second.

    Attributes
    ----------
    run : str
        Names this run of the server: numbers of beds hold for one run.
    mono_ms : int
        This moment, by the clock that `BedView.heard_mono_ms` is told by.
    broker : str or None
        Its address; None if none was given.
    trouble : str or None
        Why it is not there.
    gone_ms : int or None
        Since when.
    """

    run: str
    mono_ms: int
    broker: str | None
    trouble: str | None
    gone_ms: int | None


class AcknowledgeError(EcgEdgeError):
    """An alert was not acknowledged, and why."""


class Hub:
    """Keeps a ward up to date, and every browser with it.

    Parameters
    ----------
    broker : Broker or None
        Whose devices to show; None shows none.
    """

    def __init__(self, broker: Broker | None) -> None:
        self.ward = Ward()
        self.run = uuid4().hex
        self.events: set[EventClient] = set()
        self.waves: set[WaveClient] = set()
        self.sent_away = 0
        self._where = broker.url if broker else None
        self._subscriber = Subscriber(broker, self._arrived, self._state) if broker else None
        self._trouble: str | None = "not connected yet" if broker else None
        self._gone: Now | None = Now.read() if broker else None
        self._inbox: deque[tuple[str, bytes, bool, Now]] = deque()
        self._scheduled = False
        self._frames: list[tuple[int, bytes]] = []
        self._changed: dict[str, Bed] = {}
        self._answers: dict[str, asyncio.Future[Answer]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ticking: asyncio.Task[None] | None = None

    # -- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect, and begin to tell; call it in the event loop."""
        self._loop = asyncio.get_running_loop()
        self._ticking = self._loop.create_task(self._tick())
        if self._subscriber is not None:
            self._subscriber.start()

    async def stop(self) -> None:
        """Send all browsers away and leave the broker."""
        for watching in self.events:
            watching.close()
        for looking in self.waves:
            looking.close()
        if self._ticking is not None:
            self._ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticking
        if self._subscriber is not None:
            await asyncio.to_thread(self._subscriber.close)

    @property
    def connected(self) -> bool:
        """Whether the broker is there."""
        return self._subscriber is not None and self._trouble is None

    def view(self) -> WardView:
        """Return what pages are told of the ward."""
        gone_ms = self._gone.wall_ms if self._gone else None
        return WardView(
            run=self.run, mono_ms=Now.read().mono_ms, broker=self._where, trouble=self._trouble, gone_ms=gone_ms
        )

    # -- browsers -----------------------------------------------------------------------------------------------------

    def join_events(self) -> EventClient:
        """Return a new browser's place, with the whole ward in it."""
        client, now = EventClient(), Now.read()
        client.put(WARD, _event("ward", self.view()))
        for bed in self.ward.beds.values():
            client.put(bed.device, _event("bed", bed.view(now)))
        client.put(ALL, _event("all", list(self.ward.beds)))
        self.events.add(client)
        return client

    def join_waves(self) -> WaveClient:
        """Return a new browser's place, with the last seconds in it."""
        client = WaveClient()
        client.put((bed.index, frame) for bed in self.ward.beds.values() for frame in bed.trace.frames())
        self.waves.add(client)
        return client

    # -- acknowledging ------------------------------------------------------------------------------------------------

    async def acknowledge(self, bed: Bed, alert_id: str, by: str) -> None:
        """Say that somebody has seen an alert, and wait until its device knows.

        Where the device is silent, or the alert is the ward's own, it is noted here: an alarm of a device that is gone
        can be silenced. A device that comes back says anew what nobody has acknowledged to it.

        Raises
        ------
        AcknowledgeError
            If it does not know, and why.
        """
        now = Now.read()
        silent = bed.is_silent(now)
        if bed.alerts.see_here(alert_id, by, now, own=True) or (
            silent and bed.alerts.see_here(alert_id, f"{by}; the device has not been told", now, own=False)
        ):
            self._flush(bed)
            return
        try:
            command = Acknowledge(alert=UUID(alert_id), by=by, request=uuid4().hex)
        except ValueError:
            raise AcknowledgeError("no alert in force has this id") from None
        answer = await self._ask(bed.device, command)
        if not answer.ok:
            raise AcknowledgeError(answer.reason or "the device refuses")

    async def _ask(self, device: str, command: Acknowledge) -> Answer:
        request = command.request or ""
        if self._subscriber is None or not self._subscriber.command(device, msgspec.json.encode(command)):
            raise AcknowledgeError("the broker is not there, the device has not been told")
        self._answers[request] = asyncio.get_running_loop().create_future()
        try:
            return await asyncio.wait_for(self._answers[request], _ANSWER_S)
        except TimeoutError:
            raise AcknowledgeError(f"{device} has not answered within {_ANSWER_S:g} s") from None
        finally:
            del self._answers[request]

    # -- what arrives, from the broker's thread -----------------------------------------------------------------------

    def _arrived(self, topic: str, payload: bytes, retained: bool) -> None:
        if len(self._inbox) >= _MOST_WAITING and topic.endswith(_MAY_BE_LOST):
            return
        self._inbox.append((topic, payload, retained, Now.read()))
        if not self._scheduled:
            self._scheduled = True
            self._soon(self._drain)

    def _state(self, trouble: str | None) -> None:
        self._soon(lambda: self._note(trouble))

    def _soon(self, what: Callable[[], None]) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                self._loop.call_soon_threadsafe(what)

    # -- in the event loop --------------------------------------------------------------------------------------------

    def _note(self, trouble: str | None) -> None:
        if trouble is None:
            self._gone = None
        elif self._gone is None:
            self._gone = Now.read()
        self._trouble = trouble
        self._heartbeat()

    def _drain(self) -> None:
        self._scheduled = False
        while self._inbox:
            topic, payload, retained, at = self._inbox.popleft()
            change = self.ward.take(topic, payload, at, retained=retained)
            if change.answer is not None:
                self._answered(change.answer)
            if change.bed is None:
                continue
            if change.told == "now":
                self._flush(change.bed)
            elif change.told == "soon":
                self._changed[change.bed.device] = change.bed
            if change.frame is not None:
                self._frames.append((change.bed.index, change.frame))

    def _answered(self, answer: Answer) -> None:
        waiting = self._answers.get(answer.request or "")
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def _flush(self, *beds: Bed) -> None:
        now = Now.read()
        for bed in beds:
            self._changed.pop(bed.device, None)
            if self.events:
                event = _event("bed", bed.view(now))
                for client in self.events:
                    client.put(bed.device, event)

    def _heartbeat(self) -> None:
        event = _event("ward", self.view())
        for client in self.events:
            client.put(WARD, event)

    async def _tick(self) -> None:
        turn = 0
        while True:
            await asyncio.sleep(FRAMES_EVERY_S)
            turn += 1
            try:
                self._tell(turn)
            except Exception:  # what goes wrong with one bed must not make the others look old
                _log.exception("the ward could not be told")

    def _tell(self, turn: int) -> None:
        frames, self._frames = self._frames, []
        for client in self.waves:
            client.put(frames)
        if turn % _HEARTBEAT_EVERY == 0:
            self._heartbeat()
        if turn % _WATCH_EVERY == 0:
            self._flush(*self.ward.watch(Now.read(), connected=self.connected))
        if turn % _BEDS_EVERY == 0:
            self._flush(*self._changed.values())


def _event(name: str, what: WardView | BedView | list[str]) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(what) + b"\n\n"
