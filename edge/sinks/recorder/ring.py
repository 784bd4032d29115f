"""A folder of recorded segments: which there are, which go when room is needed, and what a crash has left.

Segments are named `YYYYMMDDTHHMMSSZ_NNNNNN` by their start in UTC and a number that only grows. The number gives their
order, because a clock that is set would not.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from edge.sinks.recorder.files import EXTENSIONS, HEADER, JOURNAL, beside, remove
from edge.sinks.recorder.finish import finish

_NAME = re.compile(r"\d{8}T\d{6}Z_(\d{6,})")
_LOCK = ".lock"
# Where the disk is short of room the oldest goes down to this much; more would let whoever fills it erase the lot.
_KEPT_S = 3600.0
# Five beats a second, with what they take in journal and annotations, and a header of a few lines.
_NOTES_BYTES_PER_S = 200
_HEADER_BYTES = 4096


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a ring may hold.

    Attributes
    ----------
    max_bytes : int
        Of all its files.
    max_s : float
        Seconds recorded.
    segment_s : float
        Seconds of a segment, at most.
    reserve_bytes : int
        Room on the disk that is left to others: alerts that wait for the broker are kept there too.
    """

    max_bytes: int
    max_s: float
    segment_s: float
    reserve_bytes: int = 64 << 20

    def segment(self, n_leads: int, fs_hz: float) -> tuple[int, int, float]:
        """Return samples, bytes and seconds of a segment, at most.

        Four of them keep both caps: the newest, one being finished, one that settles and one that is written.
        """
        bytes_per_s = 2 * n_leads * fs_hz + _NOTES_BYTES_PER_S
        most_s = min(self.segment_s, self.max_s / 4, (self.max_bytes / 4 - _HEADER_BYTES) / bytes_per_s)
        n = max(int(most_s * fs_hz), 1)
        return n, int(n / fs_hz * bytes_per_s) + _HEADER_BYTES, n / fs_hz


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A segment in a folder.

    Attributes
    ----------
    path : Path
        Without extension.
    n_bytes : int
        Of its files.
    seconds : float
        Recorded; 0 while it is unfinished.
    finished : bool
        Whether it is a whole record.
    """

    path: Path
    n_bytes: int
    seconds: float
    finished: bool

    @property
    def number(self) -> int:
        """Its place in the order."""
        return int(self.path.name.rpartition("_")[2])


def segments(folder: Path) -> list[Kept]:
    """Return the segments in a folder, oldest first; also what is left of some."""
    sizes: dict[str, dict[str, int]] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            name, extension = os.path.splitext(entry.name)  # noqa: PTH122  # a Path for each would take ten times as long
            if extension in EXTENSIONS and _NAME.fullmatch(name):
                # One that is deleted at this moment counts no more.
                with contextlib.suppress(FileNotFoundError):
                    sizes.setdefault(name, {})[extension] = entry.stat().st_size
    found = []
    for name, files in sizes.items():
        finished = HEADER in files and JOURNAL not in files
        seconds = _seconds(folder / f"{name}{HEADER}") if finished else 0.0
        found.append(Kept(path=folder / name, n_bytes=sum(files.values()), seconds=seconds, finished=finished))
    return sorted(found, key=lambda kept: kept.number)


def _seconds(header: Path) -> float:
    try:
        with header.open(encoding="ascii", errors="replace") as file:
            fields = file.readline().split()
        return int(fields[3]) / float(fields[2])
    except (OSError, ValueError, IndexError, ZeroDivisionError):
        return 0.0


class Ring:
    """The folder, while this process records into it.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    limits : Limits
        What it may hold.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder = folder
        self.limits = limits
        self._lock: int | None = None
        self._number = 0

    def open(self) -> None:
        """Take the folder for this process; finish what a crash left unfinished. May be done again.

        Raises
        ------
        OSError
            If it cannot be written to, or another process records there.
        """
        # The folder may have been taken away, and its lock with it.
        self.close()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _locked(self.folder / _LOCK)
        for kept in segments(self.folder):
            self._number = max(self._number, kept.number)
            if beside(kept.path, JOURNAL).exists():
                finish(kept.path)
            elif not kept.finished:
                remove(kept.path)

    def close(self) -> None:
        """Give the folder back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def new(self, start: datetime) -> Path:
        """Return where the next segment is to be written, without extension."""
        self._number += 1
        return self.folder / f"{start.astimezone(UTC):%Y%m%dT%H%M%SZ}_{self._number:06d}"

    def make_room(self, n_bytes: int, seconds: float) -> None:
        """Delete the oldest until a segment of this size can be added; never the newest.

        Raises
        ------
        OSError
            If the disk is too full for it even so.
        """
        kept = segments(self.folder)
        unfinished = sum(not one.finished for one in kept) + 1
        finished = [one for one in kept if one.finished]
        while len(finished) > 1 and (
            sum(one.n_bytes for one in finished) + unfinished * n_bytes > self.limits.max_bytes
            or _recorded_s(finished) + unfinished * seconds > self.limits.max_s
        ):
            remove(finished.pop(0).path)
        self._free(finished, n_bytes)

    def check(self) -> None:
        """Raise OSError if the disk has become too full to go on; makes room first."""
        if shutil.disk_usage(self.folder).free < self.limits.reserve_bytes:
            self._free([one for one in segments(self.folder) if one.finished], 0)

    def _free(self, finished: list[Kept], n_bytes: int) -> None:
        least = self.limits.reserve_bytes + n_bytes
        while shutil.disk_usage(self.folder).free < least:
            if _recorded_s(finished[1:]) < _KEPT_S:
                raise OSError(errno.ENOSPC, f"disk full, less than {least / 1e6:.0f} MB left")
            remove(finished.pop(0).path)


def _recorded_s(kept: Sequence[Kept]) -> float:
    return sum(one.seconds for one in kept)


def _locked(path: Path) -> int:
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        if error.errno in (errno.EAGAIN, errno.EACCES):
            raise OSError(errno.EBUSY, "another ecg-edge records there") from error
        raise
    return lock
