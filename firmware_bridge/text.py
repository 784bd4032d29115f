"""Lines of numbers, as `Serial.println` sends them.

`512`, `512,498`, `512 498`, `ecg:512,ref:498`; `!` alone says that an electrode is off, as AD8232 sketches do.
"""

from __future__ import annotations

import re

MAX_LINE = 120
"""Longer lines are not numbers of an ECG."""

_SEPARATORS = re.compile(rb"[,;\t ]+")


class Decoder:
    """Takes rows of numbers out of a stream of bytes; holds at most one line.

    Attributes
    ----------
    good, bad : int
        Lines that were numbers or `!`, and lines that were something else.
    """

    def __init__(self) -> None:
        self.good = 0
        self.bad = 0
        self._rest = b""
        self._overlong = False
        self._joined = False

    def push(self, data: bytes) -> list[tuple[float, ...]]:
        """Take bytes in; return one tuple for each whole line, empty where the electrode is off."""
        *lines, rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        rows: list[tuple[float, ...]] = []
        for line in lines:
            row = None if self._overlong or len(line) > MAX_LINE else _row(line.strip())
            self._overlong = False
            # The first line may be the end of one that began before the reader came.
            if not self._joined:
                self._joined = True
                continue
            if not line:
                continue
            if row is None:
                self.bad += 1
            else:
                self.good += 1
                rows.append(row)
        if len(rest) > MAX_LINE:
            self._overlong = True
            rest = b""
        self._rest = rest
        return rows


def _row(line: bytes) -> tuple[float, ...] | None:
    if line == b"!":
        return ()
    try:
        row = tuple(float(field.rpartition(b":")[2]) for field in _SEPARATORS.split(line) if field)
    except ValueError:
        return None
    # float() also takes "nan" and "inf"; a wire that says so has no value there, which is not how lead-off is said.
    return row if row and all(abs(value) < 1e9 for value in row) else None


def encode(row: tuple[float, ...]) -> bytes:
    """Return the line of one sample, `!` for an empty row."""
    return (b",".join(b"%g" % value for value in row) or b"!") + b"\r\n"
