"""dsk as people type it: from anywhere, in any folder, with names that terminals dislike."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from datakit.actions.project import Project

Dsk = Callable[..., subprocess.CompletedProcess[str]]


def test_a_dataset_in_a_folder_with_spaces_and_letters_of_all_kinds(
    tmp_path: Path, dsk: Dsk, scrape: Callable[..., Path], git: Callable[..., str]
) -> None:
    root = tmp_path / "my set ü/数 据"
    done = dsk(tmp_path, "init", str(root))
    assert done.returncode == 0, done.stderr
    assert f"next: cd '{root}', then dsk import PATH" in done.stdout
    done = dsk(root / "raw", "import", str(scrape(aria=2)))
    assert done.stdout.splitlines()[0] == "read as gallery-dl (2); sites: danbooru 2"
    assert dsk(root / "wip", "advance").stdout.splitlines()[-1] == "export: kohya, 2 images"
    assert git(root, "status", "--porcelain") == ""
    assert dsk(root / "wip", "status").stdout.startswith(f"{root} on main at ")


def test_brackets_and_control_characters_in_names_are_shown(empty: Project, tmp_path: Path, dsk: Dsk) -> None:
    root = empty.dataset.root
    (tmp_path / "s/[bold] a").mkdir(parents=True)
    Image.new("RGB", (300, 300), "red").save(tmp_path / "s/[bold] a/:smile:.png")
    (tmp_path / "s/[bold] a/\x1b[31mred.mp4").write_bytes(b"")
    done = dsk(root, "import", str(tmp_path / "s"))
    assert "[bold] a" in done.stdout
    assert "\x1b" not in done.stdout
    assert "\\x1b[31mred.mp4: video" in done.stdout
    (root / "dsk.toml").write_text("[filtered.too-small]\nmin_side_px = 8\n")
    dsk(root, "advance", "wip")
    (root / "dsk.toml").write_text("[filtered.too-small]\nmin_side_px = 9\n")
    assert "stale: [filtered] in dsk.toml changed" in dsk(root, "status").stdout
    (root / "wip/[bold] a/_smile_.png").unlink(missing_ok=True)
    assert "[bold] a" in dsk(root, "lint").stdout


def test_an_import_that_brings_nothing_says_so(project: Project, tmp_path: Path, dsk: Dsk) -> None:
    done = dsk(project.dataset.root, "import", str(tmp_path / "scrape"))
    assert (done.returncode, done.stderr) == (0, "")
    first, *_, last = done.stdout.splitlines()
    assert (first, last) == ("read as gallery-dl (5); sites: danbooru 5", "nothing new")
    assert re.search(r"^already there +5 ", done.stdout, re.MULTILINE)


def test_long_lists_are_cut_and_json_has_them_all(empty: Project, tmp_path: Path, dsk: Dsk) -> None:
    (tmp_path / "s").mkdir()
    Image.new("RGB", (300, 300)).save(tmp_path / "s/x.png")
    for number in range(60):
        (tmp_path / f"s/lost_{number}.txt").write_text(f"lost {number}")
        (tmp_path / f"s/{number}.mp4").write_bytes(b"")
    assert len(dsk(empty.dataset.root, "import", str(tmp_path / "s")).stdout.splitlines()) < 40
    report = json.loads(dsk(empty.dataset.root, "import", str(tmp_path / "s"), "--json").stdout)
    assert (len(report["aside"]), len(report["already"])) == (60, 61)


def test_an_export_tells_what_it_misses(advanced: Project, dsk: Dsk) -> None:
    (advanced.dataset.root / "dsk.toml").write_text("[cleaned]\ntrigger = 'me'\n")
    done = dsk(advanced.dataset.root, "export")
    assert done.stdout == "export: kohya is up to date\n"
    assert done.stderr.startswith("note: cleaned is out of date ([cleaned] in dsk.toml changed)")


@pytest.mark.parametrize("words", [("log", "-n", "-1"), ("log", "-n", "x"), ("sample", "--seed", "x"), ("undo", "x")])
def test_words_that_are_off_exit_with_2(empty: Project, dsk: Dsk, words: tuple[str, ...]) -> None:
    done = dsk(empty.dataset.root, *words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_none_is_named(tmp_path: Path, dsk: Dsk) -> None:
    (tmp_path / "file").write_text("")
    for name in ("nowhere", "file"):
        done = dsk(tmp_path / name, "status")
        assert done.returncode == 2
        assert f"{tmp_path / name}: " in done.stderr


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_name_that_is_no_utf_8_can_be_told(empty: Project, tmp_path: Path, dsk: Dsk, encoding: str) -> None:
    (tmp_path / "s").mkdir()
    Image.new("RGB", (300, 300)).save(tmp_path / "s/x.png")
    try:
        (tmp_path / "s/\udcff.mp4").write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes no such name")
    env = {"PYTHONIOENCODING": encoding}
    done = dsk(empty.dataset.root, "import", str(tmp_path / "s"), env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert ".mp4: video" in done.stdout
    report = json.loads(dsk(empty.dataset.root, "import", str(tmp_path / "s"), "--json", env=env).stdout)
    assert report["aside"] == [
        {"path": "\\udcff.mp4", "reason": "video (a moving picture; --frames takes images out of it)"}
    ]


def test_a_bake_that_never_began_leaves_no_folder(advanced: Project, dsk: Dsk) -> None:
    root = advanced.dataset.root
    (root / "dsk.toml").write_text("[bake.train]\nsteps = 'many'\n")
    done = dsk(root, "bake", "--json")
    assert (done.returncode, done.stdout) == (3, "")
    assert "steps" in done.stderr
    assert "dsk.toml [bake]: the trainer refuses it" in done.stderr
    assert list((root / ".dsk/bakes").iterdir()) == []


def test_the_module_and_the_script_are_one(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "datakit", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("dsk ")


def test_images_in_the_way_of_a_new_dataset_are_told(tmp_path: Path, dsk: Dsk, scrape: Callable[..., Path]) -> None:
    folder = scrape(aria=1)
    done = dsk(folder, "init")
    assert done.returncode == 0
    assert done.stderr.startswith("note: danbooru/aria/danbooru_0.png is in its folder, but no part of it")
    assert dsk(tmp_path, "init", "set").stderr == ""
