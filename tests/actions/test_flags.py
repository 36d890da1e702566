"""What rules of the filter find: flagged, tried, told."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hands import again, all_files, commit_edits, head
from PIL import Image, ImageDraw

from datakit.actions.advancing import advance
from datakit.actions.explaining import Verdict, explain
from datakit.actions.project import Project
from datakit.actions.renaming import rename
from datakit.actions.reporting import read_status
from datakit.actions.trying import Trial, try_rules
from datakit.errors import UsageError
from datakit.repo.operations.undo import undo
from datakit.repo.stagetree import read_lock

Dsk = Callable[..., subprocess.CompletedProcess[str]]
FLAGGING = '[filtered.flat]\naction = "flag"\n[filtered.aspect-ratio]\naction = "flag"\nmax_ratio = 2\n'


def wide_drawing(path: Path, ground: str = "white") -> None:
    """Three times as wide as high, and not flat."""
    image = Image.new("RGB", (900, 300), ground)
    pen = ImageDraw.Draw(image)
    for x in range(20, 860, 40):
        pen.ellipse((x, 40 + x % 90, x + 60, 200), fill=(x % 256, 80, 200 - x % 200))
    image.save(path)


@pytest.fixture
def flagged(project: Project) -> Project:
    """That dataset of flat images with a wide drawing and a copy, run up to filtered."""
    root = project.dataset.root
    wide_drawing(root / "raw/aria/wide.png")
    shutil.copy(root / "raw/aria/danbooru_0.png", root / "raw/aria/zz.png")
    commit_edits(project)
    (root / "dsk.toml").write_text(FLAGGING)
    done = advance(again(project), "filtered")
    assert done[0].subject == "filtered: 6 of 7 kept (1 exact duplicate; 6 flagged)"
    return again(project)


def at_filtered(project: Project, word: str) -> Verdict:
    return next(one for one in explain(again(project), word).stages if one.stage == "filtered")


def test_flags_are_told_and_survive(flagged: Project) -> None:
    verdict = at_filtered(flagged, "wide")
    assert verdict.standing == "there"
    assert [(flag.rule, flag.reason) for flag in verdict.flags] == [("aspect-ratio", "900 x 300 px, 3.0 to 1, over 2")]
    assert not at_filtered(flagged, "zz").flags, "what was dropped is not flagged"
    numbers = {one.stage: one.num_flagged for one in read_status(flagged).stages}
    assert numbers == {**dict.fromkeys(numbers, 0), "filtered": 6}
    rename(flagged, ["aria/wide"], "cora/strip")
    assert at_filtered(flagged, "strip").flags == verdict.flags
    assert advance(again(flagged), "filtered") == [], "a rename makes nothing stale"
    assert at_filtered(flagged, "strip").flags == verdict.flags
    undo(flagged.dataset)
    assert at_filtered(flagged, "aria/wide").flags == verdict.flags


def test_flags_of_unchanged_items_stay_when_one_comes(flagged: Project) -> None:
    root = flagged.dataset.root
    before = read_lock(flagged.dataset, flagged.dataset.head_tree, "filtered")
    wide_drawing(root / "raw/beth/new.png", "ivory")
    (root / "raw/aria/danbooru_1.png").unlink()
    (done,) = advance(again(flagged), "filtered")
    assert before is not None
    assert set(done.flagged) == {"beth/new"}
    now = read_lock(flagged.dataset, again(flagged).dataset.head_tree, "filtered")
    assert now is not None
    gone = {"aria/danbooru_1"}
    assert {key: one for key, one in before.flagged.items() if key not in gone}.items() <= now.flagged.items()
    assert not gone & now.flagged.keys()


def test_an_item_that_is_removed_is_no_longer_counted(flagged: Project) -> None:
    (flagged.dataset.root / "filtered/aria/wide.png").unlink()
    numbers = {one.stage: one.num_flagged for one in read_status(again(flagged)).stages}
    assert numbers["filtered"] == 5


def found(trial: Trial) -> dict[str, list[str]]:
    return {tried.rule: [one.item for one in tried.found] for tried in trial.rules}


def test_trying_changes_nothing_and_tells_what_a_rule_would_find(flagged: Project) -> None:
    files, tip = all_files(flagged.dataset.root), head(flagged)
    trial = try_rules(flagged, ["aspect-ratio", "too-large"])
    assert found(trial) == {"aspect-ratio": ["aria/wide"], "too-large": []}
    assert [tried.action for tried in trial.rules] == ["flag", "off"]
    assert (trial.num_items, trial.num_dropped) == (7, 1), "the copy is dropped before anybody asks"
    trial = try_rules(flagged, ["exact-duplicate"])
    assert (found(trial), trial.num_dropped) == ({"exact-duplicate": ["aria/zz"]}, 0)
    assert (all_files(flagged.dataset.root), head(flagged)) == (files, tip)


def test_trying_all_tells_every_rule_and_which_cannot_be_asked(flagged: Project) -> None:
    trial = try_rules(flagged, ["all"])
    told = found(trial)
    assert (told["aspect-ratio"], told["exact-duplicate"], trial.num_dropped) == (["aria/wide"], ["aria/zz"], 0)
    assert "aria/wide" not in told["flat"]
    assert len(told["flat"]) == 6
    cannot = {tried.rule: tried.problem for tried in trial.rules if tried.problem}
    assert set(cannot) <= {"text"}
    assert all("not installed" in problem for problem in cannot.values())


def test_a_wrong_rule_is_named_with_the_nearest(flagged: Project) -> None:
    with pytest.raises(UsageError) as caught:
        try_rules(flagged, ["blury"])
    assert caught.value.hint == "did you mean 'blurry'?"


def test_flags_as_people_see_them(flagged: Project, dsk: Dsk) -> None:
    root = flagged.dataset.root
    assert "flags: 6 items are in filtered though a rule found something" in dsk(root, "status").stdout
    assert "flagged by aspect-ratio: 900 x 300 px, 3.0 to 1, over 2" in dsk(root, "why", "wide").stdout
    done = dsk(root, "filter", "--try", "aspect-ratio, too-large")
    assert done.stdout.splitlines() == [
        "aspect-ratio: 1 of 6 (flag)",
        "  - aria/wide: 900 x 300 px, 3.0 to 1, over 2",
        "too-large: 0 of 6 (off)",
        "nothing was changed",
    ]
    told = json.loads(dsk(root, "filter", "--try", "aspect-ratio", "--json").stdout)
    assert told["rules"][0]["found"][0]["evidence"] == {"max_ratio": 2.0, "ratio": 3.0, "size_px": [900, 300]}
    (root / "dsk.toml").write_text(FLAGGING.replace("max_ratio = 2", "max_ratio = 1"))
    assert "  ? aria/danbooru_0: 260 x 256 px, 1.0 to 1, over 1 (aspect-ratio)" in dsk(root, "filter").stdout
