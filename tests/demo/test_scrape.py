"""The scrape is the same for the same seed, looks like gallery-dl's, and holds the faults that it says it holds."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from datakit.demo.scrape import COUNTS, Scrape, write_scrape

CATEGORIES = ("general", "character", "copyright", "artist", "meta")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scrape")


@pytest.fixture(scope="module")
def scrape(root: Path) -> Scrape:
    return write_scrape(root)


@pytest.fixture(scope="module")
def sidecars(root: Path, scrape: Scrape) -> dict[str, dict[str, Any]]:
    found = {str(path.relative_to(root))[: -len(".json")]: path for path in root.rglob("*.json")}
    return {name: json.loads(path.read_text("utf-8")) for name, path in found.items()}


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_same_seed_same_bytes(root: Path, scrape: Scrape, tmp_path: Path) -> None:
    assert write_scrape(tmp_path) == scrape
    assert hashes(tmp_path) == hashes(root)


def test_another_seed_draws_other_pictures(scrape: Scrape, tmp_path: Path) -> None:
    other = write_scrape(tmp_path, seed=1)
    assert len(other.images) == len(scrape.images)
    assert other.images != scrape.images


def test_images_are_exactly_the_ones_named(root: Path, scrape: Scrape) -> None:
    assert sorted(str(path.relative_to(root)) for path in root.rglob("*.png")) == list(scrape.images)
    assert len(scrape.images) == sum(COUNTS.values()) + 1


def test_every_sidecar_tells_the_truth_about_its_file(
    root: Path, scrape: Scrape, sidecars: dict[str, dict[str, Any]]
) -> None:
    for name, post in sidecars.items():
        if name == scrape.planted.truncated:
            continue
        data = (root / name).read_bytes()
        assert post["md5"] == hashlib.md5(data).hexdigest()
        assert post["file_size"] == len(data)
        with Image.open(root / name) as image:
            assert (post["image_width"], post["image_height"]) == image.size
            assert ("transparent_background" in post["tags_general"]) == (image.mode == "RGBA")
        assert post["search_tags"] == Path(name).parent.name
        assert post["category"] == Path(name).parts[0]


def test_tags_agree_with_each_other(sidecars: dict[str, dict[str, Any]]) -> None:
    for post in sidecars.values():
        by_category = [tag for category in CATEGORIES for tag in post[f"tags_{category}"]]
        assert sorted(by_category) == post["tags"] == post["tag_string"].split()
        assert all(post[f"tag_string_{name}"].split() == post[f"tags_{name}"] for name in CATEGORIES)
        assert post["tag_count"] == len(post["tags"])


def test_files_are_named_as_gallery_dl_names_them(sidecars: dict[str, dict[str, Any]]) -> None:
    named = [name for name in sidecars if "danbooru_" in name]
    assert len(named) == len(sidecars) - 2
    for name in named:
        post = sidecars[name]
        assert Path(name).name == f"danbooru_{post['id']}_{post['md5']}.png"


def test_sidecars_are_readable_text(root: Path, scrape: Scrape) -> None:
    text = (root / f"{scrape.planted.same_name[0]}.json").read_text("utf-8")
    assert text.startswith('{\n    "id": ')
    assert "アリア" in text


def test_a_variant_names_its_parent(sidecars: dict[str, dict[str, Any]]) -> None:
    by_id = {post["id"]: post for post in sidecars.values()}
    children = [post for post in sidecars.values() if post["parent_id"]]
    assert len(children) == len(COUNTS)
    assert all(by_id[post["parent_id"]]["has_children"] for post in children)


def test_orphaned_caption(root: Path, scrape: Scrape) -> None:
    orphan, image = (root / path for path in (scrape.planted.orphaned_caption, scrape.planted.orphans_image))
    assert "blue_hair" in orphan.read_text("utf-8")
    assert not orphan.with_suffix(".png").exists()
    assert image.exists()
    assert not image.with_suffix(".txt").exists()
    assert not image.with_name(image.name + ".json").exists()


def test_two_pictures_with_one_name(root: Path, scrape: Scrape) -> None:
    one, other = (root / path for path in scrape.planted.same_name)
    assert (one.name, one.parent.name) == (other.name, other.parent.name)
    assert one.read_bytes() != other.read_bytes()


def test_exact_duplicate_and_no_other(root: Path, scrape: Scrape) -> None:
    groups: dict[str, list[str]] = {}
    for name in scrape.images:
        groups.setdefault(hashlib.sha256((root / name).read_bytes()).hexdigest(), []).append(name)
    assert [sorted(group) for group in groups.values() if len(group) > 1] == [sorted(scrape.planted.duplicate)]


def test_truncated_file_cannot_be_decoded_and_all_others_can(root: Path, scrape: Scrape) -> None:
    broken = []
    for name in scrape.images:
        try:
            with Image.open(root / name) as image:
                image.load()
        except OSError:
            broken.append(name)
    assert broken == [scrape.planted.truncated]


def test_transparent_pictures(root: Path, scrape: Scrape) -> None:
    found = []
    for name in scrape.images:
        with Image.open(root / name) as image:
            if image.mode == "RGBA":
                found.append(name)
    assert tuple(sorted(set(found) - {scrape.planted.truncated})) == scrape.planted.transparent
    assert len({Path(name).parent for name in scrape.planted.transparent}) >= 3
