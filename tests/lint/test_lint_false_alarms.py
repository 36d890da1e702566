"""A curated set, drawn with truthful captions, has no error and few warnings, whichever trainer it is for."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from datakit.actions.linting.lint import Request, lint_folder
from datakit.demo.portraits.cast import CHARACTERS
from datakit.demo.portraits.grounds import GROUNDS as ALL_GROUNDS
from datakit.demo.world import Shot, shoot, shots
from datakit.lint.model import Finding

SIZES_PX = ((512, 512), (512, 768), (768, 512), (640, 640))
GROUNDS = [ground for ground in ALL_GROUNDS if ground != "transparent_background"]
MOUTHS = ("variant01", "variant02", "variant15", "variant04")
TARGETS = ("", "sd-scripts", "onetrainer", "simpletuner", "ai-toolkit", "diffusion-pipe", "naifu", "dsk")


@pytest.fixture(scope="module")
def curated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four pictures of each character, each another expression on another ground, two of one size alike but for it."""
    pytest.importorskip("dicebear", reason="the pictures are drawn with the packages of the dev extra")
    folder = tmp_path_factory.mktemp("curated")
    for at, name in enumerate(CHARACTERS):
        (folder / f"10_{name}").mkdir()
        look = shots(name, 1, seed=0)[0].look
        for number, mouth in enumerate(MOUTHS):
            ground = GROUNDS[(at + max(number, 1)) % len(GROUNDS)]
            parts = {**look.parts, "eyes": "variant24", "eyebrows": "variant10", "mouth": mouth}
            shown = replace(look, parts=parts, background=ground)
            drawn = shoot(Shot(name, shown, SIZES_PX[max(number, 1)]))
            stem = folder / f"10_{name}" / f"{name}{number}"
            stem.with_suffix(".png").write_bytes(drawn.png)
            tags = [tag.replace("_", " ") for tag in drawn.general]
            stem.with_suffix(".txt").write_text(", ".join([name, *tags]) + "\n", "utf-8")
    return folder


def found(folder: Path, target: str) -> list[Finding]:
    targets = (target,) if target else ()
    return list(lint_folder(folder, Request(targets=targets, resolution_px=512)).report.findings)


@pytest.mark.parametrize("target", TARGETS)
def test_a_curated_set_has_no_error_and_few_warnings(
    curated: Path, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    findings = [finding for finding in found(curated, target) if finding.severity != "info"]
    assert [finding for finding in findings if finding.severity == "error"] == []
    assert [finding for finding in findings if finding.path] == [], "none is told of a single file"
    assert len({finding.name for finding in findings}) <= 2


def test_what_is_wrong_with_it_is_found_all_the_same(
    curated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "spoilt"
    shutil.copytree(curated, folder)
    (folder / "10_aria" / "aria0.txt").unlink()
    (folder / "10_mika" / "mika1.png").write_bytes((folder / "10_mika" / "mika1.png").read_bytes()[:2000])
    told = {(finding.name, finding.path) for finding in found(folder, "sd-scripts")}
    assert {("missing-caption", "10_aria/aria0.png"), ("truncated-image", "10_mika/mika1.png")} <= told


def test_an_expression_that_validates_is_no_leak(
    curated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "held"
    shutil.copytree(curated, folder)
    (folder / "val" / "aria").mkdir(parents=True)
    said = (folder / "10_aria" / "aria0.txt").read_text("utf-8")
    with Image.open(folder / "10_aria" / "aria0.png") as picture:
        picture.paste((120, 40, 40), (250, 400, 262, 406))
        picture.save(folder / "val" / "aria" / "x.png")
    (folder / "val" / "aria" / "x.txt").write_text(said.replace("smile", "tongue out"), "utf-8")
    assert [finding for finding in found(folder, "") if finding.path] == []
    (folder / "val" / "aria" / "x.txt").write_text(said, "utf-8")
    assert "validation-leak" in {finding.name for finding in found(folder, "") if finding.path == "val/aria/x.png"}
