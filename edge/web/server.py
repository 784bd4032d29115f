"""Runs the web application until it is asked to stop."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from edge.config import Config
from edge.errors import ConfigError, EcgEdgeError, how_to_install
from edge.service.wiring import broker, state_directory

_log = logging.getLogger(__name__)

_STOP_WITHIN_S = 3
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def run(
    config: Config,
    host: str,
    port: int,
    *,
    password_file: Path | None = None,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    **options: Any,
) -> int:
    """Serve until interrupted; return the command's exit code.

    Parameters
    ----------
    config : Config
        For its `[mqtt]`.
    host, port : str, int
        Where to listen.
    password_file : Path or None
        Holds the password, or its Argon2 hash; needed for anything but loopback.
    tls_cert, tls_key : Path or None
        Certificate and key, to be asked over HTTPS.
    options
        Of `edge.web.settings.Settings`, where not None.

    Raises
    ------
    EcgEdgeError
        If the extra `web` is not installed, or the address is taken.
    ConfigError
        If others could look without a password.
    """
    try:
        import uvicorn  # noqa: PLC0415

        from edge.web.app import create_app  # noqa: PLC0415
        from edge.web.settings import Settings  # noqa: PLC0415
    except ImportError as error:
        raise EcgEdgeError(f"the web page needs {error.name}", how_to_install("web")) from error
    local = host in _LOOPBACK
    password = _password(password_file, local=local)
    if not local and tls_cert is None:
        _log.warning("without --tls-cert the password and all that is shown cross the network as plain text")
    given = {"data": state_directory() / "web"} | {key: value for key, value in options.items() if value is not None}
    app = create_app(
        Settings(
            broker=broker(config.mqtt) if config.mqtt.url else None,
            hosts=_LOOPBACK if local else None,
            password=password,
            **given,
        )
    )
    # Large uploads wait on the disk that they are kept on, not in a /tmp that may be memory.
    tempfile.tempdir = str(given["data"])
    with _listening(host, port) as listener:
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                ws="websockets-sansio",
                ws_max_size=65_536,
                ws_per_message_deflate=False,
                log_level="warning",
                timeout_graceful_shutdown=_STOP_WITHIN_S,
                server_header=False,
                ssl_certfile=tls_cert,
                ssl_keyfile=tls_key,
            )
        )
        where = listener.getsockname()
        print(f"http{'s' if tls_cert else ''}://{_shown(host)}:{where[1]}/", file=sys.stderr, flush=True)
        asyncio.run(server.serve(sockets=[listener]))
    return 0


def _password(path: Path | None, *, local: bool) -> str:
    from edge.service.credentials import located  # noqa: PLC0415
    from edge.web.access import read_password  # noqa: PLC0415

    if path is not None:
        return read_password(located(str(path)))
    if not local:
        raise ConfigError("--host", "whoever reaches this machine could look: give --password-file")
    return ""


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        raise EcgEdgeError(
            f"cannot listen at {host}:{port}, {error.strerror or error}", "give another --port"
        ) from error
    return listener


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
