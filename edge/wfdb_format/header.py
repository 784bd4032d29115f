"""The text header of a WFDB record, as far as streaming its samples needs it.

Source: WFDB Applications Guide, header(5). The wfdb package reads headers too, but importing it takes longer than
starting a whole replay may.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from edge.errors import SourceError

_RECORD_LINE = re.compile(
    r"(?P<name>[^\s/]+)(?P<segments>/\d+)?\s+(?P<n_signals>\d+)"
    r"(?:\s+(?P<fs>[-+\d.eE]+)(?:/[^\s]*)?(?:\s+(?P<n_samples>\d+)(?:\s+(?P<time>[\d:.]+)(?:\s+(?P<date>[\d/]+))?)?)?)?\s*$"
)
_FORMAT = re.compile(r"(?P<fmt>\d+)(?:x(?P<per_frame>\d+))?(?::(?P<skew>\d+))?(?:\+(?P<offset>\d+))?$")
_GAIN = re.compile(r"(?P<gain>[-+\d.eE]+)(?:\((?P<baseline>-?\d+)\))?(?:/(?P<units>\S+))?$")
_DEFAULT_FS_HZ = 250.0


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """One signal line.

    Attributes
    ----------
    file : str
        Name of the signal file, in the header's folder.
    fmt : int
        Storage format, signal(5).
    plain : bool
        One sample a frame and no skew: the columns can be read as they are.
    offset : int
        Bytes before the first sample.
    gain : float
        ADC units per physical unit; 0 if unknown.
    baseline : int
        ADC value of 0 physical units.
    units : str
        Physical unit.
    resolution_bits, zero : int
        Resolution (0 if unknown) and middle of the converter.
    description : str
        Lead name.
    """

    file: str
    fmt: int
    plain: bool
    offset: int
    gain: float
    baseline: int
    units: str
    resolution_bits: int
    zero: int
    description: str


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """A record's header.

    Attributes
    ----------
    name : str
        Record name.
    fs_hz : float
        Frames per second.
    n_samples : int or None
        Frames, where the header says.
    base_time : datetime or None
        Start, taken as UTC, where the header says date and time.
    segmented : bool
        Made of several records.
    signals : tuple of Signal
        In column order.
    """

    name: str
    fs_hz: float
    n_samples: int | None
    base_time: datetime | None
    segmented: bool
    signals: tuple[Signal, ...]


def read_header(path: Path) -> Header:
    """Read `path`, a `.hea` file.

    Raises
    ------
    SourceError
        If it cannot be read or is not a WFDB header.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise SourceError(str(path), error.strerror or "cannot be read", "check the record's path") from error
    lines = [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#")]
    match = _RECORD_LINE.match(lines[0]) if lines else None
    if match is None:
        raise SourceError(str(path), "not a WFDB header", "give a record whose .hea begins with name, signals and rate")
    segmented = match["segments"] is not None
    signal_lines = [] if segmented else lines[1 : 1 + int(match["n_signals"])]
    if not segmented and len(signal_lines) != int(match["n_signals"]):
        raise SourceError(str(path), f"says {match['n_signals']} signals but describes {len(signal_lines)}")
    try:
        return Header(
            name=match["name"],
            fs_hz=float(match["fs"]) if match["fs"] else _DEFAULT_FS_HZ,
            n_samples=int(match["n_samples"] or 0) or None,
            base_time=_base_time(match["time"], match["date"]),
            segmented=segmented,
            signals=tuple(_signal(line) for line in signal_lines),
        )
    except ValueError as error:
        raise SourceError(str(path), f"header cannot be understood, {error}") from error


def _signal(line: str) -> Signal:
    fields = line.split(maxsplit=8)
    storage = _FORMAT.match(fields[1]) if len(fields) > 1 else None
    if storage is None:
        raise ValueError(f"no storage format in {line!r}")
    gain = _GAIN.match(fields[2]) if len(fields) > 2 else None
    if len(fields) > 2 and (gain is None or float(gain["gain"]) < 0):
        raise ValueError(f"gain {fields[2]!r} is not a number of ADC units per physical unit")
    zero = int(fields[4]) if len(fields) > 4 else 0
    return Signal(
        file=fields[0],
        fmt=int(storage["fmt"]),
        plain=storage["per_frame"] in (None, "1") and storage["skew"] in (None, "0"),
        offset=int(storage["offset"] or 0),
        gain=float(gain["gain"]) if gain else 0.0,
        baseline=int(gain["baseline"]) if gain and gain["baseline"] else zero,
        units=(gain["units"] if gain else None) or "mV",
        resolution_bits=int(fields[3]) if len(fields) > 3 else 0,
        zero=zero,
        description=fields[8] if len(fields) > 8 else "",
    )


def _base_time(time: str | None, date: str | None) -> datetime | None:
    if not (time and date):
        return None
    day, month, year = (int(part) for part in date.split("/"))
    hours, minutes, seconds = ([0.0, 0.0] + [float(part) for part in time.split(":")])[-3:]
    whole = int(seconds)
    return datetime(year, month, day, int(hours), int(minutes), whole, round((seconds - whole) * 1e6), tzinfo=UTC)
