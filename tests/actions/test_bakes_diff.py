"""Two bakes side by side: settings, what was trained on, results."""

from __future__ import annotations

import json
from collections.abc import Callable
from subprocess import CompletedProcess

import pytest
from baked import OLD, enter, of_export
from hands import again, remove_item

from datakit.actions.advancing import advance
from datakit.actions.bakes.comparing import compare_bakes, differing, flat
from datakit.actions.bakes.exported import export_of
from datakit.actions.bakes.ledger import Bake, Validated
from datakit.actions.exporting.writing import export_format
from datakit.actions.project import Project
from datakit.errors import UsageError
from datakit.exports.settings import Flags
from datakit.repo.operations.transaction import session

Dsk = Callable[..., "CompletedProcess[str]"]
ARIA = Flags(where="concept:aria")


def exported(project: Project, flags: Flags | None = None) -> dict[str, str]:
    """Brings all stages and the export up to date; the facts that name it."""
    project = again(project)
    advance(project)
    project = again(project)
    export_format(project, "kohya", flags=flags)
    from datakit.actions.bakes.making import current_manifest

    project = again(project)
    return of_export(project.dataset.root, current_manifest(project))


def settings(rate: float) -> dict[str, dict[str, object]]:
    return {"optimizer": {"learning_rate": rate}, "train": {"steps": 30}}


@pytest.fixture
def two(advanced: Project) -> tuple[Bake, Bake]:
    """Between the bakes one item went, one came to another name, and two captions changed."""
    root = advanced.dataset.root
    first = enter(advanced, **exported(advanced), resolved=settings(1e-4), versions={"torch": "2.6"}, final_loss=0.9)
    remove_item(again(advanced), "wip", key="beth/danbooru_1")
    for name in ("aria/danbooru_0", "aria/danbooru_1"):
        path = root / f"wip/{name}.txt"
        path.write_text(path.read_text().replace("blue hair", "red hair"))
    with session(again(advanced).dataset):
        pass
    for extension in ("png", "txt"):
        path = root / f"wip/aria/danbooru_2.{extension}"
        path.rename(path.with_name(f"best.{extension}"))
    facts = exported(advanced)
    looked = Validated(step=30, held_out=0.5)
    second = enter(
        again(advanced), **facts, resolved=settings(5e-5), versions={"torch": "2.7"}, final_loss=0.8, validation=looked
    )
    return first, second


def test_data_is_compared_item_by_item(advanced: Project, two: tuple[Bake, Bake]) -> None:
    found = compare_bakes(again(advanced), *(one.id for one in two))
    assert [(one.name, one.before, one.after) for one in found.config] == [("optimizer.learning_rate", 1e-4, 5e-5)]
    data = found.data
    assert (data.added, data.dropped, data.moved) == (
        (), ("beth/danbooru_1",), (("aria/danbooru_2", "aria/best"),)
    )  # fmt: skip
    assert [one.key for one in data.captions] == ["aria/danbooru_0", "aria/danbooru_1"]
    assert (data.tags_added, data.tags_removed) == ({"red hair": 2}, {"blue hair": 2})
    assert [(one.name, one.before, one.after) for one in found.versions] == [("torch", "2.6", "2.7")]
    results = {one.name: (one.before, one.after) for one in found.results}
    assert results["final_loss"] == (0.9, 0.8)
    assert results["validation.held_out"] == (None, 0.5)
    back = compare_bakes(again(advanced), two[1].id, two[0].id).data
    assert (back.added, back.moved) == (("beth/danbooru_1",), (("aria/best", "aria/danbooru_2"),))


def test_the_command_shows_both_sides(advanced: Project, two: tuple[Bake, Bake], dsk: Dsk) -> None:
    root, ids = advanced.dataset.root, [one.id for one in two]
    shown = dsk(root, "bakes", "diff", *ids).stdout
    for line in (
        "data: 1 dropped, 1 moved, 2 with another caption",
        "- beth/danbooru_1",
        "→ aria/danbooru_2 → aria/best",
        "~ aria/danbooru_0: +red hair, -blue hair",
        "tags added: red hair (2)",
    ):
        assert line in shown
    assert json.loads(dsk(root, "bakes", "diff", *ids, "--json").stdout)["data"]["dropped"] == ["beth/danbooru_1"]
    same = dsk(root, "bakes", "diff", ids[0], ids[0]).stdout
    assert "the same settings" in same
    assert "the same data" in same
    assert dsk(root, "bakes", "diff", ids[0], "2026-02-02-00").returncode == 2


def test_small_numbers_that_differ_are_shown_to_differ(advanced: Project, dsk: Dsk) -> None:
    sides = [{"resolved": {"optimizer": {"learning_rate": rate}}} for rate in (1e-5, 2e-5)]
    ids = [enter(advanced, **side, processes=number).id for number, side in enumerate(sides, 1)]
    lines = [line.split() for line in dsk(advanced.dataset.root, "bakes", "diff", *ids).stdout.splitlines()]
    assert ["optimizer.learning_rate", "1e-05", "2e-05"] in lines
    assert ["processes", "1", "2"] in lines


def test_a_query_a_stage_and_settings_of_the_export_are_told(advanced: Project) -> None:
    first = enter(advanced, **exported(advanced))
    root = advanced.dataset.root
    (root / "dsk.toml").write_text("[export.kohya]\nresolution = 512\n")
    second = enter(again(advanced), **exported(advanced, ARIA), export=ARIA)
    data = compare_bakes(again(advanced), first.id, second.id).data
    assert data.dropped == ("beth/danbooru_0", "beth/danbooru_1")
    told = {one.name: (one.before, one.after) for one in data.settings}
    assert told["common.resolution"] == (1024, 512)
    assert told["flags.where"] == (None, "concept:aria")
    of_stage = Flags(stage="captioned")
    third = enter(again(advanced), **exported(advanced, of_stage), export=of_stage)
    data = compare_bakes(again(advanced), first.id, third.id).data
    assert data.stages == ("wip", "captioned")
    assert not data.added
    assert {one.key for one in data.captions} == {f"aria/danbooru_{n}" for n in range(3)} | {
        f"beth/danbooru_{n}" for n in range(2)
    }


def test_an_old_bakes_export_is_found_by_its_commit_and_a_foreign_one_is_not(advanced: Project) -> None:
    facts = exported(advanced)
    (advanced.dataset.root / "bakes").mkdir()
    (advanced.dataset.root / "bakes/2026-01-01-001.toml").write_text(OLD.format(commit=facts["commit"]))
    new = enter(again(advanced), commit="c" * 40, manifest_sha256="0" * 64, config={"train": {"seed": 1}})
    found = compare_bakes(again(advanced), "2026-01-01-001", new.id)
    assert not found.is_resolved
    assert [one.name for one in found.config] == ["train.seed", "train.steps"]
    assert found.data.unknown == f"the export of {new.id} is not in this history"
    old = compare_bakes(again(advanced), "2026-01-01-001", "2026-01-01-001").before
    one = export_of(advanced.dataset, old)
    assert one is not None
    assert one.sha256 == facts["manifest_sha256"]
    with pytest.raises(UsageError, match="no bake 'x'"):
        compare_bakes(again(advanced), "x", new.id)


def test_tables_are_compared_at_any_depth() -> None:
    old = {"a": {"b": {"c": 1}, "list": [1, 2]}, "same": True}
    new = {"a": {"b": {"c": 2}, "list": [1, 2]}, "same": True, "new": {"x": ""}}
    assert flat(old) == {"a.b.c": 1, "a.list": [1, 2], "same": True}
    assert [(one.name, one.before, one.after) for one in differing(old, new, prefix="p")] == [
        ("p.a.b.c", 1, 2), ("p.new.x", None, "")
    ]  # fmt: skip
