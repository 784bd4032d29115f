"""Fixtures of the training tests."""

from __future__ import annotations

import functools
import warnings
from pathlib import Path
from typing import Any

import pytest
from synthetic import MakeRecord, write_record


@pytest.fixture(scope="session")
def trees() -> None:
    """Boosted trees, or a skip that says what is missing."""
    try:
        import lightgbm  # noqa: F401
        import sklearn  # noqa: F401
    except (ImportError, OSError) as error:  # OSError: no OpenMP on this machine
        pytest.skip(f'needs lightgbm ({error}): pip install -c constraints.txt ".[training]", apt install libgomp1')


@pytest.fixture(scope="session")
def keras(trees: None) -> Any:
    """Legacy Keras, or a skip that names the extra."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tensorflow's own, at import
        pytest.importorskip("tensorflow", reason='needs tensorflow: pip install -c constraints.txt ".[training]"')
        pytest.importorskip("tf_keras", reason='needs tf-keras: pip install -c constraints.txt ".[training]"')
        from training import networks

        return networks.keras()


@pytest.fixture
def make_record(tmp_path: Path) -> MakeRecord:
    """`synthetic.write_record` into this test's folder."""
    return functools.partial(write_record, tmp_path)
