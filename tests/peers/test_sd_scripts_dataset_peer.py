"""Any dataset that sd-scripts reads: the same pictures, captions, repeats, buckets and held-out names here.

PEER_SD_SCRIPTS names a checkout of kohya-ss/sd-scripts, PEER_SD_SCRIPTS_PYTHON an interpreter that has its
requirements. Its own config_util, dataset classes and BucketManager run as a process of their own.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from peers.real_export import checkout, read_back
from PIL import Image

from trainer.data import folders
from trainer.data.buckets import BucketRule, fit, on_grid, resolutions
from trainer.data.dataset_toml import Fallback, read
from trainer.data.items import Dataset, find

pytestmark = pytest.mark.peers

SIZES = ((64, 64), (96, 48), (48, 96), (130, 70), (61, 200), (33, 34), (300, 300), (64, 65), (257, 31), (90, 91))
FALLBACK = Fallback(batch_size=1, resolution_px=64)
NUM_SETTINGS, NUM_SIZES = 400, 25


def told(folder: Path, what: str) -> dict[str, Any]:
    return read_back(
        "sd_scripts_dataset_reader.py", checkout("PEER_SD_SCRIPTS"), str(folder), what, python="PEER_SD_SCRIPTS_PYTHON"
    )


def cases(seed: int) -> list[dict[str, Any]]:
    """Settings as people have them, and any."""
    rng = random.Random(seed)
    found = []
    for number in range(NUM_SETTINGS):
        step = rng.choice([8, 16, 32, 64, 64, 64, 128, 7, 100])
        width = rng.choice([256, 512, 768, 1024, 1536, rng.randint(64, 2048)])
        height = width if rng.random() < 0.6 else rng.randint(64, 2048)
        least = rng.choice([64, 256, 320, 512, rng.randint(1, 600)])
        most = rng.choice([1024, 1536, 2048, rng.randint(64, 4096)])
        sizes = [[rng.randint(1, 5000), rng.randint(1, 5000)] for _ in range(NUM_SIZES - 2)]
        sizes += [[width, height], [rng.randint(1, 100), rng.randint(1, 100)]]
        found.append({"settings": [width, height, least, most, step, number % 3 == 0], "sizes": sizes})
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_every_bucket_is_the_same(tmp_path: Path, seed: int) -> None:
    asked = cases(seed)
    (tmp_path / "cases.json").write_text(json.dumps(asked))
    compared = 0
    for case, theirs in zip(asked, told(tmp_path, "buckets")["cases"], strict=True):
        width, height, least, most, step, no_upscale = case["settings"]
        rule = on_grid(BucketRule((width, height), no_upscale=no_upscale, step_px=step, min_px=least, max_px=most))
        if theirs is None:
            continue
        assert not rule.problem(), case["settings"]
        if not no_upscale:
            assert [list(size) for size in resolutions(rule)] == theirs["resolutions"], case["settings"]
        for size, chosen in zip(case["sizes"], theirs["chosen"], strict=True):
            if chosen is None or 0 in chosen[0]:
                continue  # It stops, or makes a bucket of no size; here there is a bucket of one step.
            ours = fit(rule, (size[0], size[1]))
            assert (ours.bucket_px, ours.resized_px) == (tuple(chosen[0]), tuple(chosen[1])), (case["settings"], size)
            compared += 1
    assert compared > NUM_SETTINGS * NUM_SIZES // 4
    print(f"\n{compared} sizes compared")


def pictures(folder: Path, names: list[str], *, captions: bool = True) -> None:
    """Pictures of all sizes, each with a caption `<name>, a` and a second line."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        path = folder / name
        Image.new("RGB", SIZES[number % len(SIZES)], (number * 9 % 256, 90, 30)).save(path)
        if captions:
            path.with_suffix(".txt").write_text(f"{path.stem}, a  \n\n second {{x|y}}, b\n", "utf-8")


def ours(dataset: Dataset, root: Path) -> dict[str, Any]:
    """Our answer in the reader's words."""
    rows = [
        {
            "set": item.set_number,
            "path": str(item.path.relative_to(root)),
            "caption": "\n".join(item.captions),
            "repeats": item.subset.num_repeats,
            "bucket": list(item.fit.bucket_px),
            "resized": list(item.fit.resized_px),
            "is_reg": item.subset.is_reg,
            "mask": str(item.mask_path.relative_to(root)) if item.mask_path else None,
            "flip": item.subset.flip_aug,
            "wildcard": item.subset.captions.enable_wildcard,
            "keep_tokens": item.subset.captions.keep_tokens,
            "prefix": item.subset.captions.caption_prefix,
            "batch_size": item.set.batch_size,
            "held": item.is_held_out,
        }
        for item in dataset.items
    ]
    return {"trained": [row for row in rows if not row["held"]], "held": [row for row in rows if row["held"]]}


def compare(mine: dict[str, Any], theirs: dict[str, Any]) -> None:
    """All but the repeats of regularization pictures, which sd-scripts makes up to the number of the others."""
    left = {(row["set"], row["path"]): row for row in mine["trained"]}
    right = {(row["set"], row["path"]): row for row in theirs["trained"]}
    unused = {where for where in left.keys() - right.keys() if left[where]["is_reg"]}
    assert left.keys() - unused == right.keys()
    for where, row in right.items():
        known = {key: value for key, value in left[where].items() if key != "held"}
        if row["is_reg"]:
            row, known = row | {"repeats": 0}, known | {"repeats": 0}
        if not row["wildcard"]:
            row["caption"] = row["caption"].split("\n")[0]
        assert known == row
    counted = {(row["path"], row["caption"], tuple(row["bucket"])) for row in mine["held"]}
    held = {(row["path"], row["caption"].split("\n")[0], tuple(row["bucket"])) for row in theirs["held"]}
    assert {(path, caption.split("\n")[0], bucket) for path, caption, bucket in counted} == held


DREAMBOOTH = """
[general]
caption_extension = ".txt"
flip_aug = true
keep_tokens = 1
caption_prefix = "sks,"
bucket_reso_steps = 32
min_bucket_reso = 33
max_bucket_reso = 250
[[datasets]]
resolution = [128, 96]
batch_size = 3
enable_bucket = true
validation_split = {split}
validation_seed = {seed}
  [[datasets.subsets]]
  image_dir = "girl"
  num_repeats = 4
  enable_wildcard = true
  [[datasets.subsets]]
  image_dir = "other"
  keep_tokens = 3
  caption_prefix = ""
  class_tokens = "a cat"
  flip_aug = false
  [[datasets.subsets]]
  image_dir = "off"
  num_repeats = 0
  [[datasets.subsets]]
  image_dir = "reg"
  is_reg = true
  num_repeats = 2
  class_tokens = "girl"
[[datasets]]
resolution = 64
  [[datasets.subsets]]
  image_dir = "girl"
[[datasets]]
resolution = 128
enable_bucket = true
bucket_no_upscale = true
  [[datasets.subsets]]
  image_dir = "other"
  class_tokens = "x"
"""


def dreambooth(root: Path) -> None:
    names = [f"{number:02}.png" for number in range(13)] + ["Upper.PNG", "é t.jpg", "z_1_2_30_40.webp", "w.BMP"]
    pictures(root / "girl", names)
    (root / "girl" / "z_1_2_30_40.txt").rename(root / "girl" / "z.txt")
    for name in (".hidden.png", "notes.gif"):
        (root / "girl" / name).write_bytes(b"no picture")
    pictures(root / "girl" / "below", ["deep.png"])
    pictures(root / "other", ["a.png", "b.jpeg", "c.png"])
    (root / "other" / "c.txt").unlink()
    pictures(root / "off", ["a.png"])
    pictures(root / "reg", [f"r{number}.png" for number in range(4)], captions=False)


@pytest.mark.parametrize(("split", "seed"), [(0.0, 0), (0.25, 42), (0.3, 7), (0.5, -3), (1.0, 1)])
def test_a_dreambooth_dataset(tmp_path: Path, split: float, seed: int) -> None:
    dreambooth(tmp_path)
    path = tmp_path / "dataset.toml"
    path.write_text(DREAMBOOTH.format(split=split, seed=seed), "utf-8")
    mine = ours(find(read(path, FALLBACK)), tmp_path)
    theirs = told(tmp_path, "dataset.toml")
    # A subset that is switched off by num_repeats = 0 is held out by sd-scripts all the same.
    theirs["held"] = [row for row in theirs["held"] if not row["path"].startswith("off")]
    held = {row["path"] for row in theirs["held"]}
    # Where the share is no whole number, sd-scripts trains one of the pictures that it holds out, and so measures it.
    overlap = [row for row in theirs["trained"] if row["set"] == 0 and row["path"] in held]
    assert len(overlap) <= 2
    theirs["trained"] = [row for row in theirs["trained"] if row not in overlap]
    compare(mine, theirs)
    reg = sum(row["repeats"] for row in theirs["trained"] if row["is_reg"])
    counted = sum(row["repeats"] for row in mine["trained"] if row["set"] == 0 and not row["is_reg"])
    assert abs(reg - counted - sum(row["repeats"] for row in overlap)) <= 1


def test_the_same_as_json(tmp_path: Path) -> None:
    pictures(tmp_path / "girl", ["a.png", "b.png"])
    config = {
        "general": {"caption_extension": ".txt", "resolution": 64},
        "datasets": [{"enable_bucket": True, "min_bucket_reso": 64, "subsets": [{"image_dir": "girl"}]}],
    }
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps(config))
    compare(ours(find(read(path, FALLBACK)), tmp_path), told(tmp_path, path.name))


@pytest.mark.parametrize("wildcard", ["false", "true"])
@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_metadata(tmp_path: Path, suffix: str, wildcard: str) -> None:
    names = [f"{number}.png" for number in range(5)]
    pictures(tmp_path / "a" / "below", names, captions=False)
    pictures(tmp_path / "b", names, captions=False)
    entries: dict[str, dict[str, Any]] = {
        "below/0.png": {"caption": "a girl, b", "tags": "1girl, solo"},
        "below/1.png": {"caption": "only this"},
        "below/2.png": {"caption": "one\ntwo\n", "tags": "x, y"},
        "below/3.png": {"caption": "with size", "image_size": list(SIZES[3])},
        str(tmp_path / "b" / "4.png"): {"caption": "elsewhere", "tags": "z"},
    }
    if wildcard == "false":
        entries[str(tmp_path / "b" / "3.png")] = {"tags": "tags, alone"}
    text = json.dumps(entries)
    if suffix == "jsonl":
        text = "".join(json.dumps({"image_path": name, **told}) + "\n" for name, told in entries.items())
    (tmp_path / f"meta.{suffix}").write_text(text)
    path = tmp_path / "dataset.toml"
    path.write_text(
        f"[[datasets]]\nresolution = 64\nbatch_size = 2\n[[datasets.subsets]]\nmetadata_file = 'meta.{suffix}'\n"
        f"image_dir = 'a'\nnum_repeats = 3\nenable_wildcard = {wildcard}\n"
    )
    theirs = told(tmp_path, path.name)
    for row in theirs["trained"]:
        row["caption"] = row["caption"].rstrip("\n")
    compare(ours(find(read(path, FALLBACK)), tmp_path), theirs)


def test_masks(tmp_path: Path) -> None:
    pictures(tmp_path / "girl", ["a.png", "b.jpg", "c_d.png"])
    pictures(tmp_path / "masks", ["a.webp", "b.png", "c_d.jpg"], captions=False)
    path = tmp_path / "dataset.toml"
    path.write_text(
        "[[datasets]]\nresolution = 64\n[[datasets.subsets]]\nimage_dir = 'girl'\ncaption_extension = '.txt'\n"
        "conditioning_data_dir = 'masks'\n"
    )
    compare(ours(find(read(path, FALLBACK)), tmp_path), told(tmp_path, path.name))


def test_folders(tmp_path: Path) -> None:
    for name in ("train/3_sks girl", "train/1_x_y", "train/nothing", "reg/2_girl", "train/0_off"):
        pictures(tmp_path / name, ["a.png", "b.png"], captions="sks" in name)
    fallback = Fallback(batch_size=1, resolution_px=64, general={"caption_extension": ".txt"})
    sets = folders.read(tmp_path / "train", tmp_path / "reg", fallback=fallback)
    compare(ours(find(sets), tmp_path), told(tmp_path, "folder"))
