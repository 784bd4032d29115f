"""What the columns of a board that sends lines of numbers are, and what their numbers mean. Pure, but for `Table`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.errors import SourceError
from edge.sources.serial.settings import BoardSettings, Unit
from edge.sources.signal_kind import Verdict, choose_leads, kind_by_name, kind_of
from firmware_bridge.text import Row

Values = NDArray[np.float64]
Shape = int | tuple[str, ...]

# Lines of one shape that come less often than that are about something else.
_AS_OFTEN = 0.8
_SELDOM = 0.2


class Table:
    """Puts rows of one shape, or of several that alternate, into columns.

    Parameters
    ----------
    names : tuple of str
        What the lines call their numbers; `column 1` … where they do not.
    named : bool
        Whether the lines themselves say the names.
    alternate : bool
        Whether the numbers of one sample come on several lines.
    """

    def __init__(self, names: tuple[str, ...], *, named: bool, alternate: bool = False) -> None:
        self.names = names
        self.named, self._alternate = named, alternate
        self._at = {name: i for i, name in enumerate(names)}
        self._pending: dict[int, float] = {}
        self._pending_off: set[int] = set()

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Table | None:
        """Return the table that most of these rows fit; None if none has a number."""
        shapes: Counter[Shape] = Counter(row.names or len(row) for row in rows if row)
        if not shapes:
            return None
        best, often = shapes.most_common(1)[0]
        if isinstance(best, int):
            return cls(tuple(f"column {i + 1}" for i in range(best)), named=False)
        named = [shape for shape in shapes if isinstance(shape, tuple)]
        beside = [s for s in named if not set(s) & set(best) and shapes[s] >= _AS_OFTEN * often]
        among = [s for s in named if set(s) & set(best)]
        names = dict.fromkeys(name for shape in (*among, *beside) for name in shape)
        return cls(tuple(names), named=True, alternate=bool(beside))

    def take(self, row: Row) -> tuple[list[float], frozenset[int]] | None:
        """Return the values and the columns without electrode of the sample a row completes; None if it does not.

        Raises
        ------
        ValueError
            If the row does not fit.
        """
        k = len(self.names)
        if not row:
            return [np.nan] * k, frozenset(range(k))
        if not self.named:
            short = len(row) == k - 1 and row.open
            if row.names or (len(row) != k and not short):
                raise ValueError
            return [*row, *([np.nan] if short else [])], row.off
        at = [self._at[name] for name in row.names if name in self._at]
        if not at or len(at) < len(row.names):
            raise ValueError
        if not self._alternate:
            self._pending, self._pending_off = dict(zip(at, row, strict=True)), {at[i] for i in row.off}
            return self._complete()
        out = self._complete() if any(i in self._pending for i in at) else None
        self._pending.update(zip(at, row, strict=True))
        self._pending_off |= {at[i] for i in row.off}
        return out

    def all(self, rows: Iterable[Row]) -> tuple[Values, NDArray[np.bool_], int]:
        """Return values and missing electrodes, shapes (n_samples, n_columns), and how many rows did not fit."""
        values: list[list[float]] = []
        off: list[frozenset[int]] = []
        misfits = 0
        for row in rows:
            try:
                sample = self.take(row)
            except ValueError:
                misfits += 1
                continue
            if sample is not None:
                values.append(sample[0])
                off.append(sample[1])
        k = len(self.names)
        gone = np.array([[i in columns for i in range(k)] for columns in off], bool).reshape(-1, k)
        return np.array(values, np.float64).reshape(-1, k), gone, misfits

    def clear(self) -> None:
        """Forget the lines of a sample that is not complete."""
        self._pending, self._pending_off = {}, set()

    def _complete(self) -> tuple[list[float], frozenset[int]]:
        values = [self._pending.get(i, np.nan) for i in range(len(self.names))]
        off = frozenset(self._pending_off)
        self.clear()
        return values, off


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Which columns are read.

    Attributes
    ----------
    columns : tuple of int
        Those that are leads.
    leads : tuple of str
        Their names.
    off_flags : tuple of int
        Columns that say, by anything but 0, that an electrode is off.
    notes : tuple of str
        What is left out.
    named : tuple of str
        Names of all columns, from a header where the lines have none.
    """

    columns: tuple[int, ...]
    leads: tuple[str, ...]
    off_flags: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    named: tuple[str, ...] = ()


def named_by(headers: Iterable[tuple[str, ...]], names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names that a header line gives to columns without any; `names` if no line looks like one."""
    for header in reversed(list(headers)):
        if len(header) == len(names) and any(kind_by_name(name) for name in header) and len(set(header)) == len(header):
            return tuple(name or old for name, old in zip(header, names, strict=True))
    return names


def verdicts_of(names: Sequence[str], values: Values, fs_hz: float) -> list[Verdict]:
    """Return what each column is."""
    out: list[Verdict] = []
    share = np.isfinite(values).mean(axis=0)
    for name, column, there in zip(names, values.T, share, strict=True):
        name_says = "" if name.startswith("column ") else name
        seldom = there < _SELDOM * share.max() and kind_by_name(name_says) is None
        out.append(Verdict("level", "seldom a value") if seldom else kind_of(name_says, "", column, fs_hz))
    return out


def choose(names: tuple[str, ...], verdicts: Sequence[Verdict], options: BoardSettings) -> Choice:
    """Choose the columns to read: as the user says, or those that are ECG.

    Raises
    ------
    SourceError
        If the user names columns that there are not, or if none is an ECG.
    """
    flags = tuple(i for i, name in enumerate(names) if kind_by_name(name) == "flag" and _says_off(name))
    notes: tuple[str, ...] = ()
    columns = _asked_for(names, options)
    if columns is None:
        found, notes = choose_leads(names, verdicts)
        if not found:
            what = ", ".join(f"{name}: {verdict}" for name, verdict in zip(names, verdicts, strict=True))
            raise SourceError(
                "text board", f"no ECG among what it sends ({what})", "name it with --columns if it is one"
            )
        columns = tuple(found)
    leads = tuple(f"lead{n + 1}" if names[i].startswith("column ") else names[i] for n, i in enumerate(columns))
    if options.leads is not None and len(options.leads) == len(columns):
        leads = options.leads
    elif options.leads is not None:
        notes = (*notes, f"leads names {len(options.leads)}, {len(columns)} read: say with columns which they are")
    return Choice(columns=columns, leads=leads, off_flags=flags, notes=notes, named=names)


def _asked_for(names: tuple[str, ...], options: BoardSettings) -> tuple[int, ...] | None:
    """Return the columns the user names; None if he leaves it to us."""
    places = {name.lower(): i for i, name in enumerate(names)}
    if options.columns is not None:
        asked = [
            column - 1 if isinstance(column, int) else places.get(column.lower(), -1) for column in options.columns
        ]
        if not all(0 <= i < len(names) for i in asked):
            wanted = ", ".join(str(column) for column in options.columns)
            raise SourceError("text board", f"no columns {wanted} in what it sends", f"it has {', '.join(names)}")
        return tuple(asked)
    if options.leads is None:
        return None
    if all(lead.lower() in places for lead in options.leads):
        return tuple(places[lead.lower()] for lead in options.leads)
    return tuple(range(len(names))) if len(options.leads) == len(names) else None


def _says_off(name: str) -> bool:
    text = "".join(filter(str.isalnum, name.lower()))
    return text.startswith(("lo", "lead"))


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """What the numbers mean.

    Attributes
    ----------
    mv : float
        Millivolts each.
    zero : float
        The number at 0 mV.
    limits : (float, float) or None
        Least and largest number the converter gives.
    text : str
        In words.
    """

    mv: float
    zero: float = 0.0
    limits: tuple[float, float] | None = None
    text: str

    def of(self, values: Values) -> NDArray[np.float32]:
        """Return numbers in mV."""
        return ((values - self.zero) * self.mv).astype(np.float32)

    def beyond(self, values: Values) -> NDArray[np.bool_]:
        """Return which numbers the converter cannot have given."""
        if self.limits is None:
            return np.zeros(values.shape, bool)
        return (values < self.limits[0]) | (values > self.limits[1])

    @property
    def range_mv(self) -> tuple[float, float] | None:
        """What the converter can give."""
        return (
            None
            if self.limits is None
            else ((self.limits[0] - self.zero) * self.mv, (self.limits[1] - self.zero) * self.mv)
        )


# An AD8232 of gain 1,100 on a converter of 5 V (Uno, Nano), on those of 3.3 V (ESP32, RP2040; UNO R4; 16 bits as
# MicroPython gives them).
_GAIN = 1100
_CONVERTERS = ((10, 5e6), (12, 3.3e6), (14, 3.3e6), (16, 3.3e6))
# Beats are this high from peak to peak, in any lead of anybody.
_PLAUSIBLE_MV = (0.05, 20.0)
_USUAL_MV = 1.5
# So many lines may be damaged without changing what is thought of the others.
_DAMAGED = 0.02


def unit_in(names: Iterable[str]) -> Unit | None:
    """Return the unit that names of columns end with: `ECG (mV)`, `ecg_uv`."""
    for name in names:
        text = name.lower().rstrip(" )]")
        for ending, unit in (("mv", "mv"), ("uv", "uv"), ("µv", "uv"), ("adc", "adc"), ("counts", "adc")):
            if text.endswith(ending) and not text[: -len(ending)][-1:].isalnum():
                return unit  # type: ignore[return-value]  # mypy widens the tuple
    return None


def contradicted(scale: Scale, values: Values, fs_hz: float) -> bool:
    """Whether beats would be so high, or so low, as none are; `values` of shape (n, n_leads) have beats in them."""
    return not _PLAUSIBLE_MV[0] <= _swing(values, fs_hz) * scale.mv <= _PLAUSIBLE_MV[1]


def scale_of(values: Values, options: BoardSettings, *, unit: Unit | None, beats: bool, fs_hz: float) -> Scale:
    """Guess what numbers mean, where the user does not say it.

    Whole numbers from 0 up are a converter's, other whole ones µV, broken ones mV. Where beats are seen and their
    height would then be none that beats can have, the usual height is taken as usual.

    Parameters
    ----------
    values : float array, shape (n, n_leads)
        What came so far.
    options : BoardSettings
        What the user says.
    unit : Unit or None
        What the board says.
    beats : bool
        Whether an ECG is seen in it.
    fs_hz : float
        Its rate.
    """
    told = options.unit if options.unit != "auto" else unit
    there = values[np.isfinite(values)]
    if not len(there):
        there = np.zeros(1)
    # A damaged line may hold any number.
    least, most = (float(x) for x in np.percentile(there, [0.5, 99.5], method="nearest"))
    guess = told or _unit_of(there, least, most)
    if guess == "adc":
        scale = _converter(least, most, options)
    else:
        factor = 1e-3 if guess == "uv" else 1.0
        scale = Scale(mv=factor, zero=options.zero or 0.0, text="µV" if guess == "uv" else "mV")
    if told is not None or options.uv_per_lsb is not None or not beats or not contradicted(scale, values, fs_hz):
        return scale
    swing = _swing(values, fs_hz)
    if swing <= 0:
        return scale
    zero = float(np.median(there)) if options.zero is None else options.zero
    text = f"of no known unit: their usual swing, {swing:.3g}, is taken as {_USUAL_MV:g} mV"
    return Scale(mv=_USUAL_MV / swing, zero=zero, text=text)


def _unit_of(values: Values, least: float, most: float) -> Unit:
    if np.mean(values != np.round(values)) > _DAMAGED:
        return "adc" if least >= 0 and most > 50 else "mv"
    return "adc" if least >= 0 and most < 1 << _CONVERTERS[-1][0] else "uv"


def _converter(least: float, most: float, options: BoardSettings) -> Scale:
    fits = [(bits, full) for bits, full in _CONVERTERS if most < 1 << bits] or [_CONVERTERS[-1]]
    bits, full = fits[0]
    uv = options.uv_per_lsb or full / (1 << bits) / _GAIN
    zero = float(1 << (bits - 1)) if options.zero is None else options.zero
    limits = (0.0, float((1 << bits) - 1)) if least >= 0 and most < 1 << bits else None
    return Scale(mv=uv * 1e-3, zero=zero, limits=limits, text=f"ADC counts, {uv:.3g} µV each, {zero:g} taken as 0 mV")


def _swing(values: Values, fs_hz: float) -> float:
    """Return the usual height, peak to peak, of two seconds of the lead that has the highest."""
    n = max(int(2 * fs_hz), 1)
    heights = [
        np.subtract(*np.nanpercentile(part, [99.5, 0.5], axis=0))
        for at in range(0, max(len(values) - n // 2, 1), n)
        if np.isfinite(part := values[at : at + n]).any(axis=0).all() and len(part)
    ]
    return float(np.median(np.stack(heights), axis=0).max()) if heights else 0.0
