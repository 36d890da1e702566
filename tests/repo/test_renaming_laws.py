"""Renaming is a law of its own: there and back is nothing, one after the other is both at once."""

from __future__ import annotations

import random
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datakit.actions.advancing import advance
from datakit.actions.project import Project
from datakit.repo.items import known_keys
from datakit.repo.operations.renaming import find_holders, rename_items
from datakit.repo.transitions.pipeline import staleness

LAW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FRESH = [f"{concept}/{stem}" for concept in ("aria", "cora", "a/b") for stem in ("new", "danbooru_10", "x.1")]


@pytest.fixture
def lived_in(project: Project) -> Project:
    """A dataset with a verdict that names another item, and with hand edits in two stages."""
    root = project.dataset.root
    shutil.copy(root / "raw/aria/danbooru_0.png", root / "raw/beth/zz.png")
    advance(project, "wip")
    (root / "wip/aria/danbooru_1.txt").write_text("mine")
    (root / "filtered/aria/danbooru_2.png").unlink()
    advance(project, "wip")
    return project


def renames(project: Project, seed: int) -> dict[str, str]:
    """Some items under new names, which may be names that others leave."""
    chance = random.Random(seed)
    olds = sorted(known_keys(project.dataset, project.dataset.head_tree))
    chosen = chance.sample(olds, chance.randint(1, len(olds)))
    names = [*chosen, *FRESH]
    return dict(zip(chosen, chance.sample(names, len(chosen)), strict=True))


@LAW
@given(seed=st.integers(0, 10**6))
def test_there_and_back_is_the_tree_that_was(lived_in: Project, seed: int) -> None:
    dataset, root = lived_in.dataset, lived_in.dataset.head_tree
    assert root is not None
    renamed = renames(lived_in, seed)
    assert find_holders(dataset, root, renamed) == {}
    there = rename_items(dataset, root, renamed).tree
    back = rename_items(dataset, there, {new: old for old, new in renamed.items()}).tree
    assert back == root


@LAW
@given(seed=st.integers(0, 10**6))
def test_no_rename_makes_a_stage_stale_or_loses_an_item(lived_in: Project, seed: int) -> None:
    dataset, root = lived_in.dataset, lived_in.dataset.head_tree
    assert root is not None
    renamed = renames(lived_in, seed)
    there = rename_items(dataset, root, renamed).tree
    assert [staleness(dataset, there, step) for step in lived_in.steps()] == [""] * 5
    for stage in ("raw", "filtered", "wip"):
        expected = {renamed.get(key, key) for key in known_keys(dataset, root, [stage])}
        assert known_keys(dataset, there, [stage]) == expected


@LAW
@given(seed=st.integers(0, 10**6))
def test_one_after_the_other_is_both_at_once(lived_in: Project, seed: int) -> None:
    dataset, root = lived_in.dataset, lived_in.dataset.head_tree
    assert root is not None
    olds = sorted(known_keys(dataset, root))
    first, second = random.Random(seed).sample(olds, 2)
    step = rename_items(dataset, root, {first: "cora/one"}).tree
    assert (
        rename_items(dataset, step, {second: "cora/two"}).tree
        == rename_items(dataset, root, {first: "cora/one", second: "cora/two"}).tree
    )
