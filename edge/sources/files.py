"""Any file that holds a recording, opened as what it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edge.errors import SourceError
from edge.sources import Recording
from edge.sources.read_as import ReadAs
from edge.sources.wfdb_record import open_record

Open = Callable[[Path, ReadAs], Recording]


def open_recording(name: str, data: Path | None = None, read_as: ReadAs | None = None) -> Recording:
    """Open a file, or a record by its name.

    Parameters
    ----------
    name : str
        A path: a WFDB record, a table (CSV, TSV, TXT), EDF or BDF, NumPy or MATLAB, or a folder of records that follow
        each other, such as the recorder's; or a MIT-BIH name as `edge.sources.wfdb_record.find_record` knows it.
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
    path = Path(name) if "\0" not in name else Path()
    for place in [path] if data is None or path.is_absolute() else [data / path, path]:
        opened = _FORMS.get(place.suffix.lower())
        if opened is not None and place.exists() and not place.with_suffix(".hea").is_file():
            if not place.is_file():
                raise SourceError(name, "is no regular file", "give a recording")
            return opened(place, said)
        if place.is_dir() and not place.with_name(place.name + ".hea").is_file() and any(place.glob("*.hea")):
            from edge.sources.folder import FolderRecording  # noqa: PLC0415

            return FolderRecording(place, said.leads)
    return open_record(name, data, leads=said.leads)


def _table(path: Path, read_as: ReadAs) -> Recording:
    from edge.sources.table import open_table  # noqa: PLC0415

    return open_table(path, read_as)


def _edf(path: Path, read_as: ReadAs) -> Recording:
    from edge.sources.edf import EdfRecording  # noqa: PLC0415

    return EdfRecording(path, read_as)


def _matrix(path: Path, read_as: ReadAs) -> Recording:
    from edge.sources.matrix import open_matrix  # noqa: PLC0415

    return open_matrix(path, read_as)


_FORMS: dict[str, Open] = {
    **dict.fromkeys((".csv", ".tsv", ".txt", ".asc"), _table),
    **dict.fromkeys((".edf", ".bdf", ".rec"), _edf),
    **dict.fromkeys((".npy", ".npz", ".mat"), _matrix),
}
"""By suffix."""

SUFFIXES = tuple(_FORMS)
