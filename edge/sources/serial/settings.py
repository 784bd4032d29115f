"""What a user says of a sensor; imports nothing heavy, for every command reads it."""

from __future__ import annotations

from typing import Literal

import msgspec

FormatName = Literal["native", "text", "openview", "cyton"]
BoardName = Literal["ads1292r", "ads1293", "max30001", "max30102", "healthypi4", "healthypi5"]
Unit = Literal["auto", "adc", "uv", "mv"]

AUTO: Literal["auto"] = "auto"
BAUD = 115200
MIN_HZ, MAX_HZ = 100.0, 1000.0
"""Rates the stages can serve."""
MAX_COLUMNS = 32


class BoardSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a board does not say of itself; None leaves it to the format.

    Attributes
    ----------
    rate_hz : float or None
        Sampling rate; measured where the board does not say it, asked for where the board can change it.
    leads : tuple of str or None
        Names of the leads, in column order; of a board that names its columns, which of them are leads.
    columns : tuple of int or str, or None
        Columns of a text board that are leads, by number from 1 or by name; None leaves out what is no ECG.
    board : BoardName or None
        Which board it is, where several send packets that look alike.
    unit : Unit
        What the numbers of a text board are.
    uv_per_lsb : float or None
        Microvolts at the electrodes per ADC count.
    zero : float or None
        ADC count at 0 mV.
    channels : tuple of int
        Channels of an OpenBCI board that carry ECG, from 1.
    """

    rate_hz: float | None = None
    leads: tuple[str, ...] | None = None
    columns: tuple[int | str, ...] | None = None
    board: BoardName | None = None
    unit: Unit = "auto"
    uv_per_lsb: float | None = None
    zero: float | None = None
    channels: tuple[int, ...] = (1, 2)

    def __post_init__(self) -> None:
        if self.rate_hz is not None and not MIN_HZ <= self.rate_hz <= MAX_HZ:
            raise ValueError("rate_hz takes 100 to 1000")
        if self.uv_per_lsb is not None and not 0 < self.uv_per_lsb < 1e6:
            raise ValueError("uv_per_lsb takes a number above 0")
        if not self.channels or not all(1 <= channel <= 8 for channel in self.channels):
            raise ValueError("channels takes numbers from 1 to 8")
        if self.leads is not None and (not all(self.leads) or len(set(self.leads)) < len(self.leads)):
            raise ValueError("leads takes different names")
        if self.columns is not None and (not self.columns or len(set(self.columns)) < len(self.columns)):
            raise ValueError("columns takes different numbers from 1, or names")
        if any(isinstance(column, int) and not 1 <= column <= MAX_COLUMNS for column in self.columns or ()):
            raise ValueError(f"columns takes numbers from 1 to {MAX_COLUMNS}, or names")


class Sensor(BoardSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[sensor]`: where samples come from, live.

    Attributes
    ----------
    port : str
        Path, pyserial URL (`socket://host:port`, `rfc2217://host:port`), `usb:VID:PID[:SERIAL]` or `auto`.
    baud : int
        Line speed; of no meaning to boards with their own USB, sockets and ptys.
    format : str
        `auto`, `native`, `text`, `openview` or `cyton`.
    wait : bool
        Wait for a port that is not there at the start instead of giving up.
    queue : int
        How many messages of the board are kept for a pipeline that is busy.
    """

    port: str = AUTO
    baud: int = BAUD
    format: FormatName | Literal["auto"] = AUTO
    wait: bool = False
    queue: int = 2048

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.port:
            raise ValueError("port takes a path, an address, usb:VID:PID or auto")
        if not 300 <= self.baud <= 12_000_000:
            raise ValueError("baud takes 300 to 12000000")
        if self.queue < 8:
            raise ValueError("queue takes at least 8")
