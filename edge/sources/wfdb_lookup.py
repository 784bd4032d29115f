"""Where a WFDB record is that somebody names: by its path, by that of one of its files, or by its MIT-BIH name."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import platformdirs

from edge.errors import SourceError
from edge.sources.file_kind import cannot_be_read, file_kind, is_annotation_file, shown
from edge.sources.wfdb_files import read_header

_PARTS = (".hea", ".dat", ".atr", ".edge")
"""Whichever of a record's files is named, the record is meant."""
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)


def find_record(record: str, data: Path | None = None) -> Path:
    """Find a record by path, or a MIT-BIH record by name.

    Parameters
    ----------
    record : str
        Path, with or without extension, or a name looked up in `data`, `$ECG_EDGE_DATA/mitdb` and the cache, and
        downloaded from PhysioNet into the cache if it is in none of them.
    data : Path, optional
        Folder to look in first.

    Returns
    -------
    Path
        The record's path without extension.

    Raises
    ------
    SourceError
        If there is no such record anywhere, or it is something else: then what, and what to do.
    """
    if not Path(record).name or "\0" in record:
        raise SourceError(repr(record), "is no name of a record", "give its path without extension")
    if (address := _ADDRESS.match(record)) is not None:
        of_board = address[1].lower() in ("socket", "rfc2217", "loop", "spy")
        fix = "a board is watched with `ecg-edge run --port`" if of_board else "fetch what is there, and give its path"
        raise SourceError(record, "is an address, not a file", fix)
    given = Path(record).expanduser()
    is_name = given.name == str(given) and given.name not in (".", "..")
    places = _places(given, data, is_name=is_name)
    try:
        for place in places:
            if (found := _record_at(place)) is not None:
                return found
        what = next((kind for kind in map(file_kind, places) if kind is not None), None)
    except OSError as error:
        raise cannot_be_read(record, error) from error
    if what is not None:
        raise SourceError(shown(record), what.what, what.fix)
    looked = ", ".join(str(place.parent) for place in places)
    if is_name and given.name.isdecimal() and len(given.name) == 3:
        return _download(given.name, looked)
    reason = f"no such record (looked in {looked})"
    raise SourceError(shown(record), reason, "give its path without extension, or --data DIR")


def _places(given: Path, data: Path | None, *, is_name: bool) -> Sequence[Path]:
    places = [given] if data is None or given.is_absolute() else [data / given, given]
    if is_name:
        root = os.environ.get("ECG_EDGE_DATA")
        places += [Path(root) / "mitdb" / given] if root else []
        places += [_cache() / "mitdb" / given]
    return places


def _record_at(place: Path) -> Path | None:
    """Return the record at a place, also where that is one of its files; None if there is none."""
    if place.name in ("", ".."):
        return None
    if place.with_name(place.name + ".hea").is_file():
        return place
    if not place.suffix or not place.with_suffix(".hea").is_file():
        return None
    is_part = place.suffix in _PARTS or is_annotation_file(place) or _is_signal_file(place)
    return place.with_suffix("") if is_part else None


def _is_signal_file(place: Path) -> bool:
    try:
        header = read_header(place.with_suffix(".hea"))
    except SourceError:
        return False
    return place.name in {signal.file for signal in header.signals}


def _cache() -> Path:
    return platformdirs.user_cache_path("ecg-edge")


def _download(name: str, looked: str) -> Path:
    import wfdb  # noqa: PLC0415  (takes a second to import)

    folder = _cache() / "mitdb"
    try:
        wfdb.dl_database("mitdb", str(folder), records=[name], annotators=["atr"])
    except Exception as error:  # no network, no such record, a proxy's page: all the same to the user
        reason = f"not in {looked}, and PhysioNet could not be reached ({type(error).__name__})"
        raise SourceError(name, reason, "give --data DIR or set ECG_EDGE_DATA") from error
    return folder / name
