"""Which removed file is which added one: the laws of the matcher."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.repo.operations.matching import match_renames

PATHS = st.builds(
    lambda folder, stem, end: f"{folder}{stem}.{end}",
    st.sampled_from(["", "a/", "b/", "a/c/"]),
    st.sampled_from(["x", "y", "z", "x.1"]),
    st.sampled_from(["png", "jpg"]),
)
SIDE = st.dictionaries(PATHS, st.sampled_from([b"1", b"2", b"3"]), max_size=8)


@given(SIDE, SIDE)
def test_a_match_has_one_content_and_uses_each_path_once(removed: dict[str, bytes], added: dict[str, bytes]) -> None:
    found = match_renames(removed, added)
    assert all(removed[old] == added[new] for old, new in found.items())
    assert len(set(found.values())) == len(found)


@given(SIDE, SIDE)
def test_what_is_alone_on_both_sides_is_always_matched(removed: dict[str, bytes], added: dict[str, bytes]) -> None:
    found = match_renames(removed, added)
    for old, blob in removed.items():
        goals = [new for new, other in added.items() if other == blob]
        if list(removed.values()).count(blob) == 1 == len(goals):
            assert found[old] == goals[0]


@given(SIDE, SIDE, st.randoms())
def test_the_order_of_the_files_plays_no_part(removed: dict[str, bytes], added: dict[str, bytes], random) -> None:
    def shuffled(side: dict[str, bytes]) -> dict[str, bytes]:
        return dict(random.sample(sorted(side.items()), len(side)))

    assert match_renames(shuffled(removed), shuffled(added)) == match_renames(removed, added)


@given(SIDE, SIDE)
def test_there_and_back_are_the_same_pairs(removed: dict[str, bytes], added: dict[str, bytes]) -> None:
    back = match_renames(added, removed)
    assert {new: old for old, new in match_renames(removed, added).items()} == back


@given(SIDE)
def test_a_folder_that_is_renamed_as_a_whole_is_matched_file_by_file(files: dict[str, bytes]) -> None:
    inside = {path.replace("/", "-"): blob for path, blob in files.items()}
    removed = {f"old/{path}": blob for path, blob in inside.items()}
    added = {f"new/{path}": blob for path, blob in inside.items()}
    stems = [path.rpartition(".")[0] for path in inside]
    if len(set(stems)) == len(stems):
        assert match_renames(removed, added) == {f"old/{path}": f"new/{path}" for path in inside}


@pytest.mark.parametrize(
    ("removed", "added", "found"),
    [
        (["a/x.png"], ["a/y.png", "b/x.png"], {"a/x.png": "b/x.png"}),
        (["a/x.png"], ["a/y.png", "b/z.png"], {"a/x.png": "a/y.png"}),
        (["a/x.png"], ["b/y.png", "b/z.png"], {}),
        (["a/x.png", "a/y.png"], ["b/x.png", "b/z.png"], {"a/x.png": "b/x.png", "a/y.png": "b/z.png"}),
        (["a/x.png", "a/y.png"], ["a/z.png"], {}),
    ],
)
def test_equal_contents_go_by_stem_then_by_folder(removed: list[str], added: list[str], found: dict[str, str]) -> None:
    assert match_renames(dict.fromkeys(removed, b"1"), dict.fromkeys(added, b"1")) == found
