"""Watches a camera, a stream or a video for strips of ECG paper: each steady, sharp one is captured once."""

from __future__ import annotations

import http.client
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.errors import SourceError
from edge.paper.page import tilt
from edge.paper.picture import Picture

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mjpeg", ".mjpg"})

_PATIENCE_S = 10.0
"""Without a picture for so long, a camera has gone or hangs."""
_MOST_BYTES = 32 << 20
"""Of one picture in a stream."""
_CHUNK = 1 << 16
_LOOKS_PER_S = 5.0
_START, _END = b"\xff\xd8\xff", b"\xff\xd9"


class Frame(msgspec.Struct, frozen=True, eq=False):
    """A picture, and when it was taken, in seconds since the first."""

    time_s: float
    image: Picture


class Frames(Protocol):
    """Where pictures come from."""

    def frames(self, stop: threading.Event) -> Iterator[Frame]:
        """Yield pictures as they come, until there are no more or `stop` is set.

        Raises
        ------
        SourceError
            If the camera is not there, goes away or hangs.
        """


def open_camera(where: str) -> Frames:
    """Return what yields pictures.

    Parameters
    ----------
    where : str
        Number or `/dev/videoN` of a camera, `rtsp://…`, `http://…` (MJPEG), `picamera2`, or a video file.
    """
    if where.startswith(("http://", "https://")):
        return MjpegStream(where)
    if where == "picamera2":
        return PiCamera()
    return Video(where)


class MjpegStream:
    """JPEG pictures one after the other over HTTP, as network cameras send them."""

    def __init__(self, url: str) -> None:
        self._url = url

    def frames(self, stop: threading.Event) -> Iterator[Frame]:
        """Yield pictures as they come; see `Frames`."""
        request = urllib.request.Request(self._url, headers={"User-Agent": "ecg-edge"})  # noqa: S310 - http(s) alone
        try:
            with closing(urllib.request.urlopen(request, timeout=_PATIENCE_S)) as answer:  # noqa: S310
                began = time.monotonic()
                for jpeg in _jpegs(answer, stop):
                    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
                    if image is not None:
                        yield Frame(time.monotonic() - began, np.asarray(image, np.uint8))
        except (TimeoutError, OSError, http.client.HTTPException, urllib.error.URLError) as error:
            reason = "sends no picture any more" if isinstance(error, TimeoutError) else f"cannot be reached ({error})"
            raise SourceError(self._url, reason, "check the camera and its network") from error
        if not stop.is_set():
            raise SourceError(self._url, "ended its stream", "check the camera")


def _jpegs(answer: Any, stop: threading.Event) -> Iterator[bytes]:
    """Cut a stream into JPEG pictures; what is between them is skipped."""
    buffer = bytearray()
    while not stop.is_set():
        chunk = answer.read1(_CHUNK)
        if not chunk:
            return
        buffer += chunk
        while True:
            start = buffer.find(_START)
            end = buffer.find(_END, start + 3) if start >= 0 else -1
            if end < 0:
                break
            yield bytes(buffer[start : end + 2])
            del buffer[: end + 2]
        if len(buffer) > _MOST_BYTES:
            buffer.clear()


class Video:
    """A video file, a camera of this machine, or an RTSP stream."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._file = Path(where).suffix.lower() in VIDEO_SUFFIXES and "://" not in where

    def frames(self, stop: threading.Event) -> Iterator[Frame]:
        """Yield some pictures a second; see `Frames`."""
        capture = self._opened()
        began, last, number = time.monotonic(), -1.0, 0
        rate = capture.get(cv2.CAP_PROP_FPS) or 25.0
        try:
            while not stop.is_set() and capture.grab():
                number += 1
                now = number / rate if self._file else time.monotonic() - began
                if now - last < 1 / _LOOKS_PER_S:
                    continue
                good, image = capture.retrieve()
                if good:
                    last = now
                    yield Frame(now, np.asarray(image, np.uint8))
        finally:
            capture.release()
        if not self._file and not stop.is_set():
            raise SourceError(self._where, "sends no picture any more", "check the camera and its cable")
        if self._file and not number:
            raise SourceError(self._where, "holds no picture that can be decoded", "give another video")

    def _opened(self) -> cv2.VideoCapture:
        if self._file and not Path(self._where).is_file():
            raise SourceError(self._where, "is not there", "give a video file")
        device = self._where.removeprefix("/dev/video")
        if device.isdigit():
            capture = cv2.VideoCapture(int(device), cv2.CAP_V4L2)
        else:
            patience = round(_PATIENCE_S * 1000)
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, patience, cv2.CAP_PROP_READ_TIMEOUT_MSEC, patience]
            capture = cv2.VideoCapture(self._where, cv2.CAP_FFMPEG, limits)
        if not capture.isOpened():
            raise SourceError(self._where, "cannot be opened", "give a camera, a stream or a video file")
        return capture


class PiCamera:
    """The camera module of a Raspberry Pi."""

    def frames(self, stop: threading.Event) -> Iterator[Frame]:
        """Yield some pictures a second; see `Frames`."""
        try:
            from picamera2 import Picamera2  # noqa: PLC0415 - Raspberry Pi OS alone has it
        except ImportError as error:
            raise SourceError("picamera2", "is not installed", "`sudo apt install python3-picamera2`") from error
        camera = Picamera2()
        camera.configure(camera.create_still_configuration(main={"format": "BGR888"}))
        camera.start()
        began = time.monotonic()
        try:
            while not stop.wait(1 / _LOOKS_PER_S):
                image = np.ascontiguousarray(camera.capture_array()[..., ::-1])
                yield Frame(time.monotonic() - began, image)
        finally:
            camera.stop()


class Watcher:
    """Says which pictures are worth reading: of paper that lies still, the sharpest, once until something moves.

    Parameters
    ----------
    steady_s : float
        How long nothing may move.
    """

    _SMALL = (96, 72)
    _STILL = 2.5
    """Mean difference of grey levels between pictures of a still scene: a sensor's noise, averaged."""
    _MOVED = 5.0
    _LEAST_LOOKS = 3
    _LEAST_GRID = 0.1

    def __init__(self, steady_s: float = 0.6) -> None:
        self._steady_s = steady_s
        self._last: NDArray[np.float32] | None = None
        self._since = 0.0
        self._looks = 0
        self._best: tuple[float, Picture] | None = None
        self._taken: NDArray[np.float32] | None = None

    def push(self, frame: Frame) -> Picture | None:
        """Take the next picture; return the one to read, if it is time."""
        grey = cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY)
        small = cv2.resize(grey, self._SMALL, interpolation=cv2.INTER_AREA).astype(np.float32)
        last, self._last = self._last, small
        if last is None or float(np.abs(small - last).mean()) > self._STILL:
            self._since, self._looks, self._best = frame.time_s, 0, None
        if self._taken is not None:
            if float(np.abs(small - self._taken).mean()) < self._MOVED:
                return None
            self._taken = None
        self._looks += 1
        sharpness = float(np.abs(cv2.Laplacian(grey, cv2.CV_16S)).mean())
        if self._best is None or sharpness > self._best[0]:
            self._best = (sharpness, frame.image)
        if frame.time_s - self._since < self._steady_s or self._looks < self._LEAST_LOOKS:
            return None
        self._taken, picture, self._best = small, self._best[1], None
        return picture if _may_be_paper(picture, self._LEAST_GRID) else None


def _may_be_paper(image: Picture, least: float) -> bool:
    """Whether lines run along two axes at right angles, as a grid's do: told far more quickly than by reading it."""
    ink = 1 - image.min(axis=2).astype(np.float32) / 255
    return tilt(ink)[1] >= least
