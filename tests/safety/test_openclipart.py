"""All 8,121 pictures of Debian's openclipart-png, as a stranger's collection: nothing crashes, every picture is right.

They are PNG files of every kind that programs wrote over fifteen years: palettes with transparency, 16 bits, greys with
alpha, huge ones, tiny ones. `make test-slow` prints the counts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datakit.actions.advancing import run_stage
from datakit.actions.importing import import_folder
from datakit.actions.linting.lint import lint
from datakit.actions.project import open_project
from datakit.actions.starting import start_dataset
from datakit.images.decode import PIXEL_LIMIT

PACKAGE = "openclipart-png"
NUM_PICTURES = 8121
INSIDE = "usr/share/openclipart/png"
SETTINGS = "[filtered.too-small]\nmin_side_px = 16\n"
"""So that nearly all of them are edited."""
TOLERANCE = 1
"""Levels: two programs may round a mixture with the background differently."""


@pytest.fixture(scope="module")
def clipart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked package; the test is skipped where Debian's archive cannot be reached."""
    folder = tmp_path_factory.mktemp("clipart")
    if (installed := Path("/") / INSIDE).is_dir():
        return _without_links(installed, folder)
    for tool in ("apt-get", "dpkg"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not here, so {PACKAGE} cannot be fetched")
    subprocess.run(["apt-get", "update"], capture_output=True, check=False)
    done = subprocess.run(["apt-get", "download", PACKAGE], cwd=folder, capture_output=True, text=True, check=False)
    files = list(folder.glob("*.deb"))
    if done.returncode or not files:
        pytest.skip(f"apt-get download {PACKAGE} failed: {done.stderr.strip()[-200:]}")
    subprocess.run(["dpkg", "-x", str(files[0]), str(folder / "x")], check=True)
    return _without_links(folder / "x" / INSIDE, folder)


def _without_links(source: Path, folder: Path) -> Path:
    """A copy in which the 1,221 names that are links are files of their own: an import follows no links."""
    return shutil.copytree(source, folder / "png")


@pytest.mark.slow
def test_all_of_openclipart(clipart: Path, tmp_path: Path) -> None:
    root = start_dataset(tmp_path / "set")
    (root / "dsk.toml").write_text(SETTINGS)
    report = import_folder(open_project(root), clipart)
    known = len(report.already) + len(report.same_post)
    print(f"imported {report.num_imported}, already there {known}, under another name {len(report.renamed)}")
    assert report.num_imported + known == len(list(clipart.rglob("*.png"))) == NUM_PICTURES
    assert report.failed == []
    for stage in ("filtered", "edited"):
        done = run_stage(open_project(root), stage)
        assert done is not None
        rules = Counter(drop.rule for drop in done.dropped.values())
        print(f"{done.subject}; dropped by rule: {dict(rules)}")
        assert done.num_kept + sum(rules.values()) == done.num_computed
        unreadable = {key: drop.reason for key, drop in done.dropped.items() if drop.rule == "unreadable"}
        print(f"unreadable: {unreadable}")
        assert all(f"over the limit of {PIXEL_LIMIT:,} pixels" in reason for reason in unreadable.values()), unreadable
    found = lint(open_project(root))
    print(f"lint: {dict(Counter(finding.name for finding in found.report.findings))}")
    _assert_right(root)


def _assert_right(root: Path) -> None:
    """Compare every edited picture with what netpbm makes of the raw one."""
    edited = sorted((root / "edited").rglob("*.png"))
    assert edited
    for path in edited:
        with Image.open(path) as image:
            assert (image.mode, image.info.get("transparency")) == ("RGB", None), path
    if shutil.which("pngtopam") is None:
        print("not compared with another decoder: netpbm's pngtopam is not here")
        return
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        apart = dict(zip(edited, pool.map(lambda path: _apart(root, path), edited), strict=True))
    wrong = {str(path.relative_to(root)): levels for path, levels in apart.items() if levels > TOLERANCE}
    spread = dict(sorted(Counter(apart.values()).items()))
    print(f"{len(edited)} compared with pngtopam; levels apart at most → pictures: {spread}")
    assert wrong == {}


def _apart(root: Path, edited: Path) -> int:
    """Levels by which the edited picture differs at most from the raw one on white, as netpbm sees it."""
    raw = root / "raw" / edited.relative_to(root / "edited")
    done = subprocess.run(["pngtopam", "-mix", "-background=white", str(raw)], capture_output=True, check=True)
    theirs, most = _samples(done.stdout)
    with Image.open(edited) as image:
        ours = np.asarray(image)
    if ours.shape[:2] != theirs.shape[:2]:
        return 255
    parts = (slice(at, at + _ROWS) for at in range(0, len(ours), _ROWS))
    return max(int(np.ceil(np.abs(ours[part] - theirs[part] * (255 / most)).max() - 0.5)) for part in parts)


_ROWS = 256
"""Compared at once: the largest pictures have 200 million pixels."""


def _samples(data: bytes) -> tuple[np.ndarray, int]:
    """(Samples [height, width, 1 or 3] of a PBM, PGM or PPM file, what white is)."""
    words = _words(data)
    kind, _ = next(words)
    width, (rows, after_height) = int(next(words)[0]), next(words)
    height = int(rows)
    if kind == b"P4":
        packed = np.frombuffer(data, np.uint8, offset=after_height).reshape(height, -1)
        return 1 - np.unpackbits(packed, axis=1)[:, :width, None], 1
    most, at = next(words)
    values = np.frombuffer(data, ">u2" if int(most) > 255 else np.uint8, offset=at)
    return values.reshape(height, width, -1), int(most)


def _words(data: bytes) -> Iterator[tuple[bytes, int]]:
    """(word of the header, where what follows it begins)."""
    at = 0
    while True:
        end = next(number for number in range(at, len(data)) if data[number : number + 1].isspace())
        if end > at:
            yield data[at:end], end + 1
        at = end + 1
