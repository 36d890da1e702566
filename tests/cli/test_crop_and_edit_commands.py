"""dsk crop and dsk edit ITEM as people type them."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from datakit.actions.project import Project

Dsk = Callable[..., subprocess.CompletedProcess[str]]
ITEM = "aria/danbooru_1"


def test_crop_and_then_edit(advanced: Project, dsk: Dsk) -> None:
    root = advanced.dataset.root
    done = dsk(root, "crop", ITEM, "10", "20", "100", "90")
    assert done.stdout.splitlines() == [
        f"crop: {ITEM} to 100 x 90 at 10, 20",
        "next: dsk advance, and edited does it",
    ]
    dsk(root, "filter")
    assert dsk(root, "edit").stdout == "edited: 1 changed: 1 image (1 cropped)\n"
    assert (
        dsk(root, "crop", ITEM, "10", "20", "100", "90").stdout == f"{ITEM}: nothing changed, that is wanted already\n"
    )
    assert dsk(root, "crop", ITEM, "--clear").stdout.startswith(f"crop: {ITEM} as scraped\n")
    assert json.loads(dsk(root, "crop", ITEM, "--background", "red", "--json").stdout)["items"] == [
        {"background": "#ff0000", "key": ITEM, "size_px": [260, 256]}
    ]


def test_parts_as_items(advanced: Project, dsk: Dsk) -> None:
    root = advanced.dataset.root
    done = dsk(root, "crop", "aria/danbooru_0", ITEM, "0", "0", "60", "70", "--new")
    assert done.stdout.splitlines()[0] == "crop: 2 new items, 60 x 70 at 0, 0 of others"
    done = dsk(root, "crop", ITEM, "0", "0", "60", "70", "--new", "face")
    assert done.stdout.splitlines()[0] == f"crop: aria/face, 60 x 70 at 0, 0 of {ITEM}"
    assert dsk(root, "why", "aria/face").stdout.startswith(f"aria/face: 60 x 70 px at 0, 0 of {ITEM}\n")
    assert f"image: taken from: {ITEM}, 60 x 70 at 0, 0 (" in dsk(root, "blame", "aria/face").stdout
    assert f"crop: aria/face, 60 x 70 at 0, 0 of {ITEM}" in dsk(root, "log", "aria/face").stdout


def test_what_is_no_crop(advanced: Project, dsk: Dsk) -> None:
    root = advanced.dataset.root
    for words, message in {
        ("1", "2", "3", "4"): "of which item?",
        (ITEM, "1", "2", "3"): "four whole numbers are needed behind the items: X Y WIDTH HEIGHT, not 1 2 3",
        (ITEM,): "which part?",
        (ITEM, "--new"): "--new needs X Y WIDTH HEIGHT",
        (ITEM, "0", "0", "999", "9"): "which is 260 x 256 px",
    }.items():
        done = dsk(root, "crop", *words)
        assert done.returncode in (2, 6), words
        assert message in done.stderr, words


def test_edit_with_a_program(advanced: Project, tmp_path: Path, dsk: Dsk) -> None:
    root = advanced.dataset.root
    script = tmp_path / "gimp"
    script.write_text(
        f"#!{sys.executable}\nimport sys; from PIL import Image\nImage.new('RGB', (280, 270)).save(sys.argv[1])\n"
    )
    script.chmod(0o755)
    done = dsk(root, "edit", ITEM, "--with", shlex.quote(str(script)))
    assert done.stdout.splitlines() == [f"edit: {ITEM} by gimp", "next: dsk advance, and the later stages follow"]
    done = dsk(root, "edit", ITEM, "--with", "true", "--json")
    assert json.loads(done.stdout)["commit"] == ""
    assert "ended at once" in dsk(root, "edit", ITEM, "--with", "true").stderr
    for words, message in {
        ("--with", "gimp"): "of which item?",
        (ITEM,): f"what is to be done with {ITEM}?",
        (ITEM, "--with", "true", "--take"): "what is to be done",
        (ITEM, "--take"): "no program left anything",
        (ITEM, "--with", "no-such"): "no program 'no-such' here",
    }.items():
        done = dsk(root, "edit", *words)
        assert done.returncode in (2, 8), words
        assert message in done.stderr, words
