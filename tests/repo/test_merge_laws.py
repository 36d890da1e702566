"""The laws of the three-way merge of a stage's tree, on small trees of every shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from datakit.actions.project import Project, open_project
from datakit.actions.starting import start_dataset
from datakit.repo.dataset import Dataset
from datakit.repo.transitions.merging import Merged, merge_stage
from datakit.store.objects import edit_tree, files
from datakit.tags.captions import parse_tags

TAGS = st.lists(st.sampled_from(["1girl", "hat", "cat", "sky"]), unique=True, max_size=4)
ITEM = st.one_of(st.none(), st.tuples(st.sampled_from(["red.png", "blue.png", "red.webp"]), st.none() | TAGS))
SIDE = st.fixed_dictionaries(dict.fromkeys(("a/x", "a/y", "b/z"), ITEM))
Side = Mapping[str, tuple[str, list[str] | None] | None]
quick = hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dataset]:
    project: Project = open_project(start_dataset(tmp_path_factory.mktemp("laws") / "set"))
    yield project.dataset
    project.dataset.objects.discard()


def tree_of(dataset: Dataset, side: Side) -> bytes | None:
    rows: list[tuple[str, bytes]] = []
    for key, item in side.items():
        if item is not None:
            colour, extension = item[0].split(".")
            rows.append((f"{key}.{extension}", dataset.objects.blob(colour.encode())))
            if item[1] is not None:
                rows.append((f"{key}.txt", dataset.objects.blob(", ".join(item[1]).encode())))
    return edit_tree(dataset.objects, None, rows)


def merged(dataset: Dataset, base: Side, ours: Side, theirs: Side) -> Merged:
    return merge_stage(dataset, *(tree_of(dataset, side) for side in (base, ours, theirs)), previous=None)


def meaning(dataset: Dataset, tree: bytes | None) -> dict[str, object]:
    """Path → content; a caption is its set of tags."""
    return {
        path: frozenset(parse_tags(data.decode())) if path.endswith(".txt") else data
        for path, blob in files(dataset.objects, tree)
        for data in [dataset.objects.read(blob)]
    }


@quick
@given(base=SIDE, theirs=SIDE)
def test_without_hand_edits_theirs_is_the_result(dataset: Dataset, base: Side, theirs: Side) -> None:
    found = merged(dataset, base, base, theirs)
    assert (found.tree, found.conflicts, found.gone) == (tree_of(dataset, theirs), {}, ())


@quick
@given(base=SIDE, ours=SIDE)
def test_with_nothing_new_ours_is_the_result(dataset: Dataset, base: Side, ours: Side) -> None:
    found = merged(dataset, base, ours, base)
    assert (found.tree, found.conflicts) == (tree_of(dataset, ours), {})


@quick
@given(base=SIDE, side=SIDE)
def test_the_same_change_on_both_sides_is_no_conflict(dataset: Dataset, base: Side, side: Side) -> None:
    found = merged(dataset, base, side, side)
    assert (found.tree, found.conflicts) == (tree_of(dataset, side), {})


@quick
@given(base=SIDE, ours=SIDE, theirs=SIDE)
def test_it_is_symmetric_up_to_the_order_of_tags(dataset: Dataset, base: Side, ours: Side, theirs: Side) -> None:
    one, other = merged(dataset, base, ours, theirs), merged(dataset, base, theirs, ours)
    if not one.conflicts and not other.conflicts:
        assert meaning(dataset, one.tree) == meaning(dataset, other.tree)


@quick
@given(base=SIDE, ours=SIDE, theirs=SIDE)
def test_merging_the_result_again_changes_nothing(dataset: Dataset, base: Side, ours: Side, theirs: Side) -> None:
    once = merged(dataset, base, ours, theirs)
    again = merge_stage(dataset, tree_of(dataset, theirs), once.tree, tree_of(dataset, theirs), previous=None)
    assert again.tree == once.tree


@quick
@given(base=SIDE, ours=SIDE, theirs=SIDE)
def test_what_only_one_side_touched_is_as_that_side_has_it(
    dataset: Dataset, base: Side, ours: Side, theirs: Side
) -> None:
    found = meaning(dataset, merged(dataset, base, ours, theirs).tree)
    for key in base:
        here = {path: what for path, what in found.items() if path.rpartition(".")[0] == key}
        if ours[key] == base[key]:
            assert here == meaning(dataset, tree_of(dataset, {key: theirs[key]}))
        elif theirs[key] == base[key]:
            assert here == meaning(dataset, tree_of(dataset, {key: ours[key]}))
