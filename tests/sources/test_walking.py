"""A folder on disk: odd names, what cannot be listed, and that nothing outside of it is looked at."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from packing import contents, make_zip, reasons

from datakit.errors import InputError
from datakit.sources.folders.walk import Folder, open_folder, walk

ODD_NAMES = [
    "with blank.png",
    "-rf.png",
    "new\nline.png",
    "表é.PNG",
    "~.jpg",
    "a.b.c.webp",
    os.fsdecode(b"\xff\xfe.png"),
]


def opened(root: Path, *, takes_frames: bool = False) -> Folder:
    return open_folder(root, scratch=root.parent / "scratch", takes_frames=takes_frames)


def test_any_name_is_a_name(tmp_path: Path) -> None:
    root = tmp_path / "scrape"
    (root / "deep/er").mkdir(parents=True)
    for name in ODD_NAMES:
        (root / "deep/er" / name).write_bytes(os.fsencode(name))
    folder = opened(root)
    assert contents(folder) == {f"deep/er/{name}": os.fsencode(name) for name in ODD_NAMES}
    assert list(folder.files) == sorted(folder.files)
    assert not (tmp_path / "scratch").exists()


def test_links_hidden_folders_and_datasets_are_not_looked_into(tmp_path: Path) -> None:
    for name in ("s/.git/x.png", "s/set/dsk.toml", "s/set/raw/x.png", "s/no-set/dsk.toml", "other/y.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "s/link").symlink_to(tmp_path / "other")
    (tmp_path / "s/gone.png").symlink_to("nowhere")
    (tmp_path / "s/.hidden-link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "s/pipe.json")
    files, odd = walk(tmp_path / "s")
    assert list(files) == ["no-set/dsk.toml"]
    assert {one.path: one.reason for one in odd} == {
        "link": "symbolic link (not followed)",
        "gone.png": "symbolic link (not followed)",
        "pipe.json": "not a regular file",
        "set": "another dataset; its raw folder can be imported",
    }
    assert list(walk(tmp_path / "s/set")[0]) == ["dsk.toml", "raw/x.png"], "a person named it"


_AS_NOBODY = """
import os, sys
from pathlib import Path
from datakit.errors import InputError
from datakit.sources.folders.walk import walk
if os.geteuid() == 0:
    os.setgroups([]); os.setuid(65534)
files, odd = walk(Path("."))
print(sorted(files), [(one.path, one.reason) for one in odd])
try:
    walk(Path("closed"))
except InputError as error:
    print(error.message, "|", error.hint)
"""


def test_a_folder_that_cannot_be_listed_is_told_and_the_rest_read(tmp_path: Path) -> None:
    root = tmp_path / "scrape"
    (root / "closed").mkdir(parents=True)
    (root / "open").mkdir()
    (root / "open/x.png").write_bytes(b"")
    (root / "closed/y.png").write_bytes(b"")
    for folder in (*tmp_path.parents, tmp_path, root, root / "open"):
        if folder.stat().st_uid == os.geteuid() and folder.name.startswith(("pytest", "test", "scrape", "open")):
            folder.chmod(0o755)
    (root / "closed").chmod(0)
    done = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY], cwd=root, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    (root / "closed").chmod(0o755)
    assert done.stdout.splitlines() == [
        "['open/x.png'] [('closed', 'cannot be listed: Permission denied')]",
        "closed: Permission denied | check the folder's permissions",
    ], done.stderr


def test_a_folder_without_some_files_is_the_same_otherwise(tmp_path: Path) -> None:
    root = tmp_path / "scrape"
    make_zip(root / "u.zip", {"000000.png": b"0", "000001.png": b"1"})
    (root / "x.png").write_bytes(b"")
    (root / "l.png").symlink_to("x.png")
    folder = opened(root, takes_frames=True)
    less = folder.without({"x.png"})
    assert less.images == ["u.zip"]
    assert (less.name, less.takes_frames, reasons(less)) == ("scrape", True, reasons(folder))
    assert folder.without(set()) is folder
    with pytest.raises(InputError, match=r"gone\.png: No such file"):
        Folder("x", {"gone.png": tmp_path / "gone"}).read("gone.png")
