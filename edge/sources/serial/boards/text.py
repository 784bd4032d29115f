"""Boards that send lines of numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.sources.serial.boards.items import Block, Description, Item
from edge.sources.serial.settings import BoardSettings, FormatName, Unit
from firmware_bridge import text

# AD8232 of gain 1,100 on a 10-bit converter of 5 V (Uno, Nano) and on a 12-bit one of 3.3 V (ESP32, RP2040).
_ADC_10 = (5e6 / 1024 / 1100, 512.0, (0, 1023))
_ADC_12 = (3.3e6 / 4096 / 1100, 2048.0, (0, 4095))
_ROWS_TO_JUDGE = 100


class Text:
    """Lines of numbers."""

    name: FormatName = "text"
    wake = b""

    def __init__(self, options: BoardSettings) -> None:
        self._options = options
        self._decoder = text.Decoder()
        self._first: list[tuple[float, ...]] = []
        self._n_leads = 0
        self._scale, self._zero = 1.0, 0.0
        self._misfits = 0

    @property
    def good(self) -> int:
        """Lines understood."""
        return self._decoder.good - self._misfits

    @property
    def bad(self) -> int:
        """Lines that were something else."""
        return self._decoder.bad + self._misfits

    def push(self, data: bytes) -> list[Item]:
        """Take bytes in; return what they lead to."""
        rows = self._decoder.push(data)
        if self._n_leads:
            return self._block(rows)
        self._first += rows
        if len(self._first) < _ROWS_TO_JUDGE or not any(self._first):
            self._first = self._first[-10 * _ROWS_TO_JUDGE :]
            return []
        return [self._judge(), *self._block(self._first)]

    def _block(self, rows: list[tuple[float, ...]]) -> list[Item]:
        fitting = [row for row in rows if len(row) in (0, self._n_leads)]
        self._misfits += len(rows) - len(fitting)
        if not fitting:
            return []
        nothing = (np.nan,) * self._n_leads
        values = np.array([row or nothing for row in fitting])
        mv = ((values - self._zero) * self._scale).astype(np.float32)
        return [Block(stream=0, counter=None, board_us=None, mv=mv)]

    def _judge(self) -> Description:
        """Find out from the first lines how many leads there are and what the numbers mean."""
        rows = [row for row in self._first if row]
        lengths = [len(row) for row in rows]
        self._n_leads = max(set(lengths), key=lengths.count)
        values = np.array([row for row in rows if len(row) == self._n_leads])
        unit = self._options.unit if self._options.unit != "auto" else _unit_of(values)
        limits = None
        if unit == "adc":
            uv, zero, limits = _ADC_10 if values.max() <= 1023 else _ADC_12
            uv = self._options.uv_per_lsb or uv
            self._zero = zero if self._options.zero is None else self._options.zero
            self._scale = uv * 1e-3
            unit_text = f"ADC counts, {uv:.3g} µV each, {self._zero:g} taken as 0 mV"
        else:
            self._zero = self._options.zero or 0.0
            self._scale = 1e-3 if unit == "uv" else 1.0
            unit_text = "µV" if unit == "uv" else "mV"
        names, n = self._options.leads, self._n_leads
        return Description(
            stream=0,
            name="text-board",
            fs_hz=self._options.rate_hz,
            leads=names if names and len(names) == n else tuple(f"lead{i + 1}" for i in range(n)),
            range_mv=((self._mv(limits[0]), self._mv(limits[1])),) * n if limits else None,
            what=f"text, {n} column{'s' if n > 1 else ''}, {unit_text}",
            modulo=None,
        )

    def _mv(self, value: float) -> float:
        return (value - self._zero) * self._scale


def _unit_of(values: NDArray[np.float64]) -> Unit:
    """Guess: whole numbers from 0 to 4095 are a converter's, other whole ones µV, broken ones mV."""
    if np.any(values != np.round(values)):
        return "mv"
    return "adc" if values.min() >= 0 and values.max() <= 4095 else "uv"
