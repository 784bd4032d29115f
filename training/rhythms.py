"""Patients of whom beats and rhythms are annotated, with or without their signal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.errors import SourceError
from edge.messages import FS_HZ
from edge.sources.wfdb_files import read_header
from edge.timebase import Rates
from edge.wfdb_format.annotations import NORMAL, RHYTHM, decode_annotations
from training.ec57 import AAMI

LONGEST_BEAT_S = 5.0
"""For how long at most a beat says what the rhythm is: beyond it something was lost."""


class Patient(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A record's annotations.

    Attributes
    ----------
    name : str
        ``database/record``.
    samples : int64 array, shape (n,)
        Beats at `FS_HZ`.
    classes : str array, shape (n,)
        Their AAMI classes.
    rhythms : str array, shape (n,)
        Aux note in force at each beat, ``(N`` where there is none.
    """

    name: str
    samples: NDArray[np.int64]
    classes: NDArray[np.str_]
    rhythms: NDArray[np.str_]

    @property
    def lasting_s(self) -> NDArray[np.float64]:
        """How long each beat lasts until the next one, s, limited."""
        if not len(self.samples):
            return np.zeros(0)
        return np.minimum(np.diff(self.samples, append=self.samples[-1]) / FS_HZ, LONGEST_BEAT_S)


def read_patient(path: Path, extension: str = "atr") -> Patient:
    """Read beats and rhythms of a record.

    Parameters
    ----------
    path : Path
        Of the record, without extension.
    extension : str
        Of its annotations.

    Raises
    ------
    SourceError
        If they cannot be read.
    """
    header = read_header(path.with_name(f"{path.name}.hea"))
    file = path.with_name(f"{path.name}.{extension}")
    try:
        annotations = decode_annotations(file.read_bytes())
    except (OSError, ValueError) as error:
        raise SourceError(str(file), f"cannot be read ({error})", "fetch it again") from None
    at = Rates(header.fs_hz).all_to_stages(annotations.at(header.fs_hz, header.fs_hz))
    classes = np.array([AAMI.get(symbol, "") for symbol in annotations.symbols], "<U1")
    samples = at[classes != ""]
    return Patient(
        name=f"{path.parent.name}/{path.name}",
        samples=samples,
        classes=classes[classes != ""],
        rhythms=_rhythms(samples, at, annotations.symbols, annotations.aux),
    )


def read_patients(folder: Path, extension: str = "atr", records: Sequence[str] = ()) -> list[Patient]:
    """Read all patients of a database, or some of them.

    Raises
    ------
    SourceError
        If there are none.
    """
    names = records or sorted(path.stem for path in folder.glob(f"*.{extension}"))
    if not names:
        raise SourceError(str(folder), f"has no .{extension} files", "give --data the folder that holds the databases")
    return [read_patient(folder / name, extension) for name in names]


def _rhythms(
    samples: NDArray[np.int64], at: NDArray[np.int64], symbols: Sequence[str], aux: Sequence[str]
) -> NDArray[np.str_]:
    rhythms = np.full(len(samples), NORMAL, "<U8")
    for sample, symbol, note in zip(at.tolist(), symbols, aux, strict=True):
        if symbol == RHYTHM and note.startswith("("):
            rhythms[np.searchsorted(samples, sample) :] = note
    return rhythms
