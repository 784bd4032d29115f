"""The web server as users start it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from subprocess import Popen

from command import started


class Server:
    """A running `ecg-edge web`."""

    def __init__(self, process: Popen[str]) -> None:
        self.process = process
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.startswith(("http://", "https://")):
                self.url = line.strip().rstrip("/")
                return
        raise RuntimeError(f"the server does not start: {''.join(lines)}")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def serving(running: ExitStack, *arguments: str | Path, port: int = 0, **env: str) -> Server:
    """Start a server that lives as long as `running`."""
    return Server(running.enter_context(started("web", "--port", str(port), *arguments, **env)))
