"""A camera over HTTP and a video file: each strip that lies still is captured once."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
from command import Run

from edge.errors import SourceError
from edge.sources.camera import Frame, Watcher, open_camera
from training.pages.look import Look
from training.pages.renderer import render_page

FS_HZ = 500.0
SIZE = (1280, 480)


def beats(rr_s: float, duration_s: float = 6.5) -> np.ndarray:
    t = np.arange(round(duration_s * FS_HZ)) / FS_HZ
    phase = t % rr_s
    parts = ((0.2, 0.03, 0.12), (0.4, 0.014, 1.1), (0.43, 0.012, -0.2), (0.62, 0.05, 0.25))
    return sum(height * np.exp(-(((phase - at) / width) ** 2)) for at, width, height in parts).astype(np.float32)


@pytest.fixture(scope="module")
def scene() -> list[np.ndarray]:
    """A table, a strip laid down, taken away; another; the first once more, elsewhere."""
    rng = np.random.default_rng(3)
    table = np.full((SIZE[1], SIZE[0], 3), (40, 60, 80), np.uint8)
    strips = []
    for rr_s in (0.7, 1.0):
        look = Look.clean(px_per_mm=6.0, pulse="none", names=False, header=False, grid="red", grid_style="lines")
        strips.append(render_page({"II": beats(rr_s)}, FS_HZ, layout="strip", look=look, seed=2).image)

    def laid(strip: np.ndarray, x: int, y: int) -> np.ndarray:
        picture = table.copy()
        height, width = min(strip.shape[0], SIZE[1] - y), min(strip.shape[1], SIZE[0] - x)
        picture[y : y + height, x : x + width] = strip[:height, :width]
        return picture

    frames = [table] * 6
    for strip, x, y in ((strips[0], 60, 40), (strips[1], 50, 60), (strips[0], 70, 70)):
        frames += [laid(strip, x + 60 * k, y) for k in (4, 2)] + [laid(strip, x, y)] * 10 + [table] * 5
    return [np.clip(f + rng.normal(0, 1.5, f.shape), 0, 255).astype(np.uint8) for f in frames]


@contextmanager
def served(frames: list[np.ndarray], *, hang: bool = False) -> Iterator[str]:
    """An MJPEG camera on loopback: the frames at ten a second, then the end, or nothing more."""
    jpegs = [cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes() for frame in frames]
    over = threading.Event()

    class Camera(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            for jpeg in jpegs:
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")
                time.sleep(0.1)
            if hang:
                over.wait(30)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/stream.mjpg"
    finally:
        over.set()
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def video(scene: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "strips.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 5.0, SIZE)
    for frame in scene:
        writer.write(frame)
    writer.release()
    return path


def test_a_stream_over_http_is_captured_once_per_strip(scene: list[np.ndarray]) -> None:
    watcher, captured = Watcher(steady_s=0.3), 0
    with served(scene) as url, pytest.raises(SourceError, match="ended its stream"):
        for frame in open_camera(url).frames(threading.Event()):
            captured += watcher.push(frame) is not None
    assert captured == 3


def test_a_video_becomes_an_object_a_strip_the_same_one_not_twice(ecg_edge: Run, video: Path, tmp_path: Path) -> None:
    done = ecg_edge("strip", video, "--csv", tmp_path / "{name}.csv", "--json")
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert [round(one["heart_rate_bpm"] / 10) for one in said] == [9, 6]
    assert len(list(tmp_path.glob("strips-*.csv"))) == 2


def test_what_moves_or_shows_no_grid_is_not_captured(scene: list[np.ndarray]) -> None:
    watcher = Watcher()
    table, strip = scene[0], scene[10]
    assert all(watcher.push(Frame(k / 5, table)) is None for k in range(20))
    moving = (np.roll(strip, 40 * k, axis=1) for k in range(20))
    assert all(watcher.push(Frame(4 + k / 5, picture)) is None for k, picture in enumerate(moving))


@pytest.mark.parametrize("where", ["/dev/video97", "none.avi", "http://127.0.0.1:9/x.mjpg"])
def test_a_camera_that_is_not_there_is_told_in_one_line(ecg_edge: Run, where: str) -> None:
    done = ecg_edge("strip", "--camera", where)
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if line.startswith("ecg-edge:")]
    assert "Traceback" not in done.stderr
