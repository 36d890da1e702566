"""dsk tags: counts, companions, rare and misspelled tags."""

from __future__ import annotations

import pytest
from hands import again

from datakit.actions.project import Project
from datakit.actions.tagcounts import Companion, Misspelling, TagCount, companions, count_tags, misspellings
from datakit.errors import UsageError


def write(project: Project, *captions: str) -> Project:
    keys = ("aria/danbooru_0", "aria/danbooru_1", "aria/danbooru_2", "beth/danbooru_0", "beth/danbooru_1")
    for key, text in zip(keys, captions, strict=False):
        (project.dataset.root / f"wip/{key}.txt").write_text(text)
    return again(project)


def test_counts_with_categories(advanced: Project) -> None:
    found = count_tags(write(advanced, "aria, x", "x, y, x"))
    assert (found.stage, found.num_items, found.num_tags) == ("wip", 5, 8)
    assert found.tags[0] == TagCount(tag="1girl", count=3, category="general")
    rows = {one.tag: one for one in found.tags}
    assert rows["x"] == TagCount(tag="x", count=2, category="")
    assert rows["aria"].category == "character"
    assert rows["me"].category == "artist"
    assert [one.tag for one in count_tags(advanced, rare=1).tags] == ["y"]
    some = count_tags(advanced, "concept:beth")
    assert (some.num_items, {one.tag: one.count for one in some.tags}["beth"]) == (2, 2)
    assert {one.tag for one in count_tags(advanced, "concept:beth", rare=1).tags} == set()


def test_rare_tags(advanced: Project) -> None:
    found = count_tags(write(advanced, "a, b", "a, c", "a", "a", "a"), rare=1)
    assert [(one.tag, one.count) for one in found.tags] == [("b", 1), ("c", 1)]
    assert found.num_tags == 3


def test_companions(advanced: Project) -> None:
    project = write(advanced, "hat, red", "hat, red, x", "hat", "red", "x")
    found = companions(project, "Hat")
    assert found.tags == (
        Companion(tag="red", count=2, alone=3, share=2 / 3, lift=2 * 5 / 9, jaccard=2 / 4),
        Companion(tag="x", count=1, alone=2, share=1 / 3, lift=1 * 5 / 6, jaccard=1 / 4),
    )
    assert companions(project, "hat", "concept:beth | red").tags[0].share == 1.0
    with pytest.raises(UsageError, match="no item in wip has the tag 'nobody'"):
        companions(project, "nobody")


def test_misspellings_without_a_vocabulary(advanced: Project) -> None:
    root = advanced.dataset.root
    for number in range(15):
        (root / f"wip/aria/extra{number}.txt").write_text("looking at viewer" if number else "looking at veiwer")
        (root / f"wip/aria/extra{number}.png").write_bytes((root / "wip/aria/danbooru_0.png").read_bytes())
    from hands import commit_edits

    commit_edits(advanced)
    assert misspellings(again(advanced)).tags == (
        Misspelling(
            tag="looking_at_veiwer", count=1, meant="looking_at_viewer", meant_count=14, distance=1
        ),
    )  # fmt: skip


def test_misspellings_with_a_vocabulary(advanced: Project) -> None:
    root = advanced.dataset.root
    (root / "vocab").mkdir(exist_ok=True)
    (root / "vocab/tags.csv").write_text(
        "looking_at_viewer,0,3000,\nblue_hair,0,900,\n1girl,0,5000,one_girl\nrare_name,0,2,\n"
    )
    (root / "dsk.toml").write_text('[vocab]\ntags = ["vocab/tags.csv"]\n\n[cleaned]\ntrigger = "blue hait"\n')
    project = write(advanced, "looking at veiwer, one girl", "bleu hair, blue hait, rare nam, blue_hair")
    found = {one.tag: (one.meant, one.distance) for one in misspellings(project).tags if isinstance(one, Misspelling)}
    assert found == {
        "looking_at_veiwer": ("looking_at_viewer", 1),
        "one_girl": ("1girl", 0),
        "bleu_hair": ("blue_hair", 1),
    }
