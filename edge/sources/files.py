"""Any file that holds a recording, opened as what it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edge.sources import Recording
from edge.sources.file_kind import cannot_be_read
from edge.sources.read_as import ReadAs
from edge.sources.wfdb_record import open_record

Open = Callable[[Path, ReadAs], Recording]


def open_recording(name: str, data: Path | None = None, read_as: ReadAs | None = None) -> Recording:
    """Open a file, or a record by its name.

    Parameters
    ----------
    name : str
        A path: a WFDB record, a table (CSV, TSV, TXT), EDF or BDF, NumPy or MATLAB, HL7 aECG or MUSE (XML), DICOM, a
        picture of ECG paper or a PDF, or a folder of records that follow each other, such as the recorder's; or a
        MIT-BIH name as `edge.sources.wfdb_lookup.find_record` knows it.
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
    path = Path(name)
    # No file is named by nothing; what is said of such names is said in one place.
    places = [path] if data is None or path.is_absolute() else [data / path, path]
    for place in places if name and "\0" not in name else []:
        try:
            opened = _opener(place)
        except OSError as error:
            raise cannot_be_read(name, error) from error
        if opened is not None:
            return opened(place, said)
    return open_record(name, data, leads=said.leads)


def _opener(place: Path) -> Open | None:
    """Decide what a path is by; None if it is a WFDB record, or nothing that can be read."""
    if place.is_dir():
        whole = place.resolve()
        has_header = bool(whole.name) and whole.with_name(whole.name + ".hea").is_file()
        return _folder if not has_header and bool(list(place.glob("*.hea"))) else None
    opened = _FORMS.get(place.suffix.lower())
    return opened if opened is not None and place.is_file() and not place.with_suffix(".hea").is_file() else None


def _folder(path: Path, read_as: ReadAs) -> Recording:
    from edge.sources.folder import FolderRecording  # noqa: PLC0415

    return FolderRecording(path if path.name not in ("", "..") else path.resolve(), read_as.leads)


def _table(path: Path, read_as: ReadAs) -> Recording:
    from edge.sources.table import open_table  # noqa: PLC0415

    return open_table(path, read_as)


def _edf(path: Path, read_as: ReadAs) -> Recording:
    from edge.sources.edf import EdfRecording  # noqa: PLC0415

    return EdfRecording(path, read_as)


def _matrix(path: Path, read_as: ReadAs) -> Recording:
    from edge.sources.matrix import open_matrix  # noqa: PLC0415

    return open_matrix(path, read_as)


def _xml(path: Path, read_as: ReadAs) -> Recording:
    from edge.sources.xml_ecg import open_xml  # noqa: PLC0415

    return open_xml(path, read_as)


def _dicom(path: Path, read_as: ReadAs) -> Recording:
    from edge.sources.dicom import open_dicom  # noqa: PLC0415

    return open_dicom(path, read_as)


def _paper(path: Path, read_as: ReadAs) -> Recording:
    from edge.sources.paper import open_paper  # noqa: PLC0415

    return open_paper(path, read_as)


_PICTURES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".heic", ".heif", ".avif", ".pdf")

_FORMS: dict[str, Open] = {
    **dict.fromkeys((".csv", ".tsv", ".txt", ".asc"), _table),
    **dict.fromkeys((".edf", ".bdf", ".rec"), _edf),
    **dict.fromkeys((".npy", ".npz", ".mat"), _matrix),
    ".xml": _xml,
    **dict.fromkeys((".dcm", ".dicom"), _dicom),
    **dict.fromkeys(_PICTURES, _paper),
}
"""By suffix."""

SUFFIXES = tuple(_FORMS)
