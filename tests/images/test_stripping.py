from __future__ import annotations

import io
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from tiny_pictures import blocks, opened, pixels, saved, srgb_profile, with_orientation

from datakit.images.decode import UnreadableImage
from datakit.images.stripping import without_metadata

SECRET = b"masterpiece, by nobody"


def described() -> PngInfo:
    info = PngInfo()
    info.add_text("parameters", SECRET.decode())
    info.add_text("Comment", SECRET.decode(), zip=True)
    info.add_itxt("XML:com.adobe.xmp", SECRET.decode())
    return info


def exif() -> bytes:
    found = with_orientation(1)
    found[0x010E] = SECRET.decode()
    return found.tobytes()


def jpeg(image: Image.Image, **options: Any) -> bytes:
    return saved(image, "JPEG", exif=exif(), xmp=SECRET, comment=SECRET, icc_profile=srgb_profile(), **options)


FILES: dict[str, tuple[str, bytes]] = {
    "png": ("png", saved(blocks(), pnginfo=described(), exif=exif(), icc_profile=srgb_profile(), dpi=(72, 72))),
    "png with alpha": ("png", saved(blocks().convert("RGBA"), pnginfo=described())),
    "png palette": ("png", saved(blocks().convert("P"), pnginfo=described(), transparency=3)),
    "jpeg": ("jpeg", jpeg(blocks())),
    "jpeg progressive": ("jpeg", jpeg(blocks(), progressive=True)),
    "jpeg with restarts": ("jpeg", jpeg(blocks(), restart_marker_blocks=1)),
    "jpeg cmyk": ("jpeg", saved(blocks().convert("CMYK"), "JPEG", exif=exif(), comment=SECRET)),
    "jpeg grey": ("jpeg", saved(blocks().convert("L"), "JPEG", comment=SECRET)),
    "webp": ("webp", saved(blocks(), "WEBP", exif=exif(), xmp=SECRET, icc_profile=srgb_profile())),
    "webp lossless": ("webp", saved(blocks().convert("RGBA"), "WEBP", lossless=True, exif=exif(), xmp=SECRET)),
}


@pytest.mark.parametrize(("file_format", "data"), FILES.values(), ids=FILES)
def test_metadata_goes_and_pixels_stay(file_format: str, data: bytes) -> None:
    data += SECRET
    bare = without_metadata(data, file_format)
    assert SECRET in data
    assert SECRET not in bare
    assert len(bare) < len(data)
    before, after = opened(data), opened(bare)
    assert (after.format, after.mode, after.size) == (before.format, before.mode, before.size)
    assert pixels(after.convert("RGBA")) == pixels(before.convert("RGBA"))
    assert after.info.get("icc_profile") == before.info.get("icc_profile")
    assert not {"exif", "xmp", "comment", "parameters", "Comment", "dpi", "XML:com.adobe.xmp"} & (
        after.info.keys() - ({"dpi"} if file_format == "jpeg" else set())
    )
    assert not after.getexif()
    assert without_metadata(bare, file_format) == bare


def test_the_scan_is_copied_byte_for_byte() -> None:
    data = FILES["jpeg progressive"][1]
    scan = data[data.index(b"\xff\xda") :]
    assert without_metadata(data, "jpeg").endswith(scan)


def test_a_second_picture_behind_the_first_goes() -> None:
    file = io.BytesIO()
    blocks().save(file, "MPO", save_all=True, append_images=[Image.new("RGB", (48, 32), "red")])
    bare = without_metadata(file.getvalue(), "jpeg")
    assert opened(bare).format == "JPEG"
    assert pixels(opened(bare)) == pixels(opened(file.getvalue()))
    assert len(bare) < len(file.getvalue()) / 2 + 200


def test_a_file_without_metadata_comes_back_as_it_is() -> None:
    for file_format in ("png", "jpeg", "webp"):
        data = saved(blocks(), file_format.upper())
        assert without_metadata(data, file_format) == data
    assert without_metadata(b"BMxyz", "bmp") == b"BMxyz"


@pytest.mark.parametrize(
    ("file_format", "data"),
    [
        ("png", saved(blocks())[:8] + struct.pack(">I4s", 1 << 30, b"IDAT") + b"x" * 20),
        ("jpeg", b"\xff\xd8\xff\xe0\x00\x04ab12"),
        ("jpeg", b"\xff\xd8\xff\xe0"),
        ("webp", b"RIFF\x40\0\0\0WEBPVP8 " + struct.pack("<I", 1 << 30) + b"x" * 60),
    ],
)
def test_files_that_are_not_built_as_they_say(file_format: str, data: bytes) -> None:
    with pytest.raises(UnreadableImage, match="truncated or damaged"):
        without_metadata(data, file_format)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.data())
def test_damaged_files_never_crash(name: str, drawn: st.DataObject) -> None:
    file_format, data = FILES[name]
    broken = bytearray(data)
    for _ in range(drawn.draw(st.integers(0, 4))):
        broken[drawn.draw(st.integers(12, len(broken) - 1))] = drawn.draw(st.integers(0, 255))
    del broken[drawn.draw(st.integers(12, len(broken))) :]
    try:
        bare = without_metadata(bytes(broken), file_format)
    except UnreadableImage:
        return
    assert len(bare) <= len(broken) + 1
