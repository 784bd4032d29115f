"""What is installed: a wheel that works from any folder, and a start that loads nothing it does not need."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent


def python(code: str, cwd: Path, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, env=os.environ | env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="needs hatchling to build the wheel")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(REPO)]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_carries_models_and_unit_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for name in ("cnn.tflite", "cnn.json", "lstm.tflite", "lstm.json"):
        assert f"edge/models/{name}" in names
    for name in ("ecg-edge.service", "70-ecg-edge.rules", "ecg-edge.toml"):
        assert f"edge/systemd/{name}" in names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "models/"))]


def test_an_installed_wheel_finds_its_models_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    code = "import edge.inference.beat_model as i; print(i.__file__); print(i.BeatModel.load('cnn').card.kind)"
    where, kind = python(code, tmp_path, PYTHONPATH=str(site)).split()
    assert Path(where).is_relative_to(site)
    assert kind == "cnn"


@pytest.mark.parametrize("module", ["edge", "edge.cli.app", "edge.pipeline", "edge.service.replay"])
def test_a_start_loads_only_what_it_needs(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    loaded = set(python(code, REPO).split())
    heavy = {"wfdb", "pandas", "matplotlib", "tensorflow", "cv2", "sleepecg", "amqtt", "rich"}
    assert not loaded & heavy
    assert "scipy.signal" not in python(f"import sys, {module}; print(*sys.modules)", REPO).split()
