"""Boards that are reached over the network, as ser2net and ESP-Link put them there."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import serial
from numpy.typing import NDArray
from serial import rfc2217
from serial_bench import FS_HZ, listen, running, whole

from edge.messages import Gap
from edge.sources.serial.sensor import SerialSensor
from edge.sources.serial.settings import Sensor
from firmware_bridge.boards import make_board
from firmware_bridge.emulator import Pty


def test_socket_serves_as_port(signal: NDArray[np.float32]) -> None:
    board = make_board("native", signal[:3600], FS_HZ, ("MLII", "V1"))
    wire = b"".join(packet for s in range(12) for packet in board.due(float(s)))
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for part in (wire[: len(wire) // 2], wire[len(wire) // 2 :]):
                connection, _ = server.accept()
                connection.sendall(part)
                time.sleep(0.3)
                connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"socket://127.0.0.1:{server.getsockname()[1]}"
        messages = listen(SerialSensor(Sensor(port=url)), 20, thread)
    got = whole(messages)
    there = ~np.isnan(got[:, 0])
    assert len(got) == 3600
    # One block was cut in two by the break.
    assert 0 <= np.count_nonzero(~there) <= 36
    assert np.allclose(got[there], signal[:3600][there], atol=1e-6)


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # of pyserial
def test_rfc2217_serves_as_port(signal: NDArray[np.float32]) -> None:
    line = Pty()
    with (
        running(make_board("native", signal, FS_HZ, ("MLII", "V1")), line),
        socket.create_server(("127.0.0.1", 0)) as server,
    ):
        threading.Thread(target=serve_rfc2217, args=(server, line.path), daemon=True).start()
        url = f"rfc2217://127.0.0.1:{server.getsockname()[1]}"
        messages = listen(SerialSensor(Sensor(port=url)), 3)
    assert len(whole(messages)) > FS_HZ
    assert not any(isinstance(message, Gap) for message in messages)


class WithoutModemLines(serial.Serial):
    """A pty has none, and the server asks for them."""

    cts = dsr = ri = cd = False

    def _update_rts_state(self) -> None:
        pass

    _update_dtr_state = _update_rts_state


def serve_rfc2217(server: socket.socket, path: str) -> None:
    """Put a port on the network, as ser2net does."""
    connection, _ = server.accept()
    with connection, WithoutModemLines(path, timeout=0.02) as port, contextlib.suppress(OSError):
        connection.settimeout(0.02)
        there = SimpleNamespace(write=connection.sendall)
        manager = rfc2217.PortManager(port, there)
        while True:
            if data := port.read(port.in_waiting or 1):
                connection.sendall(b"".join(manager.escape(data)))
            with contextlib.suppress(TimeoutError):
                port.write(b"".join(manager.filter(connection.recv(1024))))
