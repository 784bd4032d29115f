"""What a file is that cannot be read as a recording, and what to do with it."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import NamedTuple

from edge.errors import SourceError
from edge.wfdb_format.annotations import decode_annotations, is_annotations

_HEAD = 1 << 12
_MOST_ENTRIES = 2000
_LONGEST = 200
_RECORDING = "give a recording: a WFDB record, a table or an EDF file"
_EXPORT = "export it as EDF or CSV, and give that"
_UNPACK = "unpack it, and give a recording in it"
_SHEET = ("is a document of a spreadsheet or office program", "save its sheet as CSV, and give that")
_PAGE = "give it a name that ends as its kind does (.png, .jpg, .pdf); `ecg-edge strip` reads ECG paper"


class FileKind(NamedTuple):
    """What a file is, as a sentence goes on, and what to do."""

    what: str
    fix: str


_BY_HEAD: tuple[tuple[re.Pattern[bytes], FileKind], ...] = tuple(
    (re.compile(pattern, re.DOTALL), FileKind(what, fix))
    for pattern, what, fix in (
        (rb"0       .{76}", "is an EDF file", "give it a name that ends in .edf"),
        (rb"\xffBIOSEMI", "is a BDF file", "give it a name that ends in .bdf"),
        (rb"MATLAB 5\.0 MAT-file", "is a MATLAB file", "give it a name that ends in .mat"),
        (rb"\x93NUMPY", "is a NumPy array", "give it a name that ends in .npy"),
        (rb"%PDF-", "is a PDF document", _PAGE),
        (rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8|BM.{4}\0\0\0\0|II\*\0|MM\0\*|RIFF.{4}WEBP", "is a picture", _PAGE),
        (rb".{4}ftyp(hei|mif|avif)", "is a picture", _PAGE),
        (rb"PK\x03\x04.{26}(\[Content_Types\]|_rels|xl/|docProps|mimetypeapplication/vnd\.oasis)", *_SHEET),
        (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", *_SHEET),
        (rb"PK\x03\x04|\x1f\x8b|BZh|\xfd7zXZ\0|7z\xbc\xaf\x27\x1c|Rar!|\x28\xb5\x2f\xfd", "is an archive", _UNPACK),
        (rb".{128}DICM", "is a DICOM file", "give it a name that ends in .dcm"),
        (rb"SCPECG|.{6,22}SCPECG", "is an SCP-ECG file", _EXPORT),
        (rb"(?i)\xef?\xbb?\xbf?\s*<(!doctype html|html|head|body)\b", "is a web page", "download the file itself"),
        (rb"\xef?\xbb?\xbf?\s*<\?xml|\xef?\xbb?\xbf?\s*<\w", "is an XML file", "give it a name that ends in .xml"),
        (rb"SQLite format 3\0", "is a database", _RECORDING),
        (rb".{4}TFL3", "is a model", "a model is chosen with --model"),
        (rb"\x89HDF\r\n\x1a\n|PAR1", "is a table in a form that is not read", "save it as CSV, and give that"),
        (rb'\{"id":"', "is a log of alerts", "give the recording that they are from"),
        (rb"\s*[\[{]", "is a JSON or TOML file", _RECORDING),
    )
)
_NO_TABLES = next(i for i, (_, kind) in enumerate(_BY_HEAD) if kind.what == "is an XML file")
"""The kinds before that one are told by bytes that no table begins with."""
_BY_SUFFIX = {
    "toml": FileKind("is a configuration", "a configuration is given with --config"),
    "dat": FileKind("is a signal file without its header", "fetch {stem}.hea as well"),
    "xws": FileKind("is a file of settings", _RECORDING),
    "qrs": FileKind("is an annotation file", "give the record that it is of"),
    "atr": FileKind("is an annotation file", "give the record that it is of"),
    "edge": FileKind("is an annotation file", "give the record that it is of"),
}


def kind_of_binary(head: bytes) -> FileKind | None:
    """Return what a file that begins so is, if it is certainly no table, whatever its name."""
    return next((kind for pattern, kind in _BY_HEAD[:_NO_TABLES] if pattern.match(head)), None)


def file_kind(path: Path) -> FileKind | None:
    """Return what is at a path, if it is anything but a header; None if nothing is there.

    Never reads more than the beginning, and nothing of pipes and devices.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return FileKind("is a link to nowhere", "fetch what it points to") if path.is_symlink() else None
    if stat.S_ISDIR(mode):
        return _folder(path)
    if stat.S_ISCHR(mode):
        return FileKind("is a device", "watch a board with `ecg-edge run --port`")
    if not stat.S_ISREG(mode):
        return FileKind("is no regular file", "copy it into one")
    return _regular(path)


def shown(name: str) -> str:
    """Return a name as it is shown, the end of a very long one left out."""
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…"


def cannot_be_read(name: str, error: OSError) -> SourceError:
    """Return the error that says why a file cannot be read."""
    return SourceError(shown(name), f"cannot be read, {error.strerror or error}", "check the path")


def is_annotation_file(path: Path) -> bool:
    """Return whether a file holds annotations in MIT format; judged by its end as well, for they have no mark."""
    if not path.is_file() or path.stat().st_size > 1 << 24:
        return False
    content = path.read_bytes()
    if is_annotations(content):
        return True
    try:
        found = decode_annotations(content)
    except ValueError:
        return False
    return len(found.symbols) > 1 and bool((found.samples[1:] >= found.samples[:-1]).all())


def _regular(path: Path) -> FileKind:
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        return FileKind("is an empty file", "fetch it again")
    by_suffix = _BY_SUFFIX.get(path.suffix.removeprefix(".").lower())
    if by_suffix is not None and not (path.suffix == ".dat" and is_annotation_file(path)):
        return FileKind(by_suffix.what, by_suffix.fix.format(stem=path.stem))
    by_head = next((kind for pattern, kind in _BY_HEAD if pattern.match(head)), None)
    if by_head is not None:
        return by_head
    if is_annotation_file(path):
        return _BY_SUFFIX["atr"]
    if all(9 <= byte <= 13 or byte >= 32 for byte in head):
        return FileKind("is a text", "if it is a table of samples, give it a name that ends in .csv")
    return FileKind("is a file of no known kind", _RECORDING)


def _folder(path: Path) -> FileKind:
    """Say what a folder holds, or those in it."""
    found = sorted(entry for _, entry in zip(range(_MOST_ENTRIES), path.iterdir(), strict=False))
    headers = [entry for entry in found if entry.suffix == ".hea" and entry.is_file()]
    if not headers:
        below = (sorted(entry.glob("*.hea")) for entry in found if entry.is_dir())
        headers = next((inside for inside in below if inside), [])
    if headers:
        return FileKind("is a folder", f"give the path of a record, such as {headers[0].with_suffix('')}")
    return FileKind("is a folder without records", "give the path of a recording")
