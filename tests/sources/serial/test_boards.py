"""Boards people own: golden captures made from their public formats, any cut, and finding out which one it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.errors import SourceError
from edge.sources.serial.boards import FORMATS
from edge.sources.serial.boards.items import Block, Description, Item
from edge.sources.serial.recognition import Recognised, Recogniser
from edge.sources.serial.settings import BoardSettings, FormatName
from firmware_bridge import cyton, openview, text
from firmware_bridge.boards import make_board
from firmware_bridge.codec import encode
from firmware_bridge.frames import VERSION, Hello

GOLDEN = Path(__file__).parent / "golden"
ADS1292R_UV = 2.42e6 / 12 / 2**15
CYTON_UV = 4.5e6 / 24 / (2**23 - 1)
ECG = [0, 10, -12, 300, 1500, -400, 32767, -32768, 5, 6, 7, 8]


def capture(name: str) -> bytes:
    return bytes.fromhex((GOLDEN / name).read_text())


def read(name: FormatName, wire: bytes, options: BoardSettings | None = None, step: int = 0) -> list[Item]:
    board = FORMATS[name](options or BoardSettings())
    step = step or len(wire)
    return [item for at in range(0, len(wire), step) for item in board.push(wire[at : at + step])]


def signal(items: list[Item]) -> NDArray[np.float32]:
    return np.concatenate([item.mv for item in items if isinstance(item, Block)])


def description(items: list[Item]) -> Description:
    (only,) = (item for item in items if isinstance(item, Description))
    return only


def test_healthypi_4() -> None:
    items = read("openview", capture("healthypi4.hex"))
    # The sixth packet was cut; the last two came with an electrode off.
    mv = signal(items)[:, 0]
    kept = np.array(ECG[:5] + ECG[6:])
    assert np.allclose(mv[:-2], kept[:-2] * ADS1292R_UV / 1000)
    assert np.isnan(mv[-2:]).all()
    assert (description(items).fs_hz, description(items).name) == (125, "healthypi-3-4")


def test_ads1292r_breakout() -> None:
    items = read("openview", capture("ads1292r.hex"))
    assert np.allclose(signal(items)[:, 0], np.array(ECG) * ADS1292R_UV / 1000)
    scaled = read("openview", capture("ads1292r.hex"), BoardSettings(uv_per_lsb=2.0, rate_hz=250, leads=("I",)))
    assert np.allclose(signal(scaled)[:, 0], np.array(ECG) * 0.002)
    assert (description(scaled).fs_hz, description(scaled).leads) == (250, ("I",))


def test_healthypi_5_sends_eight_samples_a_packet() -> None:
    items = read("openview", capture("healthypi5.hex"))
    assert np.allclose(signal(items)[:, 0], np.arange(80) * 1e3 / 2**17 / 20)


def test_cyton_counts_what_it_loses() -> None:
    items = read("cyton", capture("cyton.hex"))
    blocks = [item for item in items if isinstance(item, Block)]
    assert [(block.counter, len(block.mv)) for block in blocks] == [(250, 8), (4, 5)]
    steps = np.arange(12) * 1000
    assert np.allclose(signal(items)[:12], np.stack([steps, -steps], 1) * CYTON_UV / 1000)
    assert np.allclose(signal(items)[12], np.array([8388607, -8388608]) * CYTON_UV / 1000)


def test_cyton_channels_are_chosen() -> None:
    items = read("cyton", capture("cyton.hex"), BoardSettings(channels=(2,)))
    assert description(items).leads == ("ch2",)
    assert signal(items).shape == (13, 1)


def test_ad8232_sketch() -> None:
    decoder = text.Decoder()
    rows = decoder.push((GOLDEN / "ad8232.txt").read_bytes())
    # The first line may be half a number; the last one is not whole yet.
    assert rows == [(512,), (530,), (700,), (), (), (498,), (0,), (1023,)]
    assert (decoder.good, decoder.bad) == (8, 1)


@pytest.mark.parametrize(
    ("lines", "options", "expected"),
    [
        ("512\n", BoardSettings(), 0.0),
        ("512\n", BoardSettings(zero=500, uv_per_lsb=5), 0.06),
        ("3000\n", BoardSettings(), (3000 - 2048) * 3300 / 4096 / 1100),
        ("-250\n", BoardSettings(), -0.25),
        ("0.75\n", BoardSettings(), 0.75),
        ("700\n", BoardSettings(unit="uv"), 0.7),
        ("2\n", BoardSettings(unit="mv"), 2.0),
    ],
)
def test_units_of_text(lines: str, options: BoardSettings, expected: float) -> None:
    mv = signal(read("text", ("\n" + lines * 200).encode(), options))
    assert mv == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("row", ["512,498", "512 498", "512\t498", "512;498", "ecg:512,ref:498", " 512, 498 "])
def test_columns_of_text(row: str) -> None:
    assert text.Decoder().push(f"\n{row}\r\n".encode()) == [(512, 498)]


@pytest.mark.parametrize("line", ["nan", "inf", "1e99", "x", "512,", "1_000", "--3", "0x1g", "," * 50])
def test_what_is_not_a_number_is_no_sample(line: str) -> None:
    rows = text.Decoder().push(f"\n{line}\n".encode())
    assert rows in ([], [(512.0,)], [(1000.0,)])


def test_rows_of_another_length_are_left_out() -> None:
    board = FORMATS["text"](BoardSettings())
    items = board.push(b"\n" + b"512,500\n" * 150 + b"512\n" + b"512,500,1\n")
    assert signal(items).shape == (150, 2)
    assert board.bad == 2


@given(st.sampled_from(["healthypi4.hex", "ads1292r.hex", "healthypi5.hex", "cyton.hex"]), st.integers(1, 60))
def test_any_cut_gives_the_same_samples(name: str, step: int) -> None:
    kind: FormatName = "cyton" if name == "cyton.hex" else "openview"
    whole, cut = (signal(read(kind, capture(name), step=s)) for s in (0, step))
    assert np.array_equal(whole, cut, equal_nan=True)


@given(st.lists(st.binary(max_size=600), max_size=12))
def test_hostile_bytes_are_survived(chunks: list[bytes]) -> None:
    boards = [make(BoardSettings()) for make in FORMATS.values()]
    for chunk in chunks:
        for board in boards:
            board.push(chunk)


@pytest.mark.parametrize("junk", [b"\x0a\xfa\xff\xff\x02", b"\xa0", b"5" * 400, b"\x0a\xfa", b"\xff", b"\0"])
def test_memory_is_bounded_under_endless_junk(junk: bytes) -> None:
    decoders = [openview.Decoder(), cyton.Decoder(), text.Decoder()]
    for _ in range(300):
        for decoder in decoders:
            decoder.push(junk * 10)
            assert len(decoder._rest) <= 200


def recognise(wire: bytes, *, seconds: float = 2.0, only: FormatName | None = None, **options: object) -> Recognised:
    """Give a recogniser bytes as they would come over `seconds`."""
    recogniser = Recogniser(only, BoardSettings(**options))  # type: ignore[arg-type]
    steps = 100
    for i in range(steps):
        part = wire[len(wire) * i // steps : len(wire) * (i + 1) // steps]
        if found := recogniser.push(part, 100 + seconds * i / steps):
            return found
    recogniser.push(b"", 200)
    raise AssertionError("neither recognised nor refused")


@pytest.mark.parametrize("name", list(FORMATS))
def test_each_board_is_recognised_within_two_seconds(name: FormatName, toy_ecg: NDArray[np.float32]) -> None:
    board = make_board(name, np.tile(toy_ecg[:1800], (1, 2)), 360.0, ("MLII", "V1"))
    board.due(1.0)
    wire = b"".join(packet for ms in range(0, 2000, 20) for packet in board.due(1 + ms / 1000))
    # The reader comes in the middle of something.
    found = recognise(wire[7:], seconds=1.98)
    assert found.format.name == name
    # Lines say nothing of their rate: it is measured.
    rate = {"openview": 125, "cyton": 250}.get(name, 360)
    assert found.description.fs_hz == pytest.approx(rate, rel=0.005 if name == "text" else 0)
    assert len(signal(found.items)) > 0


def test_a_rate_that_is_no_standard_one_is_taken_as_measured() -> None:
    assert recognise(b"512\r\n" * 374).description.fs_hz == pytest.approx(187, abs=3)
    assert recognise(b"512\r\n" * 374, rate_hz=190).description.fs_hz == 190


def test_lead_off_from_the_start_does_not_hide_a_text_board() -> None:
    wire = b"  !\r\n" * 200 + b"512\r\n" * 300
    found = recognise(wire)
    assert found.format.name == "text"
    assert np.isnan(signal(found.items)[:150]).all()


def test_wrong_line_speed_is_said() -> None:
    noise = np.random.default_rng(0).integers(128, 256, 4000).astype(np.uint8).tobytes()
    with pytest.raises(SourceError, match=r"no known format.*line speed is probably wrong.*check --baud"):
        recognise(noise)


def test_text_that_is_no_ecg_is_said() -> None:
    with pytest.raises(SourceError, match="text without numbers"):
        recognise(b"Hello world, I am a thermometer\r\n" * 100)


def test_only_the_format_asked_for_is_believed() -> None:
    with pytest.raises(SourceError, match="no known format"):
        recognise(capture("cyton.hex") * 20, only="openview")


def test_a_later_version_of_the_protocol_is_said() -> None:
    hello = Hello(
        stream=0,
        rate_mhz=250_000,
        adc_bits=16,
        width=2,
        uv_per_lsb=(1.0,),
        device="new-board",
        firmware="9",
        leads=(),
        version=VERSION + 1,
    )
    with pytest.raises(SourceError, match="new-board: speaks version 2"):
        recognise(encode(hello) * 3)
