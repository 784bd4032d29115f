"""The same patients seen otherwise: fewer leads, other polarity, gain, rate; and other databases."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import wfdb
from numpy.typing import NDArray
from scipy.signal import resample_poly

from training import ec57
from training.evaluate import read_annotations

FS_HZ = 360
Mv = NDArray[np.float64]
Change = Callable[[Mv], Mv]


def _same(mv: Mv) -> Mv:
    return mv


def _times(factor: float) -> Change:
    return lambda mv: factor * mv


CHANGES: dict[str, tuple[Change, int, str | None]] = {
    "one lead, MLII (else the first)": (_same, FS_HZ, "MLII"),
    "one lead, V1 (else the other chest lead)": (_same, FS_HZ, "V1"),
    "both leads inverted": (_times(-1), FS_HZ, None),
    "gain 0.7": (_times(0.7), FS_HZ, None),
    "gain 1.3": (_times(1.3), FS_HZ, None),
    "128 Hz": (_same, 128, None),
    "250 Hz": (_same, 250, None),
    "500 Hz": (_same, 500, None),
}
"""What is done to the signal, its new rate in Hz, and the only lead that is kept, if one only is."""


def write_changed(name: str, record: Path, folder: Path) -> None:
    """Write a changed copy of a record, with its beats and flutter annotated.

    Parameters
    ----------
    name : str
        One of `CHANGES`.
    record : Path
        Path of the original, without extension.
    folder : Path
        Where to write.
    """
    change, fs_hz, only = CHANGES[name]
    original = wfdb.rdrecord(str(record))
    leads = list(original.sig_name)
    keep = list(range(len(leads))) if only is None else [_column(leads, only)]
    mv = change(original.p_signal[:, keep])
    ratio = Fraction(fs_hz, FS_HZ)
    if ratio != 1:
        mv = resample_poly(mv, ratio.numerator, ratio.denominator, axis=0)
    wfdb.wrsamp(
        record.name,
        fs=fs_hz,
        units=["mV"] * len(keep),
        sig_name=[leads[k] for k in keep],
        p_signal=mv,
        fmt=["16"] * len(keep),
        adc_gain=[1000.0] * len(keep),
        baseline=[0] * len(keep),
        write_dir=str(folder),
    )
    samples, symbols = read_annotations(record.with_name(f"{record.name}.atr"))
    kept = [i for i, symbol in enumerate(symbols) if symbol in ec57.AAMI or symbol in "[]"]
    at = np.minimum(np.rint(samples[kept] * float(ratio)).astype(np.int64), len(mv) - 1)
    wfdb.wrann(record.name, "atr", at, symbol=[symbols[i] for i in kept], write_dir=str(folder))


def _column(leads: Sequence[str], wanted: str) -> int:
    if wanted in leads:
        return leads.index(wanted)
    chest = [column for column, lead in enumerate(leads) if lead.startswith("V")]
    return chest[0] if wanted.startswith("V") and chest else 0


def copy_noisy(data: Path, folder: Path) -> tuple[str, ...]:
    """Copy record 118 at 0 and -6 dB of electrode motion, each with the beats of record 118; return the names."""
    names = ("118e00", "118e_6")
    for name in names:
        for suffix in (".hea", ".dat"):
            shutil.copy(data / "nstdb" / f"{name}{suffix}", folder)
        shutil.copy(data / "mitdb" / "118.atr", folder / f"{name}.atr")
    return names
