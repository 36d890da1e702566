"""A dataset's TOML as PATH: exactly the folders that it names, wherever they are."""

from __future__ import annotations

from pathlib import Path

from scraping import picture

from datakit.actions.importing import import_folder
from datakit.actions.project import Project


def test_a_toml_brings_its_folders_and_nothing_beside_them(empty: Project, tmp_path: Path) -> None:
    picture(tmp_path / "sets/10_aria/x.png")
    (tmp_path / "sets/10_aria/x.txt").write_text("hat")
    picture(tmp_path / "sets/other/private.png", "blue")
    picture(tmp_path / "elsewhere/5_beth/y.png", "green")
    (tmp_path / "sets/set.toml").write_text(
        f'[[datasets]]\n[[datasets.subsets]]\nimage_dir = "10_aria"\nnum_repeats = 10\n'
        f"[[datasets.subsets]]\nimage_dir = '{tmp_path / 'elsewhere/5_beth'}'\nnum_repeats = 5\n"
        f'[[datasets.subsets]]\nimage_dir = "gone"\nnum_repeats = 1\n'
    )
    report = import_folder(empty, tmp_path / "sets/set.toml")
    assert report.recognised == {"easy_training": 2}
    assert report.concepts == {"aria": 1, "beth": 1}
    (told,) = [one.reason for one in report.aside if "gone" in one.path]
    assert told.startswith("named by set.toml, and not in here")
