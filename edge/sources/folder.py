"""A folder of records of one device, such as the recorder's ring, as one recording with gaps between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from edge.errors import SourceError
from edge.messages import Gap, Samples, Stream
from edge.sources.wfdb_record import WfdbRecord

_MOST = 100_000


class _Part(msgspec.Struct, frozen=True):
    path: Path
    start: datetime
    n: int


class FolderRecording:
    """Records that follow each other in time.

    Those of another rate or other leads than most are left out, which is noted.

    Parameters
    ----------
    folder : Path
        With headers that say when they began.
    leads : sequence of str, optional
        The leads to read, by name.

    Raises
    ------
    SourceError
        If there are none, or they do not say when they began, or two are of the same time.
    """

    def __init__(self, folder: Path, leads: Sequence[str] | None = None) -> None:
        self._folder, self._leads = folder, leads
        found = sorted(folder.glob("*.hea"))[:_MOST]
        streams: dict[Path, Stream] = {}
        notes: list[str] = []
        for header in found:
            try:
                streams[header.with_suffix("")] = WfdbRecord(header.with_suffix(""), leads=leads).stream
            except SourceError as error:
                notes.append(f"{header.stem} is left out: {error.reason}")
        if not streams:
            raise SourceError(folder.name, "is a folder without records that can be read", "give a record's path")
        if any(not stream.dated for stream in streams.values()):
            one = next(iter(streams))
            fix = f"it holds {len(found)} {'record' if len(found) == 1 else 'records'}; one is {one}"
            raise SourceError(folder.name, "is a folder of records that do not say when they began", fix)
        (fs_hz, names), _ = Counter((s.fs_hz, s.leads) for s in streams.values()).most_common(1)[0]
        fitting = {path: s for path, s in streams.items() if (s.fs_hz, s.leads) == (fs_hz, names)}
        if left := len(streams) - len(fitting):
            notes.append(f"{left} records are left out: they have other leads than {', '.join(names)} at {fs_hz:g} Hz")
        self._parts = sorted((_Part(p, s.start_time, s.n_samples or 0) for p, s in fitting.items()), key=_start)
        start = self._parts[0].start
        ends = [round((part.start - start).total_seconds() * fs_hz) + part.n for part in self._parts]
        self._stream = Stream(
            name=folder.resolve().name,
            fs_hz=fs_hz,
            leads=names,
            start_time=start,
            n_samples=max(ends),
            notes=tuple(notes),
            lead_off_detection=all(s.lead_off_detection for s in fitting.values()),
        )
        self._check(fs_hz)

    @property
    def stream(self) -> Stream:
        """Rate, leads and start of the first record."""
        return self._stream

    def blocks(self, n: int) -> Iterator[Samples | Gap]:
        """Yield all records, and a gap where none was recorded."""
        at = 0
        for part in self._parts:
            first = max(self._first(part), at)
            if first > at:
                yield Gap(decided=first, start=at, n=first - at)
                at = first
            for message in WfdbRecord(part.path, leads=self._leads).blocks(n):
                moved = msgspec.structs.replace(message, start=first + message.start)
                if isinstance(moved, Gap):
                    moved = msgspec.structs.replace(moved, decided=moved.start + moved.n)
                yield moved
                at = moved.end if isinstance(moved, Samples) else moved.start + moved.n

    def _first(self, part: _Part) -> int:
        return round((part.start - self._parts[0].start).total_seconds() * self._stream.fs_hz)

    def _check(self, fs_hz: float) -> None:
        """Refuse records of the same time: they are of several patients, or one is there twice."""
        end, before = -1.0, None
        for part in self._parts:
            first = self._first(part)
            # A clock that is set a little back between two records is lived with.
            if before is not None and first < end - 5 * fs_hz:
                reason = f"has records of the same time: {before.path.name} and {part.path.name}"
                raise SourceError(self._folder.name, reason, "give the path of one record")
            end, before = first + part.n, part


def _start(part: _Part) -> datetime:
    return part.start
