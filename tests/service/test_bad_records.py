"""One bad record never stops the others: a line each, in bounded time and memory."""

from __future__ import annotations

import os
import resource
import subprocess
from pathlib import Path

import msgspec
import numpy as np
import pytest
from command import COMMAND, environment
from numpy.typing import NDArray

_MANY = "9" * 4400
_SIGNAL = "x.dat 16 200/mV 16 0 0 0 0 II\n"
_MEMORY = 3 << 30
"""Of address space, a few times what a replay takes: none of these may ask for what its header says."""

HEADERS = {
    "rate": f"x 1 {_MANY} 5000\n{_SIGNAL}",
    "rate-word": f"x 1 2.5.0 5000\n{_SIGNAL}",
    "rate-none": f"x 1 . 5000\n{_SIGNAL}",
    "length": f"x 1 250 {_MANY}\n{_SIGNAL}",
    "years": f"x 1 250 999999999999999\n{_SIGNAL}",
    "gain": f"x 1 250 5000\nx.dat 16 {_MANY}/mV 16 0 0 0 0 II\n",
    "gain-word": "x 1 250 5000\nx.dat 16 1.2.3/mV 16 0 0 0 0 II\n",
    "gain-small": "x 1 250 5000\nx.dat 16 1e-300/mV 16 0 0 0 0 II\n",
    "gain-large": "x 1 250 5000\nx.dat 16 1e300/mV 16 0 0 0 0 II\n",
    "baseline": f"x 1 250 5000\nx.dat 16 200({_MANY})/mV 16 0 0 0 0 II\n",
    "baseline-far": "x 1 250 5000\nx.dat 16 200(999999999999999)/mV 16 0 0 0 0 II\n",
    "signals": f"x {_MANY} 250 5000\n{_SIGNAL}",
    "leads": "x 20000 250 5000\n" + _SIGNAL * 20_000,
    "format": f"x 1 250 5000\nx.dat {_MANY} 200/mV 16 0 0 0 0 II\n",
    "format-999": "x 1 250 5000\nx.dat 999 200/mV 16 0 0 0 0 II\n",
    "frame": "x 1 250 5000\nx.dat 16x99999999 200/mV 16 0 0 0 0 II\n",
    "frame-slow": "x 1 0.00000001 5\nx.dat 16x25000000000 200/mV 16 0 0 0 0 II\n",
    "frame-whole": "x 1 250 5000\nx.dat 8x100000000 200/mV 16 0 0 0 0 II\n",
    "long-whole": "x 1 250 150000000\nx.dat 8 200/mV 16 0 0 0 0 II\n",
    "flac": "x 1 250 5000\nx.dat 508 200/mV 16 0 0 0 0 II\n",
    "pipe-whole": "x 1 250 5000\npipe 8 200/mV 16 0 0 0 0 II\n",
    "device-whole": "x 1 250 5000\nzero 8 200/mV 16 0 0 0 0 II\n",
    "late": "x 1 250 5000\nx.dat 16:99999999999999 200/mV 16 0 0 0 0 II\n",
    "offset": "x 1 250 5000\nx.dat 16+999999999999999 200/mV 16 0 0 0 0 II\n",
    "pipe": "x 1 250 5000\npipe 16 200/mV 16 0 0 0 0 II\n",
    "device": "x 1 250 5000\nzero 16 200/mV 16 0 0 0 0 II\n",
    "elsewhere": "x 1 250 5000\n/dev/zero 16 200/mV 16 0 0 0 0 II\n",
    "cut-off": f"x 1 250 50000\n{_SIGNAL}",
    "itself": "x/1 1 250 5000\nitself 5000\n",
    "each-other": "x/1 1 250 5000\nitself 5000\n",
    "never": "x/2 1 250 5000\n~ 100\n~ 4900\n",
    "gone": "x/2 1 250 5000\ngood 2500\nnowhere 2500\n",
    "age": "x/2 1 250 5000\ngood 5000\n~ 999999999999999\n",
    "layout": "x 2 250 0\n~ 0 200/mV 12 0 0 0 0 V1\n~ 0 200/mV 12 0 0 0 0 V2\n",
    "nothing": "x 0 250 5000\n",
    "empty": "",
    "zeros": "\0" * 1000,
    "comments": "#" * (5 << 20),
}
NAMES = ("", ".", "..", "/", "/dev/zero", "/dev/null", "a-pipe", "no-such", "n" * 5000, "a\nb", "\x1b[2Jc")


@pytest.fixture
def records(tmp_path: Path, toy_ecg: NDArray[np.float32]) -> Path:
    """Twenty good seconds, and what is wrong beside them."""
    adc = np.round(toy_ecg[:7200, 0] * 200).astype("<i2").tobytes()
    for name in ("good", "x"):
        (tmp_path / f"{name}.dat").write_bytes(adc)
    (tmp_path / "good.hea").write_text("good 1 360 7200\ngood.dat 16 200/mV 16 0 0 0 0 II\n")
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "a-pipe.hea")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name, header in HEADERS.items():
        (tmp_path / f"{name}.hea").write_text(header)
    return tmp_path


def replayed(folder: Path, *names: str) -> tuple[int, list[str], list[dict[str, object]]]:
    limit = (_MEMORY, _MEMORY)
    done = subprocess.run(
        [*COMMAND, "replay", "--json", "--", *names],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        stdin=subprocess.DEVNULL,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limit),  # no threads in a test
    )
    return done.returncode, done.stderr.splitlines(), [msgspec.json.decode(line) for line in done.stdout.splitlines()]


def test_none_stops_the_others_and_each_has_one_line(records: Path) -> None:
    bad = [*HEADERS, *NAMES]
    code, said, summaries = replayed(records, *bad, "good")
    assert code == 1
    assert [len(summary["errors"]) for summary in summaries] == [1] * len(bad) + [0]  # type: ignore[arg-type]
    assert summaries[-1]["beats"]["N"] > 10  # type: ignore[index]
    assert len(said) == len(bad), "\n".join(said)
    for line in said:
        assert line.startswith("ecg-edge: ")
        assert line.isprintable()
        assert "unexpected" not in line
        assert len(line) < 700


def test_a_date_beyond_all_dates_is_left_out_with_a_note(records: Path) -> None:
    for start in ("23:59:59 31/12/9999", "00:00:00 01/01/0001", f"{_MANY}:00:00 01/01/2020", f"10:00:00 01/01/{_MANY}"):
        (records / "dated.hea").write_text(f"dated 1 360 7200 {start}\nx.dat 16 200/mV 16 0 0 0 0 II\n")
        code, said, (summary,) = replayed(records, "dated")
        assert code == 0
        assert len(said) == 1
        assert "is left out" in said[0]
        assert summary["beats"]["N"] > 10  # type: ignore[index]


def test_thousands_of_signals_or_segments_are_a_few_lines(records: Path) -> None:
    n = 900
    lines = "".join(f"x.dat 16 200/mV 16 0 0 0 0 L{i}\n" for i in range(n)) + "x.dat 16 1/mmHg 16 0 0 0 0 ABP\n"
    (records / "wide.hea").write_text(f"wide {n + 1} 360 7\n{lines}")
    (records / "cut.hea").write_text("cut/20001 1 360 27200\n" + "good 1\n" * 20_000 + "good 7200\n")
    code, said, (wide, cut) = replayed(records, "wide", "cut")
    assert len(wide["leads"]) == 32  # type: ignore[arg-type]
    assert any("864 more signals are left out" in line for line in said)
    assert len(said) < 10
    assert cut["ecg_s"] == pytest.approx(27200 / 360, abs=1e-3)
    assert code == 0


def test_what_may_not_be_read_is_one_line_too(records: Path) -> None:
    hidden = records / "hidden"
    hidden.mkdir()
    for name in ("header", "signals"):
        (records / f"{name}.hea").write_text(f"{name} 1 360 7200\n{name}.dat 16 200/mV 16 0 0 0 0 II\n")
        (records / f"{name}.dat").write_bytes(bytes(14_400))
    (records / "header.hea").chmod(0)
    (records / "signals.dat").chmod(0)
    hidden.chmod(0)
    if os.access(hidden, os.R_OK):
        pytest.skip("needs a user who may not read everything, as root may")
    code, said, summaries = replayed(records, "header", "signals", "hidden/r", "hidden", "good")
    hidden.chmod(0o700)
    assert (code, len(said)) == (1, 4)
    assert all("Permission denied" in line for line in said)
    assert summaries[-1]["errors"] == []
