"""Going back and forth: any number of times, over every kind of operation, and never over anything new."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from datakit.actions.advancing import advance
from datakit.actions.project import Project, open_project
from datakit.actions.renaming import rename
from datakit.errors import StateError
from datakit.repo.dataset import Dataset
from datakit.repo.operations.logbook import read_details, read_log
from datakit.repo.operations.transaction import transaction
from datakit.repo.operations.undo import redo, redoable, undo
from datakit.repo.oplog import history, read_operation


def put(dataset: Dataset, text: str, path: str = "vocab/blacklist.txt") -> None:
    with transaction(dataset, "test", {"text": text}) as txn:
        txn.put(path, text.encode())
        txn.commit(f"test: {text}")


def edit(dataset: Dataset, text: str) -> None:
    path = dataset.root / "vocab/blacklist.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def content(dataset: Dataset) -> str:
    path = dataset.root / "vocab/blacklist.txt"
    return path.read_text() if path.exists() else ""


def undone(dataset: Dataset) -> dict[str, bool]:
    return {one.subject: one.undone for one in read_log(dataset) if one.op not in {"undo", "redo"}}


def assert_clean(dataset: Dataset, git) -> None:
    assert git(dataset.root, "status", "--porcelain") == ""
    git(dataset.root, "fsck", "--strict")


def test_undo_and_redo_walk_along_a_line_of_states(empty: Project, git) -> None:
    dataset = empty.dataset
    for text in "abc":
        put(dataset, text)
    trees = [dataset.tree_of(bytes.fromhex(one.commit)) for one in history(dataset)][::-1]
    for place in (2, 1, 0):
        undo(dataset)
        assert dataset.head_tree == trees[place]
    assert [one.subject for one in redoable(dataset)] == ["test: c", "test: b", "test: a"]
    for place in (1, 2):
        redo(dataset)
        assert dataset.head_tree == trees[place]
    undo(dataset)
    assert (dataset.head_tree, content(dataset)) == (trees[1], "a")
    redo(dataset)
    assert redo(dataset).subject == "test: c"
    assert (dataset.head_tree, content(dataset)) == (trees[3], "c")
    newest = next(history(dataset))
    assert newest.subject == "redo: test: c"
    assert newest.redoes == next(one.commit for one in history(dataset) if one.subject == "test: c")
    with pytest.raises(StateError, match="nothing to redo: all that was undone is back"):
        redo(dataset)
    put(dataset, "d")
    with pytest.raises(StateError, match="nothing to redo: the last operation is no undo"):
        redo(dataset)
    assert_clean(dataset, git)


@pytest.mark.parametrize("seed", range(4))
def test_any_walk_of_undo_redo_and_new_operations_is_a_list_and_a_pointer(empty: Project, git, seed: int) -> None:
    rng = random.Random(seed)
    dataset = empty.dataset
    states, place = [dataset.head_tree], 0
    for step in range(30):
        match rng.choice(["undo", "undo", "undo", "redo", "redo", "new", "edit", "git"]):
            case "undo" if place:
                undo(dataset)
                place -= 1
            case "undo":
                with pytest.raises(StateError, match="nothing to undo"):
                    undo(dataset)
            case "redo" if place + 1 < len(states):
                redo(dataset)
                place += 1
            case "redo":
                with pytest.raises(StateError, match="nothing to redo"):
                    redo(dataset)
            case kind:
                if kind == "new":
                    put(dataset, f"{step}")
                else:
                    edit(dataset, f"{step}")
                if kind == "git":
                    git(dataset.root, "add", "-A")
                    git(dataset.root, "commit", "-qm", f"by git {step}")
                elif kind == "edit":
                    put(dataset, f"{step}", "vocab/aliases.csv")
                    states[place + 1 :] = [dataset.tree_of(bytes.fromhex(list(history(dataset))[1].commit))]
                    place += 1
                states[place + 1 :] = [dataset.head_tree]
                place += 1
        assert dataset.head_tree == states[place]
        assert len(redoable(dataset)) == len(states) - 1 - place
        if rng.random() < 0.2:
            dataset = open_project(dataset.root).dataset
    standing = [one for one in read_log(dataset) if one.op not in {"undo", "redo"} and not one.undone]
    assert len(standing) == place + 1
    assert_clean(dataset, git)


def test_hand_edits_end_what_could_be_redone_and_are_an_operation(empty: Project, git) -> None:
    dataset = empty.dataset
    put(dataset, "a")
    undo(dataset)
    edit(dataset, "mine")
    with pytest.raises(StateError, match="your edits since are an operation of their own"):
        redo(dataset)
    assert (next(history(dataset)).op, content(dataset)) == ("edit", "mine")
    with pytest.raises(StateError, match="the last operation is no undo"):
        redo(dataset)
    undo(dataset)
    assert content(dataset) == ""
    redo(dataset)
    assert content(dataset) == "mine"
    assert undone(dataset)["test: a"]
    assert_clean(dataset, git)


def test_stages_and_renames_are_gone_back_over_and_forth(project: Project, git) -> None:
    root = project.dataset.root
    advance(project)
    rename(open_project(root), ["aria/danbooru_0"], "aria/first")
    dataset = open_project(root).dataset
    trees = [dataset.tree_of(bytes.fromhex(one.commit)) for one in history(dataset)]
    for place in range(1, 5):
        undo(dataset)
        assert dataset.head_tree == trees[place]
    for place in range(3, -1, -1):
        redo(dataset)
        assert dataset.head_tree == trees[place]
    assert (root / "wip/aria/first.png").exists()
    assert_clean(dataset, git)
    assert [one.stage for one in advance(open_project(root))] == ["export"]  # as after the rename itself


def test_a_commit_by_plain_git_is_an_operation(empty: Project, git) -> None:
    dataset = empty.dataset
    put(dataset, "a")
    edit(dataset, "b")
    git(dataset.root, "commit", "-qam", "by git\n\nwith a text")
    assert undo(dataset).subject == "by git"
    assert content(dataset) == "a"
    assert [(one.op, one.undone) for one in read_log(dataset)][:3] == [("undo", False), ("", True), ("test", False)]
    redo(dataset)
    assert content(dataset) == "b"
    git(dataset.root, "commit", "-q", "--allow-empty", "-m", "empty")
    assert undo(dataset).subject == "by git"
    assert redo(dataset).subject == "by git"
    assert [one.undone for one in read_log(dataset) if one.subject == "empty"] == [False]
    assert_clean(dataset, git)


def test_an_amended_undo_is_an_operation_like_any_other(empty: Project, git) -> None:
    dataset = empty.dataset
    put(dataset, "a")
    put(dataset, "b")
    undo(dataset)
    edit(dataset, "mine")
    git(dataset.root, "commit", "-qa", "--amend", "--no-edit")
    assert next(history(dataset)).undoes
    with pytest.raises(StateError, match="nothing to redo"):
        redo(dataset)
    undo(dataset)
    assert content(dataset) == "b"
    redo(dataset)
    assert content(dataset) == "mine"
    assert_clean(dataset, git)


def test_an_amended_operation_is_undone_and_redone(advanced: Project, git) -> None:
    dataset = advanced.dataset
    before = list(history(dataset))[1]
    (dataset.root / "wip/aria/danbooru_0.txt").write_text("aria, mine")
    git(dataset.root, "commit", "-qa", "--amend", "--no-edit")
    tree = dataset.head_tree
    undo(dataset)
    assert dataset.head_tree == dataset.tree_of(bytes.fromhex(before.commit))
    redo(dataset)
    assert dataset.head_tree == tree
    assert_clean(dataset, git)


def test_a_git_merge_is_undone_to_its_first_parent(empty: Project, git) -> None:
    dataset = empty.dataset
    root = dataset.root
    put(dataset, "a")
    git(root, "switch", "-qc", "side")
    put(dataset, "x", "vocab/aliases.csv")
    put(dataset, "y", "vocab/aliases.csv")
    git(root, "switch", "-q", "main")
    put(dataset, "b")
    before = dataset.head_tree
    git(root, "merge", "-q", "--no-edit", "side")
    merged = dataset.head_tree
    assert "Merge branch 'side'" in undo(dataset).subject
    assert dataset.head_tree == before
    assert not (root / "vocab/aliases.csv").exists()
    redo(dataset)
    assert dataset.head_tree == merged
    undo(dataset)
    undo(dataset)
    assert content(dataset) == "a"
    redo(dataset)
    redo(dataset)
    assert dataset.head_tree == merged
    details = read_details(dataset, bytes.fromhex(redoable_source(dataset)))
    assert len(details.parents) == 2
    assert [(place.place, place.num_added) for place in details.places] == [("vocab", 1)]
    assert_clean(dataset, git)


def redoable_source(dataset: Dataset) -> str:
    return read_operation(dataset, dataset.head or b"").redoes


def test_the_log_knows_what_is_taken_back_after_a_rebase(empty: Project, git) -> None:
    dataset = empty.dataset
    root = dataset.root
    put(dataset, "zero")
    git(root, "switch", "-qc", "side")
    put(dataset, "x", "vocab/aliases.csv")
    git(root, "switch", "-q", "main")
    put(dataset, "a")
    put(dataset, "b")
    undo(dataset)
    git(root, "rebase", "-q", "side")
    assert undone(dataset)["test: b"] is False  # the copies have trees of their own: operations like any other
    undo(dataset)
    assert content(dataset) == "b"
    assert undone(dataset)["test: a"] is False
    assert_clean(dataset, git)


def test_a_rebase_that_changes_no_tree_keeps_what_is_taken_back(empty: Project, git) -> None:
    dataset = empty.dataset
    for text in "abc":
        put(dataset, text)
    undo(dataset)
    other = {"GIT_COMMITTER_NAME": "Somebody Else"}
    git(dataset.root, "rebase", "-q", "--force-rebase", "--committer-date-is-author-date", "HEAD~3", env=other)
    assert [undone(dataset)[f"test: {text}"] for text in "abc"] == [False, False, True]
    undo(dataset)
    assert content(dataset) == "a"
    assert [undone(dataset)[f"test: {text}"] for text in "abc"] == [False, True, True]


def test_the_commands_say_what_was_done_and_what_redo_would_do(empty: Project, git, dsk) -> None:
    root = empty.dataset.root
    put(empty.dataset, "a")
    put(empty.dataset, "b")
    done = dsk(root, "undo")
    assert (done.returncode, done.stdout.splitlines()[1]) == (0, "dsk redo brings it back")
    assert done.stdout.startswith("taken back: test: b (")
    dsk(root, "undo")
    done = dsk(root, "redo")
    first, second = done.stdout.splitlines()
    assert first.startswith("brought back: test: a (")
    assert second.startswith("dsk redo goes on with: test: b (")
    assert json.loads(dsk(root, "redo", "--json").stdout)["subject"] == "test: b"
    done = dsk(root, "redo")
    assert done.returncode == 8
    assert "nothing to redo" in done.stderr
    assert_clean(empty.dataset, git)


def test_op_log_and_op_show(empty: Project, git, dsk) -> None:
    root = empty.dataset.root
    put(empty.dataset, "a")
    edit(empty.dataset, "b")
    git(root, "commit", "-qam", "by git")
    undo(empty.dataset)
    lines = dsk(root, "op", "log").stdout.splitlines()
    assert [word in line for line, word in zip(lines[1:4], ("undo", "git", "test"), strict=True)] == [True] * 3
    assert ["undone" in line for line in lines[1:4]] == [False, True, False]
    assert '{"text":"a"}' in lines[3]
    rows = json.loads(dsk(root, "op", "log", "--json", "-n", "2").stdout)
    assert [row.get("undone", False) for row in rows] == [False, True]
    shown = dsk(root, "op", "show", "HEAD~1").stdout
    assert shown.startswith("by git (taken back)\n")
    assert "operation  plain git" in shown
    assert "vocab/      1 changed" in shown
    assert "changed  vocab/blacklist.txt" in shown
    assert Path(root / "vocab/blacklist.txt").read_text() == "a"
