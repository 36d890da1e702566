"""dsk verify: every damage is found, and repaired where a good copy stands; hand edits are none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from harm import assert_sound, flip, user_files

from datakit.actions.advancing import advance
from datakit.actions.project import Project, open_project
from datakit.actions.verifying import verify_dataset
from datakit.errors import UsageError
from datakit.repo.care.healing import Verified
from datakit.repo.operations.transaction import transaction

Git = Callable[..., str]
PICTURE = "aria/danbooru_1.png"


def check(root: Path) -> Verified:
    return verify_dataset(open_project(root), repair=False)


def repair(root: Path) -> Verified:
    return verify_dataset(open_project(root))


def kinds(verified: Verified) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for damage in verified.damages:
        found.setdefault(damage.kind, []).append(damage.path.partition(" (")[0])
    return {kind: sorted(paths) for kind, paths in found.items()}


def assert_found_and_repaired(root: Path, git: Git, wanted: dict[str, list[str]]) -> Verified:
    """--check finds it and touches nothing; then it is repaired; then nothing is left."""
    head, before = git(root, "rev-parse", "HEAD"), user_files(root)
    looked = check(root)
    assert kinds(looked) == wanted
    assert looked.num_left == len(looked.damages)
    assert user_files(root) == before
    done = repair(root)
    assert kinds(done) == wanted
    assert [damage for damage in done.damages if not damage.repaired] == []
    assert (root / done.lost).is_dir()
    assert git(root, "rev-parse", "HEAD") == head
    assert_sound(root, git)
    return done


def store_object(project: Project, path: str) -> Path:
    entry = project.dataset.entry(path)
    assert entry is not None
    ref = project.dataset.image_ref(path, entry.oid)
    assert ref is not None
    return project.dataset.lfs.path(ref.sha256)


def test_a_sound_dataset_is_read_in_full(advanced: Project, git: Git) -> None:
    root = advanced.dataset.root
    before = user_files(root)
    verified = repair(root)
    assert verified.damages == ()
    assert verified.num_images == len(list(root.glob(".git/lfs/objects/*/*/*")))
    assert verified.num_files == len(before)
    assert verified.num_git_objects == int(git(root, "rev-list", "--objects", "--all", "--count"))
    assert verified.num_bytes > sum(path.stat().st_size for path in root.glob(".git/lfs/objects/*/*/*"))
    assert (verified.num_hand_edits, verified.missing, verified.lost) == (0, (), "")
    assert user_files(root) == before
    assert not (root / ".dsk/lost").exists()


def test_a_store_object_is_taken_from_the_work_tree(advanced: Project, git: Git) -> None:
    path = store_object(advanced, f"raw/{PICTURE}")
    whole = path.read_bytes()
    flip(path)
    damaged = path.read_bytes()
    done = assert_found_and_repaired(advanced.dataset.root, git, {"image": [path.name]})
    assert path.read_bytes() == whole
    assert path.stat().st_nlink == 1, "the store's inode is its own"
    assert (advanced.dataset.root / done.lost / "lfs" / path.name).read_bytes() == damaged


@pytest.mark.parametrize("harm", [lambda path: path.unlink(), lambda path: (path.chmod(0o644), path.write_bytes(b""))])
def test_a_store_object_that_is_gone_or_cut_off(advanced: Project, git: Git, harm: Callable[[Path], None]) -> None:
    path = store_object(advanced, f"raw/{PICTURE}")
    whole = path.read_bytes()
    harm(path)
    assert [damage.kind for damage in repair(advanced.dataset.root).damages] == ["image"]
    assert path.read_bytes() == whole
    assert_sound(advanced.dataset.root, git)


def test_a_work_tree_image_is_healed_under_all_its_names(advanced: Project, git: Git) -> None:
    root = advanced.dataset.root
    picture = root / "wip" / PICTURE
    inode, whole = picture.stat().st_ino, picture.read_bytes()
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png") if path.stat().st_ino == inode)
    flip(picture)
    done = assert_found_and_repaired(root, git, {"file": names})
    assert all((root / name).read_bytes() == whole for name in names)
    assert len({(root / name).stat().st_ino for name in names}) == (1 if len(names) > 1 else len(names))
    assert len([path for path in (root / done.lost).rglob("*") if path.is_file()]) == 1, "one inode, once set aside"


@pytest.mark.parametrize(
    "name", ["wip/aria/danbooru_1.txt", "raw/aria/danbooru_0.json", "filtered/stage.json", "dsk.toml"]
)
def test_a_text_is_taken_from_git(advanced: Project, git: Git, name: str) -> None:
    path = advanced.dataset.root / name
    whole = path.read_bytes()
    settle(advanced)
    flip(path)
    done = assert_found_and_repaired(advanced.dataset.root, git, {"file": [name]})
    assert path.read_bytes() == whole
    assert (advanced.dataset.root / done.lost / name).read_bytes() != whole


@pytest.mark.parametrize("name", ["wip/aria/danbooru_1.txt", "raw/aria/danbooru_1.png", "raw/aria/danbooru_1.json"])
def test_a_loose_git_blob_is_written_anew(advanced: Project, git: Git, name: str) -> None:
    root = advanced.dataset.root
    unpack(root, git)
    blob = git(root, "rev-parse", f"HEAD:{name}").strip()
    flip(root / ".git/objects" / blob[:2] / blob[2:])
    git(root, "cat-file", "blob", blob, code=128)
    assert_found_and_repaired(root, git, {"git": [blob]})


def unpack(root: Path, git: Git) -> None:
    for pack in (root / ".git/objects/pack").glob("*.pack"):
        data = pack.read_bytes()
        for path in pack.parent.glob(f"{pack.stem}.*"):
            path.unlink()
        git(root, "unpack-objects", "-q", stdin=data)


@pytest.mark.parametrize("damage", ["gone", "empty", "flipped"])
def test_a_tree_of_head_is_made_from_the_index(advanced: Project, git: Git, damage: str) -> None:
    root = advanced.dataset.root
    unpack(root, git)
    tree = git(root, "rev-parse", "HEAD:wip/aria").strip()
    path = root / ".git/objects" / tree[:2] / tree[2:]
    path.chmod(0o644)
    if damage == "flipped":
        flip(path)
    else:
        path.unlink()
        _ = damage == "empty" and path.touch()
    done = repair(root)
    assert [(one.kind, one.path[:40], bool(one.repaired)) for one in done.damages] == [("git", tree, True)]
    assert_sound(root, git)


@pytest.mark.parametrize("gc", [False, True], ids=["by dsk", "by git gc"])
def test_a_pack_is_written_anew(advanced: Project, git: Git, gc: bool) -> None:
    root = advanced.dataset.root
    if gc:
        git(root, "gc", "-q")
    else:
        blobs = [f"{number:04}" for number in range(200)]
        with transaction(advanced.dataset, "test") as txn:
            for name in blobs:
                txn.put(f"wip/many/{name}.txt", name.encode() * 9)
            txn.commit("many captions")
    pack = max((root / ".git/objects/pack").glob("*.pack"), key=lambda path: path.stat().st_size)
    wanted = git(root, "rev-parse", "HEAD:wip/aria/danbooru_1.txt" if gc else "HEAD:wip/many/0100.txt").strip()
    row = next(line for line in git(root, "verify-pack", "-v", str(pack)).splitlines() if line.startswith(wanted))
    flip(pack, int(row.split()[4]) + 5)
    looked = check(root)
    assert kinds(looked)["pack"] == [f".git/objects/pack/{pack.name}"]
    assert wanted in kinds(looked)["git"]
    done = repair(root)
    if all(one.repaired for one in done.damages):
        assert_sound(root, git)
        assert not pack.exists()
    else:  # a delta hung on the damaged object: what hangs on it is named, and nothing else changed
        assert gc
        assert pack.exists()
        assert {one.kind for one in done.damages if not one.repaired} <= {"pack", "git"}


def test_a_pack_damaged_where_nothing_is_read_is_found_too(advanced: Project, git: Git) -> None:
    root = advanced.dataset.root
    git(root, "gc", "-q")
    (pack,) = (root / ".git/objects/pack").glob("*.pack")
    flip(pack, pack.stat().st_size - 1)
    assert check(root).num_left > 0
    assert [(one.kind, one.what, bool(one.repaired)) for one in repair(root).damages] == [
        ("pack", "its closing checksum is damaged", True)
    ]
    assert_sound(root, git)
    (pack,) = (root / ".git/objects/pack").glob("*.pack")
    index = pack.with_suffix(".idx")
    flip(index, index.stat().st_size - 1)
    assert [(one.kind, bool(one.repaired)) for one in repair(root).damages] == [("pack", False)]
    assert "git index-pack" in check(root).damages[0].cure


def test_damage_that_nothing_refers_to_is_set_aside(advanced: Project, git: Git) -> None:
    root = advanced.dataset.root
    blob = git(root, "hash-object", "-w", "--stdin", stdin=b"left by something").strip()
    flip(root / ".git/objects" / blob[:2] / blob[2:])
    assert_found_and_repaired(root, git, {"git": [blob]})


def test_an_image_without_any_good_copy_is_named_with_its_cure(advanced: Project, git: Git) -> None:
    root = advanced.dataset.root
    path = store_object(advanced, f"raw/{PICTURE}")
    flip(path)
    picture = root / "raw" / PICTURE
    flip(picture)
    done = repair(root)
    left = {one.kind: one for one in done.damages if not one.repaired}
    assert left.keys() == {"image", "file"}
    assert "git lfs fetch" in left["image"].cure
    assert not path.exists(), "what is damaged must not be taken for the image"
    again = check(root)
    assert f"raw/{PICTURE}" in again.missing
    assert kinds(again).keys() == {"file"}
    assert git(root, "status", "--porcelain") == ""


def test_a_commit_that_is_gone_is_named(advanced: Project, git: Git) -> None:
    root = advanced.dataset.root
    unpack(root, git)
    commit = git(root, "rev-parse", "HEAD~2").strip()
    (root / ".git/objects" / commit[:2] / commit[2:]).unlink()
    (damage,) = repair(root).damages
    assert (damage.kind, damage.path[:40], damage.what, damage.repaired) == ("git", commit, "missing", "")
    assert "clone" in damage.cure


@pytest.mark.parametrize("harm", ["flipped", "cut", "noise"])
def test_a_damaged_index_is_made_anew(advanced: Project, git: Git, harm: str) -> None:
    root = advanced.dataset.root
    path = root / ".git/index"
    (root / "wip/aria/danbooru_1.txt").write_text("edited by hand")
    if harm == "flipped":
        flip(path, 60)
    else:
        path.write_bytes(path.read_bytes()[:100] if harm == "cut" else b"noise" * 100)
    assert [(one.kind, bool(one.repaired)) for one in repair(root).damages] == [("index", True)]
    assert git(root, "status", "--porcelain") == " M wip/aria/danbooru_1.txt\n"
    git(root, "checkout", "-q", "wip/aria/danbooru_1.txt")
    assert_sound(root, git)


def test_a_lock_and_a_record_that_cannot_be_read(advanced: Project) -> None:
    root = advanced.dataset.root
    (root / "edited/stage.json").write_text("{")
    (root / "raw/aria/danbooru_1.json").write_text('{"sha256": 7}')
    (root / "raw/aria/danbooru_2.json").write_text('{"somebody": "else\'s"}')
    with transaction(advanced.dataset, "look"):
        pass
    done = repair(root)
    assert kinds(done) == {"lock": ["edited/stage.json"], "record": ["raw/aria/danbooru_1.json"]}
    assert all(one.cure and not one.repaired for one in done.damages)


def test_hand_edits_are_no_damage_and_stay(advanced: Project) -> None:
    root = advanced.dataset.root
    (root / "wip/aria/danbooru_0.txt").write_text("written by hand")
    (root / "wip/aria/danbooru_2.png").unlink()
    shutil.copyfile(root / "raw/beth/danbooru_0.png", root / "wip/aria/new.png")
    before = user_files(root)
    done = repair(root)
    assert (done.damages, done.num_hand_edits) == ((), 2)
    assert user_files(root) == before


def test_a_clone_without_images_is_not_damaged(advanced: Project, git: Git, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(advanced.dataset.root), str(clone), env={"GIT_LFS_SKIP_SMUDGE": "1"})
    done = repair(clone)
    assert done.damages == ()
    images = [path for path in user_files(clone) if path.endswith(".png")]
    assert done.missing == tuple(sorted(images))
    assert done.num_images == 0


def test_a_shallow_clone_lacks_the_bases_of_merges(advanced: Project, git: Git, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    words = ("clone", "-q", "--depth", "1", f"file://{advanced.dataset.root}", str(clone))
    git(tmp_path, *words, env={"GIT_LFS_SKIP_SMUDGE": "1"})
    done = repair(clone)
    assert {one.kind for one in done.damages} == {"lock"}
    assert all(one.cure.startswith("git fetch --unshallow") for one in done.damages)
    git(clone, "fetch", "-q", "--unshallow")
    assert repair(clone).damages == ()


def test_one_stage_alone(advanced: Project) -> None:
    root = advanced.dataset.root
    settle(advanced)
    flip(root / "wip/aria/danbooru_0.txt")
    project = open_project(root)
    assert verify_dataset(project, ["raw", "filtered"], repair=False).damages == ()
    assert kinds(verify_dataset(project, ["wip"], repair=False)) == {"file": ["wip/aria/danbooru_0.txt"]}
    with pytest.raises(UsageError, match="no stage 'wipp'") as caught:
        verify_dataset(project, ["wipp"])
    assert "wip" in caught.value.hint


def settle(project: Project) -> None:
    """Let git's index be younger than the files: one that is as young proves nothing, and is read anyway."""
    with transaction(project.dataset, "look"):
        pass


def test_after_repairs_work_goes_on(advanced: Project, git: Git) -> None:
    root = advanced.dataset.root
    flip(store_object(advanced, f"raw/{PICTURE}"))
    flip(root / "raw/aria/danbooru_2.png")
    repair(root)
    (root / "dsk.toml").write_text('[cleaned]\ntrigger = "t"\n')
    advance(open_project(root))
    assert_sound(root, git)


def test_the_command(advanced: Project, dsk: Callable[..., object]) -> None:
    root = advanced.dataset.root
    flip(store_object(advanced, f"raw/{PICTURE}"))
    looked = dsk(root, "verify", "--check", "--json")
    assert looked.returncode == 1
    data = json.loads(looked.stdout)
    assert data["num_left"] == len(data["damages"]) == 1
    done = dsk(root, "verify")
    assert done.returncode == 0, done.stderr
    assert "1 damage found: 1 repaired; the damaged bytes are in .dsk/lost/" in done.stdout
    assert dsk(root, "verify").stdout.endswith("no damage\n")


@pytest.mark.parametrize("is_packed", [False, True], ids=["missing", "damaged in a pack"])
def test_what_is_lost_here_comes_from_a_clone_on_this_computer(
    advanced: Project, git: Git, tmp_path: Path, is_packed: bool
) -> None:
    root = advanced.dataset.root
    git(tmp_path, "clone", "-q", "--no-checkout", "--no-hardlinks", str(root), "whole")
    if is_packed:
        git(root, "gc", "-q")
        (pack,) = (root / ".git/objects/pack").glob("*.pack")
        commit = git(root, "rev-parse", "HEAD~1").strip()
        row = next(row for row in git(root, "verify-pack", "-v", str(pack)).splitlines() if row.startswith(commit))
        flip(pack, int(row.split()[4]) + 5)
    else:
        unpack(root, git)
        for oid in git(root, "rev-parse", "HEAD~1", "HEAD~2", "HEAD~2^{tree}").split():
            (root / ".git/objects" / oid[:2] / oid[2:]).unlink()
    left = repair(root)
    assert left.num_left > 0
    cures = {one.cure for one in left.damages if not one.repaired}
    assert all(cure.startswith("git remote add whole FOLDER") for cure in cures)
    git(root, "remote", "add", "whole", str(tmp_path / "whole"))
    done = repair(root)
    assert [one for one in done.damages if not one.repaired] == []
    assert "written anew from another copy" in {one.repaired for one in done.damages}
    assert_sound(root, git)
