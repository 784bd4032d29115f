"""The outbox: order, survival, and what is dropped first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from command import REPO
from hypothesis import given
from hypothesis import strategies as st
from outbox_samples import an_entry, opened, waiting
from sinks_samples import MODEL, STREAM, an_alert

from edge.contract.encoder import Encoder, encode
from edge.messages import Evidence
from edge.sinks.outbox import outbox as module
from edge.sinks.outbox.notices import OutboxNotices
from edge.sinks.outbox.outbox import Limits


def test_what_is_not_acknowledged_survives_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "state" / "outbox.sqlite"
    with opened(path) as box:
        assert box.durable
        for number in range(5):
            box.put(an_entry(number))
        first, second = box.next(0), box.next(1)
        assert first is not None
        assert second is not None
        box.acknowledge(second[0])
        assert path.stat().st_mode & 0o077 == 0
        assert path.parent.stat().st_mode & 0o077 == 0
    with opened(path) as box:
        assert waiting(box) == [0, 2, 3, 4]
        assert box.pending == 4
        box.put(an_entry(5))
        assert waiting(box) == [0, 2, 3, 4, 5]


KILLED = f"""
import os, signal, sys
sys.path[:0] = {[str(REPO), str(REPO / "tests")]!r}
from pathlib import Path
from outbox_samples import Outbox, an_entry
box = Outbox(Path(sys.argv[1]))
for number in range(20):
    box.put(an_entry(number))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_that_is_killed_leaves_everything_it_put(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    assert subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False).returncode == -9
    with opened(path) as box:
        assert waiting(box) == list(range(20))
        assert len(box.in_force()) == 20


def test_alerts_in_force_are_remembered_until_their_end(tmp_path: Path) -> None:
    with opened(tmp_path / "outbox.sqlite") as box:
        for number, phase in ((1, "onset"), (2, "onset"), (1, "update"), (3, "onset"), (2, "end")):
            box.put(an_entry(number, phase=phase))
        assert box.in_force() == [b"1", b"3"]


def test_the_least_urgent_is_dropped_first_and_counted(tmp_path: Path) -> None:
    path, limits = tmp_path / "outbox.sqlite", Limits(max_bytes=400)
    with opened(path, limits) as box:
        box.put(an_entry(1, "low"))
        box.put(an_entry(2, "medium", "update"))
        box.put(an_entry(3, "medium"))
        box.put(an_entry(4, "high"))
        assert waiting(box) == [1, 2, 3, 4]
        box.put(an_entry(5, "medium"))
        assert waiting(box) == [2, 3, 4, 5]
        box.put(an_entry(6, "high"))
        assert waiting(box) == [3, 4, 5, 6]
        box.put(an_entry(7, "low"))  # the least of all is the new one
        assert waiting(box) == [3, 4, 5, 6]
    with opened(path, limits) as box:
        assert box.lost == box.unsaid == {"low": 2, "medium": 1, "high": 0}


def test_what_is_on_its_way_is_not_dropped(tmp_path: Path) -> None:
    with opened(tmp_path / "outbox.sqlite", Limits(max_bytes=200)) as box:
        box.put(an_entry(1, "low"))
        assert box.next(0) is not None
        for number in (2, 3):
            box.put(an_entry(number, "medium"))
        assert waiting(box) == [1, 3]


def test_the_old_is_dropped_whatever_the_wall_clock_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path / "outbox.sqlite", Limits(max_age_s=100)) as box:
        box.put(an_entry(1))
        monkeypatch.setattr(module.time, "time", lambda: 1e10)
        box.put(an_entry(2))
        assert waiting(box) == [1, 2]
        box._began_s += 101
        box.put(an_entry(3))
        assert waiting(box) == [3]
        assert box.lost["high"] == 2


def test_losses_are_told_once_each(tmp_path: Path) -> None:
    with opened(tmp_path / "outbox.sqlite", Limits(max_bytes=150)) as box:
        news, encoder = OutboxNotices(box), Encoder("bed-3", MODEL, STREAM)
        for number in range(4):
            box.put(an_entry(number, "low"))
        told = list(news.of_losses(encoder, 1000))
        assert [(alert.phase, alert.priority, alert.evidence) for alert in told] == [
            ("onset", "low", Evidence(lost=3, low=3)),
            ("end", "low", Evidence(lost=3, low=3)),
        ]
        assert told[0].id == told[1].id
        assert list(news.of_losses(encoder, 2000)) == []
        assert news.changed()
        assert not news.changed()
        assert news.info().lost == 3


@given(
    st.lists(
        st.tuples(st.sampled_from(["low", "medium", "high"]), st.sampled_from(["onset", "update", "end"])), max_size=30
    )
)
def test_whatever_is_dropped_order_and_sum_hold(entries: list[tuple[str, str]]) -> None:
    with opened(None, Limits(max_bytes=500)) as box:
        for number, (priority, phase) in enumerate(entries):
            box.put(an_entry(number, priority, phase))
        left = waiting(box)
        assert left == sorted(left)
        assert len(left) + sum(box.lost.values()) == len(entries)
        assert len(left) == min(len(entries), 5)
        worst_kept = min((module._rank(an_entry(0, *entries[n])) for n in left), default=9)
        dropped = [module._rank(an_entry(0, *entries[n])) for n in range(len(entries)) if n not in left]
        assert all(rank <= worst_kept for rank in dropped)


def test_what_is_published_of_it_is_json(tmp_path: Path) -> None:
    with opened(tmp_path / "outbox.sqlite") as box:
        box.put(an_entry(1))
        said = msgspec.json.decode(msgspec.json.encode(OutboxNotices(box).info()))
    assert said == {"pending": 1, "lost": 0, "durable": True, "reason": None, "aside": 0}


def test_an_alert_in_force_of_another_version_is_forgotten_and_the_rest_is_ended(tmp_path: Path) -> None:
    alert = Encoder("bed-3", MODEL, STREAM).alert(an_alert(strip=None))
    with opened(tmp_path / "outbox.sqlite") as box:
        for number, remembered in enumerate((b'{"id": 7}', b"\xff", encode(alert))):
            box.put(msgspec.structs.replace(an_entry(number), in_force=remembered))
    with opened(tmp_path / "outbox.sqlite") as box:
        assert [end.id for end in OutboxNotices(box).abandoned()] == [alert.id]
        assert box.in_force() == [encode(alert)]
