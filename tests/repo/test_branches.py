"""Branches: made, left, come back to, and never with anything lost."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hands import again, all_files, assert_clean

from datakit.actions.advancing import advance
from datakit.actions.branching import branch_at, merge, switch
from datakit.actions.importing import import_folder
from datakit.actions.project import Project
from datakit.actions.reporting import read_status
from datakit.actions.verifying import verify_dataset
from datakit.errors import StateError, UsageError
from datakit.repo.branches.switching import delete_branch, list_branches
from datakit.repo.operations.undo import undo
from datakit.repo.oplog import history

Git = Callable[..., str]


def test_there_and_back(advanced: Project, scrape, git: Git) -> None:
    root = advanced.dataset.root
    main = all_files(root)
    done = switch(advanced, "more", create=True)
    assert (done.branch.name, done.before) == ("more", "main")
    import_folder(again(advanced), scrape("more", cleo=2))
    (root / "dsk.toml").write_text('[cleaned]\ntrigger = "t"\n')
    advance(again(advanced))
    more = all_files(root)
    assert more != main
    switch(again(advanced), "main")
    assert all_files(root) == main
    assert_clean(advanced.dataset.root, git)
    switch(again(advanced), "more")
    assert all_files(root) == more
    assert_clean(advanced.dataset.root, git)
    assert git(root, "branch", "--show-current") == "more\n"
    assert advance(again(advanced)) == []


def test_edits_stay_on_the_branch_that_is_left(advanced: Project, git: Git) -> None:
    root = advanced.dataset.root
    branch_at(advanced, "other", "HEAD")
    caption = root / "wip/aria/danbooru_0.txt"
    before = caption.read_text()
    caption.write_text("mine")
    (root / "wip/aria/notes.psd").write_bytes(b"layers")
    switch(again(advanced), "other")
    assert caption.read_text() == before
    assert (root / "wip/aria/notes.psd").read_bytes() == b"layers"
    switch(again(advanced), "main")
    assert caption.read_text() == "mine"
    assert next(history(again(advanced).dataset)).subject == "wip: 1 caption edited"
    (root / "wip/aria/notes.psd").unlink()
    assert_clean(advanced.dataset.root, git)


def test_each_branch_has_its_own_undo(advanced: Project) -> None:
    root = advanced.dataset.root
    switch(advanced, "other", create=True)
    (root / "wip/aria/danbooru_0.txt").write_text("mine")
    undo(again(advanced).dataset)
    switch(again(advanced), "main")
    assert next(history(again(advanced).dataset)).op == "export"


def test_from_a_revision(advanced: Project) -> None:
    root = advanced.dataset.root
    switch(advanced, "early", create=True, revision="HEAD~6")
    assert not list(root.glob("wip/*/*"))
    assert len(list(root.glob("raw/*/*.png"))) == 5


def test_the_list(advanced: Project) -> None:
    branch_at(advanced, "b/c", "HEAD~1")
    names = [(one.name, one.is_current, one.subject.partition(":")[0]) for one in list_branches(advanced.dataset)]
    assert names == [("b/c", False, "wip"), ("main", True, "export")]


@pytest.mark.parametrize("name", ["", "-d", "a..b", "main", "MAIN", "a b", "main/x", "HEAD", "x.lock", "../x", "a\nb"])
def test_names_that_cannot_be(advanced: Project, name: str) -> None:
    with pytest.raises(UsageError):
        branch_at(advanced, name, "HEAD")


def test_unknown_branches_are_refused_with_the_nearest(advanced: Project) -> None:
    with pytest.raises(UsageError, match="no branch 'mian'") as caught:
        switch(advanced, "mian")
    assert caught.value.hint == "did you mean 'main'?"
    for act in (lambda: delete_branch(advanced.dataset, "nosuch"), lambda: merge(advanced, "nosuch")):
        with pytest.raises(UsageError, match="nosuch") as caught:
            act()
        assert caught.value.hint == "dsk branch lists them"


def test_a_branch_with_work_of_its_own_is_not_forgotten_by_accident(advanced: Project) -> None:
    branch_at(advanced, "same", "HEAD")
    delete_branch(advanced.dataset, "same")
    switch(advanced, "own", create=True)
    (advanced.dataset.root / "wip/aria/danbooru_0.txt").write_text("mine")
    switch(again(advanced), "main")
    with pytest.raises(UsageError, match="the branch you are on"):
        delete_branch(advanced.dataset, "main")
    with pytest.raises(StateError, match="1 operation that is on no other branch"):
        delete_branch(advanced.dataset, "own")
    delete_branch(advanced.dataset, "own", force=True)
    assert [one.name for one in list_branches(advanced.dataset)] == ["main"]


def test_from_a_head_on_no_branch(advanced: Project, git: Git) -> None:
    root = advanced.dataset.root
    git(root, "checkout", "-q", "--detach")
    caption = root / "wip/aria/danbooru_0.txt"
    caption.write_text("mine")
    with pytest.raises(StateError, match="stands on no branch"):
        switch(again(advanced), "main")
    assert caption.read_text() == "mine"
    switch(again(advanced), "kept", create=True)
    assert caption.read_text() == "mine"
    assert read_status(again(advanced)).stages[5].hand_edits == ("wip/aria/danbooru_0.txt",)
    switch(again(advanced), "main")
    git(root, "checkout", "-q", "--detach")
    git(root, "commit", "-q", "--allow-empty", "-m", "nowhere")
    lost = git(root, "rev-parse", "HEAD").strip()
    assert switch(again(advanced), "main").left_behind == lost


def test_in_a_terminal(advanced: Project, dsk, git: Git) -> None:
    root = advanced.dataset.root
    done = dsk(root, "switch", "-c", "idea")
    assert (done.returncode, done.stdout.split(" at ")[0]) == (0, "on idea")
    assert dsk(root, "switch", "idea").stdout.startswith("already on idea at ")
    assert json.loads(dsk(root, "branch", "--json").stdout)[0]["is_current"]
    assert "* " in dsk(root, "branch").stdout
    assert dsk(root, "branch", "-d").returncode == 2
    assert_clean(advanced.dataset.root, git)


def test_images_that_change_places_between_two_branches(advanced: Project, git: Git) -> None:
    """A file that is to get other content is no source for files that are to get the content it has."""
    root = advanced.dataset.root
    names = sorted(root.glob("raw/*/*.png"))
    switch(advanced, "turned", create=True)
    contents = [path.read_bytes() for path in names]
    for path, content in zip(names, [*contents[1:], contents[0]], strict=True):
        path.unlink()
        path.write_bytes(content)
    advance(again(advanced), "wip")
    there = all_files(root)
    for branch in ("main", "turned", "main", "turned"):
        switch(again(advanced), branch)
        assert not verify_dataset(again(advanced), repair=False).damages
    assert all_files(root) == there
    assert_clean(root, git)
