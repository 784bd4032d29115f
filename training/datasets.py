"""From annotated records to labelled beats, through the very stages that run on the device."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

import edge
from edge.errors import SourceError
from edge.features.fingerprint import FINGERPRINT
from edge.messages import FS_HZ, Beat, Label, Samples, Stream
from edge.pipeline import Chain, front_end
from edge.sinks.outputs import refuse
from edge.sources.wfdb_files import read_header
from edge.sources.wfdb_record import WfdbRecord
from edge.stages import Stage
from edge.timebase import Rates
from edge.wfdb_format.annotations import decode_annotations

CLASSES: tuple[Label, ...] = ("N", "S", "V", "F", "Q")
"""AAMI EC57 classes, in the order of their numbers here and of a model's output."""

MATCH_S = 0.15
"""How far a detected beat may be from the annotated one, EC57's window."""

_SYMBOLS = {
    "N": "NLRejnB",
    "S": "AaJS",
    "V": "VEr",
    "F": "F",
    "Q": "/fQ?",
}
_NUMBER = {symbol: CLASSES.index(label) for label, symbols in _SYMBOLS.items() for symbol in symbols}
_BLOCK = 65536
_ROOMS = ("features", "sources", "stages", "wfdb_format")
"""Packages of `edge` that a beat passes through; its modules at the root are hashed as well."""

Labels = NDArray[np.int8]
"""Numbers of `CLASSES`, -1 for no beat."""

ONE_LEAD_TOO: tuple[Sequence[int] | None, ...] = (None, (0,), (1,))
"""Both leads, and each alone: a model must also do with one, found and described as it is with one."""


@dataclass(frozen=True)
class LabelledBeats:
    """Beats of one record.

    Attributes
    ----------
    database, record : str
        Where they are from.
    variant : str
        How it was read: empty as it is, ``"0"`` or ``"1"`` with that lead alone, or its kind, see `training.synthesis`.
    windows : float32 array, shape (n, WINDOW, LEADS)
        As in `edge.messages.Beat`.
    features : float32 array, shape (n, k)
        As in `edge.messages.Beat`.
    labels : int8 array, shape (n,)
        Numbers of `CLASSES`; -1 for a detection that no annotated beat answers to.
    samples : int64 array, shape (n,)
        R peaks at `FS_HZ`.
    usable, noisy : bool array, shape (n,)
        As in `edge.messages.Beat`.
    missed : int64 array, shape (len(CLASSES),)
        Annotated beats that were not detected, by class.
    """

    database: str
    record: str
    variant: str
    windows: NDArray[np.float32]
    features: NDArray[np.float32]
    labels: NDArray[np.int8]
    samples: NDArray[np.int64]
    usable: NDArray[np.bool_]
    noisy: NDArray[np.bool_]
    missed: NDArray[np.int64]


def records_of(folder: Path) -> tuple[str, ...]:
    """Return the names of the records in a folder that have beat annotations.

    Raises
    ------
    SourceError
        If there are none.
    """
    names = tuple(sorted(path.stem for path in folder.glob("*.hea") if path.with_suffix(".atr").exists()))
    if not names:
        raise SourceError(str(folder), "has no annotated records", "run ecg-train fetch, or give --data its place")
    return names


def locate(database: str, data: Path) -> Path:
    """Return the folder of a database below `data`, downloading it if it is not there."""
    folder = data / database
    return folder if folder.is_dir() else fetch(database, data)


def fetch(database: str, folder: Path) -> Path:
    """Download a PhysioNet database (`mitdb`, `svdb`) into `folder/database`; what is there already is kept."""
    import wfdb  # noqa: PLC0415 - brings pandas and matplotlib

    target = folder / database
    target.mkdir(parents=True, exist_ok=True)
    try:
        wfdb.dl_database(database, str(target), overwrite=False)
    except Exception as error:  # whatever the network layers below raise
        with contextlib.suppress(OSError):  # what has come already is kept; an empty folder would pass for a database
            target.rmdir()
        raise SourceError(
            database, f"cannot be downloaded ({error})", "check the connection and run it again"
        ) from None
    return target


def read_beats(
    folder: Path,
    record: str,
    leads: Sequence[int] | None = None,
    stages: Callable[[Stream], Sequence[Stage]] = front_end,
) -> LabelledBeats:
    """Run a record through the front end and label its beats.

    Parameters
    ----------
    folder : Path
        A WFDB database; its name is taken as the database's.
    record : str
        Record name.
    leads : sequence of int, optional
        The leads to use, all by default; a model must also do with one.
    stages : callable
        Makes the stages from samples to beats.

    Returns
    -------
    LabelledBeats
        All beats detected.

    Raises
    ------
    SourceError
        If the record cannot be read.
    """
    stream, mv, annotated, classes = _read(folder / record, leads)
    chain = Chain(list(stages(stream)))
    beats = [message for message in _run(chain, mv) if isinstance(message, Beat)]
    if not beats:
        raise SourceError(record, "has no beat that can be found", "leave it out")
    samples = np.array([beat.sample for beat in beats], np.int64)
    labels, missed = match(samples, Rates(stream.fs_hz).all_to_stages(annotated), classes)
    return LabelledBeats(
        database=folder.name,
        record=record,
        variant="" if leads is None else "".join(map(str, leads)),
        windows=np.stack([beat.window for beat in beats]),
        features=np.stack([beat.features for beat in beats]),
        labels=labels,
        samples=samples,
        usable=np.array([beat.usable for beat in beats], np.bool_),
        noisy=np.array([beat.noisy for beat in beats], np.bool_),
        missed=missed,
    )


def match(
    found: NDArray[np.int64], annotated: NDArray[np.int64], classes: NDArray[np.int8]
) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Give each detected beat the class of the annotated one nearest to it, each used once.

    Parameters
    ----------
    found, annotated : int64 array, shape (n,) and (m,)
        Sorted samples at `FS_HZ`.
    classes : int8 array, shape (m,)
        Of the annotated beats.

    Returns
    -------
    int8 array, shape (n,)
        Class numbers, -1 where nothing matches.
    int64 array, shape (len(CLASSES),)
        How many annotated beats of each class were not detected.
    """
    labels = np.full(len(found), -1, np.int8)
    taken = np.zeros(len(annotated), np.bool_)
    first = np.searchsorted(annotated, found - round(MATCH_S * FS_HZ))
    last = np.searchsorted(annotated, found + round(MATCH_S * FS_HZ), side="right")
    pairs = [(abs(int(found[i] - annotated[j])), i, j) for i in range(len(found)) for j in range(first[i], last[i])]
    for _, i, j in sorted(pairs):
        if labels[i] < 0 and not taken[j]:
            labels[i] = classes[j]
            taken[j] = True
    return labels, np.bincount(classes[~taken], minlength=len(CLASSES)).astype(np.int64)


def save(beats: LabelledBeats, path: Path, key: str = "") -> None:
    """Write beats and the key of what they were made from to an `.npz`, whole or not at all."""
    refuse(path, is_ours=lambda head: head[30:37] == b"key.npy")
    part = path.with_suffix(".part.npz")
    np.savez(part, key=key, **vars(beats))
    part.replace(path)


def load(path: Path, key: str = "") -> LabelledBeats | None:
    """Read what `save` wrote; None if there is nothing, or it was made from something else than `key` says."""
    try:
        with np.load(path) as arrays:
            if str(arrays["key"]) != key:
                return None
            fields: dict[str, Any] = {name: arrays[name] for name in arrays.files if name != "key"}
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return None
    names = {name: str(fields[name]) for name in ("database", "record", "variant")}
    return LabelledBeats(**{**fields, **names})


def prepare(
    folder: Path, records: Iterable[str], cache: Path, variants: Sequence[Sequence[int] | None] = (None,)
) -> Iterator[LabelledBeats]:
    """Yield the labelled beats of records, each made once and kept in `cache`.

    What is kept is made anew when the record, the features or the code from record to beats have changed.

    Parameters
    ----------
    folder : Path
        A WFDB database.
    records : iterable of str
        Names.
    cache : Path
        Folder of the `.npz` files.
    variants : sequence
        Leads to read, each in turn; None for all. See `ONE_LEAD_TOO`.
    """
    target = cache / folder.name
    target.mkdir(parents=True, exist_ok=True)
    for record in records:
        for leads in variants:
            path = target / "-".join([record, *map(str, leads or ())])
            path = path.with_name(f"{path.name}.npz")
            key = _key(folder / record)
            beats = load(path, key)
            if beats is None:
                beats = read_beats(folder, record, leads)
                save(beats, path, key)
            yield beats


def _key(record: Path) -> str:
    """Return the hash of a record's files, with that of the features and of the code that makes beats of records."""
    files = sorted(record.parent.glob(f"{record.name}.*"))
    contents = [path.name.encode() + hashlib.sha256(path.read_bytes()).digest() for path in files]
    return hashlib.sha256(b"".join([FINGERPRINT.encode(), _code(), *contents])).hexdigest()


@functools.cache
def _code() -> bytes:
    """Return the hash of the modules a beat passes through."""
    root = Path(edge.__file__).parent
    rooms = [path for room in _ROOMS for path in (root / room).rglob("*.py")]
    paths = sorted([*root.glob("*.py"), *rooms, Path(__file__)])
    return hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in paths)).digest()


def _read(
    path: Path, leads: Sequence[int] | None = None
) -> tuple[Stream, NDArray[np.float32], NDArray[np.int64], NDArray[np.int8]]:
    """Return stream, signal in mV, and its annotated beats."""
    record = WfdbRecord(path)
    stream = record.stream
    mv = np.concatenate([block.mv for block in record.blocks(_BLOCK) if isinstance(block, Samples)])
    if leads is not None:
        mv = mv[:, list(leads)]
        stream = msgspec.structs.replace(
            stream,
            leads=tuple(stream.leads[i] for i in leads),
            range_mv=stream.range_mv and tuple(stream.range_mv[i] for i in leads),
        )
    frames_hz = read_header(path.with_name(f"{path.name}.hea")).fs_hz
    try:
        annotations = decode_annotations(path.with_name(f"{path.name}.atr").read_bytes())
    except (OSError, ValueError) as error:
        raise SourceError(str(path), f"its annotations cannot be read ({error})", "fetch it again") from None
    is_beat = np.array([symbol in _NUMBER for symbol in annotations.symbols], np.bool_)
    classes = np.array([_NUMBER[symbol] for symbol in annotations.symbols if symbol in _NUMBER], np.int8)
    return stream, mv, annotations.at(stream.fs_hz, frames_hz)[is_beat], classes


def _run(chain: Chain, mv: NDArray[np.float32]) -> Iterator[object]:
    for start in range(0, len(mv), _BLOCK):
        yield from chain.push(Samples(start=start, mv=mv[start : start + _BLOCK]))
    yield from chain.flush()
