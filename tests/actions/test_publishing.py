"""What a dataset card says, what is on its picture, and what becomes of a card that somebody edited."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from actions.scraping import picture, sidecar
from exports.export_material import item, material, subset
from PIL import Image

from datakit.actions.advancing import advance
from datakit.actions.cardfacts import chosen_for_sheet, features_in, is_adult
from datakit.actions.exporting.elsewhere import Target, export_elsewhere
from datakit.actions.importing import import_folder
from datakit.actions.project import Project, open_project
from datakit.actions.publishing import Wish, is_edited, marked, publish
from datakit.errors import ConfigError, StateError, UsageError
from datakit.exports.card import ADULT, escaped, size_category
from datakit.exports.formats.imagefolder import EXPORT
from datakit.exports.rows import members
from datakit.exports.settings import Flags
from datakit.images.contactsheet import contact_sheet
from datakit.model.record import Record


def configured(project: Project, **settings: Any) -> Project:
    """The dataset with a table [publish]."""
    path = project.dataset.root / "dsk.toml"
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
    path.write_text(path.read_text("utf-8").replace("\n[publish]\n", f"\n[publish]\n{lines}"), "utf-8")
    return open_project(project.dataset.root)


def card_of(path: str) -> tuple[dict[str, Any], str]:
    """(head, body)"""
    _, head, body = Path(path).read_text("utf-8").split("---\n", 2)
    return yaml.safe_load(head), body


def rated(rating: str) -> Record:
    return Record(sha256="", size_bytes=0, original="", imported_at="", rating=rating)


def test_the_head_is_what_the_hub_reads(advanced: Project, tmp_path: Path) -> None:
    project = configured(
        advanced, repo="ann/set", license="cc0-1.0", title="Ann: a set", tags=["anime"], language=["en", "ja"]
    )
    done = publish(project, Wish(to=tmp_path / "out"))
    head, body = card_of(done.card)
    assert (head["license"], head["pretty_name"], head["language"]) == ("cc0-1.0", "Ann: a set", ["en", "ja"])
    assert head["size_categories"] == ["n<1K"]
    assert "anime" in head["tags"]
    assert ADULT not in head["tags"]
    assert head["configs"][0]["data_files"] == [{"split": "train", "path": "train/**"}]
    (split,) = head["dataset_info"]["splits"]
    images = list((tmp_path / "out" / "train").rglob("*.png"))
    assert (split["num_examples"], split["num_bytes"]) == (5, sum(path.stat().st_size for path in images))
    first = json.loads((tmp_path / "out/train/metadata.jsonl").read_text("utf-8").splitlines()[0])
    columns = [column["name"] for column in head["dataset_info"]["features"]]
    assert columns == ["image", *list(first)[1:]]
    assert "# Ann: a set\n" in body
    assert 'load_dataset("ann/set")' in body
    assert "| aria | train | 3 | 1 |" in body
    assert "| blue\\_hair | 5 |" in body
    assert "| sensitive | 5 |" in body
    assert done.notes == ()


def test_no_path_of_this_computer_is_published(advanced: Project, tmp_path: Path) -> None:
    publish(advanced, Wish(to=tmp_path / "out"))
    for path in (tmp_path / "out").rglob("*"):
        if path.suffix in (".md", ".json", ".jsonl"):
            assert str(tmp_path).encode() not in path.read_bytes(), path


def test_adult_images_are_said_and_not_shown(empty: Project, tmp_path: Path) -> None:
    for number, rating in enumerate(("explicit", "general", "questionable")):
        image = picture(tmp_path / "scrape" / "aria" / f"{number}.png", ("red", "green", "blue")[number])
        sidecar(image, id=number + 1, rating=rating[0])
    import_folder(empty, tmp_path / "scrape")
    advance(empty)
    done = publish(empty, Wish())
    head, body = card_of(done.card)
    assert done.is_adult
    assert ADULT in head["tags"]
    assert "Not for all audiences" in body
    with Image.open(Path(done.card).with_name("thumbnails.png")) as sheet:
        colours = {colour for _, colour in sheet.convert("RGB").getcolors(1 << 20)}
    assert any(g > 90 > r + b for r, g, b in colours)
    assert not any(r > 150 and g < 90 and b < 90 for r, g, b in colours)
    assert not any(b > 150 and r < 90 and g < 90 for r, g, b in colours)


def test_what_a_caption_says_makes_it_adult_too() -> None:
    given = material(
        subset("a", item("a/x", "1girl, rating:explicit"), item("a/y"), item("a/z", record=rated("general"))),
        subset("b", item("b/x", record=rated("questionable"))),
        export=EXPORT,
    )
    assert [is_adult(member) for member in members(given)] == [True, False, False, True]
    assert [member.item.key for member in chosen_for_sheet(given, 9)] != []
    assert {member.item.key for member in chosen_for_sheet(given, 9)} == {"a/y", "a/z"}


def test_the_picture_has_each_concept_in_turn() -> None:
    given = material(
        subset("a", *(item(f"a/{n}") for n in range(20))),
        subset("b", item("b/x")),
        subset("girl", item("girl/x"), is_reg=True),
        export=EXPORT,
    )
    chosen = [member.item.key for member in chosen_for_sheet(given, 4)]
    assert len(chosen) == 4
    assert "b/x" in chosen[:2]
    assert not [key for key in chosen if key.startswith("girl")]
    assert chosen_for_sheet(given, 0) == []


def test_a_sheet_holds_images_of_any_shape() -> None:
    stream = io.BytesIO()
    Image.new("RGBA", (900, 10), (255, 0, 0, 128)).save(stream, "PNG")
    with Image.open(io.BytesIO(contact_sheet([stream.getvalue()] * 7, columns=3, side_px=50))) as sheet:
        assert sheet.size == (3 * 54 + 4, 3 * 54 + 4)


def test_a_picture_of_that_name_that_is_not_of_dsk_stays(advanced: Project, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_elsewhere(open_project(advanced.dataset.root), "imagefolder", Target(folder=out))
    (out / "thumbnails.png").write_bytes(b"mine")
    for _ in range(2):
        done = publish(open_project(advanced.dataset.root), Wish(to=out))
        assert (out / "thumbnails.png").read_bytes() == b"mine"
        assert any("thumbnails.png is not of dsk" in note for note in done.notes)
        assert "thumbnails.png" not in (out / "README.md").read_text("utf-8")
    (out / "thumbnails.png").unlink()
    publish(open_project(advanced.dataset.root), Wish(to=out))
    assert (out / "thumbnails.png").read_bytes().startswith(b"\x89PNG")
    publish(configured(advanced, thumbnails=0), Wish(to=out))
    assert not (out / "thumbnails.png").exists()


def test_a_card_that_was_edited_stays(advanced: Project, tmp_path: Path) -> None:
    first = publish(advanced, Wish(to=tmp_path / "out"))
    card = Path(first.card)
    written = card.read_text("utf-8")
    assert not is_edited(written)
    assert not [note for note in publish(advanced, Wish(to=tmp_path / "out")).notes if "README" in note]
    assert card.read_text("utf-8") == written
    card.write_text(written.replace("# set", "# Ann's set"), "utf-8")
    again = publish(advanced, Wish(to=tmp_path / "out"))
    assert "was edited, so it stays" in again.notes[-1]
    assert "# Ann's set" in card.read_text("utf-8")
    publish(advanced, Wish(to=tmp_path / "out", force=True))
    assert card.read_text("utf-8") == written


@pytest.mark.parametrize(
    "edit", [lambda text: text + "more", lambda text: "x" + text, lambda text: text[:-9], str.upper]
)
def test_any_edit_is_noticed(edit: Any) -> None:
    assert not is_edited(marked("# a card\n"))
    assert is_edited(edit(marked("# a card\n")))


def test_without_a_folder_the_sizes_are_those_of_the_plan(advanced: Project, tmp_path: Path) -> None:
    planned = publish(advanced, Wish())
    written = publish(advanced, Wish(to=tmp_path / "out"))
    assert planned.folder == ""
    assert {**planned.files, "manifest.json": 0}.keys() == written.files.keys()
    images = [path for path in planned.files if path.endswith(".png") and "/" in path]
    assert [planned.files[path] for path in images] == [written.files[path] for path in images]
    tables = publish(advanced, Wish(format="parquet"))
    assert [path for path in tables.files if "/" in path] == ["data/train-00000-of-00001.parquet"]


def test_the_concept_column_of_masks_follows_the_format() -> None:
    some = material(subset("a", item("a/x", mask=True), item("a/y")), export=EXPORT)
    assert list(features_in(some, "parquet"))[:3] == ["image", "mask", "text"]
    assert "mask" not in features_in(some, "imagefolder")
    every = material(subset("a", item("a/x", mask=True)), export=EXPORT)
    assert list(features_in(every, "imagefolder"))[-1] == "mask"


@pytest.mark.parametrize(
    ("number", "words"), [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (99_999, "10K<n<100K"), (10**6, "1M<n<10M")]
)
def test_size_categories(number: int, words: str) -> None:
    assert size_category(number) == words


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a_b", "a\\_b"), ("|_|", "\\|\\_\\|"), ("<3", "\\<3"), ("a\nb", "a b"), ("`x`", "\\`x\\`"), ("1girl", "1girl")],
)
def test_names_are_no_markdown(text: str, shown: str) -> None:
    assert escaped(text) == shown


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"licence": "mit"}, "license"), ({"format": "tar"}, "format"), ({"language": ["e n"]}, "language")],
)
def test_settings_that_are_off(advanced: Project, settings: dict[str, Any], words: str) -> None:
    project = configured(advanced, **settings)
    with pytest.raises(ConfigError) as caught:
        publish(project, Wish())
    assert words in f"{caught.value.message} {caught.value.hint}"


def test_inside_the_dataset_and_with_nothing_to_publish(advanced: Project, empty: Project) -> None:
    with pytest.raises(UsageError, match="lies inside the dataset"):
        publish(advanced, Wish(to=advanced.dataset.root / "out"))
    with pytest.raises(StateError):
        publish(advanced, Wish(flags=Flags(where="no_such_tag")))
