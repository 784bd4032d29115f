"""R peaks: the streaming detector beside offline ones, on the same records, in one run, by the same scorer.

Each detector runs in a process of its own, on one core. The peers get one lead (MLII, else the first), whole; ours gets
both leads or the same one, block by block, conditioning and quality included.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks import common
from edge.messages import FS_HZ, Message, RPeak, Samples, Stream
from edge.sources.wfdb_record import WfdbRecord
from training import ec57
from training.evaluate import read_annotations

OURS = {
    "ecg-edge, two leads": (2, 14400),
    "ecg-edge, two leads, blocks of 1 s": (2, 360),
    "ecg-edge, one lead": (1, 14400),
}
"""Leads and samples a block; a replay takes 40 s at once."""
PEERS = ("wfdb xqrs", "sleepecg", "neurokit2")
LATE_MS = 350.0
_ONCE = ("wfdb xqrs", "ecg-edge, two leads, blocks of 1 s")  # minutes a run

Mv = NDArray[np.float32]
Find = Callable[[Stream, Mv], tuple[list[int], list[int]]]
"""From a record to its R peaks and their delays, both in samples."""


class Detected(msgspec.Struct):
    """What a detector found in the records, in the worker's words.

    Attributes
    ----------
    peaks : dict
        Samples by record.
    seconds : dict
        Processor time of each run by record.
    lead_samples : int
        Samples times leads given to it, one run over all records.
    delays : list of int
        Samples from each peak until it was known; empty for an offline detector.
    peak_mb : float
        Most memory resident at once.
    """

    peaks: dict[str, list[int]]
    seconds: dict[str, list[float]]
    lead_samples: int
    delays: list[int]
    peak_mb: float


def main() -> None:
    """Run all detectors and write the results."""
    parser = common.options(__doc__ or "")
    parser.add_argument("--repeats", type=int, default=3, help="timed runs a record")
    parser.add_argument("--only", nargs="+", choices=[*OURS, *PEERS], default=[*OURS, *PEERS])
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    mitdb = common.data_dir(arguments.data) / "mitdb"
    records = common.chosen_records(arguments, mitdb)
    if arguments.worker:
        found = detect(arguments.worker, mitdb, records, arguments.repeats)
        sys.stdout.write(msgspec.json.encode(found).decode())
        return
    common.use_one_core()
    detected: dict[str, Detected] = {}
    for name in arguments.only:
        sys.stderr.write(f"{name} …\n")
        repeats = 1 if name in _ONCE else arguments.repeats
        worker = ["--worker", name, "--repeats", repeats, "--data", mitdb.parent, "--records", *records]
        output = common.run([sys.executable, "-m", "benchmarks.rpeaks", *map(str, worker)]).output
        detected[name] = msgspec.json.decode(output, type=Detected)
    report(detected, mitdb, arguments.results)


def detect(name: str, mitdb: Path, records: tuple[str, ...], repeats: int) -> Detected:
    """Run one detector over the records; this is what the worker process does."""
    n_leads, block = OURS.get(name, (1, 0))
    find = _ours(block) if name in OURS else _peer(name)
    found = Detected({}, {}, 0, [], 0.0)
    for record in records:
        stream, mv = _read(mitdb / record, n_leads)
        runs: list[float] = []
        for _ in range(repeats):
            start = time.process_time()
            peaks, delays = find(stream, mv)
            runs.append(time.process_time() - start)
        found.peaks[record], found.seconds[record] = peaks, runs
        found.delays += delays
        found.lead_samples += mv.size
    found.peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def report(detected: dict[str, Detected], mitdb: Path, folder: Path) -> None:
    """Score what was found and write it down."""
    figures = {name: _figures(found, mitdb) for name, found in detected.items()}
    base = next(iter(figures.values()))["ns_per_lead_sample"]
    rows = [
        [
            name,
            f"{100 * f['se']:.2f}",
            f"{100 * f['ppv']:.2f}",
            f"{f['missed']:,}",
            f"{f['extra']:,}",
            f"{f['ns_per_lead_sample']:,.0f}",
            f"{f['ns_per_lead_sample'] / base:.2f}",
            f"{f['peak_mb']:.0f}",
        ]
        for name, f in figures.items()
    ]
    header = ["detector", "Se %", "+P %", "missed", "extra", "ns a lead-sample", "× first row", "peak MB"]
    n = len(next(iter(detected.values())).peaks)
    runs = max(f["runs"] for f in figures.values())
    about = (
        f"{n} MIT-BIH records, every annotated beat from the first sample on (flutter in record 207 excluded), match "
        f"window {ec57.WINDOW_MS:g} ms, one to one. ecg-edge streams, in blocks of 40 s where nothing else is said, "
        "conditioning and quality included; the others see the whole of one lead at once (MLII, else the first). "
        f"Time is processor time, the sum over records of the median of {runs} runs (xqrs and blocks of 1 s: of one), "
        "without reading files; memory is the worker process's peak, Python, libraries and one record included."
    )
    text = ["# R peaks", about, common.table(header, rows), *_delay_lines(figures), *_worst_lines(figures)]
    facts = common.machine("scipy", "wfdb", "sleepecg", "neurokit2")
    common.write(folder, "rpeaks", text, figures={"records": n, "detectors": figures}, facts=facts)


def _figures(found: Detected, mitdb: Path) -> dict[str, Any]:
    total = np.zeros((6, 6), np.int64)
    per_record: dict[str, dict[str, int]] = {}
    offsets: list[float] = []
    for record, peaks in found.peaks.items():
        reference = read_annotations(mitdb / f"{record}.atr")
        compared = ec57.compare(reference, (peaks, ["N"] * len(peaks)), FS_HZ)
        score = ec57.qrs(compared.table)
        per_record[record] = {"beats": score.tp + score.fn, "missed": score.fn, "extra": score.fp}
        offsets += np.abs(compared.offsets_ms).tolist()
        total += compared.table
    score = ec57.qrs(total)
    seconds = sum(statistics.median(runs) for runs in found.seconds.values())
    delays = np.array(found.delays, float) * (1000 / FS_HZ)
    return {
        "se": score.se,
        "ppv": score.ppv,
        "missed": score.fn,
        "extra": score.fp,
        "ns_per_lead_sample": 1e9 * seconds / found.lead_samples,
        "runs": min(len(runs) for runs in found.seconds.values()),
        "peak_mb": found.peak_mb,
        "offset_ms": dict(zip(("p50", "p95"), np.percentile(offsets, (50, 95)).tolist(), strict=True)),
        "delay_ms": _delays(delays) if len(delays) else None,
        "per_record": per_record,
    }


def _delays(ms: NDArray[np.float64]) -> dict[str, float]:
    p50, p99, longest = np.percentile(ms, (50, 99, 100)).tolist()
    return {"p50": p50, "p99": p99, "max": longest, "late": int((ms > LATE_MS).sum()), "n": len(ms)}


def _delay_lines(figures: dict[str, dict[str, Any]]) -> list[str]:
    rows = []
    for name, delay in ((name, f["delay_ms"]) for name, f in figures.items() if f["delay_ms"]):
        late = f"{delay['late']:,} of {delay['n']:,}"
        rows.append([name, *(f"{delay[key]:.0f}" for key in ("p50", "p99", "max")), late])
    if not rows:
        return []
    about = (
        "Delay of a live R peak: from the peak until the sample with which it was known, filters included, in ms. Late "
        "are the first ones, while the detector learns, and those found only by looking back."
    )
    return [about, common.table(["detector", "median", "99 %", "longest", f"later than {LATE_MS:g} ms"], rows)]


def _worst_lines(figures: dict[str, dict[str, Any]]) -> list[str]:
    first = next(iter(figures))
    errors = {record: f["missed"] + f["extra"] for record, f in figures[first]["per_record"].items()}
    worst = sorted(errors, key=lambda record: -errors[record])[:8]
    names = [name for name in figures if "blocks" not in name]  # which find the same
    rows = []
    for record in worst:
        each = (figures[name]["per_record"][record] for name in names)
        rows.append([record, *(f"{f['missed']} + {f['extra']}" for f in each)])
    return [f"Records hardest for {first}, missed + extra.", common.table(["record", *names], rows)]


def _read(path: Path, n_leads: int) -> tuple[Stream, Mv]:
    """Read a record whole: both leads, or only MLII, else the first."""
    record = WfdbRecord(path)
    stream = record.stream
    mv = np.concatenate([block.mv for block in record.blocks(1 << 20)])
    if n_leads == 2:
        return stream, mv
    k = stream.leads.index("MLII") if "MLII" in stream.leads else 0
    range_mv = (stream.range_mv[k],) if stream.range_mv else None
    return msgspec.structs.replace(stream, leads=(stream.leads[k],), range_mv=range_mv), mv[:, k : k + 1]


def _ours(block: int) -> Find:
    from edge.pipeline import Chain, front_end  # noqa: PLC0415  (the peers' workers do without)

    def find(stream: Stream, mv: Mv) -> tuple[list[int], list[int]]:
        chain = Chain(front_end(stream)[:3])  # conditioning, quality, QRS
        out: list[Message] = []
        for start in range(0, len(mv), block):
            out += chain.push(Samples(start=start, mv=mv[start : start + block]))
        out += chain.flush()
        peaks = [message for message in out if isinstance(message, RPeak)]
        return [peak.sample for peak in peaks], [peak.decided - peak.sample for peak in peaks]

    return find


def _peer(name: str) -> Find:
    find = {"wfdb xqrs": _xqrs, "sleepecg": _sleepecg, "neurokit2": _neurokit}[name]()
    return lambda stream, mv: ([int(peak) for peak in find(mv[:, 0].astype(float), stream.fs_hz)], [])


def _xqrs() -> Callable[[Any, float], Any]:
    from wfdb.processing import xqrs_detect  # noqa: PLC0415

    return lambda mv, fs_hz: xqrs_detect(mv, fs_hz, verbose=False)


def _sleepecg() -> Callable[[Any, float], Any]:
    from sleepecg.heartbeats import detect_heartbeats  # noqa: PLC0415

    return detect_heartbeats


def _neurokit() -> Callable[[Any, float], Any]:
    import neurokit2  # noqa: PLC0415

    def find(mv: Any, fs_hz: float) -> Any:
        return neurokit2.ecg_findpeaks(neurokit2.ecg_clean(mv, fs_hz), fs_hz)["ECG_R_Peaks"]

    return find


if __name__ == "__main__":
    main()
