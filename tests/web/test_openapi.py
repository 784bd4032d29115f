"""The API does as its description says, whatever is sent: no server error, nothing undocumented."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from broker import MOSQUITTO, Mosquitto
from front_end import ecg
from ward_devices import Devices
from web_server import Server, serving

API = "/api/v1/analyses"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, dict[str, str]]]:
    """A server with a bed in alarm and an analysis, and what these are called."""
    if MOSQUITTO is None:
        pytest.skip("needs mosquitto")
    folder = tmp_path_factory.mktemp("openapi")
    with ExitStack() as running:
        broker = running.enter_context(Mosquitto(folder).running())
        server = serving(running, "--data", folder / "data", "--mqtt", broker.url)
        alert = running.enter_context(Devices(broker.url, ["bed-1"])).raise_alert("bed-1")
        with httpx.Client(base_url=server.url, timeout=60) as client:
            text = "time,II\n" + "".join(f"{i / 250:.3f},{mv:.3f}\n" for i, mv in enumerate(ecg(15.0, 250.0)[0][:, 0]))
            answers = {"questionnaire": '{"pain_now": "no"}'}
            made = client.post(API, files=[("file", ("ecg.csv", text.encode()))], data=answers).json()
            for _ in range(600):
                told = client.get(made["links"]["self"]).json()
                if told["status"] in ("done", "failed"):
                    break
                time.sleep(0.1)
        assert told["status"] == "done", told["reason"]
        yield server, {"device": "bed-1", "alert": str(alert.id), "analysis_id": made["id"]}


@pytest.mark.parametrize("real", [False, True], ids=["any names", "names that there are"])
def test_schemathesis_finds_no_server_error_and_nothing_undocumented(known, real: bool, tmp_path: Path) -> None:
    pytest.importorskip("schemathesis", reason="needs schemathesis")
    server, names = known
    if real:
        lines = [f'{key} = "{value}"' for key, value in names.items()]
        (tmp_path / "schemathesis.toml").write_text("\n".join(["[parameters]", *lines, ""]))
    url, examples = f"{server.url}/openapi.json", ("--max-examples", "12", "--seed", "1")
    # What is deleted is not there any more for the tests after it.
    kept = ("--exclude-method", "DELETE") if real else ()
    command = [str(Path(sys.executable).with_name("st")), "run", url, "--checks", CHECKS, *examples, *kept]
    command += ["--phases", "coverage,fuzzing", "--no-color", "--suppress-health-check", "all"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert httpx.get(f"{server.url}{API}").status_code == 200
