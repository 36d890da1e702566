"""What somebody saves while dsk is at work is never written over, and shows as a hand edit afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import datakit.repo.operations.transaction as transaction_module
import datakit.repo.worktree.checkout as checkout_module
from datakit.actions.advancing import advance
from datakit.actions.project import Project, open_project
from datakit.actions.reporting import read_status
from datakit.repo.oplog import history

Git = Callable[..., str]


def settings(project: Project, text: str) -> Project:
    (project.dataset.root / "dsk.toml").write_text(text)
    return open_project(project.dataset.root)


def test_a_file_saved_between_the_look_and_the_write_stays(advanced: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    caption = advanced.dataset.root / "cleaned/aria/danbooru_0.txt"
    write_files = checkout_module._write_files

    def save_first(dataset: Any, fresh: Any, lines: Any) -> Any:
        if any(row.path.startswith("cleaned/") for row in fresh):
            caption.write_text("saved just now")
        return write_files(dataset, fresh, lines)

    monkeypatch.setattr(checkout_module, "_write_files", save_first)
    advance(settings(advanced, '[cleaned]\ntrigger = "t"\n'), "cleaned")
    assert caption.read_text() == "saved just now"
    assert read_status(open_project(advanced.dataset.root)).hand_edits == ("cleaned/aria/danbooru_0.txt",)


def test_a_file_saved_while_the_index_is_refreshed_is_seen(advanced: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    root = advanced.dataset.root
    caption = root / "wip/aria/danbooru_0.txt"
    os.utime(caption)
    refresh = transaction_module.refresh

    def save_first(*arguments: object) -> None:
        caption.write_text("saved just now")
        refresh(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(transaction_module, "refresh", save_first)
    advance(open_project(root))
    monkeypatch.undo()
    advance(open_project(root))
    assert "wip: 1 caption edited" in [operation.subject for operation in history(open_project(root).dataset)]


def test_links_and_programs_in_a_stage_folder_stay_committed(advanced: Project, git: Git) -> None:
    root = advanced.dataset.root
    (root / "wip/link").symlink_to("aria")
    program = root / "wip/aria/make.sh"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    hidden = root / "raw/.keep/note.txt"
    hidden.parent.mkdir()
    hidden.write_text("mine")
    git(root, "add", "wip/link", "wip/aria/make.sh", "raw/.keep/note.txt")
    git(root, "commit", "-q", "-m", "by hand")
    advance(settings(advanced, '[cleaned]\ntrigger = "t"\n'))
    assert hidden.read_text() == "mine"
    assert git(root, "ls-files", "wip/link", "wip/aria/make.sh", "raw/.keep").split() == [
        "raw/.keep/note.txt", "wip/aria/make.sh", "wip/link",
    ]  # fmt: skip
    assert git(root, "status", "--porcelain") == ""


def test_a_removal_survives_another_extension(advanced: Project) -> None:
    from PIL import Image

    root = advanced.dataset.root
    Image.new("RGBA", (300, 300), (9, 9, 9, 99)).save(root / "raw/aria/clear.png")
    advance(open_project(root), "wip")
    (root / "edited/aria/clear.png").unlink()
    advance(settings(advanced, '[edited]\nformat = "webp"\n'), "wip")
    assert not list(root.glob("edited/aria/clear.*"))
    assert not list(root.glob("wip/aria/clear.*"))


def test_a_caption_that_goes_with_its_image_is_named(advanced: Project) -> None:
    root = advanced.dataset.root
    (root / "wip/aria/danbooru_0.txt").write_text("written by hand")
    (root / "raw/aria/danbooru_0.png").unlink()
    done = advance(open_project(root), "wip")
    assert any(
        "wip/aria/danbooru_0.txt, written by hand, went with its image" in note for one in done for note in one.notes
    )


def test_a_folder_of_ones_own_settings_survives_a_killed_init(tmp_path: Path) -> None:
    from datakit.actions.starting import start_dataset

    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "dsk.toml").write_text("[filtered.too-small]\nmin_side_px = 7\n")
    (folder / ".gitignore").write_text("mine\n")
    start_dataset(folder)
    assert (folder / "dsk.toml").read_text() == "[filtered.too-small]\nmin_side_px = 7\n"
    assert (folder / ".gitignore").read_text().splitlines() == ["mine", "/.dsk/"]
    assert read_status(open_project(folder)).hand_edits == ()
    assert len(list(history(open_project(folder).dataset))) == 1
