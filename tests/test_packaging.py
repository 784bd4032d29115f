"""What is installed: a wheel that works from any folder, and a start that loads nothing it does not need."""

from __future__ import annotations

import os
import re
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
    for name in ("cnn.tflite", "cnn.json", "lstm.tflite", "lstm.json", "af.json", "af_strip.json", "vf.json", "s.json"):
        assert f"edge/models/{name}" in names
    for name in ("ecg-edge.service", "70-ecg-edge.rules", "ecg-edge.toml"):
        assert f"edge/systemd/{name}" in names
    for name in ("templates/ward.html", "static/ward.js", "static/uplot/uPlot.esm.js", "static/uplot/LICENSE"):
        assert f"edge/web/{name}" in names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "models/"))]


def test_an_installed_wheel_finds_its_models_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    code = "import edge.inference.beat_model as i; print(i.__file__); print(i.BeatModel.load('cnn').card.kind)"
    where, kind = python(code, tmp_path, PYTHONPATH=str(site)).split()
    assert Path(where).is_relative_to(site)
    assert kind == "cnn"


def test_no_address_of_a_package_index_stands_in_the_tree() -> None:
    names = subprocess.run(["git", "ls-files"], cwd=REPO, capture_output=True, text=True, check=False).stdout.split(
        "\n"
    )
    if not any(names):
        pytest.skip("needs a clone")
    index = re.compile(r"https?://[^\s\"']*(?:pypi|pythonhosted|piwheels|debian|ubuntu|/simple\b)")
    texts = {
        name: (REPO / name).read_text(encoding="utf-8", errors="replace") for name in names if (REPO / name).is_file()
    }
    assert not [name for name, text in texts.items() if index.search(text)]
    # It is on none either: what is told to install must be a clone or a wheel.
    unknown = re.compile(r"pip install [^\n`]*(?<![\w./-])ecg-edge(?:\[\w+\])?(?=[\"'`\s]|$)")
    assert not [name for name, text in texts.items() if name != "tests/test_packaging.py" and unknown.search(text)]


def without_ensurepip(folder: Path) -> Path:
    fake = folder / "python3"
    fake.write_text(
        f"""#!/bin/bash
case "$*" in
"-m venv --clear --without-pip "*) ;;
"-m venv "* | "-m pip"*) exit 1 ;;
esac
exec {sys.executable} "$@"
"""
    )
    fake.chmod(0o755)
    return fake


def test_where_python_lacks_ensurepip_one_line_says_what_brings_it(tmp_path: Path) -> None:
    env = os.environ | {"PATH": "/usr/bin:/bin"}
    command = [str(REPO / ".ci/venv"), str(tmp_path / "venv"), str(without_ensurepip(tmp_path))]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "apt install python3-venv" in line
    assert not (tmp_path / "venv").exists()


def test_other_pythons_are_found_and_run(tmp_path: Path) -> None:
    done = subprocess.run([str(REPO / ".ci/interpreters"), sys.executable], capture_output=True, text=True, check=True)
    ours = ".".join(map(str, sys.version_info[:2]))
    for path in done.stdout.split():
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        version = subprocess.run([path, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        assert version in {"3.11", "3.12", "3.13"} - {ours}


@pytest.mark.parametrize("module", ["edge", "edge.cli.app", "edge.pipeline", "edge.service.replay"])
def test_a_start_loads_only_what_it_needs(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    loaded = set(python(code, REPO).split())
    heavy = {"wfdb", "pandas", "matplotlib", "tensorflow", "cv2", "sleepecg", "amqtt", "rich"}
    assert not loaded & heavy
    assert "scipy.signal" not in python(f"import sys, {module}; print(*sys.modules)", REPO).split()
