"""Uploaded files on the disk: under names of ours only, whatever they were called."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from edge.errors import EcgEdgeError, one_line

_SIGNALS = ".hea .dat .csv .txt .tsv .edf .bdf .rec .npy .npz .mat .xml .scp .ecg .dcm"
_PICTURES = ".png .jpg .jpeg .tif .tiff .bmp .webp .pdf"
KINDS = (*_SIGNALS.split(), *_PICTURES.split())
"""What an uploaded file's name may end with."""

MOST_FILES = 64
_MAX_HEADER = 1_000_000
_MAX_NAME = 100


class UploadError(EcgEdgeError):
    """What was uploaded cannot be analysed, and what would be needed."""


def shown_name(name: str) -> str:
    r"""Return what a file is called, for people: one printable line without folders, the middle of a long one left out.

    >>> shown_name("C:\\data\\day 1.csv"), shown_name("<b>\n.csv")
    ('day 1.csv', '<b> .csv')
    """
    last = one_line(PurePosixPath(name.replace("\\", "/")).name or "unnamed")
    end = PurePosixPath(last).suffix[:_MAX_NAME]
    return last if len(last) <= _MAX_NAME else f"{last[: _MAX_NAME - len(end) - 1]}…{end}"[:_MAX_NAME]


def ending(name: str) -> str:
    """Return how a name ends, in small letters.

    Raises
    ------
    UploadError
        If that is no kind of file that could be an ECG.
    """
    suffix = PurePosixPath(shown_name(name)).suffix.lower()
    if suffix not in KINDS:
        raise UploadError(f"{shown_name(name)}: not a kind of file that is read", f"upload one of {', '.join(KINDS)}")
    return suffix


def stored_names(names: list[str]) -> tuple[dict[str, str], str]:
    """Return under which name each uploaded file is kept, and which of these is to be read.

    Parameters
    ----------
    names : list of str
        What the files are called; a WFDB record is a header and the files it names, everything else one file.

    Raises
    ------
    UploadError
        If they do not make one recording.
    """
    shown = [shown_name(name) for name in names]
    if len(set(shown)) < len(shown):
        raise UploadError("two files have the same name")
    kinds = [ending(name) for name in shown]
    if kinds in ([".hea"], [".dat"]):
        raise UploadError(f"{shown[0]}: half a WFDB record", "upload the header (.hea) and the signal (.dat) together")
    if len(names) == 1:
        return {shown[0]: f"upload{kinds[0]}"}, f"upload{kinds[0]}"
    if kinds.count(".hea") != 1:
        raise UploadError(f"{len(names)} files are no one recording", "upload one file, or one header and its signals")
    kept = {name: f"signal{i}{kind}" for i, (name, kind) in enumerate(zip(shown, kinds, strict=True))}
    kept[shown[kinds.index(".hea")]] = "record.hea"
    return kept, "record.hea"


def rename_in_header(text: bytes, kept: Mapping[str, str]) -> bytes:
    """Return a WFDB header that names its record and its signal files as they are kept here.

    Raises
    ------
    UploadError
        If it is too long, or names a file that was not uploaded.
    """
    if len(text) > _MAX_HEADER:
        raise UploadError("the header is longer than any", "upload the .hea file of a WFDB record")
    lines, first = [], True
    for line in text.decode("latin-1").splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            lines.append(line)
            continue
        name, _, rest = stripped.partition(" ")
        if first:
            if "/" in name:
                raise UploadError("a record of several segments", "upload its segments one by one")
            first, name = False, "record"
        elif name not in kept:
            raise UploadError(f"the header names {shown_name(name)}, which was not uploaded", "upload it, too")
        else:
            name = kept[name]
        lines.append(f"{name} {rest}")
    return ("\n".join(lines) + "\n").encode("latin-1")


class Folders:
    """Where uploads and results are.

    Parameters
    ----------
    root : Path
        A folder of ours.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def make(self) -> None:
        """Make the folder, for ourselves only.

        Raises
        ------
        UploadError
            If that is not possible.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise UploadError(f"{self.root}: {error.strerror}", "give another folder with --data") from error

    def of(self, analysis_id: str) -> Path:
        """Return the folder of an analysis."""
        if not re.fullmatch(r"[0-9a-f]{32}", analysis_id):
            raise ValueError(analysis_id)
        return self.root / analysis_id

    def uploads(self, analysis_id: str) -> Path:
        """Return where its uploaded files are until it is over."""
        return self.of(analysis_id) / "in"

    def result(self, analysis_id: str, name: str) -> Path:
        """Return where a result of it is."""
        return self.of(analysis_id) / name

    def forget_uploads(self, analysis_id: str) -> None:
        """Delete its uploaded files."""
        shutil.rmtree(self.uploads(analysis_id), ignore_errors=True)

    def forget(self, analysis_id: str) -> None:
        """Delete all of it."""
        shutil.rmtree(self.of(analysis_id), ignore_errors=True)
