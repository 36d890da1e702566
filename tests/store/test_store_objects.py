"""Trees as mappings: the laws of edit, diff and list, against a dict and against git mktree."""

from __future__ import annotations

import os
from pathlib import Path

import pygit2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datakit.store.objects import FILE_MODE, TREE_MODE, Entry, Objects, diff, edit_tree, files, find

# Few names, so that files and folders of one name collide; among them what git's order of names trips over.
NAMES = st.sampled_from(["a", "b", "a.b", "a-b", "a0", "ä", "a b", "x\nz", "\udcff", "-", "é", "A"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
CONTENTS = st.one_of(st.none(), st.integers(0, 5))
EDITS = st.lists(st.tuples(PATHS, CONTENTS), max_size=12)

laws = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("objects")
    pygit2.init_repository(str(folder))
    return folder


@pytest.fixture(scope="module")
def objects(repository: Path) -> Objects:
    return Objects(pygit2.Repository(str(repository)).odb, repository / ".git/objects")


def blob(objects: Objects, number: int | None) -> bytes | None:
    return None if number is None else objects.blob(str(number).encode())


def edited(model: dict[str, bytes], edits: list[tuple[str, bytes | None]]) -> dict[str, bytes]:
    """The dict model of one edit at a time."""
    result = dict(model)
    for path, value in edits:
        if value is None:
            result.pop(path, None)
            continue
        parts = path.split("/")
        for i in range(1, len(parts)):
            result.pop("/".join(parts[:i]), None)
        for other in [other for other in result if other.startswith(path + "/")]:
            del result[other]
        result[path] = value
    return result


def build(objects: Objects, edits: list[tuple[str, int | None]]) -> tuple[bytes | None, dict[str, bytes]]:
    root: bytes | None = None
    model: dict[str, bytes] = {}
    for path, number in edits:
        one = [(path, blob(objects, number))]
        root, model = edit_tree(objects, root, one), edited(model, one)
    return root, model


@laws
@given(edits=EDITS)
def test_edits_one_by_one_equal_the_dict(objects: Objects, edits: list[tuple[str, int | None]]) -> None:
    root, model = build(objects, edits)
    assert dict(files(objects, root)) == model
    assert (root is None) == (not model), "an empty tree is no tree"
    for path, value in model.items():
        assert find(objects, root or b"", path) == Entry(FILE_MODE, value)


@laws
@given(edits=EDITS)
def test_the_order_of_edits_of_different_files_does_not_matter(
    objects: Objects, edits: list[tuple[str, int | None]]
) -> None:
    _, model = build(objects, edits)
    rows: list[tuple[str, bytes | None]] = list(model.items())
    forward = edit_tree(objects, None, rows)
    assert forward == edit_tree(objects, None, reversed(rows)) == build(objects, edits)[0]
    assert dict(files(objects, forward)) == model


@laws
@given(before=EDITS, after=EDITS)
def test_a_diff_is_what_leads_from_one_tree_to_the_other(
    objects: Objects, before: list[tuple[str, int | None]], after: list[tuple[str, int | None]]
) -> None:
    old, old_model = build(objects, before)
    new, new_model = build(objects, after)
    changes = list(diff(objects, old, new))
    assert {change.path: (change.old, change.new) for change in changes} == {
        path: (old_model.get(path), new_model.get(path))
        for path in old_model.keys() | new_model.keys()
        if old_model.get(path) != new_model.get(path)
    }
    assert len({change.path for change in changes}) == len(changes)
    assert edit_tree(objects, old, [(change.path, change.new) for change in changes]) == new
    assert edit_tree(objects, new, [(change.path, change.old) for change in changes]) == old
    assert list(diff(objects, new, new)) == []


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.dictionaries(NAMES, st.booleans(), min_size=1, max_size=12))
def test_tree_ids_are_those_of_git_mktree(objects: Objects, repository: Path, git, lines: dict[str, bool]) -> None:
    file, folder = objects.blob(b"file"), objects.put_tree({"f": Entry(FILE_MODE, objects.blob(b"file"))})
    entries = {name: Entry(TREE_MODE, folder) if is_tree else Entry(FILE_MODE, file) for name, is_tree in lines.items()}
    asked = b"".join(
        b"%s %s %s\t%s\0"
        % (
            b"040000" if one.mode == TREE_MODE else one.mode,
            b"tree" if one.mode == TREE_MODE else b"blob",
            one.oid.hex().encode(),
            os.fsencode(name),
        )
        for name, one in entries.items()
    )
    oid = objects.put_tree(entries)
    assert oid.hex() == git(repository, "mktree", "--missing", "-z", stdin=asked).strip()
    assert objects.tree(oid) == entries


def test_what_is_no_plain_file_is_carried_along(objects: Objects) -> None:
    link, script = Entry(b"120000", objects.blob(b"target")), Entry(b"100755", objects.blob(b"#!"))
    root = objects.put_tree({"link": link, "script": script, "plain": Entry(FILE_MODE, objects.blob(b"p"))})
    assert [path for path, _ in files(objects, root)] == ["plain"]
    new = edit_tree(objects, root, [("plain", None), ("link", None), ("more", objects.blob(b"m"))])
    assert new is not None
    assert objects.tree(new).keys() == {"link", "script", "more"}
    assert objects.tree(new)["link"] == link
