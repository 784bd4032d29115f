"""Keeps the last hours of samples as the source gave them, with beats, rhythms and alarms, as WFDB records in a ring.

What is dropped on the way to a broker that is away is still here. Samples and annotations reach the disk's cache once a
second and the disk itself every ten: a process that is killed loses a second, a device without power ten.
"""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import SinkError
from edge.messages import Message, Samples, SourceState, Stream
from edge.sinks import Sink
from edge.sinks.background import Background
from edge.sinks.recorder.journal import About, Began
from edge.sinks.recorder.notes import Notes
from edge.sinks.recorder.ring import Limits, Ring
from edge.sinks.recorder.scale import scale
from edge.sinks.recorder.segment import Segment
from edge.timebase import StreamClock

_SAVE_S = 1.0
_SYNC_S = 10.0
# Everything about a sample is decided by then: a beat within three seconds, a rhythm's onset within twenty.
_SETTLED_S = 30.0
# A longer absence ends a segment instead of filling it with nothing.
_ABSENT_S = 60.0
# SIGTERM leaves five seconds for everything.
_CLOSE_S = 2.0
# A disk that works, be it a slow card, has done by then what it was given.
_IDLE_S = 2.0


class Recorder(Sink):
    """Sink that records; one that failed can go on with a new segment, by `resume`.

    Parameters
    ----------
    folder : Path
        Of the ring; made if it is not there.
    device : str
        Device id.
    limits : Limits
        What the ring may hold.
    """

    def __init__(self, folder: Path, device: str, limits: Limits) -> None:
        self._ring = Ring(folder, limits)
        self._device = device
        self._stream: Stream | None = None
        self._background: Background | None = None
        self._open: Segment | None = None
        self._settling: Segment | None = None
        self._recorded = False
        self._begins = True
        self._next = self._synced = self._waiting = 0
        self._blocks: list[NDArray[np.float32]] = []
        self._notes = Notes()

    @property
    def where(self) -> str:
        """The folder, if anything of this stream was recorded."""
        return str(self._ring.folder) if self._recorded else ""

    def open(self, stream: Stream) -> None:
        """Get ready for a stream; finish what a crash has left."""
        self._stream = stream
        self._clock = StreamClock(stream)
        self._recorded = False
        self._begin()

    def resume(self) -> bool:
        """Go on with the stream after a failure, if that is possible by now."""
        self._begin()
        return True

    def write(self, message: Message) -> None:
        """Record samples, beats, episodes and alerts."""
        match message:
            case Samples():
                self._take(message)
            case SourceState():
                self._on_state(message)
            case _:
                self._notes.take(message, self._unfinished())

    def close(self, reason: str) -> None:  # noqa: ARG002  # the records are the same, why ever the stream ended
        """Finish what is written; what takes too long is finished at the next start."""
        self._end_all()
        background, self._background = self._background, None
        if background is not None:
            if background.close(_CLOSE_S):
                self._ring.close()
            if background.error is not None:
                raise self._failed(background.error)

    def _take(self, block: Samples) -> None:
        if block.start - self._next > _ABSENT_S * self._fs_hz:
            self._end_all()
        if self._begins:
            self._begins, self._next = False, block.start
        missing = block.start - self._next
        if missing > 0:
            self._keep(np.full((missing, block.mv.shape[1]), np.nan, np.float32))
        self._keep(block.mv[max(-missing, 0) :])
        if self._waiting >= _SAVE_S * self._fs_hz:
            self._save()

    def _keep(self, mv: NDArray[np.float32]) -> None:
        self._recorded = True
        self._blocks.append(mv)
        self._waiting += len(mv)
        self._next += len(mv)

    def _on_state(self, state: SourceState) -> None:
        """Take times from what the source says of its clock; finish what is recorded if the source is away."""
        self._clock.anchor(state)
        if state.sample - self._next > _ABSENT_S * self._fs_hz:
            self._end_all()

    def _begin(self) -> None:
        self._background = self._background or Background("recorder")
        self._begins = True
        self._blocks, self._waiting = [], 0
        self._next = self._synced = 0
        self._notes = Notes()
        try:
            self._wait()
            self._background.error = None
            self._ring.open()
            self._ring.make_room(*self._size()[1:])
        except OSError as error:
            raise self._failed(error) from error

    def _wait(self) -> None:
        """Wait until everything is done that was to be done beside, which it usually is already."""
        if not self._doing.idle(_IDLE_S):
            raise OSError(errno.EBUSY, "the disk does not answer")

    def _save(self) -> None:
        """Write what has come."""
        blocks, self._blocks, self._waiting = self._blocks, [], 0
        if not blocks:
            return
        try:
            self._write(np.concatenate(blocks))
            self._ring.check()
            if self._doing.error is not None:
                raise self._doing.error
        except OSError as error:
            raise self._failed(error) from error

    def _write(self, mv: NDArray[np.float32]) -> None:
        while len(mv):
            segment = self._segment(mv)
            n = min(segment.limit - segment.n, len(mv))
            segment.append(mv[:n])
            mv = mv[n:]
            self._notes.give(self._unfinished(), segment.end)
            if segment.n == segment.limit:
                self._cut()
        for segment in self._unfinished():
            segment.save()
        if self._settling is not None and self._next - self._settling.end >= _SETTLED_S * self._fs_hz:
            self._end(self._settling)
            self._settling = None
        if self._open is not None and self._next - self._synced >= _SYNC_S * self._fs_hz:
            self._synced = self._next
            self._doing.do(self._open.sync)

    def _segment(self, mv: NDArray[np.float32]) -> Segment:
        """Return the segment that takes these samples: the open one if their values fit, else a new one."""
        if self._open is not None and not self._open.fits(mv):
            self._cut()
        if self._open is None:
            stream = self._of()
            # So there are never more unfinished ones than the caps allow for.
            self._wait()
            longest, n_bytes, seconds = self._size()
            self._ring.make_room(n_bytes, seconds)
            first = self._next - len(mv)
            start = self._clock.time(first)
            highest = np.where(np.isfinite(mv), np.abs(mv), 0).max(axis=0).tolist()
            limits = stream.range_mv or (None,) * len(stream.leads)
            about = About(
                device=self._device,
                stream=stream.name,
                fs_hz=stream.fs_hz,
                leads=stream.leads,
                scales=tuple(map(scale, limits, highest)),
                start=start,
                lead_off_detection=stream.lead_off_detection,
            )
            self._open = Segment(self._ring.new(start), about, first, longest)
            self._notes.begin(self._open, first - _SETTLED_S * self._fs_hz)
        return self._open

    def _cut(self) -> None:
        """End the open segment; it stays until everything about it is decided."""
        if self._settling is not None:
            self._end(self._settling)
        self._settling, self._open = self._open, None

    def _end_all(self) -> None:
        """Finish everything; what comes next begins a new segment."""
        self._save()
        self._notes.give(self._unfinished(), self._next)
        for segment in self._unfinished():
            self._end(segment)
        self._settling = self._open = None
        self._begins = True

    def _end(self, segment: Segment) -> None:
        """Have a segment made a whole record."""
        segment.note(Began(self._clock.time(segment.first)))
        self._doing.do(segment.complete)

    def _failed(self, error: OSError) -> SinkError:
        """Let go of what was begun, which is finished when this goes on, or at the next start."""
        for segment in self._unfinished():
            self._doing.do(segment.let_go)
        self._settling = self._open = None
        reason = error.strerror or str(error)
        return SinkError(f"recorder, {self._ring.folder}", reason, "it goes on by itself once that is mended")

    def _unfinished(self) -> list[Segment]:
        return [segment for segment in (self._settling, self._open) if segment is not None]

    def _size(self) -> tuple[int, int, float]:
        """Return samples, bytes and seconds of a segment, at most."""
        return self._ring.limits.segment(len(self._of().leads), self._fs_hz)

    def _of(self) -> Stream:
        assert self._stream is not None  # noqa: S101  # open() comes first
        return self._stream

    @property
    def _doing(self) -> Background:
        assert self._background is not None  # noqa: S101  # _begin() has made it
        return self._background

    @property
    def _fs_hz(self) -> float:
        return self._of().fs_hz
