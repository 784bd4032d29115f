"""What the lines above a table say: names, units, rate, start; and the forms of tools that are known.

A person's name, which some tools write there, is never taken.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from edge.errors import one_line
from edge.sources.table.text import Layout, split

_LONGEST = 40
AMPLIFIER = 1100.0
"""Gain of the ECG sensors that people have: AD8232, BITalino."""

_MV_PER = {"mv": 1.0, "millivolt": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "microvolt": 1e-3, "nv": 1e-6, "v": 1e3}
_TIMES = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "millis", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "µs", "μs", "micros", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nanos", "nanosecond", "nanoseconds"), 1e-9),
    **dict.fromkeys(("min", "minutes"), 60.0),
}
_ADC = frozenset({"adc", "adu", "counts", "count", "raw", "lsb", "bit", "bits", "digits"})


_RATE = re.compile(
    r"(?im)^\W*(?:fs|sampl\w*[ _]*(?:rate|freq\w*)|rate|freq\w*)\s*(?:\(?hz\)?)?\s*[,;:=\t]\s*\"?(\d+(?:[.,]\d+)?)"
)


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a column.

    Attributes
    ----------
    name : str
        Without its unit; empty if none is said.
    unit : str
        As it is written, in lower case; empty if none is said.
    mv : float or None
        mV each, where unit or form say it.
    zero : float
        The number at 0 mV.
    """

    name: str = ""
    unit: str = ""
    mv: float | None = None
    zero: float = 0.0

    @property
    def seconds(self) -> float | None:
        """Seconds each, if it is a unit of time."""
        return _TIMES.get(self.unit)


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a table says of itself.

    Attributes
    ----------
    columns : tuple of Column
        One per column.
    fs_hz : float or None
        Samples a second.
    start : datetime or None
        UTC time of the first row.
    form : str
        Whose form it is; empty if it is nobody's.
    notes : tuple of str
        What was taken for granted.
    """

    columns: tuple[Column, ...]
    fs_hz: float | None = None
    start: datetime | None = None
    form: str = ""
    notes: tuple[str, ...] = ()


def said_by(layout: Layout) -> Said:
    """Return what the lines above a table say."""
    columns = _columns(layout)
    text = "\n".join(layout.header)
    if (known := _opensignals(columns, text) or _kaggle(layout, columns)) is not None:
        return known
    fs_hz = _rate(text)
    unit = re.search(r"(?im)^\s*(?:unit|einheit|unité|unidad|unità)\w*\s*[,;:=\t]\s*\"?\s*(\S+?)\"?\s*$", text)
    lead = re.search(r"(?im)^\s*(?:lead|ableitung|dérivation|derivación)\w*\s*[,;:=\t]\s*\"?(.+?)\"?\s*$", text)
    if unit and len(columns) == 1 and (factor := _MV_PER.get(unit[1].lower())):
        name = columns[0].name or (_lead(one_line(lead[1]))[:_LONGEST] if lead else "")
        columns = (Column(name=name, unit=unit[1].lower(), mv=factor),)
    form = "OpenBCI" if re.search(r"(?i)openbci raw", text) else "Apple Health" if unit and lead and fs_hz else ""
    if form == "OpenBCI":
        columns = tuple(
            msgspec.structs.replace(c, unit="uv", mv=1e-3) if re.match(r"(?i)exg channel", c.name) else c
            for c in columns
        )
    return Said(columns=columns, fs_hz=fs_hz, start=_start(text), form=form)


def unit_mv(unit: str) -> float | None:
    """Return how many mV a unit is; None if it is none of a voltage."""
    return _MV_PER.get(unit.lower())


def _lead(text: str) -> str:
    """Return a lead's name from `Lead I`, `Ableitung I`."""
    return text.rsplit(maxsplit=1)[-1] if text.split() else ""


def _rate(text: str) -> float | None:
    """Return the rate that a line says: `Sample Rate,512 hertz`, `%Sample Rate = 250 Hz`, `fs: 360`."""
    found = re.search(r"(?i)(?<![\w.])(\d+(?:[.,]\d+)?)\s*(?:hz|hertz)\b", text) or _RATE.search(text)
    return float(found[1].replace(",", ".")) if found else None


def _start(text: str) -> datetime | None:
    found = re.search(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:[.,]\d+)?\s*(Z|[-+]\d{2}:?\d{2})?", text)
    if found is None:
        return None
    zone = (found[3] or "+00:00").replace("Z", "+00:00")
    zone = zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
    try:
        return datetime.fromisoformat(f"{found[1]}T{found[2]}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _columns(layout: Layout) -> tuple[Column, ...]:
    """Return names and units: of the last line that has as many cells as there are columns, and one of units below."""
    # Above a single column a line of several words is a remark: `Unit,µV`.
    header = [h for h in layout.header if layout.separator or not re.search(r"[,;:=\t]", h)]
    lines = [_cells(line, layout) for line in header]
    fitting = [cells for cells in lines if len(cells) == layout.columns]
    units: Sequence[str] = ()
    if fitting and all(_is_unit(cell) for cell in fitting[-1]):
        units = fitting.pop()
    elif lines and lines[-1] and all(_is_unit(c) for c in lines[-1]) and len(lines[-1]) < layout.columns:
        # `rdsamp -v` writes no unit above sample numbers.
        units = ["", *lines[-1]][-layout.columns :] if len(lines[-1]) == layout.columns - 1 else ()
    names = fitting[-1] if fitting else [""] * layout.columns
    if not any(re.search(r"[^\W\d_]", name) for name in names):
        names = [""] * layout.columns
    out = []
    for i, name in enumerate(names):
        bare, unit = _name_and_unit(name)
        unit = _plain_unit(units[i]) if units and units[i] else unit
        out.append(Column(name=bare, unit=unit, mv=_MV_PER.get(unit)))
    return tuple(out)


def _cells(line: str, layout: Layout) -> list[str]:
    try:
        cells = split(line, layout.separator)
    except csv.Error:
        cells = []
    if layout.separator in (" ", "\t") and len(cells) != layout.columns:
        # Names may have single blanks in them, and columns of blanks stand above others of tabs.
        cells = [cell.strip("'\"") for cell in re.split(r"\s{2,}|\t", line.strip())]
    return [one_line(cell)[:_LONGEST] for cell in cells]


def _plain_unit(text: str) -> str:
    return text.strip(" ()[]'\"").lower()


def _is_unit(text: str) -> bool:
    unit = _plain_unit(text)
    return unit in _MV_PER or unit in _TIMES or unit in _ADC or unit.startswith(("hh:mm", "mm:ss", "yyyy"))


def _name_and_unit(text: str) -> tuple[str, str]:
    """Return name and unit of `ecg [uV]`, `ECG (mV)`, `time_ms`, `t_us_pico`, `timestamp ms`."""
    text = text.strip()
    if found := re.fullmatch(r"(.*?)[ _]*[(\[]([^)\]]*)[)\]]", text):
        return found[1].strip() or text, found[2].strip().lower()
    words = re.split(r"[ _]+", text.lower())
    for word in reversed(words[1:]):
        if word in _TIMES or word in _MV_PER:
            return re.sub(rf"[ _]+{re.escape(word)}(?=[ _]|$)", "", text, flags=re.IGNORECASE), word
    lone = text.lower()
    if lone in {"mv", "uv", "µv", "volt", "volts"}:
        return text, "v" if lone.startswith("volt") else lone
    return text, ""


def _kaggle(layout: Layout, columns: tuple[Column, ...]) -> Said | None:
    """Return what is known of the MIT-BIH records that are passed around as `'sample #','MLII','V5'`."""
    names = [column.name.lower() for column in columns]
    if not names or names[0] not in ("sample #", "sample", "sample#") or any(c.unit for c in columns):
        return None
    known = {"mlii", "v1", "v2", "v4", "v5", "mli", "mliii"}
    if not set(names[1:]) or not set(names[1:]) <= known or not _within(layout, 0, 2047):
        return None
    leads = tuple(msgspec.structs.replace(c, unit="adc", mv=1 / 200, zero=1024.0) for c in columns[1:])
    return Said(
        columns=(columns[0], *leads),
        fs_hz=360.0,
        form="MIT-BIH as CSV",
        notes=("taken for a record of MIT-BIH: 360 Hz, 200 ADC units per mV, 1024 at 0 mV",),
    )


def _within(layout: Layout, low: float, high: float) -> bool:
    """Whether all numbers but the first column's are whole ones in a range."""
    cells = [cell for row in layout.rows for cell in row[1:] if cell]
    return bool(cells) and all(re.fullmatch(r"\d+", cell) and low <= int(cell) <= high for cell in cells)


def _opensignals(columns: tuple[Column, ...], text: str) -> Said | None:
    """Return what the JSON line of an OpenSignals file says."""
    if "OpenSignals" not in text:
        return None
    found = re.search(r"(?m)^\s*(\{.*\})\s*$", text)
    try:
        devices = json.loads(found[1]) if found else {}
        device: Mapping[str, Any] = next(iter(devices.values()))
        names = [str(name) for name in device["column"]]
        bits = [int(n) for n in device.get("resolution", [])][-len(device.get("channels", [1])) :]
        sensors = [str(s) for s in device.get("sensor", [])]
        fs_hz = float(device["sampling rate"])
    except (ValueError, KeyError, StopIteration, TypeError, AttributeError, RecursionError):
        return None
    # A tab at the end of each line makes no column.
    if not 0 <= len(columns) - len(names) <= 1:
        return None
    supply_mv = 3300.0 if "bitalino" in str(device.get("device", "")).lower() else 3000.0
    gain = AMPLIFIER if supply_mv == 3300.0 else 1000.0
    first = len(names) - len(sensors)
    out, notes = list[Column](), list[str]()
    for i, name in enumerate(names):
        if i < first:
            out.append(Column(name=name))
            continue
        sensor = sensors[i - first]
        steps = 2 ** (bits[i - first] if i - first < len(bits) else 10)
        is_ecg = "ecg" in sensor.lower() or sensor.lower() in ("raw", "custom")
        label = "ECG" if "ecg" in sensor.lower() else name
        out.append(
            Column(name=label, unit="adc", mv=supply_mv / gain / steps, zero=steps / 2)
            if is_ecg
            else Column(name=f"{name} {sensor}", unit=sensor.lower())
        )
    out += [Column()] * (len(columns) - len(names))
    notes.append(f"ADC counts of {supply_mv / 1000:g} V, an ECG sensor's gain of {gain:g} assumed")
    start = _start(f"{device.get('date', '')} {str(device.get('time', '')).split('.')[0].strip()}")
    return Said(columns=tuple(out), fs_hz=fs_hz, start=start, form="OpenSignals", notes=tuple(notes))
