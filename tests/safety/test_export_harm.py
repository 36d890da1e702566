"""An export elsewhere that is killed, or finds the disk full, leaves nothing half-named; the next one completes it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hands import again
from harm import dsk_words

from datakit.actions.exporting.checking import check_export
from datakit.actions.exporting.elsewhere import Target, export_elsewhere
from datakit.actions.project import Project
from datakit.errors import WriteError

FORMAT = "kohya"
ROUNDS = 4


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def words(project: Project, folder: Path) -> list[str]:
    return dsk_words(project.dataset.root, "export", "--to", str(folder))


def test_an_export_killed_at_any_time_is_completed(advanced: Project, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    start = time.perf_counter()
    subprocess.run(words(advanced, whole), check=True, capture_output=True)
    seconds = time.perf_counter() - start
    for number in range(ROUNDS):
        out = tmp_path / f"out-{number}"
        running = subprocess.Popen(words(advanced, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seconds * (0.55 + 0.5 * number / ROUNDS))
        running.send_signal(signal.SIGKILL)
        running.wait()
        export_elsewhere(again(advanced), FORMAT, Target(folder=out))
        assert contents(out) == contents(whole)
        assert check_export(again(advanced), FORMAT, Target(folder=out)).is_current


def test_a_folder_where_a_file_belongs_stays(advanced: Project, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_elsewhere(again(advanced), FORMAT, Target(folder=out, copies=True))
    (advanced.dataset.root / "dsk.toml").write_text("[export]\nrepeats = 2\n")
    (out / "2_beth/danbooru_0.png").mkdir(parents=True)
    (out / "2_beth/danbooru_0.png/mine").write_text("mine")
    (out / "2_aria").mkdir()
    done = export_elsewhere(again(advanced), FORMAT, Target(folder=out, copies=True))
    assert done is not None
    assert done.stayed == ("2_beth/danbooru_0.png",)
    assert (out / "2_beth/danbooru_0.png/mine").read_text() == "mine"
    assert (out / "2_beth/danbooru_1.png").exists()
    assert not (out / "1_beth").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a megabyte, where this computer lets us mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"mount: {error}")
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_on_another_disk_images_are_copied_and_a_note_says_so(advanced: Project, small_disk: Path) -> None:
    done = export_elsewhere(again(advanced), FORMAT, Target(folder=small_disk / "out"))
    assert done is not None
    assert any("another disk" in note and "5 images copied" in note for note in done.notes)
    assert all(path.stat().st_nlink == 1 for path in (small_disk / "out").rglob("*.png"))
    asked = export_elsewhere(again(advanced), FORMAT, Target(folder=small_disk / "copies", copies=True))
    assert asked is not None
    assert not any("another disk" in note for note in asked.notes)


def test_a_full_disk_is_told_and_the_export_goes_on_once_there_is_room(advanced: Project, small_disk: Path) -> None:
    out, ballast = small_disk / "out", small_disk / "ballast"
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    ballast.write_bytes(b"\1" * (free - 5 * 4096))
    with pytest.raises(WriteError) as caught:
        export_elsewhere(again(advanced), FORMAT, Target(folder=out))
    assert "No space left" in caught.value.message
    assert "free some space" in caught.value.hint
    assert not any(part.startswith(".") for name in contents(out) for part in name.split("/"))
    assert check_export(again(advanced), "", Target(folder=out)).reason == "it was not written to its end"
    whole = {name: data for name, data in contents(out).items() if name != "manifest.json"}
    ballast.unlink()
    assert export_elsewhere(again(advanced), FORMAT, Target(folder=out)) is not None
    assert {name: contents(out)[name] for name in whole} == whole
    assert check_export(again(advanced), FORMAT, Target(folder=out)).is_current


def test_a_full_disk_leaves_no_half_archive(advanced: Project, small_disk: Path) -> None:
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    (small_disk / "ballast").write_bytes(b"\1" * (free - 4096))
    with pytest.raises(WriteError, match="No space left"):
        export_elsewhere(again(advanced), FORMAT, Target(folder=small_disk / "set.zip", archive="zip"))
    assert [path.name for path in small_disk.iterdir()] == ["ballast"]
