"""Lines of numbers, as `Serial.println` sends them.

`512`, `512,498`, `512 498`, `512;;498`, `0,512;0,498`, `ecg:512,bpm:72`, `Sensor value = 512 mV`, `12: 512`,
`10:24:05.123 -> 512`, `{"t":184213,"ecg":512,"off":false}`; `!` says that an electrode is off, alone or in a lead's
place, as AD8232 sketches do.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from datetime import date

MAX_LINE = 190
"""Longer lines are not numbers of an ECG."""
MAX_FIELDS = 32

_HARD = re.compile(rb"\s*(?:[,;|\t]|->)\s*")
# Beside another separator a comma within a number is a decimal one.
_OTHERS = re.compile(rb"\s*[;|\t]\s*")
_DECIMAL_COMMA = re.compile(rb"(?<![\d.,])([+-]?\d+),(\d+)(?=\s*(?:[;|\t]|$))")
_COUNTED = re.compile(rb"(\d+)\s*:\s+(?=[-+.\d!])")
# Names of several words, where nothing but blanks parts a value from the next name.
_PAIR = re.compile(rb"([A-Za-z_][^:=]*?)[:=](\S+)(?:\s(?:mV|uV|V|bpm|BPM|C|%|ms|us|s)(?=\s|$))?(?:\s+|$)")
_SPACES = re.compile(rb"\s+")
_NAMED = re.compile(rb"([A-Za-z_][\w .+()/%-]*?)\s*[:=]\s*(.*)", re.DOTALL)
_AROUND_MARK = re.compile(rb"\s*([:=])\s*")
# An exponent comes with a point or a sign; without either it is a digit of a hexadecimal number.
_NUMBER = re.compile(
    rb"([+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]\d{1,3})?|(?:\d+\.\d*|\.\d+)[eE]\d{1,3}))"
    rb"\s?([A-Za-z\xb5%/\xc2\xb0]{0,8})"
)
_WORDS = {b"true": 1.0, b"false": 0.0}
_NOTHING = frozenset({b"", b"nan", b"null", b"none", b"na", b"n/a", b"-", b"--", b"inf", b"-inf", b"+inf", b"ovf"})
_ELECTRODE_OFF = re.compile(rb"!+|(?:leads?|electrodes?)[ _-]?(?:are |is )?off[.!]*", re.IGNORECASE)
_BRACKETS = b" \t<>{}[]()\"'$*/"
# A time of day, with or without a date; alone, so that `ecg:12:345` is none.
_TIME = re.compile(
    rb"(?<![\w.])(?<!\d:)(?:(\d{4})[-/.](\d\d?)[-/.](\d\d?)[T ,]\s?)?"
    rb"(\d\d?):([0-5]\d)(?::([0-5]\d))?(\.\d+)?(?:Z|[+-]\d\d:?\d\d)?(?![\d:])"
)
_LARGEST = 1e16
_HEX = re.compile(rb"0[xX]([0-9a-fA-F]{1,8})")
# What looks like other numbers than it is, and by which lines that is seen.
_DOUBTS = {
    "hexadecimal numbers": re.compile(rb"\s*(?=\S*[0-9])(?=\S*[a-fA-F])[0-9a-fA-F]{2,8}\s*"),
    "numbers with a decimal comma": re.compile(rb"\s*(?:[+-]?\d{1,2},0\d+|-0,\d+)\s*"),
}
# A point in a number and a comma between two: the comma is no decimal one, and `-0,512` are two numbers.
_POINT_AND_COMMA = re.compile(rb".*\d\.\d.*,.*|.*,.*\d\.\d.*")


class Row(tuple[float, ...]):
    """The numbers of one line, NaN where there is no value; empty if the line says that an electrode is off.

    Attributes
    ----------
    names : tuple of str
        What the line calls them; empty if it does not.
    off : frozenset of int
        Columns whose electrode is off.
    open : bool
        Whether the line ended with a separator: a last value may be missing.
    """

    names: tuple[str, ...] = ()
    off: frozenset[int] = frozenset()
    open: bool = False


class Decoder:
    """Takes rows of numbers out of a stream of bytes; holds at most one line.

    Attributes
    ----------
    good, bad : int
        Lines that were numbers or `!`, and lines that were something else.
    headers : deque of tuple of str
        The latest lines that may be the names of columns.
    doubts : Counter of str
        Lines by which it is seen that numbers are others than they seem: hexadecimal, or with a decimal comma.
    """

    def __init__(self) -> None:
        self.good = 0
        self.bad = 0
        self.headers: deque[tuple[str, ...]] = deque(maxlen=8)
        self.doubts: Counter[str] = Counter()
        self._rest = b""
        self._overlong = False
        self._joined = False

    def push(self, data: bytes) -> list[Row]:
        """Take bytes in; return one row for each whole line, empty where the electrode is off."""
        *lines, rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        rows: list[Row] = []
        for line in lines:
            row = None if self._overlong or len(line) > MAX_LINE else _row(line)
            self._overlong = False
            # The first line may be the end of one that began before the reader came.
            if not self._joined:
                self._joined = True
                continue
            if not line.strip():
                continue
            if _POINT_AND_COMMA.fullmatch(line):
                self.doubts.subtract(["numbers with a decimal comma"])
            self.doubts.update(what for what, seen in _DOUBTS.items() if seen.fullmatch(line))
            if row is None:
                self.bad += 1
                self._note_header(line)
            else:
                self.good += 1
                rows.append(row)
        if len(rest) > MAX_LINE:
            self._overlong = True
            rest = b""
        self._rest = rest
        return rows

    def _note_header(self, line: bytes) -> None:
        fields = _HARD.split(line.strip(b" \t\"'#"))
        if len(fields) <= MAX_FIELDS and not any(field[:1].isdigit() for field in fields):
            names = (re.sub(r"[^\w .+%°µ()/-]", "", field.decode("utf-8", "replace")).strip() for field in fields)
            self.headers.append(tuple(names))


def _row(line: bytes) -> Row | None:
    """Read a line; None if it is no row of numbers."""
    line = line.strip()
    if _ELECTRODE_OFF.fullmatch(line):
        return Row()
    line = line.strip(_BRACKETS)
    if b":" in line:
        line = _TIME.sub(_seconds, line)
    line = _COUNTED.sub(rb"\1,", line, count=1) if line[:1].isdigit() else line
    line = _AROUND_MARK.sub(rb"\1", line)
    if b"," in line and _OTHERS.search(line):
        line = _DECIMAL_COMMA.sub(rb"\1.\2", line)
    hard = _HARD.search(line) is not None
    fields = _HARD.split(line) if hard else _parted_by_blanks(line)
    opened = hard and fields[-1] == b"" and len(fields) > 1
    if opened:
        fields.pop()
    if hard and len(fields) > 1 and fields[0].isalpha() and fields[0].lower() not in _NOTHING:
        # `DATA,512,498`: what kind of line it is.
        fields.pop(0)
    return _read(_with_units(fields), opened) if len(fields) <= MAX_FIELDS else None


def _parted_by_blanks(line: bytes) -> list[bytes]:
    pairs = list(_PAIR.finditer(line))
    edges = [0, *(edge for pair in pairs for edge in pair.span()), len(line)]
    if pairs and all(before == after for before, after in zip(edges[::2], edges[1::2], strict=True)):
        return [b"%b:%b" % pair.groups() for pair in pairs]
    return _SPACES.split(line)


def _with_units(fields: list[bytes]) -> list[bytes]:
    """Join what was only parted by the space before a unit: `512 mV`."""
    out: list[bytes] = []
    for field in fields:
        if out and field in (b"mV", b"uV", b"V", b"bpm", b"BPM", b"C", b"%", b"ms", b"us", b"s"):
            continue
        out.append(field)
    return out


def _read(fields: list[bytes], opened: bool) -> Row | None:
    values: list[float] = []
    names: list[str] = []
    off: set[int] = set()
    for i, field in enumerate(fields):
        value = field.strip(b"\"' ")
        if named := _NAMED.fullmatch(field.replace(b'"', b"")):
            names.append(named[1].decode("ascii", "replace"))
            # `name:time:value`, as plotters take it.
            value = named[2].rpartition(b":")[2]
        if _ELECTRODE_OFF.fullmatch(value):
            off.add(i)
            values.append(float("nan"))
        elif value.lower() in _NOTHING:
            values.append(float("nan"))
        elif (word := _WORDS.get(value.lower())) is not None:
            values.append(word)
        elif number := _HEX.fullmatch(value):
            values.append(float(int(number[1], 16)))
        elif (number := _NUMBER.fullmatch(value)) and abs(amount := float(number[1])) < _LARGEST:
            values.append(amount)
        else:
            return None
    if not any(value == value for value in values) and not off:  # noqa: PLR0124  # NaN is no value
        return None
    row = Row(values)
    row.names = tuple(names) if len(names) == len(values) else ()
    row.off = frozenset(off)
    row.open = opened
    return row


def _seconds(match: re.Match[bytes]) -> bytes:
    """Return a time of day as seconds; with a date, since long ago."""
    year, month, day, first, second, third, fraction = match.groups()
    hours, minutes, seconds = (int(first), int(second), int(third)) if third else (0, int(first), int(second))
    if not third and not fraction:
        hours, minutes, seconds = int(first), int(second), 0
    total = hours * 3600.0 + minutes * 60 + seconds + (float(fraction) if fraction else 0.0)
    if year:
        try:
            total += date(int(year), int(month), int(day)).toordinal() * 86_400
        except ValueError:
            return match[0]
    return b"%.6f" % total


def encode(row: tuple[float, ...]) -> bytes:
    """Return the line of one sample, `!` for an empty row."""
    return (b",".join(b"%g" % value for value in row) or b"!") + b"\r\n"
