"""Any file that holds a recording: told by what it is called and how it begins, and opened as what it is."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge.sources import Recording
from edge.sources.wfdb_record import open_record


class ReadAs(msgspec.Struct, frozen=True, kw_only=True):
    """What a user says of a file that does not say it itself.

    Attributes
    ----------
    fs_hz : float or None
        Samples a second.
    unit : str or None
        `mv`, `uv`, `v` or `adc`.
    leads : tuple of str or None
        The leads to read, by name.
    """

    fs_hz: float | None = None
    unit: str | None = None
    leads: tuple[str, ...] | None = None


def open_recording(name: str, data: Path | None = None, read_as: ReadAs | None = None) -> Recording:
    """Open a file or a record.

    Parameters
    ----------
    name : str
        A path, or a MIT-BIH name as `edge.sources.wfdb_record.find_record` knows it.
    data : Path, optional
        Folder to look in first.
    read_as : ReadAs, optional
        What the user says of it.

    Raises
    ------
    SourceError
        If it cannot be read, with what was understood and what is missing.
    """
    said = read_as or ReadAs()
    return open_record(name, data, leads=said.leads)
