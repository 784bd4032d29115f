"""A few seconds of coverage-guided fuzzing, from the golden frames and captures on."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from command import REPO, environment

HERE = Path(__file__).parent
CAPTURES = REPO / "tests" / "sources" / "golden"


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="needs atheris (pip install atheris)")
def test_nothing_breaks_the_decoders(tmp_path: Path) -> None:
    seeds = [bytes.fromhex(line.split()[1]) for line in (HERE / "golden" / "frames.txt").read_text().splitlines()]
    seeds += [b"".join(seeds)] + [bytes.fromhex(path.read_text()) for path in sorted(CAPTURES.glob("*.hex"))]
    for i, seed in enumerate(seeds):
        (tmp_path / str(i)).write_bytes(b"\x20" + seed)
    command = [sys.executable, HERE / "fuzz_decoders.py", "-max_total_time=8", "-max_len=2048", tmp_path]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(REPO)),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
