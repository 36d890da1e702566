"""dsk export as a person types it: elsewhere, looking only, and words that contradict each other."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from datakit.actions.project import Project

Dsk = Callable[..., "subprocess.CompletedProcess[str]"]


def test_elsewhere_check_and_dry_run(advanced: Project, tmp_path: Path, dsk: Dsk) -> None:
    root, out = advanced.dataset.root, tmp_path / "out"
    seen = dsk(root, "export", "--dry-run", "--to", str(out))
    assert seen.returncode == 0, seen.stderr
    assert "files would be written: never run" in seen.stdout
    assert "5 images, 5 in an epoch, about 5 steps at batch size 1" in seen.stdout
    assert not out.exists()
    written = dsk(root, "export", "--to", str(out))
    assert f"export: kohya, 5 images in {out} (11 written)" in written.stdout
    again = dsk(root, "export", "--to", str(out))
    assert again.stdout == f"export: kohya in {out} is up to date\n"
    assert dsk(root, "export", "--check", "--to", str(out)).returncode == 0
    (root / "wip/aria/danbooru_0.txt").write_text("1girl, red hat")
    checked = dsk(root, "export", "--check", "--to", str(out))
    assert checked.returncode == 1
    assert "out of date: wip changed" in checked.stdout
    assert "captions changed: 1 (aria/danbooru_0)" in checked.stdout
    (found,) = json.loads(dsk(root, "export", "--check", "--json").stdout)
    assert (found["format"], found["captions"]) == ("kohya", ["aria/danbooru_0"])
    (plan,) = json.loads(dsk(root, "export", "--dry-run", "--balance", "images=6", "--json").stdout)
    assert [one["repeats"] for one in plan["subsets"]] == [2, 3]


def test_several_formats_lie_side_by_side(advanced: Project, tmp_path: Path, dsk: Dsk) -> None:
    words = ["--format", "kohya", "--format", "txt-pairs", "--to", str(tmp_path / "out")]
    done = dsk(advanced.dataset.root, "export", *words, "--json")
    assert done.returncode == 0, done.stderr
    assert [one["written"]["place"] for one in json.loads(done.stdout)] == [
        *(f"{tmp_path}/out/kohya", f"{tmp_path}/out/txt-pairs"),
    ]
    assert dsk(advanced.dataset.root, "export", "--check", *words).returncode == 0
    archived = dsk(advanced.dataset.root, "export", *words[:-1], str(tmp_path / "archives"), "--archive", "zip")
    assert archived.returncode == 0, archived.stderr
    assert sorted(path.name for path in (tmp_path / "archives").iterdir()) == ["kohya.zip", "txt-pairs.zip"]


def test_a_format_that_is_refused_stops_no_other(advanced: Project, tmp_path: Path, dsk: Dsk) -> None:
    (tmp_path / "out/kohya").mkdir(parents=True)
    (tmp_path / "out/kohya/mine.txt").write_text("mine")
    words = ["--format", "kohya", "--format", "txt-pairs", "--to", str(tmp_path / "out")]
    done = dsk(advanced.dataset.root, "export", *words, "--json")
    assert done.returncode != 0
    assert "somebody else's folder" in done.stderr
    refused, written = json.loads(done.stdout)
    assert "somebody else's folder" in refused["refused"]
    assert (refused["written"], written["written"]["num_items"]) == (None, 5)
    assert (tmp_path / "out/txt-pairs/manifest.json").exists()


def test_what_a_query_leaves_out_is_told_in_one_line(advanced: Project, dsk: Dsk) -> None:
    done = dsk(advanced.dataset.root, "export", "--dry-run", "--where", "name:danbooru_0")
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stdout.splitlines() if line.startswith("left out: ")]
    assert told == [
        "left out: aria/danbooru_1, aria/danbooru_2, beth/danbooru_1: not found by the query name:danbooru_0"
    ]


def test_a_starter_config_is_written_and_checked(advanced: Project, tmp_path: Path, dsk: Dsk) -> None:
    words = ["--with-config", "sdxl-lora", "--vram", "12", "--to", str(tmp_path / "out")]
    done = dsk(advanced.dataset.root, "export", *words)
    if "has no trainer to write a config for" in done.stderr:
        pytest.fail("kohya has no starter config")
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["flags"] == {"config": "sdxl-lora", "vram_gb": 12}
    assert dsk(advanced.dataset.root, "export", "--check", "--to", str(tmp_path / "out")).returncode == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--copy"], "--copy goes with --to"),
        (["--archive", "zip"], "--archive goes with --to"),
        (["--to", "x", "--archive", "zip", "--copy"], "leave out --copy"),
        (["--dry-run", "--check"], "one of them"),
        (["--check", "--force"], "only looks"),
        (["--dry-run", "--force"], "only looks"),
        (["--vram", "12"], "--vram goes with --with-config"),
        (["--format", "kohya", "--format", "txt-pairs", "--to", "../x.zip", "--archive", "zip"], "is one archive"),
        (["--format", "khoya"], "kohya"),
        (["--to", "export/kohya"], "lies inside the dataset"),
        (["--with-config", "sdxl-lroa"], "sdxl-lora"),
    ],
)
def test_words_that_do_not_go_together_are_refused(empty: Project, dsk: Dsk, words: list[str], told: str) -> None:
    done = dsk(empty.dataset.root, "export", *words)
    assert done.returncode != 0
    assert told in done.stderr


def test_repeats_that_are_worked_out_are_shown_before_they_are_written(advanced: Project, dsk: Dsk) -> None:
    done = dsk(advanced.dataset.root, "export", "--balance", "images=6")
    assert done.returncode == 0, done.stderr
    rows = [line.split()[:4] for line in done.stdout.splitlines()]
    assert ["aria", "3", "2", "6"] in rows
    assert ["beth", "2", "3", "6"] in rows
    assert (advanced.dataset.root / "export/kohya/2_aria").is_dir()
    again = dsk(advanced.dataset.root, "export", "--balance", "images=6")
    assert again.stdout == "export: kohya is up to date\n"
