"""A HEAD on a branch that does not exist, and a dsk.toml that is gone: both are said, and both have a way back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hands import again, all_files, assert_clean

from datakit.actions.advancing import advance
from datakit.actions.branching import switch
from datakit.actions.examining import examine
from datakit.actions.project import Project, open_project
from datakit.actions.reporting import read_status
from datakit.actions.starting import start_dataset
from datakit.errors import ConfigError, RepositoryError, StateError, UsageError
from datakit.repo.operations.transaction import session

Git = Callable[..., str]
GONE = ("symbolic-ref", "HEAD", "refs/heads/gone")


def test_a_head_on_a_branch_that_does_not_exist_is_a_problem(advanced: Project, git: Git) -> None:
    root = advanced.dataset.root
    before = all_files(root)
    assert read_status(again(advanced)).problem == ""
    git(root, *GONE)
    status = read_status(again(advanced))
    assert "'gone', which does not exist" in status.problem
    assert "dsk switch main" in status.problem
    check = next(check for check in examine(root) if check.name == "HEAD")
    assert (check.state, check.cure) == ("problem", "dsk switch main")
    for act in (lambda: advance(again(advanced)), lambda: switch(again(advanced), "new", create=True)):
        with pytest.raises(RepositoryError, match="does not exist") as caught:
            act()
        assert caught.value.hint == "dsk switch main"
    assert git(root, "for-each-ref", "--format=%(refname)", "refs/heads") == "refs/heads/main\n"
    switch(again(advanced), "main")
    assert all_files(root) == before
    assert_clean(root, git)


@pytest.mark.parametrize("is_index_empty", [False, True])
def test_back_to_another_branch_than_the_one_that_stands_there(
    advanced: Project, git: Git, is_index_empty: bool
) -> None:
    root = advanced.dataset.root
    before = all_files(root)
    switch(advanced, "try", create=True)
    (root / "wip/aria/danbooru_0.txt").write_text("another caption")
    (root / "wip/aria/extra.txt").write_text("one more")
    (root / "wip/beth/danbooru_0.txt").unlink()
    with session(again(advanced).dataset):
        pass
    git(root, *GONE)
    if is_index_empty:
        (root / ".git/index").unlink()
    switch(again(advanced), "main")
    assert all_files(root) == before
    assert_clean(root, git)


def test_what_no_branch_has_is_not_written_over(advanced: Project, git: Git) -> None:
    root = advanced.dataset.root
    path = root / "wip/aria/danbooru_0.txt"
    git(root, *GONE)
    path.write_text("mine alone")
    with pytest.raises(StateError, match=r"wip/aria/danbooru_0\.txt") as caught:
        switch(again(advanced), "main")
    git(root, *caught.value.hint.partition(" makes")[0].split()[1:])
    assert read_status(again(advanced)).hand_edits == ("wip/aria/danbooru_0.txt",)
    assert path.read_text() == "mine alone"


def test_init_does_not_begin_a_second_history(advanced: Project, git: Git) -> None:
    root = advanced.dataset.root
    git(root, *GONE)
    (root / "dsk.toml").unlink()
    with pytest.raises(RepositoryError, match="there is main") as caught:
        start_dataset(root)
    assert caught.value.hint == "git switch main"


def test_a_dataset_whose_settings_are_gone_says_so(advanced: Project, git: Git) -> None:
    root = advanced.dataset.root
    (root / "dsk.toml").unlink()
    for act in (open_project, start_dataset, lambda start: open_project(start / "wip/aria")):
        with pytest.raises(ConfigError, match=r"dsk\.toml is missing") as caught:
            act(root)
        assert caught.value.hint == f"git -C {root} checkout HEAD -- dsk.toml"
    git(root, "checkout", "HEAD", "--", "dsk.toml")
    assert_clean(root, git)


def test_a_file_is_no_place_for_a_dataset(tmp_path: Path) -> None:
    (tmp_path / "mk.py").touch()
    for place in ("mk.py", "mk.py/set"):
        with pytest.raises(UsageError, match=r"mk\.py: is a file"):
            start_dataset(tmp_path / place)
