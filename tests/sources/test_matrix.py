"""Arrays in files."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from scipy import io

from edge.errors import SourceError
from edge.messages import Samples
from edge.sources.files import open_recording
from edge.sources.read_as import ReadAs

T = np.arange(3000) / 250 % 0.8
MV = np.stack([np.exp(-(((T - 0.4) / 0.012) ** 2)), -0.6 * np.exp(-(((T - 0.4) / 0.014) ** 2))], axis=1)
MV += np.random.default_rng(0).normal(0, 0.005, MV.shape)


def test_numpy_and_matlab_either_way_round(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", MV)
    np.save(tmp_path / "b.npy", MV.T.astype(np.float32))
    np.savez_compressed(tmp_path / "c.npz", ecg=MV, fs=250)
    io.savemat(tmp_path / "d.mat", {"val": MV.T, "Fs": 250.0, "note": "x"})
    for name in ("a.npy", "b.npy", "c.npz", "d.mat"):
        said = name[0] in "cd"
        recording = open_recording(str(tmp_path / name), None, ReadAs(fs_hz=None if said else 250))
        mv = np.concatenate([b.mv for b in recording.blocks(1000) if isinstance(b, Samples)])
        assert recording.stream.fs_hz == 250
        np.testing.assert_allclose(mv, MV, atol=1e-5)


def test_what_is_missing_is_asked_for(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", MV)
    with pytest.raises(SourceError, match=r"nothing says its rate.*--rate"):
        open_recording(str(tmp_path / "a.npy"))


def test_what_cannot_be_used_is_a_line(tmp_path: Path) -> None:
    np.save(tmp_path / "text.npy", np.array(["a", "b"]))
    np.save(tmp_path / "objects.npy", np.array([{}, []], object), allow_pickle=True)
    np.save(tmp_path / "cube.npy", np.zeros((3, 3, 3)))
    np.save(tmp_path / "wide.npy", np.zeros((500, 500)))
    (tmp_path / "no.npy").write_bytes(b"hello")
    (tmp_path / "no.mat").write_bytes(b"hello")
    (tmp_path / "no.npz").write_bytes(b"PK\x03\x04hello")
    with zipfile.ZipFile(tmp_path / "bytes.npz", "w") as archive:
        archive.writestr("ecg.npy", bytes(10_000))
    (tmp_path / "new.mat").write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512))
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(SourceError) as error:
            open_recording(str(path), None, ReadAs(fs_hz=250))
        assert str(error.value).startswith(path.name)
    with pytest.raises(SourceError, match="-v7"):
        open_recording(str(tmp_path / "new.mat"))
