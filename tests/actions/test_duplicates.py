"""dsk duplicates: groups, their keepers, what is dropped and merged, and what is never touched."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance, ImageOps

from datakit.actions.advancing import advance
from datakit.actions.duplicates import Wanted, find_duplicates, settle_duplicates
from datakit.actions.finding import find_items
from datakit.actions.importing import import_folder
from datakit.actions.project import Project, open_project
from datakit.errors import UsageError
from datakit.repo.oplog import history


def picture(seed: int) -> Image.Image:
    draw = random.Random(seed)
    return Image.frombytes("RGB", (8, 8), draw.randbytes(192)).resize((640, 640), Image.Resampling.BICUBIC)


def save(folder: Path, name: str, image: Image.Image, tags: str, **facts: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    image.save(folder / name)
    post = {"category": "danbooru", "id": sum(map(ord, name)), "rating": "s", "tag_string_general": tags, **facts}
    (folder / f"{name}.json").write_text(json.dumps(post))


@pytest.fixture
def alike(empty: Project, tmp_path: Path) -> Project:
    """One picture in four forms, another with a variant, a child post, and a flat one."""
    folder = tmp_path / "scrape/danbooru/aria"
    first, second = picture(1), picture(2)
    save(folder, "a_large.png", first, "1girl hat", id=1)
    save(folder, "b_small.png", first.resize((400, 400)), "1girl hat", id=2)
    save(folder, "c_mirrored.png", ImageOps.mirror(first), "1girl hat", id=3)
    save(folder, "d_bright.jpg", ImageEnhance.Brightness(first).enhance(1.1), "1girl hat", id=4)
    save(folder, "e_other.png", second, "1girl smile", id=5)
    save(folder, "f_variant.png", second.resize((600, 600)), "1girl frown", id=6)
    save(folder, "g_child.png", second.resize((500, 500)), "1girl smile", id=7, parent_id=5)
    save(folder, "h_red.png", Image.new("RGB", (300, 300), "red"), "red", id=8)
    save(folder, "i_blue.png", Image.new("RGB", (300, 300), "blue"), "red", id=9)
    import_folder(empty, tmp_path / "scrape")
    advance(empty)
    return empty


def test_groups_have_a_keeper_and_variants_stand_apart(alike: Project) -> None:
    found = find_duplicates(alike)
    assert (found.stage, found.num_items, found.num_flat, found.distance) == ("filtered", 9, 2, 8)
    first, second = found.groups
    assert (first.keeper.key, first.why) == ("aria/a_large", "more pixels")
    assert {one.key: one.mirrored for one in first.duplicates} == {
        "aria/b_small": False,
        "aria/c_mirrored": True,
        "aria/d_bright": False,
    }
    assert first.variants == ()
    assert (second.keeper.key, second.duplicates) == ("aria/e_other", ())
    assert {one.key: one.variant for one in second.variants} == {"aria/f_variant": "tags", "aria/g_child": "posts"}


def test_find_means_the_same_by_looking_alike(alike: Project) -> None:
    def like(word: str) -> set[str]:
        return set(find_items(alike.dataset, f"near-duplicate-of:{word}", stage="filtered").items)

    assert like("aria/a_large") == {"aria/b_small", "aria/c_mirrored", "aria/d_bright"}
    assert like("aria/e_other") == {"aria/f_variant", "aria/g_child"}
    assert like("aria/h_red") == set(), "one colour is like none"


def test_drop_is_one_operation_that_undo_and_why_know(alike: Project) -> None:
    done = settle_duplicates(alike, Wanted(), drops=True, merges_tags=False)
    assert done.subject == "drop: 3 near duplicates from filtered"
    last = next(iter(history(alike.dataset)))
    assert (last.op, len(last.args["items"])) == ("drop", 3)
    assert last.args["keepers"]["aria/b_small"] == "aria/a_large"
    advance(alike)
    left = {path.stem for path in (alike.dataset.root / "wip/aria").glob("*.png")}
    assert left == {"a_large", "e_other", "f_variant", "g_child", "h_red", "i_blue"}
    again = settle_duplicates(alike, Wanted(), drops=True, merges_tags=True)
    assert (again.commit, again.num_duplicates) == ("", 0)


def test_tags_are_merged_only_when_asked(alike: Project) -> None:
    caption = alike.dataset.root / "wip/aria/a_large.txt"
    before = caption.read_text()
    other = alike.dataset.root / "wip/aria/b_small.txt"
    other.write_text(f"{other.read_text().strip()}, red shoes")
    # within 4 bits other tags make a variant, which gives nothing
    assert settle_duplicates(alike, Wanted(stage="wip"), drops=False, merges_tags=True).merged == ()
    config = alike.dataset.root / "dsk.toml"
    text = config.read_text().replace("[filtered.near-duplicate]", "[filtered.near-duplicate]\nsame_tags = 0.3")
    config.write_text(text)
    fresh = open_project(alike.dataset.root)
    done = settle_duplicates(fresh, Wanted(stage="wip"), drops=False, merges_tags=True)
    assert done.merged == ("aria/a_large", "aria/e_other")
    assert caption.read_text().strip() == f"{before.strip()}, red shoes"
    assert other.exists()


def test_where_and_distance_narrow_it_down(alike: Project) -> None:
    assert find_duplicates(alike, Wanted(where="name:a_large,e_other")).groups == ()
    assert find_duplicates(alike, Wanted(where="name:a_large,b_small", distance=0, stage="raw")).num_items == 2
    with pytest.raises(UsageError, match="no stage"):
        find_duplicates(alike, Wanted(stage="nowhere"))


def test_the_command(alike: Project, dsk: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    root = alike.dataset.root
    shown = dsk(root, "duplicates")
    assert shown.returncode == 0, shown.stderr
    assert "3 of 9 items look like another, in 1 group; 2 variants" in shown.stdout
    assert "variant: a post of the same family" in shown.stdout
    assert len(json.loads(dsk(root, "duplicates", "--json").stdout)["groups"]) == 2
    dropped = dsk(root, "duplicates", "--drop")
    assert "drop: 3 near duplicates from filtered" in dropped.stdout
    assert "nothing to do" in dsk(root, "duplicates", "--drop").stdout
