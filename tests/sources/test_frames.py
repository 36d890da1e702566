"""Frames taken out of moving pictures: gifs, ugoira and videos, as the importer asks for them."""

from __future__ import annotations

import importlib.util
import io
import json
import random
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packing import make_tar, make_zip
from PIL import Image

from datakit.errors import InputError
from datakit.sources.folders.frames import Frames, frames_of
from datakit.sources.folders.walk import open_folder

needs_pyav = pytest.mark.skipif(importlib.util.find_spec("av") is None, reason="needs PyAV: pip install av")


def take(root: Path, path: str, most: int = 99) -> Frames:
    folder = open_folder(root, scratch=root.parent / "scratch", takes_frames=True)
    assert path in folder.images
    return frames_of(folder, path, most=most, scratch=root.parent / "scratch")


def picture(extension: str, grey: int, size: tuple[int, int] = (32, 24)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (grey, 0, 128)).save(file, extension)
    return file.getvalue()


def ugoira(num_frames: int = 10, extension: str = "jpeg") -> dict[str, bytes]:
    end = "jpg" if extension == "jpeg" else extension
    return {f"{number:06d}.{end}": picture(extension, number * 20) for number in range(num_frames)}


def make_gif(path: Path, greys: Sequence[int]) -> None:
    rows = [Image.open(io.BytesIO(picture("png", grey))) for grey in greys]
    path.parent.mkdir(exist_ok=True)
    rows[0].save(path, save_all=True, append_images=rows[1:], duration=100)


def test_frames_of_a_gif_are_png_files_with_the_same_bytes_each_time(tmp_path: Path) -> None:
    make_gif(tmp_path / "s/x.gif", [0, 50, 100, 150])
    first, second = take(tmp_path / "s", "x.gif", 2), take(tmp_path / "s", "x.gif", 2)
    assert [row.stem_suffix for row in first.frames] == ["_f0001", "_f0003"]
    assert [row.time_s for row in first.frames] == pytest.approx([0, 0.2])
    assert [row.path.read_bytes() for row in first.frames] == [row.path.read_bytes() for row in second.frames]
    assert Image.open(first.frames[1].path).getpixel((5, 5)) == (100, 0, 128)
    assert {row.path.suffix for row in first.frames} == {".png"}
    assert not {row.path for row in first.frames} & {row.path for row in second.frames}


def test_a_frame_that_looks_as_the_one_before_is_left_out(tmp_path: Path) -> None:
    frames = {"000000.png": 1, "000001.png": 1, "000002.png": 2, "000003.png": 1}
    make_zip(tmp_path / "s/u.zip", {name: picture("png", grey) for name, grey in frames.items()})
    assert [row.number for row in take(tmp_path / "s", "u.zip").frames] == [1, 3, 4]


def test_frames_of_an_ugoira_keep_their_bytes(tmp_path: Path) -> None:
    files = ugoira()
    make_zip(tmp_path / "s/u.zip", files)
    found = take(tmp_path / "s", "u.zip", 5)
    assert found.problem == ""
    assert [row.number for row in found.frames] == [1, 3, 5, 7, 9]
    assert [row.path.read_bytes() for row in found.frames] == list(files.values())[::2]
    assert {row.path.suffix for row in found.frames} == {".jpg"}


ROWS = [{"file": f"{number:06d}.jpg", "delay": 700 if number == 3 else 10} for number in range(10)]


@pytest.mark.parametrize(
    ("inside", "beside"),
    [
        ({"ugokuIllustData": {"frames": ROWS}}, {}),
        (ROWS, {}),
        (None, {"u.zip.json": {"id": 1, "frames": ROWS}}),
        (None, {"u.json": {"pixiv_ugoira_frame_data": {"data": ROWS}}}),
        ("nonsense", {"u.json": {"frames": ROWS}}),
    ],
)
def test_the_delays_of_an_ugoira_count(tmp_path: Path, inside: Any, beside: dict[str, Any]) -> None:
    timing = {"animation.json": json.dumps(inside).encode()} if inside is not None else {}
    make_zip(tmp_path / "s/u.zip", ugoira() | timing)
    for name, value in beside.items():
        (tmp_path / "s" / name).write_text(json.dumps(value))
    assert [row.number for row in take(tmp_path / "s", "u.zip", 4).frames] == [1, 4]


@pytest.mark.parametrize("rows", [{"frames": 3}, [{"file": 1, "delay": 2}], [{"file": "000000.jpg", "delay": -1}], [1]])
def test_delays_that_make_no_sense_are_as_none(tmp_path: Path, rows: object) -> None:
    make_zip(tmp_path / "s/u.zip", ugoira(4) | {"animation.json": json.dumps(rows).encode()})
    assert [row.number for row in take(tmp_path / "s", "u.zip", 2).frames] == [1, 3]


def test_what_is_an_ugoira(tmp_path: Path) -> None:
    root = tmp_path / "s"
    archives = {
        "u.zip": ugoira(2, "png"),
        "one.zip": ugoira(1),
        "captions.zip": ugoira(3) | {"000000.txt": b""},
        "gap.zip": {name: data for name, data in ugoira(4).items() if name != "000001.jpg"},
        "deep.zip": {f"a/{name}": data for name, data in ugoira(3).items()},
        "short.zip": {name[2:]: data for name, data in ugoira(3).items()},
    }
    for name, files in archives.items():
        make_zip(root / name, files)
    make_tar(root / "t.tar", ugoira(2))
    folder = open_folder(root, scratch=tmp_path / "scratch")
    assert [path for path in folder.files if folder.is_moving(path)] == ["u.zip"]
    assert folder.path_of("u.zip") == root / "u.zip"
    assert folder.images == [path for path in folder.files if path.endswith(".jpg")]
    alone = open_folder(root / "u.zip", scratch=tmp_path / "scratch")
    assert alone.images == ["000000.png", "000001.png"], "a person who names it means what is in it"
    assert open_folder(root / "u.zip", scratch=tmp_path / "scratch", takes_frames=True).images == ["u.zip"]


def test_moving_pictures_in_an_archive(tmp_path: Path) -> None:
    make_zip(tmp_path / "u.zip", ugoira(2))
    make_gif(tmp_path / "x.gif", [0, 90])
    files = {"a/u.zip": (tmp_path / "u.zip").read_bytes(), "b/x.gif": (tmp_path / "x.gif").read_bytes()}
    make_tar(tmp_path / "s/set.tar", files)
    assert len(take(tmp_path / "s", "set/a/u.zip").frames) == 2
    assert len(take(tmp_path / "s", "set/b/x.gif").frames) == 2


def test_a_damaged_ugoira_gives_what_can_be_read(tmp_path: Path) -> None:
    make_zip(tmp_path / "s/u.zip", ugoira(4), 0)
    data = bytearray((tmp_path / "s/u.zip").read_bytes())
    data[data.index(b"000002.jpg") + 200] ^= 0xFF
    (tmp_path / "s/u.zip").write_bytes(data)
    found = take(tmp_path / "s", "u.zip")
    assert [row.number for row in found.frames] == [1, 2]
    assert found.problem.startswith("damaged ugoira: ")


@pytest.mark.parametrize("name", ["x.gif", "x.mp4", "x.webm"])
@pytest.mark.parametrize(
    "data", [b"", b"#EXTM3U\nhttp://127.0.0.1/x.ts\n", b"ffconcat version 1.0\nfile /etc/passwd\n"]
)
def test_what_is_no_moving_picture_is_a_problem(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / name).write_bytes(data)
    found = take(tmp_path / "s", name)
    assert found.frames == ()
    assert found.problem


def test_a_gif_that_is_a_still_image_of_another_format(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s/x.gif").write_bytes(picture("png", 7))
    found = take(tmp_path / "s", "x.gif")
    assert [Image.open(row.path).getpixel((0, 0)) for row in found.frames] == [(7, 0, 128)]


def test_a_video_without_pyav_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)  # as where it is not installed
    (tmp_path / "s").mkdir()
    (tmp_path / "s/x.mp4").write_bytes(b"\0\0\0\x20ftypisom")
    with pytest.raises(InputError) as caught:
        take(tmp_path / "s", "x.mp4")
    assert caught.value.message.startswith("x.mp4: ")
    assert "pip install 'dsk[video]'" in caught.value.hint


def make_video(path: Path, codec: str, *, num_frames: int = 40, size: tuple[int, int] = (64, 48)) -> None:
    """Ten frames a second; each a little redder than the one before."""
    av: Any = pytest.importorskip("av")
    path.parent.mkdir(exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = 12
        stream.codec_context.bit_rate = 2_000_000
        for number in range(num_frames):
            image = Image.new("RGB", size, (number * 6 % 256, 0, 128))
            container.mux(stream.encode(av.VideoFrame.from_image(image)))
        container.mux(stream.encode())


def reds(found: Frames) -> list[int]:
    return [Image.open(row.path).convert("RGB").getpixel((9, 9))[0] for row in found.frames]  # type: ignore[index]


@needs_pyav
@pytest.mark.parametrize(
    ("name", "codec"),
    [("x.mp4", "libx264"), ("x.mov", "mpeg4"), ("x.webm", "libvpx-vp9"), ("x.mkv", "libx264"), ("x.avi", "mpeg4")],
)
def test_frames_of_a_video(tmp_path: Path, name: str, codec: str) -> None:
    make_video(tmp_path / "s" / name, codec)
    found = take(tmp_path / "s", name, 4)
    assert found.problem == ""
    assert [row.number for row in found.frames] == [1, 11, 21, 31]
    assert [row.time_s for row in found.frames] == pytest.approx([0, 1, 2, 3], abs=0.01)
    assert reds(found) == pytest.approx([0, 60, 120, 180], abs=10)
    again = take(tmp_path / "s", name, 4)
    assert [row.path.read_bytes() for row in found.frames] == [row.path.read_bytes() for row in again.frames]
    assert len(take(tmp_path / "s", name).frames) == 40


@needs_pyav
def test_a_long_video_is_sought_and_still_exact(tmp_path: Path) -> None:
    make_video(tmp_path / "s/x.mp4", "libx264", num_frames=400)
    found = take(tmp_path / "s", "x.mp4", 5)
    assert [row.number for row in found.frames] == [1, 81, 161, 241, 321]
    assert reds(found) == pytest.approx([row * 6 % 256 for row in (0, 80, 160, 240, 320)], abs=6)


@needs_pyav
@pytest.mark.parametrize(("name", "codec"), [("x.webm", "libvpx-vp9"), ("x.mkv", "libx264"), ("x.mp4", "libx264")])
def test_a_video_that_was_cut_short_gives_what_is_there(tmp_path: Path, name: str, codec: str) -> None:
    make_video(tmp_path / "s" / name, codec, num_frames=90)
    data = (tmp_path / "s" / name).read_bytes()
    for num_bytes in (len(data) // 2, 100, 40):
        (tmp_path / "s" / name).write_bytes(data[:num_bytes])
        found = take(tmp_path / "s", name)
        assert len(found.frames) < 90
        assert found.problem
        assert bool(found.frames) == (num_bytes > 100 and name != "x.mp4"), "an mp4's index is at its end"


@needs_pyav
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32), st.sampled_from(["x.mp4", "x.webm"]))
def test_damaged_videos_are_problems(tmp_path: Path, seed: int, name: str) -> None:
    whole = tmp_path / f"whole-{name}"
    if not whole.exists():
        make_video(whole, "libx264" if name == "x.mp4" else "libvpx-vp9")
    chance = random.Random(seed)
    data = bytearray(whole.read_bytes())
    for _ in range(chance.randrange(1, 12)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    (tmp_path / "s").mkdir(exist_ok=True)
    (tmp_path / "s" / name).write_bytes(data)
    found = take(tmp_path / "s", name, 5)
    assert len(found.frames) <= 5
    assert found.frames or found.problem


@needs_pyav
def test_hd_video_that_does_not_tell_its_colours_is_taken_as_bt_709(tmp_path: Path) -> None:
    av: Any = pytest.importorskip("av")
    plane = np.empty((1080, 1280), np.uint8)
    plane[:720], plane[720:900], plane[900:] = 63, 102, 240  # red, as ITU-R BT.709 has it
    (tmp_path / "s").mkdir()
    with av.open(str(tmp_path / "s/x.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(plane, "yuv420p")))
        container.mux(stream.encode())
    frame = take(tmp_path / "s", "x.mp4").frames[0]
    assert Image.open(frame.path).getpixel((9, 9)) == pytest.approx((255, 0, 0), abs=4)


@needs_pyav
def test_a_video_that_was_filmed_on_its_side_is_turned(tmp_path: Path) -> None:
    av: Any = pytest.importorskip("av")
    (tmp_path / "s").mkdir()
    image = Image.new("RGB", (64, 48), (0, 0, 200))
    image.paste((200, 0, 0), (0, 0, 32, 48))  # its left half is red
    with av.open(str(tmp_path / "s/x.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_image(image)))
        container.mux(stream.encode())
    data = bytearray((tmp_path / "s/x.mp4").read_bytes())
    matrix = data.index(struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30), data.index(b"tkhd"))
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 48 << 16, 0, 1 << 30)
    (tmp_path / "s/x.mp4").write_bytes(data)
    turned = Image.open(take(tmp_path / "s", "x.mp4").frames[0].path).convert("RGB")
    assert turned.size == (48, 64)
    assert turned.getpixel((24, 5)) == pytest.approx((200, 0, 0), abs=15), "what was left is above"


@needs_pyav
def test_a_gif_that_is_a_video_and_the_other_way_round(tmp_path: Path) -> None:
    make_video(tmp_path / "s/x.mp4", "libx264", num_frames=3)
    (tmp_path / "s/y.gif").write_bytes((tmp_path / "s/x.mp4").read_bytes())
    make_gif(tmp_path / "s/z.gif", [0, 90])
    (tmp_path / "s/w.webm").write_bytes((tmp_path / "s/z.gif").read_bytes())
    assert len(take(tmp_path / "s", "y.gif").frames) == 3
    assert len(take(tmp_path / "s", "w.webm").frames) == 2
