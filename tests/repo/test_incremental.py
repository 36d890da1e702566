"""Only what changed is computed anew, and the result is what computing everything gives."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
from hands import paint
from msgspec.structs import replace
from PIL import Image

from datakit.actions.advancing import advance
from datakit.actions.importing import import_folder
from datakit.actions.planning import plan_advance
from datakit.actions.project import Project, open_project
from datakit.actions.reporting import read_status
from datakit.model.order import COMPUTED
from datakit.repo.operations.undo import undo
from datakit.repo.stagetree import read_lock
from datakit.repo.transitions.pipeline import Step

COMPARES = """\
order = ["trigger", "quality", "character", "general"]
[quality]
by = []
min_posts = 1
"""


class Thorough(Project):
    """A dataset whose stages decide about every item at every run."""

    def step(self, stage: str) -> Step:
        found = super().step(stage)
        return replace(found, stage=replace(found.stage, scope="all"))


def settings(project: Project, text: str) -> Project:
    (project.dataset.root / "dsk.toml").write_text(text)
    return open_project(project.dataset.root)


def test_ten_new_images_are_all_that_is_computed(advanced: Project, scrape) -> None:
    import_folder(advanced, scrape("more", cleo=10))
    planned = plan_advance(open_project(advanced.dataset.root))
    assert [(one.stage, one.num_changed, one.follows) for one in planned[:2]] == [
        ("filtered", 10, False), ("edited", None, True),
    ]  # fmt: skip
    done = advance(open_project(advanced.dataset.root), "wip")
    assert {one.stage: one.num_computed for one in done} == dict.fromkeys(COMPUTED, 10)
    assert done[0].subject == "filtered: 10 changed: 10 of 10 kept"


def test_a_setting_redoes_its_stage_and_only_what_it_changed_after_it(advanced: Project) -> None:
    done = advance(settings(advanced, '[cleaned.triggers]\naria = "t"\n'), "wip")
    assert {one.stage: one.num_computed for one in done} == {"cleaned": 5, "wip": 3}


def test_a_removed_image_is_gone_everywhere(advanced: Project) -> None:
    root = advanced.dataset.root
    for path in root.glob("raw/aria/danbooru_0*"):
        path.unlink()
    done = advance(open_project(root), "wip")
    assert done[0].subject == "filtered: 1 gone"
    assert not list(root.glob("[!e]*/aria/danbooru_0.*"))
    assert len(list(root.glob("wip/*/*.png"))) == 4


def test_a_stage_of_nothing_is_empty(advanced: Project) -> None:
    root = advanced.dataset.root
    done = advance(settings(advanced, "[filtered.too-small]\nmin_side_px = 9000\n"), "wip")
    assert [one.stage for one in done] == list(COMPUTED)
    assert not list(root.glob("wip/*/*"))
    back = advance(settings(advanced, ""), "wip")
    assert back[-1].num_kept == 5
    assert len(list(root.glob("wip/*/*.png"))) == 5


def test_a_duplicate_is_judged_again_when_its_keeper_goes(advanced: Project) -> None:
    root = advanced.dataset.root
    shutil.copy(root / "raw/aria/danbooru_0.png", root / "raw/aria/copy.png")
    advance(open_project(root), "wip")
    lock = read_lock(advanced.dataset, advanced.dataset.head_tree, "filtered")
    assert lock is not None
    assert list(lock.dropped) == ["aria/copy"]
    for path in root.glob("raw/aria/danbooru_0*"):
        path.unlink()
    done = advance(open_project(root), "wip")
    assert done[0].num_computed == 1
    lock = read_lock(advanced.dataset, advanced.dataset.head_tree, "filtered")
    assert lock is not None
    assert lock.dropped == {}
    assert (root / "wip/aria/copy.png").exists()


def test_the_dry_run_counts_hand_edits_and_changes_nothing(advanced: Project) -> None:
    root, before = advanced.dataset.root, advanced.dataset.head
    assert plan_advance(advanced) == []
    (root / "captioned/aria/danbooru_1.txt").write_text("mine")
    planned = plan_advance(open_project(root))
    assert [(one.stage, one.reason) for one in planned] == [
        ("cleaned", "captioned changed"), ("wip", "cleaned runs before it"), ("export kohya", "wip runs before it"),
    ]  # fmt: skip
    assert planned[0].num_changed == 1
    assert advanced.dataset.head == before
    assert [one.stage for one in advance(open_project(root))] == ["cleaned", "wip", "export"]


def test_the_dry_run_in_a_terminal(advanced: Project, dsk) -> None:
    root = advanced.dataset.root
    assert dsk(root, "advance", "--dry-run").stdout == "everything is up to date\n"
    (root / "dsk.toml").write_text('[cleaned]\ntrigger = "t"\n')
    assert dsk(root, "advance", "--dry-run", "wip").stdout == (
        "cleaned: [cleaned] in dsk.toml changed (all items)\nwip: cleaned runs before it\n"
    )


def edit_something(root: Path, chance: random.Random) -> None:
    """One of the things that people do in raw and later, or in the settings."""
    images = sorted(root.glob("raw/*/*.png"))
    image = chance.choice(images)
    what = chance.choice(("copy", "remove", "new", "record", "caption", "late", "setting", "replace"))
    if what == "copy":
        shutil.copy(image, image.with_name(f"c{chance.randrange(99)}.png"))
    elif what == "remove" and len(images) > 2:
        image.unlink()
    elif what in {"new", "replace"}:
        path = image.with_name(f"n{chance.randrange(9)}.png") if what == "new" else image
        path.unlink(missing_ok=True)
        Image.new(chance.choice(("RGB", "RGBA", "L")), (256 + chance.randrange(3), 300), chance.randrange(256)).save(
            path
        )
    elif what == "record":
        image.with_suffix(".json").unlink(missing_ok=True)
    elif what == "caption":
        image.with_suffix(".txt").write_text(f"tag_{chance.randrange(9)}, long_hair")
    elif what == "late":
        for path in list(root.glob("captioned/*/*.txt"))[:1]:
            path.write_text(f"by_hand_{chance.randrange(9)}, 1girl")
    else:
        (root / "dsk.toml").write_text(f"[filtered.too-small]\nmin_side_px = {256 + chance.randrange(2)}\n")


@pytest.mark.parametrize("seed", range(5))
def test_the_parts_make_the_whole(advanced: Project, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    root, twin = advanced.dataset.root, tmp_path / "twin"
    shutil.copytree(root, twin, symlinks=True)
    for _ in range(4):
        state = chance.getstate()
        for folder in (root, twin):
            chance.setstate(state)
            for _ in range(3):
                edit_something(folder, chance)
        advance(open_project(root), "wip")
        advance(Thorough(open_project(twin).dataset), "wip")
        assert open_project(root).dataset.head_tree == open_project(twin).dataset.head_tree


def edit_words(root: Path, chance: random.Random) -> None:
    """One of the things on which the words of prompts depend."""
    what = chance.choice(("score", "score", "blacklist", "tags", "level", "profile"))
    (root / "vocab/profiles").mkdir(parents=True, exist_ok=True)
    if what == "score":
        record = chance.choice(sorted(root.glob("raw/*/*.json")) or [root / "raw/none.json"])
        table = json.loads(record.read_text()) if record.exists() else {}
        record.write_text(json.dumps({**table, "score": chance.randrange(9)}))
    elif what == "blacklist":
        (root / "vocab/blacklist.txt").write_text(f"by_hand_{chance.randrange(9)}\n1girl\n")
    elif what == "tags":
        (root / "vocab/tags.csv").write_text(f"blue_hair,{chance.choice((0, 4))},9,\n")
    elif what == "level":
        (root / "vocab/profiles/own.toml").write_text(
            f"{COMPARES}levels = [{{above = {chance.randrange(99)}, words = ['x']}}]"
        )
    else:
        (root / "dsk.toml").write_text(
            chance.choice(("", '[cleaned]\nprofile = "own"\n', '[cleaned]\nprofile = "own"\n'))
        )


@pytest.mark.parametrize("seed", range(3))
def test_the_parts_make_the_whole_where_posts_are_compared(advanced: Project, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    root, twin = advanced.dataset.root, tmp_path / "twin"
    write_profile = root / "vocab/profiles/own.toml"
    write_profile.parent.mkdir(parents=True)
    write_profile.write_text(f"{COMPARES}levels = [{{above = 50, words = ['x']}}]")
    advance(settings(advanced, '[cleaned]\nprofile = "own"\n'), "wip")
    shutil.copytree(root, twin, symlinks=True)
    for _ in range(4):
        state = chance.getstate()
        for folder in (root, twin):
            chance.setstate(state)
            edit_something(folder, chance)
            edit_words(folder, chance)
        advance(open_project(root), "wip")
        advance(Thorough(open_project(twin).dataset), "wip")
        assert open_project(root).dataset.head_tree == open_project(twin).dataset.head_tree
    assert not [one.stale for one in read_status(open_project(root)).stages if one.stale and one.stage != "export"]


def test_undo_and_git_gc_leave_what_the_next_run_needs(advanced: Project, scrape, git) -> None:
    root = advanced.dataset.root
    import_folder(advanced, scrape("more", cleo=2))
    advance(open_project(root), "wip")
    for _ in range(3):
        undo(open_project(root).dataset)
    git(root, "reflog", "expire", "--expire=now", "--all")
    git(root, "gc", "-q", "--prune=now")
    done = advance(open_project(root), "wip")
    assert {one.stage: one.num_computed for one in done} == {"captioned": 2, "cleaned": 2, "wip": 2}
    git(root, "fsck", "--strict")


def test_what_was_done_before_a_failure_is_in_the_json(advanced: Project, dsk) -> None:
    root = advanced.dataset.root
    paint(root / "edited/aria/danbooru_0.png", "red")
    paint(root / "raw/aria/danbooru_0.png", "blue")
    done = dsk(root, "advance", "--json")
    assert done.returncode == 8, done.stderr
    assert [one["stage"] for one in json.loads(done.stdout)] == list(COMPUTED)
    assert "changed by hand and by its source" in done.stderr
