"""What the demonstration runs hangs together: its settings, its two parts, and the figures that its page is given."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from datakit.demo.figures import write_figures
from datakit.demo.page.bakefiles import read_measured
from datakit.demo.portraits.cast import CHARACTERS
from datakit.demo.portraits.lots import HELD_OUT
from datakit.demo.portraits.styles import BASE_STYLES, STYLES, TAUGHT_STYLE
from datakit.demo.run import PEOPLE, STEPS, bakes
from datakit.demo.settings import STYLE_TRIGGER, TRIGGER, dsk_toml
from datakit.demo.styleset import COUNT, SIZE_PX, write_style
from datakit.demo.world import SITE_WORDS

SHARES = {"before": {"hits": 1, "of": 24}, "after": {"hits": 21, "of": 24}}
MEASURED = {
    "trigger": "aria_dsk",
    "traits": ["blue_hair", "braid"],
    "grid": ".dsk/bakes/x/measured/before-after.png",
    "all_traits": SHARES,
    "kept": {"before": {"hits": 18, "of": 24}, "after": {"hits": 17, "of": 24}},
    "validation": {"before": 0.5, "after": 0.25},
}


def ledger(dataset: Path, name: str, measured: dict[str, Any] | None) -> None:
    path = dataset / "bakes" / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f'id = "{name}"', "seconds = 61.5"]
    for key, value in (measured or {}).items():
        lines.append(f"measured.{key} = {inline(value)}")
    path.write_text("\n".join(lines) + "\n", "utf-8")


def inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {inline(one)}" for key, one in value.items()) + "}"
    return json.dumps(value)


@pytest.mark.parametrize("quick", [False, True])
def test_settings_leave_the_held_out_traits_to_the_trigger(quick: bool) -> None:
    said = tomllib.loads(dsk_toml(quick=quick))
    aria = CHARACTERS["aria"]
    assert said["cleaned"]["triggers"]["aria"] == TRIGGER
    assert said["cleaned"]["triggers"][TAUGHT_STYLE] == STYLE_TRIGGER
    assert set(said["cleaned"]["prune"]["aria"]) == {*aria.traits, "glasses"}
    assert aria.traits in HELD_OUT
    assert TAUGHT_STYLE not in BASE_STYLES
    assert STYLES[TAUGHT_STYLE].tag in said["cleaned"]["blacklist"]
    assert said["cleaned"]["replace"] == {theirs: ours for ours, theirs in SITE_WORDS.items()}
    assert said["export"]["kohya"]["validation_split"] > 0
    assert said["bake"]["model"]["base"] == "dsk-tiny"


def test_quick_is_a_tenth() -> None:
    steps = [tomllib.loads(dsk_toml(quick=quick))["bake"]["train"]["steps"] for quick in (False, True)]
    assert steps[0] == 10 * steps[1]
    counts = [[step.words for step in bakes(quick=quick) if "measure" in step.words] for quick in (False, True)]
    assert [len(one) for one in counts] == [2, 2]
    assert counts[0] != counts[1]


def test_each_bake_follows_its_export_and_is_measured() -> None:
    words = [step.words for step in bakes(quick=False)]
    verbs = [one[:2] if one[0] == "bakes" else one[:1] for one in words]
    told = " ".join(one[-1] for one in verbs if one != ("lint",))
    assert told == "classgen advance export bake measure export bake measure log"
    wheres = [one[one.index("--where") + 1] for one in words if one[0] == "export"]
    assert wheres == [f"-concept:{TAUGHT_STYLE}", f"concept:{TAUGHT_STYLE},{PEOPLE}"], "people are in both"
    assert not {"advance", "bake"} & {step.words[0] for step in STEPS}


def test_figures_are_those_of_the_ledgers(tmp_path: Path) -> None:
    ledger(tmp_path / "my-set", "2026-01-01-001", MEASURED)
    ledger(tmp_path / "my-set", "2026-01-01-002", None)
    style = {"trigger": STYLE_TRIGGER, "style": {"before": 0.6, "after": 0.2}}
    ledger(tmp_path / "my-set", "2026-01-01-003", style)
    write_figures(tmp_path, "my-set")
    found = read_measured(tmp_path)
    assert list(found) == ["2026-01-01-001", "2026-01-01-003"]
    one, other = found.values()
    assert (one["kind"], one["without"], one["with"]) == ("character", 1 / 24, 21 / 24)
    assert (one["other_tags_before"], one["other_tags_after"]) == (18 / 24, 17 / 24)
    assert (one["validation_before"], one["validation_after"], one["seconds"]) == (0.5, 0.25, 61.5)
    assert "style_distance_before" not in one
    assert (other["kind"], other["style_distance_before"], other["style_distance_after"]) == ("style", 0.6, 0.2)
    assert not {"with", "other_tags_after", "validation_after"} & set(other)


def test_no_bake_gives_no_figures(tmp_path: Path) -> None:
    assert json.loads(write_figures(tmp_path, "my-set").read_text("utf-8")) == []


def test_drawings_are_of_one_style_and_say_so(tmp_path: Path) -> None:
    pytest.importorskip("dicebear", reason="the pictures are drawn with the packages of the dev extra")
    assert write_style(tmp_path) == COUNT
    folder = tmp_path / TAUGHT_STYLE
    pictures = sorted(folder.glob("*.png"))
    assert len(pictures) == COUNT
    assert {path.suffix for path in folder.iterdir()} == {".png", ".txt"}
    for path in pictures:
        assert f"{TAUGHT_STYLE} (style)" in path.with_suffix(".txt").read_text("utf-8")
        with Image.open(path) as image:
            assert image.size == (SIZE_PX, SIZE_PX)
    assert len({path.read_bytes() for path in pictures}) == COUNT
