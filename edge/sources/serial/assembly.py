"""Makes one stream of samples and gaps out of what a board says; no I/O, its time is given to it.

Here a counter that jumps becomes a `Gap` of exactly that length, a block that came twice is dropped, a board that
started anew is joined by the clock, and one that now samples otherwise begins a new `Stream`. A counter is believed as
far as the clock allows: what it says was lost must have had the time to be.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from edge.errors import SourceError
from edge.messages import Gap, Message, Samples, SourceState, Stream
from edge.sources.serial.boards.items import Answer, Block, BoardState, Description, Item
from edge.sources.serial.clock import SampleClock
from edge.sources.serial.settings import MAX_HZ, MIN_HZ

# Counters that wrap after weeks tell any loss by themselves; all others need the clock's word.
_LONG_COUNTER = 1 << 32
# A counter so far behind is not a late block but a board that has started anew without saying so.
_BEHIND_S = 2.0
# So is one whose blocks were all there before, follow each other for so long, and come so late.
_AGAIN_S, _LATE_S = 0.2, 0.5
# What a counter says was lost, and there was no time to lose, was not; to so much the clock may be wrong.
_DOUBT_S, _DOUBT = 2.0, 0.05
_TWO_WITNESSES_S = 3600.0
# Boards that say neither when nor how many come at a rate that was measured, and not for long.
_MEASURED_SLOPE = 0.03
# While a board is away, samples are called lost at the pace they are missed at, and a little less: how many really are
# is known when it is back.
_SURELY = 0.99
_AWAY_MARGIN_S = 1.0
SILENT_S = 2.0
"""Without new samples for so long, they are lost."""


class Assembler:
    """One stream out of the items of a board.

    Parameters
    ----------
    source : str
        The port, for messages.
    utc_offset_s : float
        What is to be added to the given times to make them UTC; may be set again at any time.
    """

    def __init__(self, source: str, utc_offset_s: float) -> None:
        self._source = source
        self.utc_offset_s = utc_offset_s
        self.stream: Stream | None = None
        self.clock: SampleClock | None = None
        self.counts: Counter[str] = Counter(lost=0, doubled=0)
        self.leads_off: tuple[bool, ...] = ()
        self._offered: Description | None = None
        self._stretch: Description | None = None
        self._broken = False
        self._offset = 0
        self._next = 0
        self._heard = 0
        self._fresh_s: float | None = None
        self._again = (0, 0)
        self._counter: int | None = None
        self._lateness = _Lateness()
        self._pings: dict[int, float] = {}

    def sent_ping(self, token: int, now_s: float) -> None:
        """Note when a ping was sent; of those that stay unanswered only a few are kept."""
        self._pings[token] = now_s
        while len(self._pings) > 8:
            del self._pings[next(iter(self._pings))]

    def disconnected(self) -> None:
        """Note that the port is gone: what comes next is joined by a long counter, else by the clock.

        Nothing sent meanwhile will still come.
        """
        self._pings.clear()
        self._broken = True

    def dropped(self, n: int) -> None:
        """Note that `n` samples came and were not taken in."""
        self.counts["dropped"] += n
        self._broken = True

    def absent(self, now_s: float) -> list[Message]:
        """Return the gap there surely is by now, if the board is away or has long been silent.

        So the stages know that time passes, and that there is no signal.
        """
        if self.clock is None:
            return []
        margin_s = _AWAY_MARGIN_S if self._broken else SILENT_S
        since_s = self.clock.host_s(self._heard) + margin_s
        surely = self._heard + int((now_s - since_s) * _SURELY * self._fs_hz)
        if surely - self._next < self._fs_hz:
            return []
        # How many were missed in all, the clock says when it is over, or a long counter.
        self._broken = True
        return [self._gap(surely - self._next)]

    def silent_s(self, now_s: float) -> float:
        """Return for how long no new samples have come."""
        return 0.0 if self._fresh_s is None else now_s - self._fresh_s

    def push(self, item: Item, now_s: float) -> list[Message]:
        """Take in what a board said at `now_s`; return the messages it leads to.

        Raises
        ------
        SourceError
            If the board samples at a rate that cannot be used.
        """
        match item:
            case Description():
                self._check(item)
                self._offered = item
            case Block():
                return self._block(item, now_s)
            case BoardState():
                return self._state(item, now_s)
            case Answer():
                sent_s = self._pings.pop(item.token, None)
                if sent_s is not None and self.clock is not None:
                    self.clock.pong(item.board_us, sent_s, now_s)
        return []

    def state(self, now_s: float, problem: str | None = None) -> SourceState:
        """Return what there is to be said of the source; `problem` is why no samples come."""
        newest = max(self._next - 1, 0)
        return SourceState(
            ok=problem is None,
            reason=problem or self._leads_off_text(),
            sample=newest,
            # Whatever a board's clock says, a sample that is here was taken.
            time=self._utc(min(self.clock.host_s(newest), now_s) if self.clock is not None else now_s),
            drift_ppm=self.clock.drift_ppm if self.clock is not None else None,
            counts=dict(self.counts),
        )

    def _check(self, description: Description) -> None:
        fs_hz = description.fs_hz or 0.0
        if not MIN_HZ <= fs_hz <= MAX_HZ:
            raise SourceError(
                self._source,
                f"{description.what}, {fs_hz:g} samples a second",
                f"{MIN_HZ:g} to {MAX_HZ:g} can be used: set the board's rate, with sensor.rate_hz where it can be told",
            )

    def _block(self, block: Block, now_s: float) -> list[Message]:
        offered = self._offered
        if offered is None or block.stream != offered.stream or block.mv.shape[1] != len(offered.leads):
            return []
        out: list[Message] = []
        if self._stretch != offered or self._began_anew(block, now_s):
            out += self._begin(offered, block, now_s)
        first = self._first(block, now_s)
        if first > self._next:
            out.append(self._gap(first - self._next))
        fresh = block.mv[self._next - first :]
        self.counts["doubled"] += len(block.mv) - len(fresh)
        if not len(fresh):
            return out
        out.append(Samples(start=self._next, mv=fresh))
        self._next += len(fresh)
        self._heard, self._fresh_s = self._next, now_s
        clock = self._clock()
        if block.board_us is None:
            self._lateness.add(clock.lateness_s(first, len(block.mv), now_s), now_s)
        clock.block(first, len(block.mv), now_s, block.board_us)
        return out

    def _begin(self, offered: Description, block: Block, now_s: float) -> list[Message]:
        """Begin a stretch: one that continues the stream, or one that needs a new stream."""
        before, self._stretch = self._stretch, offered
        self._lateness = _Lateness()
        self._broken = False
        self.leads_off = (False,) * len(offered.leads)
        out: list[Message] = []
        if before is None or not before.same_signal(offered):
            self._next = self._heard = 0
            self.stream = self._new_stream(offered, len(block.mv), now_s)
            out.append(self.stream)
        elif (missed := self._missed(block, now_s)) > 0:
            out.append(self._gap(missed))
        self._offset = self._next - (block.counter or 0)
        self._again = (0, 0)
        slope = {} if block.board_us is not None or offered.modulo else {"most_slope": _MEASURED_SLOPE}
        self.clock = SampleClock(offered.fs_hz or MIN_HZ, **slope)
        return out

    def _new_stream(self, offered: Description, n: int, now_s: float) -> Stream:
        fs_hz = offered.fs_hz or MIN_HZ
        return Stream(
            name=offered.name,
            fs_hz=fs_hz,
            leads=offered.leads,
            start_time=self._utc(now_s - n / fs_hz),
            range_mv=offered.range_mv,
            notes=(offered.what, *offered.notes),
            lead_off_detection=offered.lead_off_detection,
        )

    def _first(self, block: Block, now_s: float) -> int:
        """Return the number of a block's first sample in the stream."""
        assert self._stretch is not None  # noqa: S101  # _begin() has set it
        broken, self._broken = self._broken, False
        modulo = self._stretch.modulo
        if block.counter is None or modulo is None:
            missed = self._missed(block, now_s) if broken else self._lateness.samples(self._fs_hz, 1)
            return self._next + max(missed, 0)
        ahead = (block.counter - (self._next - self._offset)) % modulo
        if modulo >= _LONG_COUNTER:
            return self._next + self._believed(ahead - (modulo if ahead >= modulo // 2 else 0), block, now_s)
        if broken:
            # Nothing that was sent meanwhile can still come: the clock says how often the counter went round.
            return self._next + ahead + modulo * max(round((self._missed(block, now_s) - ahead) / modulo), 0)
        ahead -= modulo if ahead > modulo - 8 else 0
        return self._next + ahead + self._lateness.samples(self._fs_hz, modulo)

    def _believed(self, ahead: int, block: Block, now_s: float) -> int:
        """Return how far ahead a block is, by its counter; by the clock if the counter says more than can be."""
        missed = max(self._missed(block, now_s), 0)
        beyond = ahead - missed * (1 + _DOUBT) - _DOUBT_S * self._fs_hz
        # Two witnesses of the board, that something was lost, are worth more than when it came; but not for ever.
        if beyond <= 0 or (beyond < _TWO_WITNESSES_S * self._fs_hz and self._board_agrees(ahead, block)):
            return ahead
        self._offset += missed - ahead
        return missed

    def _board_agrees(self, ahead: int, block: Block) -> bool:
        """Whether the board's clock has gone on by as much as its counter."""
        if block.board_us is None:
            return False
        return self._clock().agrees(self._next + ahead, block.board_us)

    def _missed(self, block: Block, now_s: float) -> int:
        """Return how many samples the clock says are missing before a block."""
        first_s = now_s - len(block.mv) / self._fs_hz
        return round((first_s - self._clock().host_s(self._next)) * self._fs_hz)

    def _began_anew(self, block: Block, now_s: float) -> bool:
        """Whether a board counts from the start again without having said so."""
        if block.counter is None or self._stretch is None or self._stretch.modulo != _LONG_COUNTER:
            return False
        before, self._counter = self._counter, block.counter
        behind = (self._next - self._offset - block.counter) % _LONG_COUNTER
        if block.counter == before:
            # It sticks: the same samples again are no new ones.
            return False
        if not len(block.mv) <= behind < _LONG_COUNTER // 2:
            self._again = (0, 0)
            return False
        if behind > self._fs_hz * _BEHIND_S + len(block.mv):
            return True
        follows, n = self._again
        late = now_s - self._clock().host_s(self._next - behind + len(block.mv)) > _LATE_S
        n = (n if block.counter == follows else 0) + len(block.mv) if late else 0
        self._again = ((block.counter + len(block.mv)) % _LONG_COUNTER, n)
        return n >= _AGAIN_S * self._fs_hz

    def _gap(self, n: int) -> Gap:
        gap = Gap(start=self._next, n=n, decided=self._next + n)
        self._next += n
        self.counts["lost"] += n
        return gap

    def _state(self, state: BoardState, now_s: float) -> list[Message]:
        if self._stretch is None or state.stream != self._stretch.stream or state.leads_off == self.leads_off:
            return []
        self.leads_off = state.leads_off
        return [self.state(now_s)]

    def _leads_off_text(self) -> str | None:
        names = self.stream.leads if self.stream else ()
        off = [name for name, is_off in zip(names, self.leads_off, strict=False) if is_off]
        return f"electrode off: {', '.join(off)}" if off else None

    def _utc(self, host_s: float) -> datetime:
        return datetime.fromtimestamp(host_s + self.utc_offset_s, UTC)

    def _clock(self) -> SampleClock:
        assert self.clock is not None  # noqa: S101  # there is one once there is a stretch
        return self.clock

    @property
    def _fs_hz(self) -> float:
        assert self.stream is not None  # noqa: S101
        return self.stream.fs_hz


class _Lateness:
    """Tells a loss that no counter shows: from then on every block is late, and stays so.

    What is merely delayed comes in a burst afterwards and is on time again.
    """

    _WATCH_S = 2.0
    _MIN_S = 0.25

    def __init__(self) -> None:
        self._least = float("inf")
        self._since_s: float | None = None
        self._now_s = 0.0

    def add(self, lateness_s: float, now_s: float) -> None:
        """Take in how late a block was."""
        if lateness_s < self._MIN_S:
            self._least, self._since_s = float("inf"), None
            return
        self._least = min(self._least, lateness_s)
        self._since_s = now_s if self._since_s is None else self._since_s
        self._now_s = now_s

    def samples(self, fs_hz: float, quantum: int) -> int:
        """Return how many samples must have been lost, a multiple of `quantum`; starts to watch anew if any."""
        if self._since_s is None or self._now_s - self._since_s < self._WATCH_S:
            return 0
        n = quantum * round(self._least * fs_hz / quantum)
        self._least, self._since_s = float("inf"), None
        return n
