"""Starting the server: what is wrong is one line that says what to do."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from command import Run, environment

WITHOUT = (
    "import sys; sys.modules['{}'] = None; from edge.cli.app import main; sys.argv[1:] = ['web', '--port', '0']; main()"
)


def test_a_port_that_is_taken_is_said(ecg_edge: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = ecg_edge("web", "--port", taken.getsockname()[1], "--data", tmp_path / "web")
    assert done.returncode == 1
    assert "give another --port" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--database", "mysql://u:secret@h/d"), "sqlite:///FILE or postgresql://"),
        (("--database", "postgresql://u:secret@127.0.0.1:1/d"), "database postgresql"),
        (("--data", "/proc/nothing"), "give another folder with --data"),
        (("--mqtt", "http://x"), "mqtt://"),
    ],
)
def test_what_cannot_be_used_is_one_line_without_passwords(
    ecg_edge: Run, arguments: tuple[str, str], said: str
) -> None:
    done = ecg_edge("web", "--port", "0", *arguments)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "secret" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("package", ["fastapi", "uvicorn", "sqlalchemy"])
def test_without_the_extra_it_says_how_to_install_it(package: str) -> None:
    command = [sys.executable, "-c", WITHOUT.format(package)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"needs {package}" in done.stderr
    assert "[web]" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_people_are_told_in_a_page_and_programs_in_json(serve, tmp_path: Path) -> None:
    server = serve("--data", tmp_path)
    for path, status in (("/nothing", 404), ("/analyses/x", 404), ("/analyses/" + "0" * 32, 404), ("/beds/a%20b", 404)):
        page = httpx.get(f"{server.url}{path}", headers={"Accept": "text/html"})
        assert page.status_code == status
        assert "<h1>That did not work</h1>" in page.text
    told = httpx.get(f"{server.url}/api/v1/analyses/{'0' * 32}", headers={"Accept": "text/html"})
    assert told.json() == {"detail": "there is no such analysis"}
