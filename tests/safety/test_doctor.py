"""dsk doctor: how a dataset and the computer stand, without changing either."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from harm import user_files

from datakit.actions.examining import Check, examine
from datakit.actions.project import Project
from datakit.store.links import try_strategy
from datakit.store.lock import exclusive, holder

Git = Callable[..., str]
HOLD = """
import sys, pathlib
from datakit.store.lock import exclusive
with exclusive(pathlib.Path(sys.argv[1])):
    print(flush=True)
    sys.stdin.read()
"""


def checks(project: Project) -> dict[str, Check]:
    return {check.name: check for check in examine(project.dataset.root)}


def everything(root: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_ino) for path in root.rglob("*") if path.is_file()}


def test_a_sound_dataset_has_no_problem_and_is_not_touched(advanced: Project) -> None:
    root = advanced.dataset.root
    before = everything(root)
    found = checks(advanced)
    assert everything(root) == before
    assert [check.name for check in found.values() if check.state == "problem"] == []
    assert {"dsk", "git", "work tree", "linking", "names", "sharing", "images", "lock", "HEAD"} <= found.keys()
    assert found["lock"].what == "free"
    assert found["HEAD"].what == "on main"
    assert found["leftovers"].what == "none"
    assert all(check.cure for check in found.values() if check.state != "ok" and check.name != "hooks")


def test_sharing_is_counted_by_inode(advanced: Project) -> None:
    root = advanced.dataset.root
    images = [path for path in root.rglob("*.png") if ".git" not in path.parts]
    unique = sum({path.stat().st_ino: path.stat().st_size for path in root.glob("raw/*/*.png")}.values())
    used = sum({path.stat().st_ino: path.stat().st_size for path in images}.values())
    assert f"of {unique / 1e6:,.1f} MB take {used / 1e6:,.1f} MB" in checks(advanced)["sharing"].what


def test_what_is_wrong_is_named_with_its_cure(advanced: Project, git: Git) -> None:
    root = advanced.dataset.root
    git(root, "switch", "-q", "--detach")
    git(root, "config", "core.trustctime", "true")
    (root / ".gitattributes").write_text("# nothing\n")
    (root / "dsk.toml").write_text("[filterd]\n")
    hook = root / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755)
    (root / ".dsk/lost/x").mkdir(parents=True)
    (root / ".dsk/lost/x/wip.png").write_bytes(b"damaged")
    (root / ".dsk/latents").mkdir()
    (root / ".dsk/latents/x.safetensors").write_bytes(b"old")
    (root / ".dsk/journal.json").write_text("{}")
    (root / ".git/refs/heads/main.lock").touch()
    found = checks(advanced)
    states = {name: check.state for name, check in found.items()}
    assert states["HEAD"] == states[".gitattributes"] == states["dsk.toml"] == "problem"
    assert "filterd" in found["dsk.toml"].what
    assert found["HEAD"].cure == "dsk switch main"
    assert "core.trustctime" in found["git config"].what
    assert "pre-commit" in found["hooks"].what
    assert "delete .dsk/lost" in found["damaged bytes"].cure
    assert "delete .dsk/latents" in found["old caches"].cure
    assert "interrupted" in found["journal"].what
    assert "main.lock" in found["locks of git"].what


def test_images_that_are_not_here_and_an_index_that_is_none(advanced: Project) -> None:
    root = advanced.dataset.root
    for path in root.glob(".git/lfs/objects/*/*/*"):
        path.unlink()
    assert checks(advanced)["images"].state == "note"
    assert checks(advanced)["images"].cure == "dsk pull"
    (root / ".git/index").write_bytes(b"noise" * 20)
    assert checks(advanced)["index"].cure == "dsk verify makes it anew"


def test_an_old_lock_of_git_is_one_problem(advanced: Project) -> None:
    lock = advanced.dataset.root / ".git/index.lock"
    lock.touch()
    assert checks(advanced)["locks of git"].state == "note"
    os.utime(lock, (1e9, 1e9))
    check = checks(advanced)["locks of git"]
    assert check.state == "problem"
    assert check.what.startswith("1 file,")


def test_who_holds_the_lock(advanced: Project) -> None:
    lock = advanced.dataset.private / "lock"
    assert holder(lock) == ""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert holder(lock) == str(process.pid)
        assert f"process {process.pid} is at work" in checks(advanced)["lock"].what
    with exclusive(lock, wait_s=0):
        pass
    assert holder(lock) == ""


def test_trying_leaves_nothing(tmp_path: Path) -> None:
    assert try_strategy(tmp_path) in {"reflink", "hardlink", "copy"}
    assert list(tmp_path.iterdir()) == []


def test_the_command(advanced: Project, dsk: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    root = advanced.dataset.root
    before = user_files(root)
    done = dsk(root, "doctor")
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("no problems\n")
    (root / "dsk.toml").write_text("[filterd]\n")
    done = dsk(root, "doctor", "--json")
    assert done.returncode == 1
    assert {check["name"] for check in json.loads(done.stdout) if check["state"] == "problem"} == {"dsk.toml"}
    (root / "dsk.toml").write_text("")
    assert user_files(root).keys() == before.keys()
