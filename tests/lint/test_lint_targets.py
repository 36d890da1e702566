"""The trainers that lint knows: each loads, and what is said of our own trainer is what it does."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datakit.lint.engine import RULES
from datakit.lint.targets.model import TARGETS, Target
from datakit.model.item import IMAGE_EXTENSIONS
from trainer.data.dataset_toml import Fallback, read
from trainer.data.items import Dataset, find
from trainer.data.pixels import View, read_view
from trainer.data.sampler import Entry, batches
from trainer.errors import DatasetError

EXPECTED = {"sd_scripts", "onetrainer", "simpletuner", "ai_toolkit", "diffusion_pipe", "naifu", "dsk"}
DSK = TARGETS.load("dsk")
RED = (255, 0, 0)


def test_every_trainer_of_the_reference_is_there() -> None:
    assert set(TARGETS.names()) >= EXPECTED


@pytest.mark.parametrize("name", TARGETS.names())
def test_a_trainer_is_named_as_its_module(name: str) -> None:
    target: Target = TARGETS.load(name)
    assert target.name == name.replace("_", "-")
    assert TARGETS.summary(name), "its docstring says what was read"
    assert target.image_extensions <= IMAGE_EXTENSIONS
    assert {"png", "jpg", "jpeg", "webp"} <= target.image_extensions
    assert "txt" in target.caption_extensions
    assert target.max_tokens >= 75


def test_rules_name_only_trainers_that_there_are() -> None:
    known = {target.name for target in TARGETS.all()}
    named = {rule.name: {*rule.effects} for rule in RULES.all()}
    assert {name: trainers - known for name, trainers in named.items() if trainers - known} == {}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder of images, beside a dataset.toml that points to it."""
    text = '[[datasets]]\nresolution = 64\nbatch_size = 2\n[[datasets.subsets]]\nimage_dir = "girl"\n'
    (tmp_path / "dataset.toml").write_text(text + 'caption_extension = ".txt"\n')
    (tmp_path / "girl").mkdir()
    return tmp_path / "girl"


def put(folder: Path, name: str, *, mode: str = "RGB", colour: tuple[int, ...] = RED, turned: bool = False) -> None:
    """An image with a caption; `turned` asks for a quarter turn by EXIF."""
    image = Image.new(mode, (64, 32), colour)
    exif = Image.Exif()
    if turned:
        exif[0x0112] = 6
    suffix = Path(name).suffix[1:].lower()
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    image.save(path, format={"jpg": "jpeg", "tif": "tiff"}.get(suffix, suffix), exif=exif.tobytes())
    path.with_suffix(".txt").write_text("aria, solo")


def loaded(folder: Path) -> Dataset:
    """What the trainer finds."""
    return find(read(folder.parent / "dataset.toml", Fallback(batch_size=1, resolution_px=64)))


@pytest.mark.parametrize("extension", sorted({"png", "jpg", "jpeg", "webp", "bmp", "avif", "gif", "tif", "tiff"}))
def test_dsk_reads_the_extensions_that_are_said(folder: Path, extension: str) -> None:
    put(folder, f"one.{extension}")
    put(folder, "other.png")
    read_too = f"one.{extension}" in {item.path.name for item in loaded(folder).items}
    assert read_too == (extension in DSK.image_extensions)


@pytest.mark.parametrize(("name", "said"), [("a.PNG", DSK.upper_case_extensions), ("a.Png", DSK.mixed_case_extensions)])
def test_dsk_reads_extensions_in_the_case_that_is_said(folder: Path, name: str, said: bool) -> None:
    put(folder, name)
    put(folder, "other.png")
    assert (name in {item.path.name for item in loaded(folder).items}) == said


def test_dsk_looks_into_subfolders_as_is_said(folder: Path) -> None:
    put(folder, "below/one.png")
    put(folder, "other.png")
    assert (len(loaded(folder).items) == 2) == DSK.reads_subfolders


def test_dsk_makes_of_several_lines_what_is_said(folder: Path) -> None:
    put(folder, "one.png")
    (folder / "one.txt").write_text("first, solo\nsecond, smile\n")
    assert loaded(folder).items[0].caption == "first, solo"
    assert DSK.lines == "first"


@pytest.mark.parametrize("extension", DSK.caption_extensions)
def test_dsk_reads_captions_of_the_extensions_that_are_said(folder: Path, extension: str) -> None:
    put(folder, "one.png")
    toml = folder.parent / "dataset.toml"
    toml.write_text(toml.read_text().replace(".txt", f".{extension}"))
    (folder / "one.txt").rename(folder / f"one.{extension}")
    assert loaded(folder).items[0].caption == "aria, solo"


def test_dsk_turns_images_as_is_said(folder: Path) -> None:
    put(folder, "one.jpg", turned=True)
    assert (loaded(folder).items[0].size_px == (32, 64)) == DSK.applies_exif


def test_dsk_lays_below_transparency_what_is_said(folder: Path) -> None:
    put(folder, "one.png", mode="RGBA", colour=(*RED, 0))
    item = loaded(folder).items[0]
    pixels, _ = read_view(item, View())
    assert DSK.alpha == "white"
    assert np.all(pixels == 1.0)


def test_dsk_keeps_short_buckets_as_is_said() -> None:
    entries = [Entry(str(number), (0, 64, 64), num_repeats=1, batch_size=2) for number in range(3)]
    drawn = [draw.index for batch in batches(entries, seed=0, epoch=0) for draw in batch]
    assert (sorted(drawn) != [0, 1, 2]) == DSK.drops_short_buckets


def test_dsk_trains_the_whole_of_a_long_caption() -> None:
    pytest.importorskip("transformers", reason="the tokenizer of the trainer comes with transformers")
    from trainer.contracts.model import TextRule
    from trainer.families import _chunks, _clip_text

    caption = ", ".join(f"tag {number}" for number in range(300))
    rows = _chunks.rows(caption, TextRule(), pad=49407)
    inside = [number for row in rows for number in row[1 : row.index(_clip_text.END)]]
    assert len(rows) > 3
    assert inside == _clip_text.token_ids(caption)


def test_dsk_stops_at_an_empty_caption(folder: Path) -> None:
    """What makes empty-caption an error for it."""
    put(folder, "one.png")
    (folder / "one.txt").write_text("")
    with pytest.raises(DatasetError, match="the caption is empty"):
        loaded(folder)
