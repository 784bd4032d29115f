"""What a user says of a file that does not say it itself."""

from __future__ import annotations

import msgspec

UNITS = ("mv", "uv", "v", "adc")


class ReadAs(msgspec.Struct, frozen=True, kw_only=True):
    """What a user says of a file.

    Attributes
    ----------
    fs_hz : float or None
        Samples a second.
    unit : str or None
        One of `UNITS`.
    leads : tuple of str or None
        The leads to read, by name; or the names of all of them, where the file has none.
    """

    fs_hz: float | None = None
    unit: str | None = None
    leads: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.unit is not None and self.unit not in UNITS:
            raise ValueError(f"unit is one of {', '.join(UNITS)}, not {self.unit!r}")
        if self.fs_hz is not None and not 0 < self.fs_hz < 1e6:
            raise ValueError(f"fs_hz is {self.fs_hz}: a number of samples a second")
