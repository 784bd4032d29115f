"""What is to be read: records, folders, patterns, lists and URLs, as a list of locations."""

from __future__ import annotations

import csv
import glob
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from edge.errors import SourceError, one_line
from edge.fleet.errors import FleetError
from edge.fleet.fetch import MASTER, file_system, is_file, is_url
from edge.sources.wfdb_files import read_header
from edge.sources.wfdb_lookup import find_record
from edge.wfdb_format.header import MAX_BYTES, parse_header

HEADER = ".hea"
_FILES = (".edf", ".bdf")
"""What else is a recording in a folder; tables may be anything, and are read where a pattern or a name says so."""
COLUMN = "record"
"""The column of a manifest that says where a record is."""
_MAGIC = frozenset("*?[")


def locations(words: Sequence[str], data: Path | None = None) -> list[str]:
    """Return where the records are that are asked for, each once, in the order of the words.

    Parameters
    ----------
    words : sequence of str
        Each a record, as `ecg-edge replay` takes it; a folder, with all below it; a pattern (`**` crosses folders);
        a URL of any of these; or a list: `@FILE`, or a file that is called `RECORDS`.
    data : Path, optional
        Where names are looked up first.

    Returns
    -------
    list of str
        Absolute paths and URLs, of WFDB records without extension.

    Raises
    ------
    SourceError, FleetError
        If a word leads to nothing.
    """
    found: dict[str, None] = {}
    for word in words:
        found |= dict.fromkeys(_of(word, data))
    return list(found)


def _of(word: str, data: Path | None) -> list[str]:
    if word.startswith("@") or word.rstrip("/").rpartition("/")[2] == "RECORDS":
        return _listed(word.removeprefix("@"))
    if is_url(word):
        return _at_url(word)
    path = Path(word).expanduser()
    if path.is_dir() and not path.with_name(path.name + HEADER).is_file():
        return _some(word, _below(path))
    if _MAGIC & set(word) and not path.exists():
        patterns = (str(path.absolute()), f"{path.absolute()}{HEADER}")
        names = sorted({name for each in patterns for name in glob.glob(each, recursive=True)})  # noqa: PTH207
        folders = [Path(name) for name in names if Path(name).is_dir()] if "**" not in word else []
        return _some(
            word,
            [*_records(names, _segments_of_file, _suffixes(word)), *(one for each in folders for one in _below(each))],
        )
    if is_file(word) and (there := _beside(path, data)) is not None:
        return [str(there.absolute())]
    return [str(find_record(word, data).absolute())]


def _beside(path: Path, data: Path | None) -> Path | None:
    """Return the file of a name, if it is one and no part of a WFDB record."""
    places = [path] if data is None or path.is_absolute() else [data / path, path]
    return next((p for p in places if p.is_file() and not p.with_suffix(HEADER).is_file()), None)


def _some(word: str, found: list[str]) -> list[str]:
    if not found:
        raise SourceError(word, "no record is there", "give a folder or a pattern that holds .hea or .edf files")
    return found


def _below(folder: Path) -> list[str]:
    names = sorted(f"{root}/{file}" for root, _, files in os.walk(folder.absolute()) for file in files)
    return _records(names, _segments_of_file)


def _suffixes(pattern: str) -> tuple[str, ...]:
    return (*_FILES, Path(pattern).suffix.lower()) if is_file(pattern) else _FILES


def _records(names: Iterable[str], segments_of: Any, files: tuple[str, ...] = _FILES) -> list[str]:
    """Return the records among files, without those that are segments of others."""
    names = list(names)
    known = {name.removesuffix(HEADER) for name in names if name.endswith(HEADER)}
    records = [
        name.removesuffix(HEADER)
        for name in names
        if name.endswith(HEADER) or (name.lower().endswith(files) and name.rpartition(".")[0] not in known)
    ]
    masters = {match[1] for name in records if (match := MASTER.fullmatch(name)) and match[1] in known}
    segments = {f"{master.rpartition('/')[0]}/{part}" for master in masters for part in segments_of(master)}
    return [name for name in records if name not in segments]


def _segments_of_file(master: str) -> list[str]:
    try:
        return [part for part, _ in read_header(Path(master + HEADER)).segments]
    except SourceError:
        return []


def _at_url(url: str) -> list[str]:
    system, path = file_system(url)

    def segments_of(master: str) -> list[str]:
        try:
            return [part for part, _ in parse_header(system.cat_file(master + HEADER, end=MAX_BYTES)).segments]
        except (OSError, ValueError):
            return []

    try:
        if _MAGIC & set(path):
            patterns = (path, path + HEADER) if not path.endswith("*") else (path,)
            names = [name for each in patterns for name in system.glob(each)]
        elif is_file(path) and system.isfile(path):
            return [system.unstrip_protocol(path)]
        elif system.exists(record := path.removesuffix(HEADER) + HEADER):
            names = [record]
        else:
            names = system.find(path)
    except Exception as error:  # each kind of store has its own
        raise SourceError(url, f"cannot be listed, {one_line(str(error))}", "check address and credentials") from error
    return _some(
        url, [system.unstrip_protocol(name) for name in _records(sorted(set(names)), segments_of, _suffixes(path))]
    )


def _listed(name: str) -> list[str]:
    """Return the locations that a list names; relative ones are beside the list."""
    try:
        rows = _table(name) if name.endswith((".csv", ".parquet")) else _lines(name)
    except (OSError, UnicodeDecodeError, SourceError) as error:
        raise FleetError(name, f"the list cannot be read, {error}", "check its path") from error
    if is_url(name):
        base = name.rpartition("/")[0]
        return [row if is_url(row) else f"{base}/{row}".removesuffix(HEADER) for row in rows]
    folder = Path(name).expanduser().absolute().parent
    return [row if is_url(row) else os.path.normpath(folder / row).removesuffix(HEADER) for row in rows]


def _open(name: str, mode: str, **words: str) -> Any:
    import fsspec  # noqa: PLC0415  (takes a while to import)

    return fsspec.open(name if is_url(name) else str(Path(name).expanduser()), mode, **words)


def _lines(name: str) -> list[str]:
    with _open(name, "rt", encoding="utf-8-sig") as file:
        lines = [line.strip() for line in file]
    return [line for line in lines if line and not line.startswith("#") and not line.endswith("/")]


def _table(name: str) -> list[str]:
    if name.endswith(".parquet"):
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        try:
            with _open(name, "rb") as file:
                table = pq.ParquetFile(file)
                columns = table.schema_arrow.names
                rows = table.read([COLUMN])[COLUMN].to_pylist() if COLUMN in columns else []
        except pa.ArrowException as error:
            raise FleetError(name, f"is no Parquet file, {error}", "check the list") from error
    else:
        with _open(name, "rt", encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows = [row.get(COLUMN) for row in reader]
            columns = list(reader.fieldnames or [])
    if COLUMN not in columns:
        raise FleetError(name, f"has no column {COLUMN!r}", f"its columns are {', '.join(map(str, columns)) or 'none'}")
    return [str(row) for row in rows if row]
