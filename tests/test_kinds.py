"""One table says what can be told; everything else reads it."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from edge.kinds import KINDS, STAGE_KINDS, title
from edge.stages.alarms import AlarmRules
from edge.stages.rhythm import RhythmRules

DOCUMENT = (Path(__file__).resolve().parents[1] / "docs" / "alarms.md").read_text(encoding="utf-8")


def test_every_kind_of_the_stage_has_its_default_priority() -> None:
    assert msgspec.structs.asdict(AlarmRules().priority) == {name: KINDS[name].priority for name in STAGE_KINDS}


def test_what_kills_at_once_is_high_and_nothing_else() -> None:
    high = [name for name in STAGE_KINDS if getattr(AlarmRules().priority, name) == "high"]
    assert high == ["asystole", "asystole_or_lead_off", "vf", "vt", "extreme_bradycardia", "extreme_tachycardia"]


def test_definitions_name_settings_that_there_are() -> None:
    for kind in KINDS.values():
        for name in re.findall(r"`(\w+)`", kind.definition):
            assert name in RhythmRules.__struct_fields__ or name in KINDS


def test_the_page_on_alarms_has_the_table_as_it_is() -> None:
    for name in STAGE_KINDS:
        kind = KINDS[name]
        assert f"| `{name}` | {kind.definition} | {kind.standard} | {kind.priority} |" in DOCUMENT


def test_kinds_of_a_newer_device_have_a_title_too() -> None:
    assert title("svt_run") == "supraventricular run"
    assert title("some_new_kind") == "some new kind"
