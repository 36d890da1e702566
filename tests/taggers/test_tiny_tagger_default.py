"""dsk caption where no tagger is configured: the small one, once told, and only where nothing else gives tags."""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from datakit.actions.advancing import advance
from datakit.actions.captioning import caption
from datakit.actions.defaulttagger import BETTER, DEFAULT
from datakit.actions.importing import import_folder
from datakit.actions.project import Project, open_project
from datakit.demo.portraits.drawing import draw
from datakit.demo.portraits.lots import looks

Dsk = Callable[..., subprocess.CompletedProcess[str]]


def portraits(folder: Path, captions: tuple[str, ...]) -> Path:
    """A picture each; '' has no caption."""
    (folder / "aria").mkdir(parents=True)
    for number, (look, text) in enumerate(zip(looks(len(captions), seed=5), captions, strict=False)):
        draw(look, 256).save(folder / "aria" / f"{number}.png")
        if text:
            (folder / "aria" / f"{number}.txt").write_text(text)
    return folder


def begun(empty: Project, tmp_path: Path, captions: tuple[str, ...], *, settings: str = "") -> Project:
    import_folder(empty, portraits(tmp_path / "scrape", captions))
    if settings:
        (empty.dataset.root / "dsk.toml").write_text(settings)
    advance(open_project(empty.dataset.root), "edited")
    return open_project(empty.dataset.root)


def table(project: Project) -> dict[str, object]:
    found: dict[str, object] = tomllib.loads((project.dataset.root / "dsk.toml").read_text("utf-8")).get(
        "captioned", {}
    )
    return found


def text(project: Project, stem: str) -> str:
    path = project.dataset.root / f"captioned/aria/{stem}.txt"
    return path.read_text("utf-8") if path.exists() else ""


def test_items_without_tags_are_seen_by_it_and_a_person_is_told_once(empty: Project, tmp_path: Path) -> None:
    project = begun(empty, tmp_path, ("", "1girl, hat_(witch)"))
    done = caption(project)
    assert done is not None
    (told,) = [note for note in done.notes if "no tagger is configured" in note]
    for part in (DEFAULT, "1 item would have no tag", "not for real pictures", f"dsk taggers fetch {BETTER}"):
        assert part in told
    assert table(project) == {"taggers": [DEFAULT], "policy": "fill-missing", "fill_below": 1}
    assert "_hair" in text(project, "0")
    assert text(project, "1") == "1girl, hat_(witch)", "who has tags keeps them as they are"
    again = caption(open_project(project.dataset.root))
    assert again is None or not [note for note in again.notes if "no tagger" in note]


@pytest.mark.parametrize(
    ("captions", "settings"),
    [
        (("1girl, smile",), ""),
        (("A girl with long hair looks at the sea, and smiles.", ""), ""),
        (("",), "[captioned]\ntaggers = []\n"),
        (("",), '[captioned]\npolicy = "booru"\n'),
        (("",), '[captioned]\npolicy = "union"\n'),
    ],
)
def test_it_stays_out_where_it_is_not_wanted(
    empty: Project, tmp_path: Path, captions: tuple[str, ...], settings: str
) -> None:
    project = begun(empty, tmp_path, captions, settings=settings)
    before = table(project)
    done = caption(project)
    assert table(project) == before
    assert done is None or not [note for note in done.notes if DEFAULT in note]


def test_advance_alone_does_not_take_it(empty: Project, tmp_path: Path) -> None:
    project = begun(empty, tmp_path, ("",))
    advance(project, "captioned")
    assert "taggers" not in table(project)
    assert text(project, "0") == ""


def test_the_settings_keep_their_comments_and_undo_takes_it_back(empty: Project, tmp_path: Path, dsk: Dsk) -> None:
    kept = "# mine\n[captioned]\nfill_below = 3  # so many\n"
    project = begun(empty, tmp_path, ("",), settings=kept)
    root = project.dataset.root
    done = dsk(root, "caption")
    assert done.returncode == 0, done.stderr
    assert "not for real pictures" in done.stderr
    new = (root / "dsk.toml").read_text("utf-8")
    assert "# mine" in new
    assert "# so many" in new
    for _ in range(2):
        assert dsk(root, "undo").returncode == 0
    assert (root / "dsk.toml").read_text("utf-8") == kept
