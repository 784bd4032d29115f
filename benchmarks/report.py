"""What a report costs: of half an hour and of a day, in every form, by the command that people use."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import common

FORMS = ("html", "pdf")
HALF_HOUR, HOURS = "208", 24


def a_day(mitdb: Path, folder: Path) -> Path:
    """Write a day of ECG, all records of MIT-BIH one after the other, as one record; return its path."""
    import wfdb  # noqa: PLC0415  (a child's memory begins with its parent's)

    path = folder / "day"
    n = HOURS * 3600 * 360
    with path.with_suffix(".dat").open("wb") as file:
        left = n
        for record in sorted(path.stem for path in mitdb.glob("*.atr")):
            counts = wfdb.rdrecord(str(mitdb / record), physical=False).d_signal
            part = (counts[:left] - 1024).astype("<i2")
            file.write(np.ascontiguousarray(part).tobytes())
            left -= len(part)
    signals = "".join(f"day.dat 16 200/mV 16 0 0 0 0 {lead}\n" for lead in ("MLII", "V1"))
    path.with_suffix(".hea").write_text(f"day 2 360 {n - left} 00:00:00 01/01/2026\n{signals}", encoding="ascii")
    return path


def main() -> None:
    """Write and print benchmarks/results/report.md."""
    parser = common.options(__doc__ or "")
    arguments = parser.parse_args()
    data = common.data_dir(arguments.data)
    common.use_one_core()
    rows, figures = [], {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        day = [] if arguments.quick else [("a day", a_day(data / "mitdb", folder))]
        for title, record in [("30 min", data / "mitdb" / HALF_HOUR), *day]:
            for form in FORMS:
                out = folder / f"{record.name}.{form}"
                program = "from edge.cli.app import main\nmain()"
                done = common.run([sys.executable, "-c", program, "report", record, "-o", out])
                mb = out.stat().st_size / 1e6
                times = (f"{done.seconds:.1f}", f"{done.cpu_seconds:.1f}")
                rows.append((f"{title}, {form.upper()}", *times, f"{done.peak_mb:.0f}", f"{mb:.2f}"))
                figures[f"{title}, {form}"] = {
                    "seconds": done.seconds,
                    "cpu_seconds": done.cpu_seconds,
                    "peak_mb": done.peak_mb,
                    "file_mb": mb,
                }
    text = (
        "# What a report costs",
        common.table(("recording, form", "s", "s of the processor", "most memory, MB", "file, MB"), rows),
    )
    common.write(arguments.results, "report", text, figures=figures, facts=common.machine("reportlab"))


if __name__ == "__main__":
    main()
