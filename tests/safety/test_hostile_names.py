"""Names that somebody else chose: nothing is written outside the dataset, nothing is lost, each gets a safe name."""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from harm import assert_sound, user_files
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from datakit.actions.advancing import advance
from datakit.actions.importing import Wishes, import_folder
from datakit.actions.project import Project, open_project
from datakit.actions.reporting import read_status
from datakit.actions.verifying import verify_dataset
from datakit.errors import StateError
from datakit.model.naming import MAX_NAME_BYTES, safe_name
from datakit.repo.layout import is_managed

Git = Callable[..., str]
DEVICES = ["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in "123456789")]

any_name = st.one_of(
    st.text(),
    st.text(alphabet='. /\\:*?"<>|~-_\n\r\t\x00\x7f\u200b\u202ea\u0301e\xe9\ufeff\U0001f600'),
    st.binary(max_size=300).map(os.fsdecode),
    st.sampled_from([*DEVICES, "..", ".", "", "git~1", ".git", ".GIT", "CON.", "nul.txt", "-rf", "~", "stage", "raw"]),
    st.text(alphabet="\U0001f469\u200d\u4e2d", min_size=30, max_size=100),
)


@given(any_name)
def test_a_safe_name_is_safe(name: str) -> None:
    safe = safe_name(name)
    assert safe == safe_name(safe), "it comes back unchanged"
    assert safe not in {"", ".", ".."}
    assert 0 < len(safe.encode("utf-8")) <= MAX_NAME_BYTES + 1
    assert unicodedata.is_normalized("NFC", safe)
    assert not set(safe) & set('<>:"/\\|?*\n\r\t\0\x7f')
    assert not safe.startswith((".", " "))
    assert not safe.endswith((".", " "))
    assert safe.partition(".")[0].rstrip(" ").lower() not in DEVICES
    assert safe.lower() not in {".git", "git~1"}
    assert safe.isprintable() or any(unicodedata.category(c) in {"Zs", "Cn", "Co", "Cf"} for c in safe)
    assert is_managed(f"raw/{safe}/{safe}.png"), "dsk looks after what it made"


@given(any_name)
def test_a_portable_name_stays(name: str) -> None:
    safe = safe_name(name)
    if name.isascii() and name.replace("_", "").isalnum() and len(name) < 100 and name.lower() not in DEVICES:
        assert safe == name


HOSTILE = [
    "new\nline", "tab\there", "bell\a", "escape\x1b[31m", "del\x7f", "CON", "nul.x", "com1", "dots...", " spaces ",
    "caf\xe9", "cafe\u0301", "Twin", "twin", "TWIN", "x" * 250, "\u4e2d" * 83, "back\\slash", "-rf", "--help",
    "smile\U0001f600", "quote\"'", "dollar$(x)`y`", "percent%s", "star*?", "pipe|", "colon:", "lt<gt>",
    "right\u202eleft", "zero\u200bwidth", "git~1", "~", "#", "&amp;", "stage", "raw", "manifest", "danbooru_1",
    "x.png", "a.b.c", "..twodots", "..", "...", "line\u2028separator", "\ufefffirst", "{}", "[1]", "@", "HEAD",
]  # fmt: skip
FOLDERS = ["aria", "\n", "CON", "-o", "\u202e", "stage.json", "...", "raw", "x" * 200, "git~1", "a b ", "\\..\\..\\"]


def write(folder: Path, name: bytes, serial: int) -> bool:
    """A picture of another colour under a name of bytes; False where this file system refuses that name."""
    target = os.fsencode(folder) + b"/" + name + b".png"
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
        with open(target, "xb") as file:  # noqa: PTH123
            Image.new("RGB", (256, 257), (serial % 256, serial // 256, 77)).save(file, "PNG")
    except OSError:
        return False
    return True


@pytest.fixture
def hostile(tmp_path: Path) -> tuple[Path, int]:
    """The folder, and how many pictures of it are to be seen."""
    folder = tmp_path / "outer" / "scrape"
    folder.mkdir(parents=True)
    names = [name.encode("utf-8", "surrogateescape") for name in HOSTILE] + [
        b"latin\xe9",
        b"\xff\xfe",
        b"nul\xed\xb3\xbf",
    ]
    number = 0
    for serial, name in enumerate(names):
        is_hidden = name.startswith(b".")
        number += write(folder, b"aria/" + name, serial) and not is_hidden
    for serial, name in enumerate(FOLDERS, len(names)):
        is_hidden = name.startswith(".")
        number += write(folder, os.fsencode(name) + b"/inside", serial) and not is_hidden
    write(folder, b".git/config", 999)
    (folder / "aria/manifest.json").write_text('{"not": "a record"}')
    (folder / "aria/stage.txt").write_text("a caption called stage")
    (folder / "aria/new\nline.txt").write_text("a caption with a newline in its name")
    outside = tmp_path / "secret.png"
    Image.new("RGB", (300, 300), (250, 1, 1)).save(outside)
    (folder / "aria/link.png").symlink_to(outside)
    (folder / "way_out").symlink_to(tmp_path)
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "aria/pipe.png")
    return folder, number


def test_a_folder_of_hostile_names_from_import_to_export(
    hostile: tuple[Path, int], empty: Project, tmp_path: Path, git: Git
) -> None:
    folder, number = hostile
    root = empty.dataset.root
    (root / "dsk.toml").write_text('[cleaned]\ntrigger = "t"\n')
    around = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*") if not path.is_relative_to(root)}
    report = import_folder(empty, folder)
    advance(open_project(root))
    assert {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*") if not path.is_relative_to(root)} == around
    assert report.num_imported == number
    assert report.failed == []
    aside = {one.path: one.reason for one in report.aside}
    assert "symbolic link" in aside["aria/link.png"]
    assert "symbolic link" in aside["way_out"]
    assert aside["aria/pipe.png"] == "not a regular file"

    images = sorted(path.relative_to(root / "raw").as_posix() for path in root.glob("raw/**/*.png"))
    assert len(images) == number
    assert all(len(image.split("/")) == 2 for image in images)
    assert all(safe_name(part) == part for image in images for part in image.removesuffix(".png").split("/"))
    assert len({image.casefold() for image in images}) == number, "twins are apart, whatever the file system"
    originals = {json.loads((root / "raw" / image).with_suffix(".json").read_text())["original"] for image in images}
    assert len(originals) == number
    assert "aria/new\nline.png" in originals
    assert (root / "raw/aria/stage.txt").read_text() == "a caption called stage"
    assert_sound(root, git)
    assert len(list(root.glob("wip/**/*.png"))) == number
    assert len(list(root.glob("export/kohya/**/*.png"))) == number
    assert import_folder(open_project(root), folder).num_imported == 0, "all of it is there already"


@pytest.mark.parametrize("concept", ["..", "../../x", ".git", "/etc", ".dsk", "stage.json", "a/../../b", "", "\n"])
def test_a_concept_never_leads_out(empty: Project, scrape: Callable[..., Path], git: Git, concept: str) -> None:
    root = empty.dataset.root
    before = set(user_files(root.parent))
    folder = scrape(aria=1)
    known = before | {path for path in user_files(root.parent) if path.startswith(folder.name)}
    import_folder(empty, folder, Wishes(concept=concept))
    new = set(user_files(root.parent)) - known
    assert len(new) == 2
    assert all(path.startswith("set/raw/") and len(path.split("/")) == 4 for path in new), new
    assert_sound(root, git)


def test_items_that_are_called_like_dsks_own_files(empty: Project, git: Git) -> None:
    """An image that lies directly in a stage's folder, called stage: its caption and its lock do not meet."""
    root = empty.dataset.root
    for serial, name in enumerate(["stage", "raw", "dsk", "export/kohya/manifest", "wip/wip"]):
        path = root / "raw" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (256, 256), (serial * 40, 9, 9)).save(path)
        path.with_suffix(".txt").write_text(f"1girl, number_{serial}")
    advance(open_project(root), "wip")
    lock = json.loads((root / "wip/stage.json").read_text())
    assert lock["stage"] == "wip"
    assert (root / "wip/stage.png").exists()
    assert "number" in (root / "wip/stage.txt").read_text()
    assert_sound(root, git)
    before = user_files(root)
    advance(open_project(root), "wip")
    assert user_files(root) == before


def test_a_scrape_whose_concept_is_called_like_a_lock(empty: Project, tmp_path: Path, git: Git) -> None:
    scrape = tmp_path / "stage"
    scrape.mkdir()
    Image.new("RGB", (256, 256), (1, 2, 3)).save(scrape / "stage.png")
    import_folder(empty, scrape, Wishes(concept="stage.json"))
    advance(open_project(empty.dataset.root), "wip")
    assert list(empty.dataset.root.glob("wip/_stage.json/stage.png"))
    assert_sound(empty.dataset.root, git)


def test_a_concept_that_somebody_called_like_a_lock_is_refused_not_lost(project: Project, git: Git) -> None:
    root = project.dataset.root
    (root / "raw/beth").rename(root / "raw/stage.json")
    (root / "raw/aria.png").write_bytes((root / "raw/aria/danbooru_0.png").read_bytes())
    before = user_files(root)
    with pytest.raises(StateError, match=r"stage\.json") as caught:
        advance(open_project(root))
    assert "rename the folder" in caught.value.hint
    assert user_files(root) == before
    assert_sound(root, git)
    (root / "raw/stage.json").rename(root / "raw/beth")
    advance(open_project(root), "wip")
    assert len(list(root.glob("wip/beth/*.png"))) == 2


def test_a_record_that_is_called_like_a_lock(project: Project) -> None:
    root = project.dataset.root
    (root / "raw/stage.png").write_bytes((root / "raw/aria/danbooru_0.png").read_bytes())
    (root / "raw/stage.json").write_bytes((root / "raw/aria/danbooru_0.json").read_bytes())
    advance(open_project(root), "wip")
    assert read_status(open_project(root)).hand_edits == ()
    assert verify_dataset(open_project(root)).damages == ()
