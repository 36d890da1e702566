"""Masks of an export: from a folder of pictures or from transparency, of the image's size, remembered by content."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from PIL import Image

from datakit.actions.advancing import advance
from datakit.actions.exporting.images import Ready
from datakit.actions.exporting.masks import masks_of, masks_state
from datakit.actions.exporting.writing import export_format
from datakit.actions.importing import import_folder
from datakit.actions.project import Project, open_project
from datakit.actions.reporting import read_status
from datakit.errors import ConfigError
from datakit.model.item import ImageRef
from datakit.model.progress import silent

ARIA, BETH = "aria/danbooru_0", "beth/danbooru_0"


def ready(*keys: str, size: tuple[int, int] = (300, 200)) -> dict[str, Ready]:
    return {key: Ready(ImageRef("0" * 64, 1, "png"), size, False) for key in keys}


def put(project: Project, name: str, image: Image.Image, folder: str = "masks", **options: object) -> Path:
    path = project.dataset.root / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def picture(project: Project, ref: ImageRef) -> Image.Image:
    data = project.dataset.lfs.read(ref.sha256)
    assert data.startswith(b"\x89PNG")
    return Image.open(io.BytesIO(data))


def half(size: tuple[int, int] = (300, 200), mode: str = "L") -> Image.Image:
    """White on its left half."""
    image = Image.new("L", size)
    image.paste(255, (0, 0, size[0] // 2, size[1]))
    return image.convert(mode)


def state(project: Project, wanted: str = "masks") -> str:
    return masks_state(project.dataset, project.dataset.head_tree, wanted)


@pytest.mark.parametrize("name", ["aria/danbooru_0.png", "aria/danbooru_0-masklabel.png", "aria/danbooru_0.webp"])
@pytest.mark.parametrize("mode", ["L", "RGB", "1", "RGBA", "I;16"])
def test_a_mask_is_eight_bit_grey_whatever_it_was(empty: Project, name: str, mode: str) -> None:
    image = half().convert("I").point(lambda value: value * 257).convert("I;16") if mode == "I;16" else half(mode=mode)
    if name.endswith("webp"):
        put(empty, name, half(), lossless=True)
    else:
        put(empty, name, image)
    masks, notes = masks_of(empty, "masks", ready(ARIA), silent)
    made = picture(empty, masks[ARIA])
    assert (made.mode, made.size, notes) == ("L", (300, 200), ())
    assert (made.getpixel((10, 10)), made.getpixel((290, 10))) == (255, 0)


def test_its_own_name_comes_before_a_label_and_png_before_others(empty: Project) -> None:
    put(empty, "aria/danbooru_0.png", Image.new("L", (300, 200), 10))
    put(empty, "aria/danbooru_0.jpg", Image.new("L", (300, 200), 20))
    put(empty, "aria/danbooru_0-masklabel.png", Image.new("L", (300, 200), 30))
    masks, _ = masks_of(empty, "masks", ready(ARIA), silent)
    assert picture(empty, masks[ARIA]).getpixel((0, 0)) == 10


def test_what_is_transparent_in_a_painted_mask_does_not_count(empty: Project) -> None:
    painted = Image.new("RGBA", (300, 200), (255, 255, 255, 0))
    painted.paste((255, 255, 255, 255), (0, 0, 150, 200))
    put(empty, "aria/danbooru_0.png", painted)
    masks, _ = masks_of(empty, "masks", ready(ARIA), silent)
    assert [picture(empty, masks[ARIA]).getpixel((x, 9)) for x in (10, 290)] == [255, 0]


@pytest.mark.parametrize("size", [(150, 100), (600, 400), (100, 67), (75, 50), (301, 200)])
def test_another_size_of_the_same_shape_is_fitted(empty: Project, size: tuple[int, int]) -> None:
    put(empty, "aria/danbooru_0.png", half(size))
    masks, notes = masks_of(empty, "masks", ready(ARIA), silent)
    made = picture(empty, masks[ARIA])
    assert (made.size, notes) == ((300, 200), ())
    assert {made.getpixel((x, 100)) for x in (5, 140)} == {255}
    assert {made.getpixel((x, 100)) for x in (160, 295)} == {0}


def test_a_mask_stored_sideways_is_turned_as_its_exif_says(empty: Project) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    put(empty, "aria/danbooru_0.png", half((200, 300)), exif=exif)
    masks, _ = masks_of(empty, "masks", ready(ARIA), silent)
    made = picture(empty, masks[ARIA])
    assert made.size == (300, 200)
    assert (made.getpixel((150, 10)), made.getpixel((150, 190))) == (255, 0)


def test_what_cannot_be_used_and_what_has_none_is_told(empty: Project) -> None:
    put(empty, "aria/danbooru_0.png", half((200, 300)))
    put(empty, "aria/danbooru_1.png", half())
    (empty.dataset.root / "masks/beth").mkdir()
    (empty.dataset.root / "masks/beth/danbooru_0.png").write_bytes(b"<html>")
    masks, notes = masks_of(empty, "masks", ready(ARIA, "aria/danbooru_1", BETH, "beth/danbooru_1"), silent)
    assert [*masks] == ["aria/danbooru_1"]
    assert notes == (
        "masks that cannot be used: masks/aria/danbooru_0.png (it is 200 x 300 px, the image 300 x 200 px: another "
        "shape), masks/beth/danbooru_0.png (not an image but a web page)",
        "3 images have no mask in masks: where masks count, the loss of the whole picture does",
    )


def test_masks_are_remembered_by_content(empty: Project) -> None:
    path = put(empty, "aria/danbooru_0.png", half())
    put(empty, "aria/danbooru_1.png", Image.new("L", (30, 200)))
    told: list[tuple[str, int, int]] = []
    first = masks_of(empty, "masks", ready(ARIA, "aria/danbooru_1"), lambda *one: told.append(one))
    assert len(told) == 2
    told.clear()
    path.rename(path.with_name("danbooru_7.png"))
    again = masks_of(empty, "masks", ready("aria/danbooru_7", "aria/danbooru_1"), lambda *one: told.append(one))
    assert told == []
    assert [*again[0].values()] == [*first[0].values()]
    assert again[1] == first[1]
    empty.dataset.lfs.path(first[0][ARIA].sha256).unlink()
    assert masks_of(empty, "masks", ready("aria/danbooru_7"), silent)[0]["aria/danbooru_7"] == first[0][ARIA]
    assert picture(empty, first[0][ARIA]).size == (300, 200)


def test_the_state_changes_with_content_and_names_alone(empty: Project) -> None:
    assert state(empty, "") == ""
    path = put(empty, "aria/danbooru_0.png", half())
    before = state(empty)
    os.utime(path, ns=(1, 1))
    (empty.dataset.root / "masks/readme.txt").write_text("not a mask")
    assert state(empty) == before
    path.rename(path.with_name("danbooru_1.png"))
    renamed = state(empty)
    put(empty, "aria/danbooru_1.png", Image.new("L", (300, 200), 9))
    assert len({before, renamed, state(empty)}) == 3


@pytest.mark.parametrize("name", ["../masks", "/etc", "raw", "export/x", ".dsk", "masks/../..", ".", "a//b", "c:/x"])
def test_no_folder_outside_or_of_dsk_s_own(empty: Project, name: str) -> None:
    for ask in (lambda: state(empty, name), lambda: masks_of(empty, name, ready(ARIA), silent)):
        with pytest.raises(ConfigError, match=r"\[export\] masks = ") as caught:
            ask()
        assert "<concept>/<name>.png" in caught.value.hint


def test_a_missing_folder_is_refused_when_it_is_needed(empty: Project) -> None:
    assert state(empty, "masks")
    with pytest.raises(ConfigError, match="there is no such folder"):
        masks_of(empty, "masks", ready(ARIA), silent)


def test_links_are_not_followed(empty: Project, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    half().save(outside / "danbooru_0.png")
    (empty.dataset.root / "masks").mkdir()
    (empty.dataset.root / "masks/aria").symlink_to(outside)
    (empty.dataset.root / "masks/danbooru_0.png").symlink_to(outside / "danbooru_0.png")
    assert masks_of(empty, "masks", ready(ARIA, "danbooru_0"), silent)[0] == {}
    (empty.dataset.root / "links").symlink_to(outside)
    with pytest.raises(ConfigError, match="it is a link"):
        masks_of(empty, "links", ready("danbooru_0"), silent)


@pytest.fixture
def transparent(empty: Project, tmp_path: Path) -> Project:
    """A dataset of one picture that is transparent on its right, and of one that is not."""
    folder = tmp_path / "pictures/aria"
    folder.mkdir(parents=True)
    image = Image.effect_noise((300, 280), 90).convert("RGB")
    image.putalpha(half((300, 280)))
    image.save(folder / "clear.png")
    Image.effect_noise((300, 280), 50).convert("RGB").save(folder / "full.png")
    (folder / "clear.txt").write_text("1girl, solo")
    (folder / "full.txt").write_text("1girl, solo")
    import_folder(empty, folder.parent)
    return open_project(empty.dataset.root)


def test_masks_of_what_was_transparent(transparent: Project) -> None:
    asked = ready("aria/clear", "aria/full", size=(300, 280))
    masks, notes = masks_of(transparent, "alpha", asked, silent)
    assert [*masks] == ["aria/clear"]
    made = picture(transparent, masks["aria/clear"])
    assert (made.getpixel((10, 10)), made.getpixel((290, 10))) == (255, 0)
    assert notes == ("1 image has no transparency: where masks count, the loss of the whole picture does",)
    assert masks_of(transparent, "alpha", ready("aria/clear", size=(300, 200)), silent)[0] == {}, "a cropped image"


def test_an_export_carries_them_and_is_stale_when_they_change(transparent: Project) -> None:
    root = transparent.dataset.root
    (root / "dsk.toml").write_text('[filtered.too-small]\nmin_side_px = 64\n[export]\nmasks = "alpha"\n')
    advance(open_project(root))
    written = [path.relative_to(root / "export/kohya").as_posix() for path in (root / "export").rglob("masks/**/*.png")]
    assert written == ["masks/1_aria-masked/clear.png"]
    mask = root / "export/kohya" / written[0]
    assert Image.open(mask).getpixel((10, 10)) == 255
    before = state(open_project(root), "alpha")
    turned = Image.effect_noise((300, 280), 90).convert("RGB")
    turned.putalpha(half((300, 280)).transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    (root / "filtered/aria/clear.png").unlink()
    turned.save(root / "filtered/aria/clear.png")
    advance(open_project(root))
    assert state(open_project(root), "alpha") != before
    assert Image.open(mask).getpixel((10, 10)) == 0
    (root / "dsk.toml").write_text("[filtered.too-small]\nmin_side_px = 64\n")
    advance(open_project(root))
    assert not mask.exists()


def test_a_mask_painted_anew_makes_an_export_stale(transparent: Project) -> None:
    root = transparent.dataset.root
    path = put(transparent, "aria/full.png", half((300, 280)))
    (root / "dsk.toml").write_text('[filtered.too-small]\nmin_side_px = 64\n[export]\nmasks = "masks"\n')
    advance(open_project(root))
    assert export_format(open_project(root), "kohya") is None
    Image.new("L", (300, 280), 7).save(path)
    ran = export_format(open_project(root), "kohya")
    assert ran is not None
    assert "1 image has no mask in masks: where masks count, the loss of the whole picture does" in ran.notes
    assert Image.open(root / "export/kohya/masks/1_aria-masked/full.png").getpixel((9, 9)) == 7
    assert read_status(open_project(root)).hand_edits == (), "the folder is a person's own"
