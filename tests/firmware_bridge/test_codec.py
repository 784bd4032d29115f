"""The native protocol: golden bytes, any cut, any damage."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from cobs import cobs
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge import frames as f
from firmware_bridge.codec import MAX_ENCODED, Decoder, encode

GOLDEN = Path(__file__).parent / "golden" / "frames.txt"
COUNTS_16 = np.array([[1, -1], [512, -32768], [0, 256]], np.int32)
COUNTS_24 = np.array([[1, -1], [8388607, -8388608]], np.int32)
FRAMES: list[f.Frame] = [
    f.Hello(
        stream=7,
        rate_mhz=250_000,
        adc_bits=10,
        width=2,
        uv_per_lsb=(4.4375,),
        device="nano-01",
        firmware="1.0",
        leads=("II",),
    ),
    f.Hello(
        stream=8,
        rate_mhz=500_000,
        adc_bits=24,
        width=3,
        uv_per_lsb=(float(np.float32(0.048080444335)),) * 2,
        device="esp32-a1",
        firmware="1.2.3",
        leads=("I", "II"),
    ),
    f.SampleBlock(stream=7, n_leads=2, width=2, counter=2**32 - 1, board_us=65536, data=f.pack_counts(COUNTS_16, 2)),
    f.SampleBlock(stream=8, n_leads=2, width=3, counter=10, board_us=4_000_000_000, data=f.pack_counts(COUNTS_24, 3)),
    f.Status(stream=7, board_us=1_000_000, lead_off=0x80000003, saturated=1, battery=87, dropped=12),
    f.Pong(token=0xDEADBEEF, board_us=123456789),
    f.Ack(command=f.SetRate.TYPE, result=f.ACK_REFUSED, value=250_000),
    f.Start(),
    f.Stop(),
    f.SetRate(rate_mhz=500_000),
    f.Identify(),
    f.Ping(token=0xDEADBEEF),
]

ids = st.integers(0, 255)
words = st.integers(0, 2**32 - 1)


@st.composite
def sample_blocks(draw: st.DrawFn) -> f.SampleBlock:
    width = draw(st.sampled_from((2, 3)))
    n_leads = draw(st.integers(1, 8))
    n = draw(st.integers(1, (f.MAX_BODY - f.SampleBlock.HEAD.size - f.CRC_BYTES) // (n_leads * width)))
    data = draw(st.binary(min_size=n * n_leads * width, max_size=n * n_leads * width))
    return f.SampleBlock(
        stream=draw(ids), n_leads=n_leads, width=width, counter=draw(words), board_us=draw(words), data=data
    )


any_frame = st.one_of(
    sample_blocks(),
    st.builds(f.Ping, token=words),
    st.builds(f.Status, stream=ids, board_us=words, lead_off=words, battery=ids, dropped=words),
    st.builds(f.Ack, command=ids, result=ids, value=words),
)


def body_with_crc(body: bytes) -> bytes:
    return cobs.encode(body + crc32(body).to_bytes(4, "little")) + b"\0"


def test_golden_bytes_are_what_frames_become() -> None:
    golden = [bytes.fromhex(line.split()[1]) for line in GOLDEN.read_text().splitlines()]
    assert [encode(frame) for frame in FRAMES] == golden


def test_golden_bytes_become_the_frames() -> None:
    data = b"".join(bytes.fromhex(line.split()[1]) for line in GOLDEN.read_text().splitlines())
    assert Decoder().push(data) == FRAMES


def test_counts_come_back_with_their_sign() -> None:
    for counts, width in ((COUNTS_16, 2), (COUNTS_24, 3)):
        block = f.SampleBlock(
            stream=0, n_leads=2, width=width, counter=0, board_us=0, data=f.pack_counts(counts, width)
        )
        assert np.array_equal(block.counts(), counts)
        assert block.n_samples == len(counts)


def test_status_names_the_leads_that_are_off() -> None:
    assert f.Status(stream=0, board_us=0, lead_off=0b100100).leads_off(3) == (False, True, True)
    assert f.Status(stream=0, board_us=0, lead_off=f.LEAD_OFF_REFERENCE).leads_off(2) == (True, True)


def test_a_frame_that_is_too_long_is_refused_by_the_sender() -> None:
    block = f.SampleBlock(stream=0, n_leads=1, width=2, counter=0, board_us=0, data=bytes(236))
    with pytest.raises(f.FrameError, match="fit"):
        encode(block)


@given(st.lists(any_frame, max_size=8), st.data())
def test_any_cut_gives_the_same_frames(sent: list[f.Frame], data: st.DataObject) -> None:
    wire = b"".join(map(encode, sent))
    decoder, got, at = Decoder(), [], 0
    while at < len(wire):
        step = data.draw(st.integers(1, max(1, len(wire))))
        got += decoder.push(wire[at : at + step])
        at += step
    assert got == sent
    assert decoder.stats.bad == 0


def test_byte_at_a_time() -> None:
    decoder = Decoder()
    wire = b"".join(map(encode, FRAMES))
    assert [frame for byte in wire for frame in decoder.push(bytes([byte]))] == FRAMES


@given(st.binary(max_size=400), st.lists(any_frame, min_size=1, max_size=4))
def test_in_step_again_at_the_next_zero(garbage: bytes, sent: list[f.Frame]) -> None:
    decoder = Decoder()
    decoder.push(garbage + b"\0")
    assert decoder.push(b"".join(map(encode, sent))) == sent


@given(any_frame, st.integers(0, 10_000), st.integers(1, 255))
def test_one_damaged_byte_is_never_accepted(frame: f.Frame, where: int, flip: int) -> None:
    wire = bytearray(encode(frame))
    wire[where % len(wire)] ^= flip
    # A damaged delimiter joins this frame to the next one; then neither may pass as something else.
    got = Decoder().push(bytes(wire) + encode(f.Identify()))
    assert all(it == f.Identify() or it == frame for it in got)
    assert frame not in got or where % len(wire) == len(wire) - 1


@given(st.lists(st.binary(max_size=700), max_size=20))
def test_memory_is_bounded_and_nothing_is_raised(chunks: list[bytes]) -> None:
    decoder = Decoder()
    for chunk in chunks:
        decoder.push(chunk)
        assert decoder.held <= MAX_ENCODED


def test_endless_garbage_without_a_zero() -> None:
    decoder = Decoder()
    for _ in range(1000):
        assert decoder.push(b"\xa5" * 4096) == []
        assert decoder.held <= MAX_ENCODED
    assert decoder.stats.too_long == 1
    assert decoder.push(b"tail\0" + encode(f.Stop())) == [f.Stop()]


def test_zeros_are_an_idle_line() -> None:
    decoder = Decoder()
    assert decoder.push(bytes(100_000)) == []
    assert decoder.stats.bad == 0


def test_random_bytes_hold_no_frame() -> None:
    decoder = Decoder()
    rng = np.random.default_rng(0)
    for _ in range(8):
        assert decoder.push(rng.bytes(1_000_000)) == []
    assert decoder.stats.bad > 10_000


@pytest.mark.parametrize(
    "body",
    [
        b"\x10\x00\x00" + bytes(8) + b"xx",  # no leads
        b"\x10\x00\xff" + bytes(8) + bytes(30),  # more leads than there can be
        b"\x10\x00\x02" + bytes(8) + b"xxx",  # half a sample
        b"\x10\x00\x02" + bytes(8),  # no sample
        b"\x10\x00",  # no header
        b"\x01\x01\x00\x02",  # hello without its body
        b"\x01\x01\x00\x01\x0a\x02\x90\xd0\x03\x00\x00\x00\x8e\x40\xffnano",  # string longer than the frame
        b"\x01\x01\x00\x01\x0a\x02\x90\xd0\x03\x00\x00\x00\xc0\x7f\x00\x00\x00",  # gain is not a number
        b"\x01\x01\x00\x01\x0a\x02\x00\x00\x00\x00\x00\x00\x8e\x40\x00\x00\x00",  # rate zero
        b"\x02\x00",
        b"\x85\x00",
    ],
)
def test_sound_crc_and_senseless_content(body: bytes) -> None:
    decoder = Decoder()
    assert decoder.push(body_with_crc(body)) == []
    assert decoder.stats.malformed == 1


def test_types_of_later_versions_are_passed_over() -> None:
    decoder = Decoder()
    assert decoder.push(body_with_crc(b"\x7flater")) == []
    assert (decoder.stats.unknown, decoder.stats.bad) == (1, 0)


def test_status_may_grow() -> None:
    status = FRAMES[4]
    assert Decoder().push(body_with_crc(status.to_body() + b"more")) == [status]


def test_unnamed_leads_are_numbered() -> None:
    hello = f.Hello(
        stream=0, rate_mhz=1, adc_bits=16, width=2, uv_per_lsb=(1.0,) * 3, device="", firmware="", leads=("", "V1")
    )
    (got,) = Decoder().push(encode(hello))
    assert isinstance(got, f.Hello)
    assert got.leads == ("lead1", "V1", "lead3")
