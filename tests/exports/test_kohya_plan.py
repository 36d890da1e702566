"""The kohya export as a pure function: folders, captions, and what it refuses."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from datakit.exports.kohya import EXPORT, Settings

from datakit.config import decode
from datakit.errors import ConfigError, DskError, StateError
from datakit.exports.model import ExportItem, Plan
from datakit.model.item import ImageRef
from trainer.data.dataset_toml import Fallback, read


def item(key: str, caption: str = "1girl", extension: str = "png") -> ExportItem:
    return ExportItem(key=key, image=ImageRef("0" * 64, 1, extension), caption=caption)


def plan(*items: ExportItem, **settings: object) -> Plan:
    return EXPORT.plan(items, decode(settings, Settings, where="[export.kohya]"), "/set/export/kohya")


def test_folders_are_repeats_and_concept() -> None:
    made = plan(item("a/x"), item("b/c/y"), item("z"), repeats=2, concepts={"a": {"repeats": 5}})
    assert sorted(made.images) == ["2_b_c/y.png", "2_unsorted/z.png", "5_a/x.png"]
    assert sorted(made.texts) == ["2_b_c/y.txt", "2_unsorted/z.txt", "5_a/x.txt", "dataset.toml"]
    assert made.items == {"a/x": "5_a/x.png", "b/c/y": "2_b_c/y.png", "z": "2_unsorted/z.png"}


@pytest.mark.parametrize(
    ("caption", "line"),
    [("a, b\n", "a, b"), ("a,\r\nb", "a, b"), ("a\n\n b ,\n", "a, b"), ("é_\u3042", "é_\u3042"), ("a\u2028b", "a, b")],
)
def test_a_caption_is_one_line_of_utf_8(caption: str, line: str) -> None:
    assert plan(item("a/x", caption)).texts["1_a/x.txt"] == line.encode()


def test_an_empty_caption_is_not_written_and_said() -> None:
    made = plan(item("a/x", " \n"), *(item(f"a/{n}", "") for n in range(9)), item("a/y", "1girl"))
    assert [name for name in made.texts if name.endswith(".txt")] == ["1_a/y.txt"]
    assert len(made.images) == 11
    (said,) = made.warnings
    assert said == "without caption, so that sd-scripts takes class_tokens or an empty prompt: a/x, a/0, a/1 and 7 more"


@pytest.mark.parametrize("extension", ["gif", "Png", "avif"])
def test_an_image_that_sd_scripts_does_not_read_is_left_out_and_said(extension: str) -> None:
    made = plan(item("a/x", extension=extension), item("a/y", extension="PNG"))
    assert [*made.images] == ["1_a/y.PNG"]
    assert made.items == {"a/y": "1_a/y.PNG"}
    assert made.warnings == (f"left out, since sd-scripts reads only bmp, jpeg, jpg, png, webp: wip/a/x.{extension}",)


def test_two_images_of_one_caption_are_both_written() -> None:
    made = plan(item("a/x", "1girl", extension="jpg"), item("a/x", "1girl"))
    assert sorted(made.images) == ["1_a/x.jpg", "1_a/x.png"]
    assert made.items == {"a/x": "1_a/x.jpg"}


@pytest.mark.parametrize(
    ("items", "settings", "error", "words"),
    [
        ([item("a/x", extension="gif")], {}, StateError, "wip has no image that sd-scripts reads"),
        ([item("a/b/x"), item("a_b/x")], {}, ConfigError, "'a/b' and 'a_b' need one folder 1_a_b"),
        ([item("A/x"), item("a/x")], {}, ConfigError, "need one folder"),
        ([item("a/x")], {"concepts": {"b": {}}}, ConfigError, "no concept 'b' in wip"),
    ],
)
def test_what_a_trainer_would_stumble_over_is_refused(
    items: list[ExportItem], settings: dict[str, object], error: type[DskError], words: str
) -> None:
    with pytest.raises(error) as caught:
        plan(*items, **settings)
    assert words in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"resolution": 128}, "min_bucket_reso 256 is over resolution 128"),
        ({"resolution": [1024, 200]}, "min_bucket_reso 256 is over resolution 200"),
        ({"resolution": 4096}, "max_bucket_reso 2048 is under resolution 4096"),
        ({"bucket_reso_steps": 512}, "min_bucket_reso 256 is under bucket_reso_steps 512"),
        ({"resolution": 32}, "under 64 px"),
        ({"resolution": [64]}, "resolution"),
        ({"repeats": 0}, "repeats"),
        ({"caption_dropout_rate": 1.5}, "caption_dropout_rate"),
        ({"keep_tokens": True}, "keep_tokens"),
        ({"image_dirs": "relativ"}, "image_dirs"),
    ],
)
def test_settings_that_sd_scripts_would_stop_at_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plan(item("a/x"), **settings)
    assert words in caught.value.message


@pytest.mark.parametrize(
    "settings",
    [
        {"resolution": 128, "enable_bucket": False},
        {"resolution": 250, "bucket_reso_steps": 100},  # sd-scripts rounds the shortest side down
        {"resolution": 2100, "bucket_reso_steps": 100},  # and the longest up
    ],
)
def test_bounds_that_sd_scripts_rounds_or_does_not_look_at_are_fine(settings: dict[str, object]) -> None:
    assert plan(item("a/x"), **settings).images


def test_types_are_those_that_sd_scripts_insists_on() -> None:
    table = tomllib.loads(plan(item("a/x"), caption_dropout_rate=0, resolution=512).texts["dataset.toml"].decode())
    assert type(table["general"]["caption_dropout_rate"]) is float
    assert table["datasets"][0]["resolution"] == [512, 512]
    assert type(table["datasets"][0]["subsets"][0]["num_repeats"]) is int


def test_the_trainer_reads_back_what_was_asked_for(tmp_path: Path) -> None:
    made = plan(
        item("a/x"), item("b/y"), repeats=3, resolution=[128, 96], batch_size=2, min_bucket_reso=64, keep_tokens=1,
        shuffle_caption=True, caption_dropout_rate=0.25, flip_aug=True, concepts={"b": {"repeats": 7}},
    )  # fmt: skip
    for name, text in made.texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(text)
    for name in made.images:
        (tmp_path / name).write_bytes(b"")
    (size,) = read(tmp_path / "dataset.toml", Fallback(1, 512))
    assert (size.buckets.resolution_px, size.buckets.min_px, size.batch_size) == ((128, 96), 64, 2)
    assert [one.num_repeats for one in size.subsets] == [3, 7]
