"""Beside lora-audit: every true finding of its rules is one of ours, and the traps that it misses are found."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from lint_pictures import picture
from PIL import Image

from datakit.actions.linting.lint import Request, lint_folder
from datakit.lint.model import Finding
from datakit.model.item import split_path

OURS: Mapping[str, tuple[str, ...]] = {
    "E001": ("missing-caption",),
    "W001": ("empty-caption", "blank-caption"),
    "W002": ("repeated-caption",),
    "W003": ("missing-trigger",),
    "W004": ("missing-caption",),
    "W005": ("unusual-name", "awkward-name"),
    "W006": ("orphaned-caption", "wrong-caption-extension", "double-extension-caption"),
    "W007": ("upscaled-image", "extreme-aspect"),
    "W008": ("mixed-sizes",),
    "W009": ("few-images", "many-images"),
    "W010": ("foreign-file", "system-file"),
    "W011": ("broken-list",),
    "W012": ("unstratified-validation",),
    "W013": ("mismatched-extension",),
}
"""Its codes → our rules; I001 to I003 describe the folder and find nothing wrong."""
PNG, SMALL, WEBP = "rgb 1024x1024", "rgb 300x300", "webp"
PAIR = {"a/x.png": PNG, "a/x.txt": "aria, hat"}
TRIGGER = {f"a/{n}.{kind}": text for n in range(4) for kind, text in (("png", PNG), ("txt", f"aria, tag{n}"))}
SETS: dict[str, dict[str, str]] = {
    "E001": {**PAIR, "a/bare.png": PNG},
    "W001": {**PAIR, "a/none.png": PNG, "a/none.txt": "", "a/blank.png": PNG, "a/blank.txt": " \n"},
    "W002": {**PAIR, "a/y.png": PNG, "a/y.txt": "Aria,  hat\n"},
    "W003": {**TRIGGER, "a/drift.png": PNG, "a/drift.txt": "rei, tag9"},
    "W004": {**PAIR, "a/bare.png": PNG, "default_caption.txt": "aria"},
    "W005": {"a/my image (1).png": PNG, "a/my image (1).txt": "aria", "a/桜.png": PNG, "a/桜.txt": "sakura"},
    "W006": {**PAIR, "a/orphan.txt": "aria, lost"},
    "W007": {**PAIR, "a/small.png": SMALL, "a/small.txt": "aria, small"},
    "W008": {**PAIR, "a/wide.png": "rgb 1216x832", "a/wide.txt": "aria, wide"},
    "W009": PAIR,
    "W010": {**PAIR, "a/.DS_Store": "x", "Thumbs.db": "x", "a/._x.png": "macos-twin"},
    "W011": {**PAIR, "val.txt": "a/x.png\na/gone.png\n"},
    "W012": {**PAIR, "b/y.png": PNG, "b/y.txt": "rei, coat", "val.txt": "a/x.png\n"},
    "W013": {**PAIR, "a/web.png": WEBP, "a/web.txt": "aria, web"},
}
MISREAD = {("W007", "a/web.png"), ("W008", "")}
"""False findings of its in the set of W013: it misreads the size of a WebP file that is named .png."""
MISSED: dict[str, tuple[dict[str, str], str]] = {
    "transparent-image": ({"a/t.png": "rgba-transparent", "a/t.txt": "aria"}, "a/t.png"),
    "shared-caption": ({"a/x.png": PNG, "a/x.jpg": "jpeg", "a/x.txt": "aria"}, "a/x.jpg"),
    "multi-line-caption": ({"a/x.png": PNG, "a/x.txt": "aria, hat\nsmile"}, "a/x.txt"),
    "fallback-caption": ({"a/x.png": PNG, "a/x.txt": "aria", "a/x_1_2_3_4.png": PNG}, "a/x_1_2_3_4.png"),
    "double-extension-caption": ({"a/k.png": PNG, "a/k.png.txt": "aria"}, "a/k.png.txt"),
    "caption-not-utf-8": ({"a/x.png": PNG, "a/x.txt": "hex:e4f6fc2c20686174"}, "a/x.txt"),
    "utf-16-caption": ({"a/x.png": PNG, "a/x.txt": "hex:fffe61007200"}, "a/x.txt"),
    "byte-order-mark": ({"a/x.png": PNG, "a/x.txt": "hex:efbbbf61726961"}, "a/x.txt"),
    "exact-duplicate": ({"a/x.png": PNG, "a/x.txt": "aria", "a/y.png": PNG, "a/y.txt": "rei"}, "a/y.png"),
    "validation-leak": ({"a/x.png": PNG, "a/x.txt": "aria", "val/x.png": PNG, "val/x.txt": "aria"}, "val/x.png"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "set").mkdir()
    return tmp_path / "set"


@pytest.fixture(scope="session")
def peer() -> None:
    if subprocess.run([sys.executable, "-m", "lora_audit", "--version"], capture_output=True, check=False).returncode:
        pytest.skip("lora-audit is not installed: pip install lora-audit")


@pytest.mark.parametrize("code", SETS)
def test_what_lora_audit_finds_is_found(code: str, folder: Path, peer: None) -> None:
    write(folder, SETS[code])
    theirs, ours = audited(folder), found(folder)
    if code == "W013":
        theirs = [one for one in theirs if one not in MISREAD]
    assert code in {one for one, _ in theirs}, "the set has the trap"
    lacking = [(one, file) for one, file in theirs if not any(says(finding, OURS[one], file) for finding in ours)]
    assert not lacking


@pytest.mark.parametrize("name", MISSED)
def test_what_lora_audit_misses_is_found(name: str, folder: Path) -> None:
    files, path = MISSED[name]
    write(folder, files)
    assert any(says(finding, (name,), path) for finding in found(folder))


def write(folder: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(_content(text, is_image=path.endswith((".png", ".jpg"))))


def _content(text: str, *, is_image: bool) -> bytes:
    if text == WEBP:
        out = io.BytesIO()
        Image.new("RGB", (1024, 1024), (9, 90, 9)).save(out, "WEBP")
        return out.getvalue()
    if is_image and text != "x":
        return picture(text)
    return bytes.fromhex(text.removeprefix("hex:")) if text.startswith("hex:") else text.encode()


def audited(folder: Path) -> list[tuple[str, str]]:
    """(code, file or '') of each of its findings, made in a process of its own."""
    command = [sys.executable, "-m", "lora_audit", "scan", str(folder), "--json", "-", "-q", "-o"]
    done = subprocess.run([*command, str(folder.parent / "report.html")], capture_output=True, text=True, check=False)
    findings = [one for one in json.loads(done.stdout)["findings"] if one["sev"] != "info"]
    return [(one["id"], file) for one in findings for file in (one["items"] or [""])]


def found(folder: Path) -> tuple[Finding, ...]:
    return lint_folder(folder, Request(preview=True)).report.findings


def says(finding: Finding, names: tuple[str, ...], file: str) -> bool:
    """Whether one of these rules tells of the file, as its place or among what its evidence names."""
    told = json.dumps([finding.path, finding.item, finding.evidence], ensure_ascii=False)
    return finding.name in names and (not file or split_path(file)[0] in told)
