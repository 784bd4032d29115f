"""Noise of the Noise Stress Test Database added to any record at a chosen signal-to-noise ratio, by EC57's method.

Moody, Muldrow, Mark, "A noise stress test for arrhythmia detectors", 1984, and WFDB's `nst`: five minutes are left
clean, then two minutes of noise and two without take turns. Each lead has its own gain of noise.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import SourceError
from edge.kinds import KINDS
from edge.timebase import Rates
from training import disclosure, ec57
from training.evaluate import read_annotations

CLEAN_S, TURN_S = 300.0, 120.0
_QRS_S = 0.05
"""Half of the window around a beat in which its peak-to-peak amplitude is taken."""
_BEATS = 300
"""Beats whose amplitudes are taken."""
_TAIL = 0.05
"""Share of the smallest and of the largest that is left out, of beats and of seconds of noise."""

Mv = NDArray[np.float64]


def table(
    records: Sequence[Path],
    noise: Path,
    snrs_db: Sequence[float],
    model: str,
    *,
    progress: Callable[[str], None] | None = None,
    keep: Path | None = None,
) -> str:
    """Return, as Markdown, how records are read at some signal-to-noise ratios.

    Parameters
    ----------
    records : sequence of Path
        Without extension.
    noise : Path
        Without extension.
    snrs_db : sequence of float
    model : str
        Name of a shipped model, or path of any.
    progress : callable, optional
        Told of each record that is done.
    keep : Path, optional
        Folder that the noisy records are kept in.

    Raises
    ------
    SourceError
        If a record or the noise cannot be read.
    """
    names = ("QRS Se", "QRS +P", "V Se", "V +P", "S Se", "S +P")
    lines = ["| SNR, dB | " + " | ".join(names) + " | false high alarms an hour |", "|---" * (len(names) + 2) + "|"]
    for snr_db in snrs_db:
        with tempfile.TemporaryDirectory(prefix="ecg-train-") as folder:
            place = Path(folder) if keep is None else keep
            place.mkdir(parents=True, exist_ok=True)
            noisy = [f"{record.name}_{noise.name}_{snr_db:g}".replace("-", "m").replace(".", "d") for record in records]
            for record, name in zip(records, noisy, strict=True):
                write_noisy(record, noise, snr_db, place, name)
            with disclosure.replayed(place, noisy, model, progress) as made:
                found = disclosure.disclose(made.annotations, place, noisy, made.alerts)
        figures = {figure.name: figure.gross for figure in found.figures()}
        false = [
            figures.get(f"{kind}: false alarms in 24 h") or 0.0 for kind in KINDS if KINDS[kind].priority == "high"
        ]
        cells = ["–" if (value := figures.get(name)) is None else f"{100 * value:.2f}" for name in names]
        lines.append(f"| {snr_db:g} | " + " | ".join(cells) + f" | {sum(false) / 24:.2f} |")
    return "\n".join(lines)


def write_noisy(record: Path, noise: Path, snr_db: float, folder: Path, name: str) -> None:
    """Write a copy of a record with noise added, and its reference annotations.

    Parameters
    ----------
    record, noise : Path
        Without extension; the record has an ``.atr``.
    snr_db : float
        Signal-to-noise ratio of the noisy stretches, in each lead.
    folder : Path
        Where to write; must be there.
    name : str
        Of the new record.

    Raises
    ------
    SourceError
        If either cannot be read, or the record has too few beats to know its signal by.
    """
    import wfdb  # noqa: PLC0415 - a second to import

    try:
        clean, added = wfdb.rdrecord(str(record)), wfdb.rdrecord(str(noise))
    except (OSError, ValueError) as error:
        raise SourceError(str(record), f"or its noise {noise} cannot be read ({error})") from error
    fs_hz = float(clean.fs)
    samples, symbols = read_annotations(record.with_name(f"{record.name}.atr"))
    beats = samples[[symbol in ec57.AAMI for symbol in symbols]]
    mv = np.nan_to_num(clean.p_signal)
    noisy = _at_rate(added.p_signal, float(added.fs), fs_hz)
    mv = mv + noise_like(mv, beats, noisy, fs_hz=fs_hz, snr_db=snr_db, name=str(record))
    wfdb.wrsamp(
        name,
        fs=clean.fs,
        units=["mV"] * mv.shape[1],
        sig_name=clean.sig_name,
        p_signal=mv,
        fmt=["16"] * mv.shape[1],
        adc_gain=[1000.0] * mv.shape[1],
        baseline=[0] * mv.shape[1],
        write_dir=str(folder),
    )
    shutil.copy(record.with_name(f"{record.name}.atr"), folder / f"{name}.atr")


def noise_like(mv: Mv, beats: NDArray[np.int64], noise: Mv, *, fs_hz: float, snr_db: float, name: str = "signal") -> Mv:
    """Return what is to be added to a signal, mV, shape of the signal.

    Parameters
    ----------
    mv : float array, shape (n, leads)
        The signal.
    beats : int array
        Its beats.
    noise : float array, shape (m, columns)
        At the same rate; it runs along with the signal, and begins anew where it is shorter.
    fs_hz : float
        The rate.
    snr_db : float
        Ratio of the signal's power to the noise's.
    name : str
        For errors.
    """
    added = np.zeros_like(mv)
    for lead in range(mv.shape[1]):
        column = noise[:, lead % noise.shape[1]]
        power = signal_power(mv[:, lead], beats, fs_hz, name)
        gain = np.sqrt(power / (noise_power(column, fs_hz) * 10 ** (snr_db / 10)))
        for first, last in noisy_stretches(len(mv), fs_hz):
            added[first:last, lead] = gain * np.take(column, np.arange(first, last), mode="wrap")
    return added


def noisy_stretches(n_samples: int, fs_hz: float) -> Iterator[tuple[int, int]]:
    """Yield first sample and the one after the last of each noisy stretch."""
    clean, turn = round(CLEAN_S * fs_hz), round(TURN_S * fs_hz)
    for first in range(clean, n_samples, 2 * turn):
        yield first, min(first + turn, n_samples)


def signal_power(lead: Mv, beats: NDArray[np.int64], fs_hz: float, name: str = "signal") -> float:
    """Return a lead's power, mV²: that of a sine with the peak-to-peak amplitude of its QRS complexes."""
    half = round(_QRS_S * fs_hz)
    inside = beats[(beats >= half) & (beats < len(lead) - half)][:_BEATS]
    if len(inside) < 1 / _TAIL:
        raise SourceError(name, f"has {len(inside)} beats, too few to know its signal by")
    heights = np.sort([np.ptp(lead[beat - half : beat + half + 1]) for beat in inside.tolist()])
    return float(_middle(heights).mean() ** 2 / 8)


def noise_power(lead: Mv, fs_hz: float) -> float:
    """Return a noise's power, mV²: of each second about its mean, without the quietest and the loudest."""
    second = round(fs_hz)
    rows = lead[: len(lead) // second * second].reshape(-1, second)[:_BEATS]
    return float(_middle(np.sort(rows.std(axis=1))).mean() ** 2)


def _middle(values: Mv) -> Mv:
    cut = int(_TAIL * len(values))
    return values[cut : len(values) - cut]


def _at_rate(signal: Mv, own_hz: float, fs_hz: float) -> Mv:
    from scipy.signal import resample_poly  # noqa: PLC0415 - half a second to import

    ratio = Rates(fs_hz).ratio / Rates(own_hz).ratio
    values = np.nan_to_num(signal)
    return values if ratio == 1 else np.asarray(resample_poly(values, ratio.numerator, ratio.denominator, axis=0))
