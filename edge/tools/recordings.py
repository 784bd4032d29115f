"""What the recorder has kept: a list for people and for machines."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from edge.config import Config
from edge.errors import EcgEdgeError, SourceError, printable, printable_text
from edge.service.wiring import state_directory
from edge.sinks.console import clock
from edge.sinks.recorder.files import HEADER, JOURNAL, SIGNALS, beside
from edge.sinks.recorder.journal import read_journal
from edge.sinks.recorder.ring import Kept, segments
from edge.sources.wfdb_files import read_header

SERVICE_STATE = Path("/var/lib/ecg-edge")
"""The service's state directory, as its unit has it."""

_COUNT = re.compile(r"^# (beats|alarms) (\d+)", re.MULTILINE)


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded segment.

    Attributes
    ----------
    record : str
        Its path without extension, for `ecg-edge replay` and WFDB tools.
    start : datetime
        UTC.
    seconds : float
        Its length.
    leads, fs_hz : tuple of str, float
        Leads, and their rate.
    beats, alarms : int or None
        How many are annotated; None while it is written, or if its header does not say.
    mb : float
        Size of its files.
    finished : bool
        Whether it is a record already; one that is not is being written, or is finished at the next start.
    """

    record: str
    start: datetime
    seconds: float
    leads: tuple[str, ...]
    fs_hz: float
    beats: int | None
    alarms: int | None
    mb: float
    finished: bool


def show(settings: Config, folder: Path | None, *, as_json: bool = False) -> int:
    """Print what is kept, oldest first; return the command's exit code."""
    places = [folder] if folder is not None else _places(settings)
    found = recordings(places)
    if as_json:
        print(msgspec.json.encode(found).decode())
    elif found:
        print(printable_text(table(found)))
    else:
        print(printable(f"nothing recorded in {', '.join(map(str, places))}"))
    return 0


def _places(settings: Config) -> list[Path]:
    """Return where recordings may be: of this user, and of the service."""
    roots = [state_directory()] + ([] if "STATE_DIRECTORY" in os.environ else [SERVICE_STATE])
    return [root / settings.recorder.folder for root in roots]


def recordings(places: Iterable[Path]) -> list[Recording]:
    """Return what was recorded in folders and in those in them, by device, oldest first.

    Raises
    ------
    EcgEdgeError
        If a folder that is there cannot be looked into.
    """
    found: list[Recording] = []
    for place in places:
        try:
            # An unreadable folder is an error here, where is_dir() would deny that it exists.
            folders = [place, *sorted(path for path in place.iterdir() if path.is_dir())]
            for folder in folders:
                found += [recording for kept in segments(folder) if (recording := _recording(kept)) is not None]
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise EcgEdgeError(f"{place}: {error.strerror}", "ask as root: sudo ecg-edge recordings") from error
    return found


def _recording(kept: Kept) -> Recording | None:
    """Return what is to be said of a segment; None if it has gone meanwhile or is no record."""
    try:
        return _finished(kept) if kept.finished else _unfinished(kept)
    except (OSError, SourceError):
        return None


def _finished(kept: Kept) -> Recording | None:
    path = beside(kept.path, HEADER)
    header = read_header(path)
    counts = {what: int(n) for what, n in _COUNT.findall(path.read_text(encoding="ascii", errors="replace"))}
    if header.base_time is None:
        return None
    return Recording(
        record=str(kept.path),
        start=header.base_time,
        seconds=round((header.n_samples or 0) / header.fs_hz, 3),
        leads=tuple(signal.description for signal in header.signals),
        fs_hz=header.fs_hz,
        beats=counts.get("beats"),
        alarms=counts.get("alarms"),
        mb=round(kept.n_bytes / 1e6, 3),
        finished=True,
    )


def _unfinished(kept: Kept) -> Recording | None:
    about = read_journal(beside(kept.path, JOURNAL).read_bytes())[0]
    if about is None:
        return None
    n = beside(kept.path, SIGNALS).stat().st_size // (2 * len(about.leads))
    return Recording(
        record=str(kept.path),
        start=about.start,
        seconds=round(n / about.fs_hz, 3),
        leads=about.leads,
        fs_hz=about.fs_hz,
        beats=None,
        alarms=None,
        mb=round(kept.n_bytes / 1e6, 3),
        finished=False,
    )


def table(found: Sequence[Recording]) -> str:
    """Return a row for each recording."""
    lines = [f"{'start (UTC)':<19} {'length':>9} {'beats':>6} {'alarms':>6} {'MB':>6}  record"]
    for one in found:
        beats, alarms = ("–" if n is None else n for n in (one.beats, one.alarms))
        counts = f"{beats:>6} {alarms:>6}" if one.finished else f"{'unfinished':>13}"
        start = f"{one.start.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        lines.append(f"{start} {clock(one.seconds):>9} {counts} {one.mb:>6.1f}  {one.record}")
    lines.append(f"{clock(sum(one.seconds for one in found))} in all, {sum(one.mb for one in found):.1f} MB")
    return "\n".join(lines)
