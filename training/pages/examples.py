"""Pages with known classes: read as the device reads them, measured, and grouped by what must stay together."""

from __future__ import annotations

import functools
import hashlib
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import edge
from edge.errors import SourceError
from edge.features import page
from edge.features.page import Measured
from edge.findings.analyze import findings_of
from edge.findings.page import measured_of
from edge.inference.beat_model import BeatModel
from edge.inference.page_model import TITLES
from edge.paper import digitize
from edge.sinks.outputs import refuse
from edge.sources.paper import recording_of

DATABASES = ("ecg_images", "ecg_pages")
CLASSES = tuple(TITLES)
_FOLDERS = {"Normal": "normal", "HB": "abnormal", "MI": "mi", "PMI": "past_mi"}
SAME_PATIENT = (
    ("ecg_images/MI/MI_4", "ecg_images/MI/MI_5"),
    ("ecg_images/HB/HB_93", "ecg_images/HB/HB_94"),
)
"""Said by those who published the pages."""
COPIES = {"normal": 2, "abnormal": 1, "mi": 8, "past_mi": 2}
"""How often a page stands in the set as it was published, Mendeley Data gwbz3fsgp8; of MI seven or eight times."""

_SAME_HASH = 12
"""Bits of the hash, of 192, in which copies of one picture may differ."""
_SAME_BEATS = 0.99
"""Correlation of all median beats from which on two pages are taken to be one patient's."""
_ROOMS = ("paper", "features", "stages", "sources")

Progress = Callable[[str], object]


@dataclass(frozen=True)
class Examples:
    """Pages that can be learnt from, and the names of those that cannot.

    Attributes
    ----------
    names : str array, shape (n,)
        ``database/class/picture``.
    labels : int64 array, shape (n,)
        Numbers of `CLASSES`.
    beats : float32 array, shape (n, WINDOW, leads)
        As in `edge.features.page.Measured`.
    numbers : float32 array, shape (n, k)
        As there.
    groups : int64 array, shape (n,)
        Pages of one number are of one patient, or may be.
    refused : str array, shape (m, 2)
        Names of pictures that gave no example, and why.
    """

    names: NDArray[np.str_]
    labels: NDArray[np.int64]
    beats: NDArray[np.float32]
    numbers: NDArray[np.float32]
    groups: NDArray[np.int64]
    refused: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, which: NDArray[np.int64]) -> Examples:
        """Return some of the pages, in that order, again and again if their numbers say so."""
        return Examples(
            self.names[which],
            self.labels[which],
            self.beats[which],
            self.numbers[which],
            self.groups[which],
            self.refused,
        )


def gather(data: Path, cache: Path, progress: Progress = print) -> Examples:
    """Read all pages, or take what was measured of them from `cache`.

    Parameters
    ----------
    data : Path
        Folder with `ecg_images` and `ecg_pages`; in them a folder for each class.
    cache : Path
        Folder for what was measured; made anew when pictures or code have changed.
    progress : callable
        Called with a line now and then.

    Raises
    ------
    SourceError
        If there are no pages.
    """
    paths = [path for database in DATABASES for path in sorted((data / database).glob("*/*.jpg"))]
    paths = [path for path in paths if path.parent.name in _FOLDERS]
    if not paths:
        raise SourceError(
            str(data), f"has no pages in {' or '.join(DATABASES)}", "give --data the folder that holds them"
        )
    file, key = cache / "pages.npz", _key(paths)
    there = _load(file, key)
    if there is not None:
        return there
    made = _read(paths, progress)
    cache.mkdir(parents=True, exist_ok=True)
    refuse(file, is_ours=lambda head: head[30:37] == b"key.npy")
    part = file.with_suffix(".part.npz")
    np.savez(part, key=key, **vars(made))
    part.replace(file)
    return made


def read_page(path: Path, model: BeatModel) -> Measured | str:
    """Return what is measured of a picture, as the device does it, or why nothing is.

    Parameters
    ----------
    path : Path
        The picture.
    model : BeatModel
        Labels the beats.
    """
    read = digitize(path)
    if read.refused is not None:
        return read.refused.reason
    return measured_of(read, findings_of(recording_of(read, path.stem), model))


def _read(paths: Sequence[Path], progress: Progress) -> Examples:
    names, labels, kept, refused = [], [], [], []
    with BeatModel.load() as model:
        for number, path in enumerate(paths):
            if number % 50 == 0:
                progress(f"page {number} of {len(paths)}")
            name = "/".join([*path.parts[-3:-1], path.stem])
            measured = read_page(path, model)
            if isinstance(measured, str):
                refused.append((name, measured))
                continue
            names.append(name)
            labels.append(CLASSES.index(_FOLDERS[path.parent.name]))
            kept.append(measured)
    beats = np.stack([measured.beats for measured in kept])
    return Examples(
        names=np.array(names),
        labels=np.array(labels, np.int64),
        beats=beats,
        numbers=np.stack([measured.numbers for measured in kept]),
        groups=groups_of(names, beats),
        refused=np.array(refused, np.str_).reshape(-1, 2),
    )


def groups_of(names: Sequence[str], beats: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return a number per page; pages that are copies, or one patient's, have the same.

    Parameters
    ----------
    names : sequence of str
        As in `Examples`.
    beats : float32 array, shape (n, WINDOW, leads)
        Median beats.
    """
    number = np.arange(len(names))

    def join(a: int, b: int) -> None:
        number[number == number[b]] = number[a]

    place = {name: i for i, name in enumerate(names)}
    for first, second in SAME_PATIENT:
        if first in place and second in place:
            join(place[first], place[second])
    alike = np.corrcoef(beats.reshape(len(beats), -1)) >= _SAME_BEATS
    bits = hashes(beats)
    differ = np.count_nonzero(bits[:, None] != bits[None], axis=2)
    for a, b in np.argwhere(np.triu(alike | (differ <= _SAME_HASH), 1)):
        join(int(a), int(b))
    return np.asarray(np.unique(number, return_inverse=True)[1], np.int64)


def hashes(beats: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return a perceptual hash of what was drawn, shape (n, 192): where traces rise."""
    n = len(beats)
    looks = beats[:, 8:, :].transpose(0, 2, 1).reshape(n, len(page.LEADS), 16, 4).mean(axis=3)
    rises = np.diff(looks, axis=2, append=looks[:, :, :1]) > 0
    return np.asarray(rises.reshape(n, -1), np.bool_)


@functools.cache
def _code() -> bytes:
    """Return the hash of the modules a page passes through."""
    root = Path(edge.__file__).parent
    paths = [path for room in _ROOMS for path in (root / room).rglob("*.py")]
    paths = sorted([*paths, root / "findings" / "page.py", Path(__file__)])
    return hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in paths)).digest()


def _key(paths: Sequence[Path]) -> str:
    contents = [str(path.name).encode() + hashlib.sha256(path.read_bytes()).digest() for path in paths]
    return hashlib.sha256(b"".join([_code(), *contents])).hexdigest()


def _load(path: Path, key: str) -> Examples | None:
    try:
        with np.load(path) as arrays:
            if str(arrays["key"]) != key:
                return None
            return Examples(**{name: arrays[name] for name in arrays.files if name != "key"})
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile):
        return None
