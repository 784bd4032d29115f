"""Checks that everything this machine needs is there and works; each failure comes with its remedy."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from edge import __version__
from edge.config import Config
from edge.errors import EcgEdgeError
from edge.inference.beat_model import BeatModel, model_names
from edge.inference.runtime import runtime_name
from edge.service.wiring import broker
from edge.tools import machine

_OLDEST, _NEWEST = (3, 11), (3, 13)
_MODELS = ("cnn", "lstm")
# What each package is for, by the name it is imported by.
_PACKAGES = {
    "scipy": ("scipy", "filters"),
    "wfdb": ("wfdb", "records in rare formats, and downloads"),
    "serial": ("pyserial", "sensors"),
    "paho": ("paho-mqtt", "MQTT"),
    "cv2": ("opencv-python-headless", "paper and camera"),
    "cobs": ("cobs", "sensors"),
}
_REINSTALL = "pip install --force-reinstall ecg-edge"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing looked at.

    Attributes
    ----------
    what : str
        What was looked at.
    ok : bool
        Whether it is as it must be.
    found : str
        What is there, or what is wrong.
    fix : str
        What to do about it; empty if nothing.
    """

    what: str
    ok: bool
    found: str
    fix: str = ""


def run(settings: Config, data: Path | None, *, as_json: bool = False) -> int:
    """Look at everything and print it; return the command's exit code."""
    checks: list[Check] = []
    for check in _checks(settings, data):
        checks.append(check)
        if not as_json:
            mark = "ok  " if check.ok else "FAIL"
            print(f"{mark}  {check.what:<20} {check.found}" + (f": {check.fix}" if check.fix else ""), flush=True)
    if as_json:
        print(msgspec.json.encode({"ok": all(check.ok for check in checks), "checks": checks}).decode())
    return 0 if all(check.ok for check in checks) else 1


def version(*, as_json: bool = False) -> None:
    """Print the versions of what is installed, and the hashes of the models."""
    versions = {
        "ecg-edge": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "runtime": _or_error(runtime_name),
        "numpy": np.__version__,
    }
    models = {name: _or_error(partial(_sha256, name)) for name in model_names()}
    if as_json:
        print(msgspec.json.encode({**versions, "models": models}).decode())
        return
    for what, which in versions.items():
        print(f"{what:<10} {which}")
    for name, sha256 in models.items():
        print(f"{'model':<10} {name} {sha256}")


def _sha256(name: str) -> str:
    with BeatModel.load(name) as model:
        return model.sha256


def _or_error(look: Callable[[], str]) -> str:
    try:
        return look()
    except EcgEdgeError as error:
        return str(error)


def _checks(settings: Config, data: Path | None) -> Iterator[Check]:
    yield _python()
    yield _looked("interpreter", runtime_name)
    yield _numpy()
    for name in dict.fromkeys((*_MODELS, *model_names())):
        yield _looked(f"model {name}", partial(_model, name))
    for module, (package, purpose) in _PACKAGES.items():
        yield _package(module, package, purpose)
    yield _data(data)
    yield _looked("port", lambda: machine.port(settings))
    yield _looked("camera", machine.cameras)
    yield _looked("clock", machine.clock)
    yield _looked("disk", machine.disk)
    yield _looked("temperature", machine.temperature)
    yield _looked("secrets", lambda: machine.secrets(settings))
    if settings.mqtt.url is not None:
        yield _looked("broker", lambda: _broker(settings))


def _looked(what: str, look: Callable[[], str]) -> Check:
    try:
        return Check(what=what, ok=True, found=look())
    except EcgEdgeError as error:
        return Check(what=what, ok=False, found=error.what, fix=error.fix)


def _python() -> Check:
    ok = _OLDEST <= sys.version_info[:2] <= _NEWEST
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    fix = "" if ok else f"use Python {_OLDEST[0]}.{_OLDEST[1]} to {_NEWEST[0]}.{_NEWEST[1]}"
    return Check(what="Python", ok=ok, found=found, fix=fix)


def _numpy() -> Check:
    # tflite-runtime is built against numpy 1; with numpy 2 it breaks, but only when a model is built.
    clash = int(np.__version__.split(".")[0]) >= 2 and importlib.util.find_spec("tflite_runtime") is not None
    fix = "pip install 'numpy>=1.26.4,<2'" if clash else ""
    return Check(
        what="numpy", ok=not clash, found=np.__version__ + (" breaks tflite-runtime" if clash else ""), fix=fix
    )


def _model(name: str) -> str:
    """Run a model once on silence."""
    with BeatModel.load(name) as model:
        card = model.card
        window = np.zeros((card.window.n, card.window.leads), np.float32)
        features = np.array([feature.knots[0] for feature in card.features], np.float32)
        total = float(model.predict(window, features).sum())
        return f"runs, sha256 {model.sha256[:12]}…, probabilities sum to {total:.2f}"


def _package(module: str, package: str, purpose: str) -> Check:
    what = package.removesuffix("-python-headless")
    if importlib.util.find_spec(module) is None:
        return Check(what=what, ok=False, found=f"not installed, needed for {purpose}", fix=_REINSTALL)
    return Check(what=what, ok=True, found=f"{importlib.metadata.version(package)}, for {purpose}")


def _data(data: Path | None) -> Check:
    root = os.environ.get("ECG_EDGE_DATA")
    folder = data or (Path(root) / "mitdb" if root else None)
    if folder is None:
        return Check(what="records", ok=True, found="no folder set; MIT-BIH records are fetched when asked for")
    n_records = len(list(folder.glob("*.hea"))) if folder.is_dir() else 0
    if n_records:
        return Check(what="records", ok=True, found=f"{n_records} in {folder}")
    fix = "give --data DIR or set ECG_EDGE_DATA to a folder that holds mitdb"
    return Check(what="records", ok=False, found=f"none in {folder}", fix=fix)


def _broker(settings: Config) -> str:
    from edge.sinks.mqtt.link import MqttLink  # noqa: PLC0415  (paho takes 0.1 s to import)

    publisher = MqttLink(broker(settings.mqtt), settings.device.id)
    publisher.connect(will=None)
    publisher.close()
    return f"{publisher.where} answers, MQTT {publisher.version}"
