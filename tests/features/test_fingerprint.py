"""The fingerprint: the same wherever the features are, another where they are not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import edge
from edge.features import fingerprint
from edge.features.fingerprint import FINGERPRINT, TOLERANCE, measure, read_reference
from edge.features.history import NAMES
from edge.inference.beat_model import model_names, models_dir
from edge.inference.card import read_card


def now() -> str:
    return fingerprint.fingerprint(measure(), read_reference())


def test_every_feature_is_in_it() -> None:
    assert set(NAMES) < measure().keys() == read_reference().keys()


def test_it_is_that_of_the_shipped_models() -> None:
    assert now() == FINGERPRINT
    assert {read_card(models_dir() / f"{name}.json").fingerprint for name in model_names()} == {FINGERPRINT}


def test_the_last_digits_of_a_machine_do_not_change_it() -> None:
    reference = read_reference()
    for sign in (-1, 1):
        other = {name: (a + sign * TOLERANCE / 4, b - sign * TOLERANCE / 4) for name, (a, b) in measure().items()}
        assert fingerprint.fingerprint(other, reference) == FINGERPRINT


@pytest.mark.parametrize("name", [*NAMES, "scaled", "window", "larger", "form"])
def test_one_feature_measured_otherwise_changes_it(name: str) -> None:
    measured = measure()
    first, second = measured[name]
    other = fingerprint.fingerprint(measured | {name: (first, second + 0.01)}, read_reference())
    assert other != FINGERPRINT
    assert len(other) == len(FINGERPRINT)


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("timing", "_STEADY = 0.01", "_STEADY = 0.012"),
        ("timing", "LONGEST_S = 2.0", "LONGEST_S = 1.9"),
        ("timing", "_RISE = 0.2", "_RISE = 0.25"),
        ("timing", "self._steady.at(0.95, recent)", "self._steady.at(0.94, recent)"),
        ("timing", "_Horizon(256)", "_Horizon(255)"),
        ("shape", "_FADE = 0.985", "_FADE = 0.98"),
        ("shape", "_QRS = slice(36, 63)", "_QRS = slice(36, 64)"),
        ("shape", "_LATE_RATE = 0.1", "_LATE_RATE = 0.12"),
        ("shape", "return math.log((value + 0.02)", "return math.log((value + 0.03)"),
        ("noise", "LEVEL_MV = 0.24", "LEVEL_MV = 0.26"),
        ("noise", "SMOOTH = 0.215", "SMOOTH = 0.225"),
        ("window", "windows -= leads", "windows -= 2 * leads"),
        ("history", "_LATE = -0.07", "_LATE = -0.2"),
        ("window", '"II", "MLII"', '"MLII", "V5"'),
        ("timing", "# s\n", "# seconds\n"),  # nothing of what is measured
    ],
)
def test_it_changes_with_a_constant_or_a_formula_and_not_with_a_comment(
    tmp_path: Path, module: str, old: str, new: str
) -> None:
    copy, original = tmp_path / "edge", Path(edge.__file__).parent
    shutil.copytree(original / "features", copy / "features")
    for path in original.glob("*.py"):
        shutil.copy(path, copy)
    source = copy / "features" / f"{module}.py"
    text = source.read_text("utf-8")
    assert old in text
    source.write_text(text.replace(old, new), "utf-8")
    code = "from edge.features.fingerprint import FINGERPRINT; print(FINGERPRINT)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (done.stdout.strip() == FINGERPRINT) == old.startswith("#")
