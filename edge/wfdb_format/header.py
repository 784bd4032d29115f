"""The text header of a WFDB record, as it is specified and as it is met.

Source: WFDB Applications Guide, header(5). The wfdb package reads headers too, but importing it takes longer than
starting a whole replay may, and it refuses dates and encodings that real databases have.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

DEFAULT_FS_HZ = 250.0
"""header(5): the rate where none is stated."""

MAX_BYTES = 4 << 20
MAX_SIGNALS = 1000
MAX_SEGMENTS = 100_000
_MAX_DIGITS = 15
# Ten seconds at the highest rate that can be used; frames of databases have some milliseconds.
_MAX_PER_FRAME = 10_000

_RECORD = re.compile(r"(?P<name>[^\s/]+)(?:/(?P<segments>\d+))?\s+(?P<n_signals>\d+)(?:\s+(?P<rest>.*))?$")
_RATE = re.compile(r"(?P<fs>[-+]?[\d.]+(?:[eE][-+]?\d+)?)(?:/\S*)?$")
_FORMAT = re.compile(r"(?P<fmt>\d+)(?:x(?P<per_frame>\d+))?(?::(?P<skew>\d+))?(?:\+(?P<offset>\d+))?$")
_GAIN = re.compile(r"(?P<gain>[-+]?[\d.]+(?:[eE][-+]?\d+)?)(?:\((?P<baseline>-?\d+)\))?(?:/(?P<units>\S+))?$")
_TIME = re.compile(r"(?:(?:(\d{1,3}):)?(\d{1,3}):)?(\d{1,6}(?:\.\d*)?)$")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATES = (
    re.compile(r"(?P<day>\d{1,2})[/.-](?P<month>\d{1,2}|[A-Za-z]{3,9})[/.-](?P<year>\d{4})$"),
    re.compile(r"(?P<year>\d{4})[/.-](?P<month>\d{1,2}|[A-Za-z]{3,9})[/.-](?P<day>\d{1,2})$"),
)
# A comment of ours: to whoever does not know it, it is one.
_LEAD_OFF_DETECTION = "no value where an electrode is off"
# Databases that hide their dates move them by centuries; what lies beyond is a mistake.
_YEARS = range(1800, 2500)


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """One signal line.

    Attributes
    ----------
    file : str
        Name of the signal file, in the header's folder; `~` if there is none.
    fmt : int
        Storage format, signal(5).
    per_frame : int
        Samples in each frame.
    skew : int
        Frames by which it is stored late.
    offset : int
        Bytes before the first sample.
    gain : float
        ADC units per physical unit, negative where the signal is stored upside down; 0 if unknown.
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
    per_frame: int = 1
    skew: int = 0
    offset: int = 0
    gain: float = 0.0
    baseline: int = 0
    units: str = "mV"
    resolution_bits: int = 0
    zero: int = 0
    description: str = ""


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
    signals : tuple of Signal
        In column order; none of a record made of segments.
    segments : tuple of (str, int)
        Records it is made of, and their frames; `~` where nothing was recorded. The first has no frames where it only
        lays out the signals.
    notes : tuple of str
        What had to be assumed or left out, one line each.
    lead_off_detection : bool
        Whether it says that there is no value wherever an electrode is off.
    """

    name: str
    fs_hz: float
    n_samples: int | None
    base_time: datetime | None
    signals: tuple[Signal, ...] = ()
    segments: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()
    lead_off_detection: bool = False


def parse_header(content: bytes) -> Header:
    """Return what a `.hea` file says.

    Parameters
    ----------
    content : bytes
        The file: ASCII, UTF-8 with or without a byte order mark, or Latin-1; any line ends.

    Raises
    ------
    ValueError
        If it is no header, or says what cannot be.
    """
    if len(content) > MAX_BYTES:
        raise ValueError(f"{len(content):,} bytes, a header has at most {MAX_BYTES:,}")
    stated = [line for line in map(str.strip, re.split(r"[\r\n]+", _text(content))) if line]
    lines = [line for line in stated if not line.startswith("#")]
    match = _RECORD.match(lines[0]) if lines else None
    if match is None or "\0" in lines[0]:
        raise ValueError("not a WFDB header")
    fs_hz, n_samples, base_time, notes = _record_line((match["rest"] or "").split())
    header = Header(
        name=match["name"],
        fs_hz=fs_hz,
        n_samples=n_samples,
        base_time=base_time,
        notes=notes,
        lead_off_detection=f"# {_LEAD_OFF_DETECTION}" in stated,
    )
    if match["segments"] is not None:
        n = _bounded(match["segments"], "segments", MAX_SEGMENTS)
        return msgspec.structs.replace(header, segments=tuple(map(_segment, _exactly(n, lines[1:], "segments"))))
    n = _bounded(match["n_signals"], "signals", MAX_SIGNALS)
    return msgspec.structs.replace(header, signals=tuple(map(_signal, _exactly(n, lines[1:], "signals"))))


def format_header(
    name: str,
    *,
    fs_hz: float,
    n_samples: int,
    base_time: datetime,
    signals: Sequence[tuple[Signal, int, int]],
    comments: Sequence[str] = (),
    lead_off_detection: bool = False,
) -> str:
    """Return the text of a header.

    Parameters
    ----------
    name : str
        Record name.
    fs_hz, n_samples : float, int
        Frames per second, and in all.
    base_time : datetime
        Start, UTC.
    signals : sequence of (Signal, int, int)
        With each its first ADC value and its checksum, see `edge.wfdb_format.signals.checksum`.
    comments : sequence of str
        One line each.
    lead_off_detection : bool
        Whether to say that there is no value wherever an electrode is off.
    """
    lines = [f"{name} {len(signals)} {fs_hz:.10g} {n_samples} {base_time:%H:%M:%S.%f %d/%m/%Y}"]
    lines += [
        f"{s.file} {s.fmt} {s.gain:.10g}({s.baseline})/{s.units} {s.resolution_bits} {s.zero} {first} {total} 0 "
        f"{s.description}"
        for s, first, total in signals
    ]
    comments = [*comments, *([_LEAD_OFF_DETECTION] if lead_off_detection else [])]
    return "\n".join([*lines, *(f"# {comment}" for comment in comments)]) + "\n"


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _exactly(n: int, lines: Sequence[str], what: str) -> Sequence[str]:
    if len(lines) < n:
        raise ValueError(f"says {n} {what} but describes {len(lines)}")
    return lines[:n]


def _bounded(digits: str, what: str, most: int) -> int:
    n = _integer(digits, what)
    if n > most:
        raise ValueError(f"says {n:,} {what}, at most {most:,} can be read")
    return n


def _integer(digits: str, what: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a number of {len(digits):,} digits for {what}")
    return int(digits)


def _number(text: str) -> float:
    """Return a number; NaN where it is none, such as 1.2.3."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _record_line(fields: Sequence[str]) -> tuple[float, int | None, datetime | None, tuple[str, ...]]:
    """Return rate, length, start and notes of what follows the number of signals."""
    if not fields:
        return DEFAULT_FS_HZ, None, None, (f"the header states no rate, {DEFAULT_FS_HZ:g} Hz assumed",)
    rate = _RATE.match(fields[0])
    fs_hz = _number(rate["fs"]) if rate else math.nan
    if not math.isfinite(fs_hz):
        raise ValueError(f"its rate {fields[0][:40]!r} is no number")
    rest = list(fields[1:])
    n_samples = _integer(rest.pop(0), "the length") if rest and rest[0].isdecimal() else 0
    base_time = _base_time(rest)
    notes = () if base_time or not rest or _is_time_alone(rest) else (f"its start {' '.join(rest)[:60]!r} is left out",)
    return fs_hz, n_samples or None, base_time, notes


def _is_time_alone(fields: Sequence[str]) -> bool:
    return len(fields) == 1 and _TIME.match(fields[0]) is not None and ":" in fields[0]


def _base_time(fields: Sequence[str]) -> datetime | None:
    """Return date and time in whatever order they come; None unless both can be understood."""
    dates = [date for date in map(_date, fields) if date is not None]
    times = [match for match in map(_TIME.match, fields) if match is not None]
    if len(fields) != 2 or len(dates) != 1 or len(times) != 1:
        return None
    hours, minutes, seconds = (float(part or 0) for part in times[0].groups())
    # 24:00:00 is the end of a day, and a time may count on from there.
    return dates[0] + timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _date(text: str) -> datetime | None:
    match = next((found for pattern in _DATES if (found := pattern.match(text))), None)
    if match is None:
        return None
    month = match["month"]
    try:
        number = int(month) if month.isdecimal() else _MONTHS.index(month[:3].lower()) + 1
        year = int(match["year"])
        return datetime(year, number, int(match["day"]), tzinfo=UTC) if year in _YEARS else None
    except ValueError:
        return None


def _segment(line: str) -> tuple[str, int]:
    fields = line.split()
    if len(fields) < 2 or not fields[1].isdecimal():
        raise ValueError(f"a segment needs a name and a length, not {line[:60]!r}")
    return fields[0], _integer(fields[1], "a segment's length")


def _signal(line: str) -> Signal:
    fields = line.split(maxsplit=8)
    storage = _FORMAT.match(fields[1]) if len(fields) > 1 else None
    if storage is None:
        raise ValueError(f"no storage format in {line[:60]!r}")
    gain = _GAIN.match(fields[2]) if len(fields) > 2 else None
    if len(fields) > 2 and (gain is None or not math.isfinite(_number(gain["gain"]))):
        raise ValueError(f"gain {fields[2][:40]!r} is not a number of ADC units per physical unit")
    zero = _signed(fields, 4)
    return Signal(
        file=fields[0],
        fmt=_integer(storage["fmt"], "a format"),
        per_frame=max(_bounded(storage["per_frame"] or "1", "samples per frame", _MAX_PER_FRAME), 1),
        skew=_integer(storage["skew"] or "0", "a skew"),
        offset=_integer(storage["offset"] or "0", "an offset"),
        gain=float(gain["gain"]) if gain else 0.0,
        baseline=_signed([gain["baseline"]], 0) if gain and gain["baseline"] else zero,
        units=(gain["units"] if gain else None) or "mV",
        resolution_bits=_signed(fields, 3),
        zero=zero,
        description=fields[8] if len(fields) > 8 else "",
    )


def _signed(fields: Sequence[str], place: int) -> int:
    if place >= len(fields):
        return 0
    digits = fields[place].removeprefix("-")
    if not digits.isdecimal():
        raise ValueError(f"{fields[place][:40]!r} is no whole number")
    return _integer(digits, "a field") * (-1 if fields[place].startswith("-") else 1)
