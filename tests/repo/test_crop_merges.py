"""Crops on two branches: what both wish for, field by field."""

from __future__ import annotations

import pytest
from hands import again

from datakit.actions.advancing import advance
from datakit.actions.branching import merge, switch
from datakit.actions.cropping import crop, cut_out
from datakit.actions.project import Project
from datakit.model.merge import merge_records
from datakit.model.record import Edits, decode_record

ITEM = "aria/danbooru_1"


def edits_of(project: Project, key: str = ITEM) -> Edits | None:
    path = project.dataset.root / "raw" / f"{key}.json"
    return decode_record(path.read_bytes(), path=str(path)).edits


def test_both_crop_otherwise_ours_stays_and_it_is_told(project: Project) -> None:
    switch(project, "idea", create=True)
    crop(again(project), [ITEM], (0, 0, 100, 100), background="lime")
    switch(again(project), "main")
    crop(again(project), [ITEM], (5, 5, 90, 90))
    done = merge(again(project), "idea")
    told = [*done.conflicts, *done.notes]
    assert any(f"raw/{ITEM}.json" in line for line in told), told
    edits = edits_of(project)
    assert edits is not None
    assert edits.crop_px == (5, 5, 90, 90)


def test_a_part_here_and_a_colour_there_go_together(project: Project) -> None:
    switch(project, "idea", create=True)
    crop(again(project), [ITEM], background="lime")
    cut_out(again(project), [ITEM], (0, 0, 50, 50))
    switch(again(project), "main")
    crop(again(project), [ITEM], (5, 5, 90, 90))
    done = merge(again(project), "idea")
    assert done.conflicts == ()
    assert edits_of(project) == Edits(crop_px=(5, 5, 90, 90), background="#00ff00")
    path = project.dataset.root / f"raw/{ITEM}-crop.json"
    assert decode_record(path.read_bytes(), path="x").derived is not None
    advance(again(project), "edited")


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "merged", "disputes"),
    [
        ({}, {"crop_px": [1]}, {"crop_px": [1]}, {"crop_px": [1]}, []),
        ({}, {"crop_px": [1]}, {"crop_px": [2]}, {"crop_px": [1]}, ["edits.crop_px"]),
        ({"crop_px": [1]}, None, {"crop_px": [1], "background": "b"}, {"background": "b"}, []),
        ({"crop_px": [1]}, {"crop_px": [2]}, None, {"crop_px": [2]}, ["edits.crop_px"]),
        ({"crop_px": [1], "background": "b"}, {"background": "b"}, {"crop_px": [1]}, None, []),
        ({}, "junk", {"crop_px": [2]}, "junk", ["edits"]),
    ],
)
def test_wishes_are_merged_one_by_one(
    base: object, ours: object, theirs: object, merged: object, disputes: list[str]
) -> None:
    found, told = merge_records({"edits": base}, {"edits": ours}, {"edits": theirs})
    assert (found.get("edits"), told) == (merged, disputes)
