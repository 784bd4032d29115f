"""How a table is written: encoding, where the numbers begin, what separates them, how decimals look."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal

import msgspec

from edge.errors import SourceError
from edge.sources.file_kind import kind_of_binary

HEAD_BYTES = 1 << 20
"""So much of a file is looked at to find out how it is written."""
_ZEROS = 0.9
_LINES = 400
_JUDGED = 60
_MOST_COLUMNS = 256

Separator = Literal[",", ";", "\t", "|", " ", ""]
"""A blank stands for any number of them, nothing for a single column."""

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_TIME = re.compile(
    r"\[?(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})?[T ]*"
    r"(\d{1,2}:\d{2}(:\d{2})?([.,:]\d+)?( ?[AaPp]\.?[Mm]\.?)?)?( ?(Z|[-+]\d{2}:?\d{2}))?( \d{1,2}/\d{1,2}/\d{4})?\]?"
)
GROUPED = {
    ",": re.compile(r"[-+]?\d{1,3}(\.\d{3})+(,\d+)?"),
    ".": re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?"),
}
"""Numbers whose thousands are set apart, by what their decimals are; `1,234` alone may be one of three decimals."""
_LIST = re.compile(r"\[\s*[-+.\d]+(\s*[,; ]\s*[-+.\deE]+){50,}")
_EMPTY = frozenset({"", "-", "nan", "na", "n/a", "#n/a", "null", "none", "inf", "-inf"})


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """How a table is written.

    Attributes
    ----------
    encoding : str
        Of its text.
    separator : Separator
        Between cells.
    decimal : str
        Point or comma.
    thousands : str
        What sets thousands apart, if anything does.
    first : int
        Line of the first row of numbers, from 0.
    columns : int
        Cells in a row.
    header : tuple of str
        The lines before, without marks of comments.
    rows : tuple of tuple of str
        The first rows, cell by cell.
    """

    encoding: str
    separator: Separator
    decimal: str
    thousands: str = ""
    first: int
    columns: int
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def read_layout(path: Path) -> Layout:
    """Find out how a table is written.

    Raises
    ------
    SourceError
        If it is empty, no text, or has no numbers in rows.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            whole = len(head) < HEAD_BYTES
    except OSError as error:
        raise SourceError(str(path), error.strerror or "cannot be read", "check the path") from error
    if not head.strip(b"\x00\xef\xbb\xbf\xff\xfe \t\r\n"):
        raise SourceError(path.name, "is empty", "give a table with samples in it")
    if (kind := kind_of_binary(head)) is not None:
        raise SourceError(path.name, kind.what, kind.fix)
    encoding = _encoding(path.name, head)
    lines = head.decode(encoding, errors="replace").splitlines()
    lines = lines if whole else lines[:-1]
    if not lines:
        raise SourceError(path.name, f"has no end of a line within {HEAD_BYTES:,} bytes", "give one row per line")
    return _layout(path.name, encoding, lines[:_LINES])


def _encoding(name: str, head: bytes) -> str:
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(mark):
            return encoding
    if b"\0" in head:
        # Text of two bytes each, without a mark: every other one is 0.
        for zeros, encoding in ((head[1::2], "utf-16-le"), (head[::2], "utf-16-be")):
            if zeros.count(0) > _ZEROS * len(zeros) and head.count(0) < len(head) * (1 + _ZEROS) / 2 - 1:
                return encoding
        raise SourceError(name, "is no text", "give a table (CSV, TXT), EDF, a WFDB record, NumPy or MATLAB")
    try:
        # The head may end within a character.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252" if not set(head) & {0x81, 0x8D, 0x8F, 0x90, 0x9D} else "latin-1"
    return "utf-8"


def _layout(name: str, encoding: str, lines: Sequence[str]) -> Layout:
    filled = [(i, line) for i, line in enumerate(lines) if line.strip()]
    judged = [line for _, line in filled[-_JUDGED:]]
    best: tuple[float, int, Separator, str, int] | None = None
    for order, (separator, decimal) in enumerate(_WAYS):
        k, share = _fits(judged, separator, decimal)
        if k and (best is None or share > best[0] + 0.02):
            best = (share, -order, separator, decimal, k)
    if best is None or best[0] < 0.5:
        if any(_LIST.search(line) for line in lines):
            raise SourceError(name, "has its samples as a list in one cell", "give one row per sample")
        shown = filled[-1][1][:60] if filled else ""
        raise SourceError(name, f"has no rows of numbers (a line of it: {shown!r})", "give one column per lead")
    _, _, separator, decimal, k = best
    if k > _MOST_COLUMNS:
        raise SourceError(name, f"has {k:,} columns", f"at most {_MOST_COLUMNS} can be told apart: one row per sample")
    first = next(i for i, line in filled if _is_row(line, separator, decimal, k))
    # A line of a preamble may look like a row by chance; what follows it decides.
    for i, line in filled:
        if i >= first and not _is_row(line, separator, decimal, k) and i < first + 5:
            first = next((j for j, later in filled if j > i and _is_row(later, separator, decimal, k)), first)
    header = tuple(re.sub(r"^\s*[#%]+\s?", "", line).rstrip() for line in lines[:first] if line.strip())
    rows = [split(line, separator) for i, line in filled if i >= first]
    if separator == "," and _is_decimal_comma(rows):
        separator, decimal, k = "", ",", 1
        rows = [split(line, separator) for i, line in filled if i >= first]
    return Layout(
        encoding=encoding,
        separator=separator,
        decimal=decimal,
        thousands=_thousands(rows, decimal),
        first=first,
        columns=k,
        header=header,
        rows=tuple(tuple(row) for row in rows if len(row) == k),
    )


_WAYS: tuple[tuple[Separator, str], ...] = (
    ("\t", "."),
    (";", "."),
    (",", "."),
    ("|", "."),
    (" ", "."),
    ("\t", ","),
    (";", ","),
    (",", ","),
    (" ", ","),
    ("", "."),
    ("", ","),
)
"""In order of preference where they fit alike. Decimal commas beside separating ones are quoted."""


def split(line: str, separator: Separator) -> list[str]:
    """Return the cells of a line, without quotes and blanks around them."""
    if separator == "":
        return [_bare(line)]
    if separator == " ":
        return [_bare(cell) for cell in line.split()]
    cells = next(csv.reader([line.rstrip("\r\n")], delimiter=separator), [])
    return [_bare(cell) for cell in cells]


def _bare(cell: str) -> str:
    return cell.strip().strip("'\"").strip()


def is_time(cell: str) -> bool:
    """Whether a cell is a clock's time or a date."""
    return len(cell) >= 4 and (":" in cell or cell.count("-") == 2) and _TIME.fullmatch(cell) is not None


def _is_number(cell: str, decimal: str) -> bool:
    text = cell.replace(",", ".") if decimal == "," else cell
    return len(text) < 40 and (_NUMBER.fullmatch(text) is not None or _is_grouped(cell, decimal))


def _is_grouped(cell: str, decimal: str) -> bool:
    """Whether the thousands of a number are set apart for sure: it has decimals as well, or two such marks."""
    mark = "." if decimal == "," else ","
    sure = cell.count(mark) > 1 or (mark in cell and decimal in cell)
    return sure and GROUPED[decimal].fullmatch(cell) is not None


def _thousands(rows: Sequence[Sequence[str]], decimal: str) -> str:
    """Return what sets thousands apart, if anything does."""
    mark = "." if decimal == "," else ","
    return mark if any(_is_grouped(cell, decimal) for row in rows for cell in row) else ""


def _is_row(line: str, separator: Separator, decimal: str, k: int) -> bool:
    try:
        cells = split(line, separator)
    except csv.Error:
        return False
    if len(cells) != k:
        return False
    numbers = sum(_is_number(cell, decimal) for cell in cells)
    known = sum(cell.lower() in _EMPTY or is_time(cell) for cell in cells)
    return numbers + known >= max(0.5 * k, 1) and (numbers > 0 or known == k) and numbers + known > 0


def _fits(lines: Sequence[str], separator: Separator, decimal: str) -> tuple[int, float]:
    """Return how many columns lines have, and which share of their cells can be read."""
    if separator not in ("", " ") and not any(separator in line for line in lines):
        return 0, 0.0
    try:
        rows = [split(line, separator) for line in lines]
    except csv.Error:
        return 0, 0.0
    lengths = [len(row) for row in rows]
    k = max(set(lengths), key=lengths.count)
    if separator != "" and k < 2:
        return 0, 0.0
    cells = [cell for row in rows if len(row) == k for cell in row]
    if not cells or not any(_is_number(cell, decimal) for cell in cells):
        return 0, 0.0
    good = sum(_is_number(cell, decimal) or is_time(cell) or cell.lower() in _EMPTY for cell in cells)
    return k, good / len(cells) * lengths.count(k) / len(lengths)


def _is_decimal_comma(rows: Sequence[Sequence[str]]) -> bool:
    """Whether what looks like two columns of whole numbers is one with decimal commas, as phones export them."""
    pairs = [row for row in rows if len(row) == 2 and row[0] and row[1]]
    if len(pairs) < 5 or len(pairs) < 0.5 * len(rows):
        return False
    if not all(re.fullmatch(r"[-+]?\d+", a) and re.fullmatch(r"\d+", b) for a, b in pairs):
        return False
    if any(a.startswith("-0") for a, _ in pairs):
        return True
    whole = [int(a) for a, _ in pairs[:200]]
    counts = sum(b >= a for a, b in pairwise(whole)) >= 0.98 * (len(whole) - 1)
    # As decimals they are as long as each other, but for zeros at the end that are left out.
    lengths = [len(b) for _, b in pairs]
    return not counts and max(lengths) >= 2 and sum(n == max(lengths) for n in lengths) >= 0.6 * len(lengths)
