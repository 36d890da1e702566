"""Files that would fill the memory are refused before they are read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tiny_pictures import blocks, marked, saved, with_orientation

from datakit.images.decode import BYTE_LIMIT, PIXEL_LIMIT, UnreadableImage, open_bounded, read_bounded
from datakit.images.jxl import jxl_size
from datakit.images.measure import header, probe
from datakit.images.pngchunks import without_long_texts


@pytest.fixture
def vast(tmp_path: Path) -> Path:
    """A file of 8 GB that takes no room, and begins as an image."""
    path = tmp_path / "vast.png"
    with path.open("wb") as file:
        file.write(saved(marked()))
        file.truncate(8_000_000_000)
    return path


def test_a_file_of_many_gigabytes_is_refused_unread(vast: Path) -> None:
    with pytest.raises(UnreadableImage, match="the file is over the limit of 700 MB"):
        header(vast)
    assert 3 * PIXEL_LIMIT < BYTE_LIMIT, "what is not compressed has to fit"


@pytest.mark.slow
def test_memory_stays_under_the_limit(vast: Path) -> None:
    code = (
        "import resource, sys, pathlib; from datakit.images.decode import read_bounded; from datakit.images.measure "
        "import probe; print(probe(read_bounded(pathlib.Path(sys.argv[1]))).unreadable);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(vast)], capture_output=True, text=True, check=True)
    reason, peak_kb = ran.stdout.splitlines()
    assert reason == "the file is over the limit of 700 MB"
    assert int(peak_kb) < 1_000_000


def test_a_small_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(saved(marked()))
    assert open_bounded(read_bounded(path)).size == (3, 2)


def test_short_texts_are_left_in_place() -> None:
    assert without_long_texts(saved(marked())) is None
    assert without_long_texts(b"\x89PNG\r\n\x1a\n\0\0\0") is None


@pytest.mark.parametrize(
    ("bits", "size_px"),
    [
        ([(1, 1), (31, 5), (0, 3), (0, 5)], (8, 256)),
        ([(1, 1), (31, 5), (1, 3)], (256, 256)),
        ([(0, 1), (0, 2), (99, 9), (0, 3), (1, 2), (999, 13)], (1000, 100)),
        ([(0, 1), (2, 2), (99_999, 18), (5, 3)], (177_777, 100_000)),
        ([(0, 1), (3, 2), (2**30 - 1, 30), (7, 3)], (2**31, 2**30)),
    ],
)
def test_sizes_of_jpeg_xl(bits: list[tuple[int, int]], size_px: tuple[int, int], tmp_path: Path) -> None:
    value = at = 0
    for number, width in bits:
        value |= number << at
        at += width
    codestream = b"\xff\x0a" + value.to_bytes(12, "little")
    box = len(codestream + b"12345678").to_bytes(4, "big") + b"jxlc" + codestream
    boxed = b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0\0\0\x14ftypjxl \0\0\0\0jxl " + box
    part = b"\0\0\0\x00jxlp\0\0\0\0" + codestream
    for data in (codestream, boxed, b"\0\0\0\x0cJXL \r\n\x87\n" + part):
        path = tmp_path / "x.jxl"
        path.write_bytes(data)
        with path.open("rb") as file:
            assert jxl_size(file) == size_px


def test_jpeg_xl_without_its_plugin_has_a_reason() -> None:
    code = (
        "import sys; sys.modules['pillow_jxl'] = None; from datakit.images.measure import probe;"
        "print(probe(b'\\xff\\x0a' + bytes(20)).unreadable)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "JXL is not supported by the installed Pillow; pip install pillow-jxl-plugin reads it"


def test_jpeg_xl_with_its_plugin() -> None:
    pytest.importorskip("pillow_jxl", reason="pillow-jxl-plugin is not installed")
    image = open_bounded(saved(marked(), "JXL", lossless=True))
    assert (image.size, image.convert("RGB").tobytes()) == ((3, 2), marked().tobytes())
    facts = probe(saved(marked(), "JXL", lossless=True, exif=with_orientation(6).tobytes()))
    assert (facts.format, facts.size_px, facts.orientation) == ("jxl", (3, 2), 1), "its decoder turns it"
    vast = b"\xff\x0a" + (3 << 1 | 64_999 << 3 | 1 << 33).to_bytes(8, "little")
    assert probe(vast).unreadable == "65000 x 65000 px is over the limit of 200,000,000 pixels"
    assert probe(saved(blocks(), "JXL")[:-40]).unreadable.startswith("truncated or damaged jxl")
