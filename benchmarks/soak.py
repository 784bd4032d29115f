"""Whether anything grows: days of real ECG as one endless live stream through `ecg-edge run` with all its sinks."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks import common, live
from benchmarks.live import FS_HZ, Cost

TARGET = 1.0
"""MB in 1,000 h of ECG."""

# What is filled once and then stays: an hour of the board's clock, a day of recordings, caches of SQLite and of the
# allocator, and what the busiest stretch so far needed. In a day every record comes once.
_WARM_H = 24.0
_BUSIEST = ("203", "221", "208", "200", "233", "213", "207", "106", "202", "223")
_MINUTE = round(60 * FS_HZ)
# Neighbouring minutes are not independent; the interval is taken from medians of so many.
_PER_MEDIAN = 10


def main() -> None:
    """Measure and write the results."""
    parser = common.options(__doc__ or "")
    parser.add_argument("--hours", type=float, default=72.0, help="of ECG")
    parser.add_argument("--speed", type=float, default=96.0, help="times real time, at most")
    parser.add_argument("--warm-up", type=float, default=_WARM_H, metavar="HOURS", help="of ECG that do not count")
    arguments = parser.parse_args()
    mitdb = common.data_dir(arguments.data) / "mitdb"
    rest = sorted({path.stem for path in mitdb.glob("*.atr")} - set(_BUSIEST))
    records = [mitdb / name for name in (*_BUSIEST, *rest)] * math.ceil(arguments.hours / 24)
    began_s = time.monotonic()
    costs, status, summary = soak(records, arguments.hours, arguments.speed)
    warm = round(arguments.warm_up * 60)
    slope, interval = growth([cost.rss_mb for cost in costs[warm:]])
    figures = {
        "hours": summary["ecg_s"] / 3600,
        "speed": summary["ecg_s"] / (time.monotonic() - began_s),
        "beats": summary["beats"],
        "alerts": summary["alerts"],
        "link": status["link"],
        "outbox": status["outbox"],
        "mb_per_1000_h": slope,
        "interval": interval,
        "warm_up_min": warm,
        "minutes": costs,
    }
    report(figures, arguments.results)


def soak(records: Sequence[Path], hours: float, speed: float) -> tuple[list[Cost], dict[str, Any], dict[str, Any]]:
    """Return what the watch held at each minute of ECG, its last status and its summary."""
    costs: list[Cost] = []
    with live.watched(records, hours * 3600, speed=speed, config=_CONFIG) as run:
        while len(costs) < hours * 60 - 1:
            if not run.wait_for((len(costs) + 1) * _MINUTE):
                sys.exit(f"stands still after {len(costs)} min: {run.status}")
            costs.append(run.cost())
            if len(costs) % 60 == 0:
                sys.stderr.write(f"{len(costs) // 60} h: {costs[-1]}\n")
        status = run.status
        return costs, status, run.stop()


_CONFIG = "waveform = true\n[recorder]\nenabled = true\n"


def growth(rss_mb: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """Return the slope of memory over minutes in MB per 1,000 h, and its 95 % interval.

    Theil–Sen: the median of the slopes between all pairs; its interval from Kendall's distribution (Sen 1968).
    """
    y = np.asarray(rss_mb)
    medians = np.array([np.median(part) for part in np.array_split(y, max(len(y) // _PER_MEDIAN, 2))])
    slopes = _slopes(medians) / (len(y) / len(medians))
    n = len(medians)
    reach = 1.96 * np.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low, high = (round((len(slopes) + sign * reach) / 2) for sign in (-1, 1))
    low, high = max(low, 0), min(high, len(slopes) - 1)
    middle, least, most = (60_000 * float(slope) for slope in (np.median(_slopes(y)), slopes[low], slopes[high]))
    return middle, (least, most)


def _slopes(y: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    first, second = np.triu_indices(len(y), 1)
    return np.sort((y[second] - y[first]) / (second - first))


def report(figures: dict[str, Any], folder: Path) -> None:
    """Write down what was measured."""
    costs: list[Cost] = figures["minutes"]
    warm = figures["warm_up_min"]
    low, high = figures["interval"]
    steady = costs[warm:]
    rows = [
        [f"{minute // 60}", f"{cost.rss_mb:.2f}", cost.fds, cost.threads]
        for minute, cost in enumerate(costs, 1)
        if minute % 60 == 0
    ]
    lost = figures["link"]["lost"] + figures["link"]["dropped"]
    beats = sum(figures["beats"].values())
    text = [
        "# Whether anything grows",
        f"{figures['hours']:.1f} h of ECG, the records of mitdb one after the other, those with most to tell first, "
        f"as one live stream from a board in software through a pty at {figures['speed']:.0f} times real time, through "
        f"`ecg-edge run` with alerts in a file, outbox, recorder, and mosquitto with waveform: {beats:,} beats, "
        f"{sum(figures['alerts'].values()):,} alerts, {lost} samples lost.",
        f"Resident memory after the first {warm / 60:g} h, once a minute of ECG: **{figures['mb_per_1000_h']:+.2f} MB "
        f"per 1,000 h** (Theil–Sen; 95 % {low:+.2f} to {high:+.2f}; target at most {TARGET:g}). Open files "
        f"{_range([cost.fds for cost in steady])}, threads {_range([cost.threads for cost in steady])}.",
        f"The median slope does not see single steps: from the first of these minutes to the last it was "
        f"{steady[-1].rss_mb - steady[0].rss_mb:+.2f} MB. {_steps(steady, warm)}",
        common.table(["h", "MB", "files", "threads"], rows),
    ]
    builtin = msgspec.to_builtins({**figures, "minutes": [[round(c.rss_mb, 3), c.fds, c.threads] for c in costs]})
    facts = common.machine("tflite-runtime", "paho-mqtt", "pyserial")
    common.write(folder, "soak", text, figures=builtin, facts=facts)


def _steps(steady: Sequence[Cost], warm: int) -> str:
    """Say in which minutes memory grew at once by more than a tenth of a megabyte."""
    grown = [
        (minute, after.rss_mb - before.rss_mb) for minute, (before, after) in enumerate(pairwise(steady), warm + 2)
    ]
    steps = [f"{change:+.2f} MB at {minute / 60:.2f} h" for minute, change in grown if abs(change) > 0.1]
    return f"Steps: {', '.join(steps)}." if steps else "No step was above 0.1 MB."


def _range(values: Sequence[int]) -> str:
    return f"{min(values)}" if min(values) == max(values) else f"{min(values)} to {max(values)}"


if __name__ == "__main__":
    main()
