"""dsk unlock: an image of one's own, to be painted on in place."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from datakit.actions.advancing import advance
from datakit.actions.project import Project, open_project
from datakit.actions.unlocking import unlock
from datakit.errors import RepositoryError, StateError, UsageError
from datakit.repo.worktree.scan import scan


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def assert_clean(project: Project, git) -> None:
    assert git(project.dataset.root, "status", "--porcelain") == ""
    git(project.dataset.root, "fsck", "--strict")
    assert scan(project.dataset).edits == []


def test_an_unlocked_image_is_private_writable_and_unchanged(advanced: Project, git) -> None:
    root, head = advanced.dataset.root, advanced.dataset.head
    target = root / "wip/aria/danbooru_0.png"
    data, written = target.read_bytes(), target.stat().st_mtime_ns
    assert unlock(advanced, ["aria/danbooru_0"]).paths == ("wip/aria/danbooru_0.png",)
    assert (mode(target), target.stat().st_nlink) == (0o644, 1)
    assert (target.read_bytes(), target.stat().st_mtime_ns) == (data, written)
    assert mode(root / "cleaned/aria/danbooru_0.png") == 0o444
    assert advanced.dataset.head == head, "nothing changed, so there is no operation"
    assert_clean(advanced, git)
    assert unlock(advanced, ["wip/aria/danbooru_0.png"]).already == ("wip/aria/danbooru_0.png",)


def test_painting_in_place_changes_that_stage_alone_and_survives(advanced: Project, git) -> None:
    root = advanced.dataset.root
    original = (root / "raw/aria/danbooru_0.png").read_bytes()
    unlock(advanced, ["aria/danbooru_0"])
    with (root / "wip/aria/danbooru_0.png").open("ab") as file:
        file.write(b"painted")
    (root / "dsk.toml").write_text('[cleaned]\ntrigger = "t"\n')
    advance(open_project(root))
    assert (root / "wip/aria/danbooru_0.png").read_bytes() == original + b"painted"
    for stage in ("raw", "filtered", "edited", "captioned", "cleaned"):
        assert (root / stage / "aria/danbooru_0.png").read_bytes() == original, stage
    assert_clean(advanced, git)


def test_an_edit_that_was_there_before_is_kept_where_it_belongs(advanced: Project, git) -> None:
    root = advanced.dataset.root
    wip, raw = root / "wip/aria/danbooru_0.png", root / "raw/aria/danbooru_0.png"
    original = raw.read_bytes()
    wip.chmod(0o644)
    wip.write_bytes(original + b"too early")
    unlock(advanced, ["aria/danbooru_0"])
    assert wip.read_bytes() == original + b"too early"
    assert raw.read_bytes() == original
    assert mode(wip) == 0o644
    assert_clean(advanced, git)


def test_stages_and_what_cannot_be_unlocked(advanced: Project, git) -> None:
    root = advanced.dataset.root
    assert unlock(advanced, ["aria/danbooru_1"], stage="edited").paths == ("edited/aria/danbooru_1.png",)
    (root / "wip/aria/danbooru_2.png").unlink()
    with pytest.raises(StateError, match="aria/danbooru_2 has no image in wip") as caught:
        unlock(advanced, ["aria/danbooru_2"])
    assert caught.value.hint == "dsk restore aria/danbooru_2 brings it back"
    done = unlock(advanced, ["wip/aria/danbooru_0.png", "wip/aria/danbooru_2.txt"])
    assert (done.paths, done.skipped) == (("wip/aria/danbooru_0.png",), ("aria/danbooru_2",))
    with pytest.raises(UsageError, match="no stage 'wop'"):
        unlock(advanced, ["aria/danbooru_0"], stage="wop")
    assert_clean(advanced, git)


def test_an_image_that_is_not_here_cannot_be_unlocked(advanced: Project) -> None:
    dataset = advanced.dataset
    entry = dataset.entry("wip/aria/danbooru_0.png")
    assert entry is not None
    ref = dataset.image_ref("wip/aria/danbooru_0.png", entry.oid)
    assert ref is not None
    os.unlink(dataset.lfs.path(ref.sha256))  # noqa: PTH108
    with pytest.raises(RepositoryError, match="not in this clone"):
        unlock(advanced, ["aria/danbooru_0"])


def test_the_command_says_the_paths(advanced: Project, dsk) -> None:
    root = advanced.dataset.root
    assert dsk(root, "unlock", "aria/danbooru_0").stdout == "wip/aria/danbooru_0.png: writable\n"
    done = dsk(root, "unlock", "aria/*", "--json")
    assert json.loads(done.stdout) == {
        "already": ["wip/aria/danbooru_0.png"],
        "paths": ["wip/aria/danbooru_1.png", "wip/aria/danbooru_2.png"],
        "skipped": [],
    }
