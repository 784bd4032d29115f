"""The C library, compiled with gcc, against the Python codec: golden bytes, random frames both ways, fuzz."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.random import Generator

from firmware_bridge import frames as f
from firmware_bridge.codec import Decoder, encode

HERE = Path(__file__).parent
SOURCES = HERE.parents[1] / "firmware_bridge" / "c" / "src"
STRICT = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-O1")


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the library and its test program, with the sanitizers watching."""
    gcc = shutil.which("gcc") or pytest.skip("needs a C compiler (Debian: gcc)")
    program = tmp_path_factory.mktemp("c") / "exchange"
    sources = [HERE / "c" / "exchange.c", SOURCES / "ecg_bridge.c"]
    flags = [*STRICT, "-fsanitize=address,undefined", "-fno-sanitize-recover", "-DEB_RX_BODY=250", f"-I{SOURCES}"]
    subprocess.run([gcc, *flags, "-o", program, *sources], check=True, timeout=60)
    return program


def run(program: Path, what: str, wire: bytes = b"") -> bytes:
    return subprocess.run([program, what], input=wire, stdout=subprocess.PIPE, check=True, timeout=60).stdout


def random_frame(rng: Generator) -> f.Frame:
    width, n_leads = int(rng.integers(2, 4)), int(rng.integers(1, 9))
    n = int(rng.integers(1, 235 // (n_leads * width) + 1))
    # Many zeros and many without any, so that COBS is seen at both ends.
    alphabet = rng.integers(0, 256, int(rng.integers(1, 6)))
    data = rng.choice(alphabet, n * n_leads * width).astype(np.uint8).tobytes()
    word = int(rng.integers(0, 2**32))
    block = f.SampleBlock(stream=word & 255, n_leads=n_leads, width=width, counter=word, board_us=word >> 3, data=data)
    others = (f.Ping(token=word), f.Start(), f.Pong(token=word, board_us=0), f.Status(stream=1, board_us=word))
    return block if rng.random() < 0.7 else others[int(rng.integers(len(others)))]


def test_c_writes_the_golden_bytes(exchange: Path) -> None:
    lines = (HERE / "golden" / "frames.txt").read_text().splitlines()
    assert run(exchange, "golden") == b"".join(bytes.fromhex(line.split()[1]) for line in lines)


def test_random_frames_go_to_c_and_come_back(exchange: Path) -> None:
    rng = np.random.default_rng(1)
    sent = [random_frame(rng) for _ in range(20_000)]
    wire = b"".join(map(encode, sent))
    echoed = run(exchange, "echo", wire)
    assert echoed == wire
    assert Decoder().push(echoed) == sent


def test_both_agree_on_damaged_bytes(exchange: Path) -> None:
    rng = np.random.default_rng(2)
    wire = bytearray(b"".join(encode(random_frame(rng)) for _ in range(20_000)))
    for at in rng.integers(0, len(wire), len(wire) // 400):
        wire[at] = rng.integers(0, 256)
    cut = np.sort(rng.integers(0, len(wire), 200))
    kept = b"".join(bytes(wire[a:b]) for a, b in zip(cut[::2], cut[1::2], strict=True))
    decoder = Decoder()
    survivors = decoder.push(kept)
    assert len(survivors) > 1000
    assert decoder.stats.bad > 1000
    good = int(run(exchange, "count", kept).split()[0])
    assert good == decoder.stats.frames + decoder.stats.unknown + decoder.stats.malformed
    assert Decoder().push(run(exchange, "echo", kept)) == survivors


def test_c_finds_no_frame_in_random_bytes(exchange: Path) -> None:
    good, bad = run(exchange, "count", np.random.default_rng(3).bytes(10_000_000)).split()
    assert int(good) == 0
    assert int(bad) > 30_000


def test_c_survives_zeros_and_endless_frames(exchange: Path) -> None:
    wire = bytes(100_000) + b"\xff" * 100_000 + b"\0" + b"\x01" * 70_000 + b"\0" + encode(f.Ping(token=9))
    assert run(exchange, "count", wire).split() == [b"1", b"2"]


def test_library_takes_a_few_hundred_bytes_on_an_8_bit_board(tmp_path: Path) -> None:
    gcc = shutil.which("avr-gcc") or pytest.skip("needs avr-gcc (Debian: gcc-avr avr-libc)")
    source = tmp_path / "ram.c"
    source.write_text('#include "ecg_bridge.h"\nchar ram[sizeof(eb_frame) + sizeof(eb_receiver)];\n')
    flags = ["-mmcu=atmega328p", "-Os", *STRICT[:-1], f"-I{SOURCES}"]
    subprocess.run([gcc, *flags, "-c", source, "-o", tmp_path / "ram.o"], check=True, timeout=60)
    subprocess.run([gcc, *flags, "-c", SOURCES / "ecg_bridge.c", "-o", tmp_path / "bridge.o"], check=True, timeout=60)
    ram, bridge = (sizes(gcc, tmp_path / name) for name in ("ram.o", "bridge.o"))
    assert ram["data"] + ram["bss"] <= 300
    assert bridge["data"] + bridge["bss"] == 0
    assert bridge["text"] <= 2048


def sizes(gcc: str, file: Path) -> dict[str, int]:
    size = Path(gcc).with_name("avr-size")
    names, values = subprocess.run([size, file], capture_output=True, check=True, text=True).stdout.splitlines()
    return dict(zip(names.split()[:3], map(int, values.split()[:3]), strict=True))
