"""dsk tag: one undoable operation, in each caption's own style, that survives every rebuild."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hands import again, assert_clean, commit_edits, head

from datakit.actions.advancing import advance
from datakit.actions.project import Project
from datakit.actions.tagging import Scope, TagEdit, TagsEdited, edit_tags
from datakit.actions.tagverbs import (
    add,
    apply_aliases,
    dedupe,
    move_first,
    prune_implied,
    remove,
    rename,
    replace,
    sort,
    tags_of,
)  # fmt: skip
from datakit.errors import StateError, UsageError
from datakit.repo.operations.undo import redo, undo
from datakit.repo.oplog import history

WIP = "aria, me, 1girl, blue hair, ^_^"


def run(project: Project, edit: TagEdit, where: str = "", stage: str = "", *, dry_run: bool = False) -> TagsEdited:
    return edit_tags(again(project), edit, Scope(where, stage), dry_run=dry_run)


def text(project: Project, key: str = "aria/danbooru_0", stage: str = "wip") -> str:
    return path(project, key, stage).read_text()


def path(project: Project, key: str = "aria/danbooru_0", stage: str = "wip") -> Path:
    return project.dataset.root / stage / f"{key}.txt"


def test_an_edit_is_one_operation_that_can_be_undone(advanced: Project, git: Callable[..., str]) -> None:
    tree = advanced.dataset.head_tree
    assert text(advanced) == WIP
    done = run(advanced, add(["Red Hat", "cap"]), "concept:aria -name:*_2")
    assert done.items == ("aria/danbooru_0", "aria/danbooru_1")
    assert done.subject == "tag: add red_hat, cap in 2 captions of wip"
    assert [(one.tag, one.num_added, one.num_removed, one.samples) for one in done.changes] == [
        ("cap", 2, 0, done.items), ("red_hat", 2, 0, done.items),
    ]  # fmt: skip
    operation = next(history(advanced.dataset))
    assert (operation.commit, operation.op, operation.stage, operation.subject) == (
        done.commit, "tag", "wip", done.subject,
    )  # fmt: skip
    assert operation.args["where"] == "concept:aria -name:*_2"
    assert text(advanced) == f"{WIP}, red hat, cap"
    assert text(advanced, "aria/danbooru_2") == WIP
    assert_clean(advanced.dataset.root, git)
    undo(again(advanced).dataset)
    assert again(advanced).dataset.head_tree == tree
    redo(again(advanced).dataset)
    assert text(advanced) == f"{WIP}, red hat, cap"


def test_each_stage_has_its_spelling(advanced: Project) -> None:
    run(advanced, add(["red hat"]), "name:*_0 concept:aria", "captioned")
    assert text(advanced, stage="captioned") == "aria,me,1girl,blue_hair,^_^,red_hat".replace(",", ", ")
    run(advanced, rename("blue_hair", "green hair"), stage="cleaned")
    assert text(advanced, stage="cleaned") == "aria, me, 1girl, green hair, ^_^"


def test_a_caption_keeps_its_own_style(advanced: Project) -> None:
    path(advanced).write_bytes("\ufeff1girl\nlong_hair\nBlue_Eyes\n".encode())
    run(advanced, add(["red hat"]), "long_hair")
    assert path(advanced).read_bytes() == "\ufeff1girl\nlong_hair\nBlue_Eyes\nred_hat\n".encode()
    (advanced.dataset.root / "dsk.toml").write_text("[cleaned]\nkeep_underscores = true\n")
    path(advanced).write_text("1girl")
    run(advanced, add(["red hat"]), "item:aria/danbooru_0")
    assert text(advanced) == "1girl, red_hat"


def test_nothing_to_change_is_no_operation(advanced: Project) -> None:
    before = head(advanced)
    for edit in (add(["1girl"]), remove(["nothing"]), dedupe(), rename("x", "y"), move_first(["aria"])):
        done = run(advanced, edit)
        assert (done.items, done.commit, done.subject, done.num_found) == ((), "", "", 5)
    assert head(advanced) == before


def test_a_dry_run_sees_hand_edits_and_changes_nothing(advanced: Project) -> None:
    before = head(advanced)
    path(advanced).write_text("fresh, 1girl")
    heard: list[TagsEdited] = []
    done = edit_tags(again(advanced), rename("fresh", "stale"), Scope("fresh"), dry_run=True, tell=heard.append)
    assert heard == [done]
    assert (done.items, done.commit) == (("aria/danbooru_0",), "")
    assert head(advanced) == before
    assert text(advanced) == "fresh, 1girl"
    run(advanced, rename("fresh", "stale"), "fresh")
    assert [one.op for one in list(history(advanced.dataset))[:2]] == ["tag", "edit"], "the hand edit comes first"
    assert text(advanced) == "stale, 1girl"


def test_verbs(advanced: Project) -> None:
    path(advanced).write_text("b, a ||| d, blue hat, c, blue hat")
    steps = [
        (dedupe(), "b, a ||| d, blue hat, c"),
        (sort(), "b, a ||| blue hat, c, d"),
        (move_first(["d"]), "b, a ||| d, blue hat, c"),
        (replace("/^blue_/", ["hat", "cap"]), "b, a ||| d, hat, cap, c"),
        (rename("/^(.)$/", r"\1_x"), "b x, a x ||| d x, hat, cap, c x"),
        (add(["n"], first=True), "b x, a x ||| n, d x, hat, cap, c x"),
        (add(["m"], after="hat"), "b x, a x ||| n, d x, hat, m, cap, c x"),
        (remove(["*_x", "/^n$/"]), "||| hat, m, cap"),
    ]
    for edit, expected in steps:
        done = run(advanced, edit, "item:aria/danbooru_0")
        assert text(advanced) == expected, edit.verb
        assert done.items == ("aria/danbooru_0",)
        assert (done.num_reordered == 1) == (edit.verb in ("sort", "move-first"))


def test_sorting_by_count_and_category(advanced: Project) -> None:
    path(advanced).write_text("rare, ^_^, me, 1girl, aria")
    run(advanced, sort("category"), "rare")
    assert text(advanced) == "aria, me, rare, ^_^, 1girl"
    run(advanced, sort("count"), "rare")
    assert text(advanced) == "1girl, ^_^, me, aria, rare"


def test_the_trigger_stays_first(advanced: Project) -> None:
    (advanced.dataset.root / "dsk.toml").write_text('[cleaned]\ntriggers = {aria = "zzAria, style"}\n')
    advance(again(advanced), "wip")
    assert text(advanced) == f"zzAria, style, {WIP}"
    run(advanced, sort())
    assert text(advanced) == "zzAria, style, 1girl, ^_^, aria, blue hair, me"
    assert text(advanced, "beth/danbooru_0") == "1girl, ^_^, beth, blue hair, me"


def test_vocabulary(advanced: Project) -> None:
    with pytest.raises(StateError, match="no vocabulary"):
        run(advanced, apply_aliases())
    with pytest.raises(StateError, match="no vocabulary"):
        run(advanced, prune_implied())
    folder = advanced.dataset.root / "vocab"
    folder.mkdir(exist_ok=True)
    (folder / "aliases.csv").write_text("1girl,one_girl\nme,myself\n")
    (folder / "implications.csv").write_text("blue_hair,hair\nhair,body\n")
    run(advanced, apply_aliases(), "concept:aria")
    assert text(advanced) == "aria, myself, one girl, blue hair, ^_^"
    path(advanced).write_text("body, blue hair, hair, x")
    run(advanced, prune_implied())
    assert text(advanced) == "blue hair, x"


def test_an_item_without_a_caption_gets_one_only_when_something_is_added(advanced: Project) -> None:
    path(advanced).unlink()
    commit_edits(advanced)
    assert run(advanced, remove(["*"]), "-has:caption").items == ()
    done = run(advanced, add(["red hat"]), "-has:caption")
    assert (done.num_new, done.items) == (1, ("aria/danbooru_0",))
    assert text(advanced) == "red hat"


def test_captions_that_are_not_utf_8_are_left_alone_and_told(advanced: Project) -> None:
    path(advanced).write_bytes(b"caf\xe9, 1girl")
    done = run(advanced, add(["cap"]))
    assert [(one.key, one.why) for one in done.skipped] == [("aria/danbooru_0", "not UTF-8 (byte 3)")]
    assert len(done.items) == 4
    assert path(advanced).read_bytes() == b"caf\xe9, 1girl"


@pytest.mark.parametrize("stage", ["captioned", "cleaned"])
def test_an_edit_survives_the_stage_s_next_run(advanced: Project, stage: str) -> None:
    run(advanced, rename("1girl", "one_girl"), "concept:aria", stage)
    run(advanced, remove(["me"]), "concept:aria", stage)
    record = advanced.dataset.root / "raw/aria/danbooru_0.json"
    record.write_text(record.read_text().replace('"blue_hair"', '"blue_hair",\n      "red_ribbon"'))
    advance(again(advanced), "wip")
    assert text(advanced) == "aria, one girl, blue hair, red ribbon, ^_^"
    assert text(advanced, "aria/danbooru_1") == "aria, one girl, blue hair, ^_^"


def test_stages(advanced: Project) -> None:
    with pytest.raises(UsageError, match="edited has no captions") as caught:
        run(advanced, add(["x"]), stage="edited")
    assert "captioned" in caught.value.hint
    with pytest.raises(UsageError, match="no stage 'wpi'"):
        run(advanced, add(["x"]), stage="wpi")
    done = run(advanced, add(["extra"]), "concept:beth", "raw")
    assert (done.stage, done.num_new) == ("raw", 2)
    advance(again(advanced), "wip")
    assert text(advanced, "beth/danbooru_0") == "beth, me, 1girl, blue hair, ^_^, extra"


@pytest.mark.parametrize(
    "make",
    [
        lambda: add([","]), lambda: add(["a ||| b"]), lambda: add(["a"], after=" "), lambda: remove(["a,b"]),
        lambda: remove(["/(/"]), lambda: rename("/a/", r"\3"), lambda: rename("a", ""), lambda: replace("", ["x"]),
    ],
)  # fmt: skip
def test_words_that_are_no_tags(make: Callable[[], TagEdit]) -> None:
    with pytest.raises(UsageError):
        make()


def test_mistakes_are_found_before_anything_is_done(advanced: Project) -> None:
    before = head(advanced)
    path(advanced).write_text("by hand")
    with pytest.raises(UsageError, match="no word 'tga'"):
        run(advanced, add(["x"]), "tga:x")
    assert head(advanced) == before


def test_tags_as_people_type_them() -> None:
    assert tags_of(["Long Hair", "a, b", '":d"', "blue_*"]) == ["long_hair", "a", "b", ":d", "blue_*"]
