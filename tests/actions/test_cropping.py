"""dsk crop: parts of images, wished for in the record or made items of their own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hands import again, head
from PIL import Image

from datakit.actions.advancing import advance
from datakit.actions.blaming import blame
from datakit.actions.cropping import crop, cut_out
from datakit.actions.explaining import explain
from datakit.actions.importing import import_folder
from datakit.actions.project import Project
from datakit.actions.refreshing import refresh_items
from datakit.actions.renaming import rename
from datakit.errors import InputError, RepositoryError, StateError, UsageError
from datakit.model.record import Box, Derived, Edits, Record, decode_record
from datakit.repo.oplog import history
from datakit.repo.worktree.scan import scan

Scrape = Callable[..., Path]
ITEM = "aria/danbooru_1"
BOX: Box = (10, 20, 100, 90)


def record_of(project: Project, key: str = ITEM) -> Record:
    path = project.dataset.root / "raw" / f"{key}.json"
    return decode_record(path.read_bytes(), path=str(path))


def put(project: Project, path: str, image: Image.Image, **options: object) -> Path:
    """A picture that a person puts into the dataset by hand."""
    target = project.dataset.root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    image.save(target, **options)
    return target


def corners() -> Image.Image:
    """300 x 400 px, red but for 10 x 20 px of blue in the upper left corner."""
    image = Image.new("RGB", (300, 400), "red")
    image.paste("blue", (0, 0, 10, 20))
    return image


def test_a_crop_is_one_operation_on_the_record(project: Project, git) -> None:
    before = record_of(project)
    done = crop(project, [ITEM], BOX)
    assert done.subject == "crop: aria/danbooru_1 to 100 x 90 at 10, 20"
    assert (done.items[0].size_px, done.items[0].crop_px) == ((260, 256), BOX)
    after = record_of(project)
    assert after.edits == Edits(crop_px=BOX)
    assert (after.tags, after.upstream, after.seen) == (before.tags, before.upstream, before.seen)
    assert git(project.dataset.root, "diff", "--name-only", "HEAD~1").split() == [f"raw/{ITEM}.json"]
    assert next(history(project.dataset)).stage == "raw"
    assert scan(project.dataset).edits == []


def test_the_stage_edited_does_it_and_clear_takes_it_back(advanced: Project) -> None:
    edited = advanced.dataset.root / f"edited/{ITEM}.png"
    whole = edited.read_bytes()
    crop(advanced, [ITEM], BOX)
    advance(again(advanced))
    with Image.open(edited) as image:
        assert image.size == (100, 90)
    assert crop(again(advanced), [ITEM], clear=True).subject == "crop: aria/danbooru_1 as scraped"
    assert record_of(advanced).edits is None
    advance(again(advanced))
    assert edited.read_bytes() == whole


def test_the_same_again_is_no_operation(project: Project) -> None:
    crop(project, [ITEM], BOX)
    commit = head(project)
    done = crop(again(project), [ITEM], BOX)
    assert (done.commit, done.subject, done.items[0].is_same) == ("", "", True)
    assert crop(again(project), ["aria/danbooru_0"], clear=True).commit == ""
    assert head(project) == commit


def test_background_and_part_are_wished_for_one_by_one(project: Project) -> None:
    assert crop(project, [ITEM], background="Lime").subject == "crop: aria/danbooru_1 on #00ff00"
    crop(again(project), [ITEM], BOX)
    assert record_of(project).edits == Edits(crop_px=BOX, background="#00ff00")
    done = crop(again(project), [ITEM], BOX, background="#fff", clear=True)
    assert done.subject == "crop: aria/danbooru_1 to 100 x 90 at 10, 20, on #ffffff"
    with pytest.raises(UsageError, match="is no colour"):
        crop(again(project), [ITEM], background="wight")
    with pytest.raises(UsageError, match="WIDTH HEIGHT are missing"):
        crop(again(project), [ITEM])


@pytest.mark.parametrize(
    "box", [(-1, 0, 9, 9), (0, -1, 9, 9), (0, 0, 0, 9), (0, 0, 261, 9), (200, 0, 61, 9), (0, 1, 9, 256)]
)
def test_a_part_has_to_lie_in_the_image(project: Project, box: Box) -> None:
    with pytest.raises(InputError, match="does not lie in the image, which is 260 x 256 px"):
        crop(project, [ITEM], box)
    assert record_of(project).edits is None


def test_pixels_are_those_of_the_upright_image(project: Project) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # as stored 400 wide and 300 high
    put(project, "raw/aria/turned.jpg", corners().transpose(Image.Transpose.ROTATE_90), exif=exif, quality=95)
    assert crop(project, ["aria/turned"], (0, 0, 300, 400)).items[0].size_px == (300, 400)
    with pytest.raises(InputError, match="300 x 400 px"):
        crop(again(project), ["aria/turned"], (0, 0, 400, 300))
    cut_out(again(project), ["aria/turned"], (0, 0, 10, 20))
    with Image.open(project.dataset.root / "raw/aria/turned-crop.png") as image:
        assert image.size == (10, 20)
        assert image.getpixel((2, 2)) == pytest.approx((0, 0, 255), abs=12)


def test_an_item_without_a_record_gets_one_that_a_scrape_fills(
    project: Project, scrape: Scrape, tmp_path: Path
) -> None:
    folder = scrape("later", carol=1)
    image = folder / "danbooru/carol/danbooru_0.png"
    target = project.dataset.root / "raw/carol/danbooru_0.png"
    target.parent.mkdir()
    shutil.copy(image, target)
    crop(project, ["carol/danbooru_0"], BOX)
    bare = record_of(project, "carol/danbooru_0")
    assert (bare.edits, bare.size_px, bare.format, bare.site) == (Edits(crop_px=BOX), (260, 256), "png", "")
    report = import_folder(again(project), folder)
    assert (report.num_imported, len(report.refreshed)) == (0, 1)
    full = record_of(project, "carol/danbooru_0")
    assert (full.site, full.edits) == ("danbooru", Edits(crop_px=BOX))
    assert "blue_hair" in full.all_tags()


def test_of_several_those_that_it_does_not_fit_are_left_alone(project: Project) -> None:
    put(project, "raw/aria/small.png", Image.new("RGB", (50, 60)))
    done = crop(project, ["aria/*"], BOX)
    assert done.subject == "crop: 3 items to 100 x 90 at 10, 20"
    assert [(one.key, one.why) for one in done.skipped] == [
        ("aria/small", "100 x 90 at 10, 20 does not lie in the image, which is 50 x 60 px")
    ]
    with pytest.raises(InputError, match="none of the 4 items: "):
        crop(again(project), ["aria/*"], (0, 0, 5000, 5000))


def test_what_cannot_be_cropped(advanced: Project) -> None:
    root = advanced.dataset.root
    put(advanced, "wip/aria/mine.png", Image.new("RGB", (300, 300)))
    with pytest.raises(StateError, match="raw has no image of it") as caught:
        crop(advanced, ["aria/mine"], BOX)
    assert caught.value.hint == "dsk edit aria/mine --with gimp --stage wip"
    (root / "raw/aria/broken.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"raw/aria/broken.png: not an image"):
        crop(again(advanced), ["aria/broken"], BOX)
    put(advanced, "raw/aria/odd.png", Image.new("RGB", (300, 300)))
    (root / "raw/aria/odd.json").write_text("[]")
    with pytest.raises(InputError, match=r"raw/aria/odd.json: not a valid record"):
        crop(again(advanced), ["aria/odd"], BOX)
    entry = advanced.dataset.entry(f"raw/{ITEM}.png")
    assert entry is not None
    ref = advanced.dataset.image_ref(f"raw/{ITEM}.png", entry.oid)
    assert ref is not None
    advanced.dataset.lfs.path(ref.sha256).unlink()
    with pytest.raises(RepositoryError, match="is not in this clone"):
        crop(again(advanced), [ITEM], BOX)


def test_a_new_item_is_a_part_and_no_post(project: Project) -> None:
    (project.dataset.root / f"raw/{ITEM}.txt").write_text("a, b")
    done = cut_out(project, [ITEM], BOX)
    assert done.subject == "crop: aria/danbooru_1-crop, 100 x 90 at 10, 20 of aria/danbooru_1"
    origin, part = record_of(project), record_of(project, f"{ITEM}-crop")
    assert part.derived == Derived(item=ITEM, sha256=origin.sha256, crop_px=BOX)
    assert (part.tags, part.rating, part.score) == (origin.tags, origin.rating, origin.score)
    assert (part.site, part.post_id, part.md5, part.parent_id, part.urls, part.upstream) == ("", "", "", "", (), None)
    assert (part.size_px, part.format, part.seen) == ((100, 90), "png", ())
    assert (project.dataset.root / f"raw/{ITEM}-crop.txt").read_text() == "a, b"
    with Image.open(project.dataset.root / f"raw/{ITEM}-crop.png") as image:
        assert (image.size, image.mode) == ((100, 90), "RGB")
    assert record_of(project).edits is None
    assert scan(project.dataset).edits == []


def test_names_of_new_items(project: Project) -> None:
    first = cut_out(project, [ITEM], BOX)
    assert cut_out(again(project), [ITEM], BOX).items[0].is_same
    second = cut_out(again(project), [ITEM], (0, 0, 5, 5))
    assert first.items[0].key == f"{ITEM}-crop"
    assert second.items[0].key.startswith(f"{ITEM}-crop-")
    assert cut_out(again(project), [ITEM], BOX, name="face.png").items[0].key == "aria/face"
    with pytest.raises(UsageError, match="there is an item aria/FACE already"):
        cut_out(again(project), [ITEM], (0, 0, 5, 5), name="FACE")
    with pytest.raises(UsageError, match="one name for 3 items"):
        cut_out(again(project), ["aria/danbooru_?"], BOX, name="face")
    assert len(cut_out(again(project), ["beth/*"], BOX).items) == 2


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "a/../../b", "..", "x/./y", "\x00", "a" * 500])
def test_no_name_leaves_the_dataset(project: Project, name: str) -> None:
    outside = {path for path in project.dataset.root.parent.rglob("*") if project.dataset.root not in path.parents}
    key = cut_out(project, [ITEM], BOX, name=name).items[0].key
    target = project.dataset.root / "raw" / f"{key}.png"
    assert target.is_file()
    assert target.resolve().is_relative_to(project.dataset.root / "raw")
    now = {path for path in project.dataset.root.parent.rglob("*") if project.dataset.root not in path.parents}
    assert now == outside


def test_transparency_stays_and_the_bytes_are_the_same_each_time(project: Project) -> None:
    image = Image.new("RGBA", (300, 300), (255, 0, 0, 128))
    image.paste((0, 0, 255, 0), (0, 0, 50, 300))
    put(project, "raw/aria/clear.png", image)
    cut_out(project, ["aria/clear"], (40, 0, 20, 10))
    path = project.dataset.root / "raw/aria/clear-crop.png"
    with Image.open(path) as part:
        assert part.mode == "RGBA"
        assert (part.getpixel((0, 0)), part.getpixel((19, 9))) == ((0, 0, 255, 0), (255, 0, 0, 128))
    again_made = cut_out(again(project), ["aria/clear"], (40, 0, 20, 10), name="twin").items[0].key
    assert (project.dataset.root / f"raw/{again_made}.png").read_bytes() == path.read_bytes()


def test_why_and_blame_tell_of_the_origin_also_when_it_was_renamed(project: Project) -> None:
    cut_out(project, [ITEM], BOX)
    found = explain(again(project), f"{ITEM}-crop").taken_from
    assert found is not None
    assert (found.item, found.now, found.crop_px) == (ITEM, ITEM, BOX)
    cause = blame(again(project), f"{ITEM}-crop").image[0]
    assert (cause.kind, cause.detail) == ("derived", "aria/danbooru_1, 100 x 90 at 10, 20")
    rename(again(project), [ITEM], "aria/other")
    found = explain(again(project), f"{ITEM}-crop").taken_from
    assert found is not None
    assert (found.item, found.now) == (ITEM, "aria/other")
    assert explain(again(project), "aria/other").taken_from is None


def test_a_refresh_and_the_same_scrape_again_leave_wishes_and_parts_alone(project: Project, tmp_path: Path) -> None:
    crop(project, [ITEM], BOX)
    cut_out(again(project), [ITEM], BOX)
    part = (project.dataset.root / f"raw/{ITEM}-crop.json").read_bytes()
    report = import_folder(again(project), tmp_path / "scrape")
    assert (report.num_imported, len(report.already), report.twins, report.versions) == (0, 5, {}, {})
    sidecar = tmp_path / "scrape/danbooru" / f"{ITEM}.png.json"
    post = json.loads(sidecar.read_text()) | {"tag_string_general": "1girl smile"}
    sidecar.write_text(json.dumps(post))
    changes = refresh_items(again(project), tmp_path / "scrape").changes
    assert [one.key for one in changes] == [ITEM]
    assert record_of(project).edits == Edits(crop_px=BOX)
    assert "smile" in record_of(project).all_tags()
    assert (project.dataset.root / f"raw/{ITEM}-crop.json").read_bytes() == part


def test_a_part_is_no_post_even_if_its_record_says_so(project: Project, tmp_path: Path) -> None:
    cut_out(project, [ITEM], BOX)
    path = project.dataset.root / f"raw/{ITEM}-crop.json"
    origin = record_of(project)
    table = json.loads(path.read_text()) | {"site": origin.site, "post_id": origin.post_id}
    path.write_text(json.dumps(table))
    sidecar = tmp_path / "scrape/danbooru" / f"{ITEM}.png.json"
    sidecar.write_text(sidecar.read_text().replace("blue_hair", "red_hair"))
    assert [one.key for one in refresh_items(again(project), tmp_path / "scrape").changes] == [ITEM]
