"""Frames of gifs: composed as browsers show them, chosen by the time that each is shown."""

from __future__ import annotations

import io
import itertools
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from datakit.images import frames
from datakit.images.decode import UnreadableImage
from datakit.images.frames import Still, choose, gif_stills, kind_of
from datakit.images.gif import gif_delays

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def block(at: tuple[int, int], colour: int, *, disposal: int, delay: int = 10, side: int = 2) -> bytes:
    """One frame of a hand-made gif: a square of one of the palette's colours, LZW codes of 3 bits."""
    codes = [4, *[code for _ in range(side * side) for code in (colour, 4)], 5]
    bits = sum(code << (3 * number) for number, code in enumerate(codes))
    data = bits.to_bytes((3 * len(codes) + 7) // 8, "little")
    control = b"\x21\xf9\x04" + bytes([disposal << 2 | 1]) + delay.to_bytes(2, "little") + b"\3\0"
    x, y = at
    where = b"".join(value.to_bytes(2, "little") for value in (x, y, side, side))
    return control + b"\x2c" + where + b"\0\2" + bytes([len(data)]) + data + b"\0"


def gif(*blocks: bytes, side: int = 4) -> bytes:
    size = side.to_bytes(2, "little") * 2
    palette = bytes([*RED, *GREEN, *BLUE, 0, 0, 0])
    return b"GIF89a" + size + b"\x81\0\0" + palette + b"".join(blocks) + b"\x3b"


def taken(path: Path, most: int = 99) -> list[Still]:
    return list(gif_stills(path, most=most))


def pixel(still: Still, at: tuple[int, int]) -> tuple[int, ...] | None:
    """Colour; None where transparent."""
    value = still.image.convert("RGBA").getpixel(at)
    assert isinstance(value, tuple)
    return value[:3] if value[3] else None


@pytest.mark.parametrize(("disposal", "left"), [(0, GREEN), (1, GREEN), (2, None), (3, RED)])
def test_each_way_of_disposal(tmp_path: Path, disposal: int, left: tuple[int, int, int] | None) -> None:
    """The second frame draws over a part of the first, and the third beside: what is left of the second?"""
    (tmp_path / "x.gif").write_bytes(
        gif(
            block((0, 0), 0, disposal=1, side=3),
            block((1, 1), 1, disposal=disposal),
            block((2, 2), 2, disposal=1),
        )
    )
    first, second, third = taken(tmp_path / "x.gif")
    assert [pixel(first, (0, 0)), pixel(first, (3, 3))] == [RED, None]
    assert [pixel(second, (0, 0)), pixel(second, (1, 1))] == [RED, GREEN]
    assert [pixel(third, (0, 0)), pixel(third, (1, 1)), pixel(third, (3, 3))] == [RED, left, BLUE]
    assert first.image.mode == "RGBA"
    assert [still.time_s for still in (first, second, third)] == pytest.approx([0.0, 0.1, 0.2])


def test_an_opaque_gif_gives_opaque_frames(tmp_path: Path) -> None:
    (tmp_path / "x.gif").write_bytes(gif(block((0, 0), 0, disposal=1, side=4), block((0, 0), 1, disposal=1, side=1)))
    assert [still.image.mode for still in taken(tmp_path / "x.gif")] == ["RGB", "RGB"]


def test_frames_are_chosen_by_time(tmp_path: Path) -> None:
    delays = [10, 10, 10, 200, 0, 1]
    (tmp_path / "x.gif").write_bytes(gif(*(block((0, 0), 0, disposal=1, delay=delay) for delay in delays)))
    assert gif_delays((tmp_path / "x.gif").read_bytes()) == [0.1, 0.1, 0.1, 2.0, 0.1, 0.1]
    assert [still.number for still in taken(tmp_path / "x.gif", 3)] == [0, 3]
    assert [still.number for still in taken(tmp_path / "x.gif", 6)] == [0, 1, 2, 3, 4, 5]
    assert [still.number for still in taken(tmp_path / "x.gif", 1)] == [0]


def test_delays_of_a_real_gif_are_pillows(tmp_path: Path) -> None:
    rows = [Image.effect_noise((40, 30), 50 + number).convert("P") for number in range(5)]
    delays = [20, 50, 1000, 40, 110]
    rows[0].save(tmp_path / "x.gif", save_all=True, append_images=rows[1:], duration=delays, loop=0)
    assert gif_delays((tmp_path / "x.gif").read_bytes()) == [delay / 1000 for delay in delays]
    assert len(taken(tmp_path / "x.gif")) == 5


def test_a_gif_that_was_cut_short_gives_what_is_there(tmp_path: Path) -> None:
    rows = [Image.effect_noise((64, 64), 50 + number) for number in range(6)]
    rows[0].save(tmp_path / "x.gif", save_all=True, append_images=rows[1:])
    data = (tmp_path / "x.gif").read_bytes()
    (tmp_path / "x.gif").write_bytes(data[: len(data) * 5 // 12])  # within the third frame: half would be a border
    found: list[Still] = []
    with pytest.raises(UnreadableImage, match="truncated or damaged gif"):
        found.extend(gif_stills(tmp_path / "x.gif", most=99))
    assert [still.number for still in found] == [0, 1]


def test_work_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.gif").write_bytes(gif(*(block((0, 0), 0, disposal=1) for _ in range(5))))
    monkeypatch.setattr(frames, "WORK_PX", 3 * 4 * 4)
    with pytest.raises(UnreadableImage, match="frame 4 and all after it are over the limit"):
        taken(tmp_path / "x.gif")
    (tmp_path / "y.gif").write_bytes(gif(block((0, 0), 0, disposal=1), side=60_000))
    with pytest.raises(UnreadableImage, match="over the limit"):
        taken(tmp_path / "y.gif")


def test_the_kind_is_what_the_first_bytes_say(tmp_path: Path) -> None:
    starts = {b"GIF89a": "gif", b"\0\0\0\x20ftypisom": "mov", b"\x1aE\xdf\xa3": "matroska", b"#EXTM3U\n": "", b"": ""}
    for start, kind in starts.items():
        (tmp_path / "x.mp4").write_bytes(start)
        assert kind_of(tmp_path / "x.mp4") == kind


@given(st.lists(st.floats(0.01, 5), min_size=1, max_size=60), st.integers(1, 30))
def test_choosing_is_even(delays: list[float], most: int) -> None:
    starts = [sum(delays[:number]) for number in range(len(delays) + 1)]
    chosen = choose(starts[:-1], starts[-1], most)
    assert chosen == sorted(set(chosen))
    assert 1 <= len(chosen) <= most
    assert chosen[0] == 0
    assert chosen[-1] < len(delays)
    if len(delays) <= most:
        assert chosen == list(range(len(delays)))
    else:
        longest = max([*delays, starts[-1] / most])
        gaps = [starts[after] - starts[before] for before, after in itertools.pairwise(chosen)]
        assert all(gap <= longest + max(delays) + 1e-6 for gap in gaps)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6), st.booleans())
def test_damaged_gifs_raise_one_error(seed: int, changes: int, is_cut: bool) -> None:
    chance = random.Random(seed)
    data = bytearray(gif(*(block((number % 3, 1), number % 3, disposal=number % 4) for number in range(4))))
    for _ in range(changes):
        data[chance.randrange(6, len(data))] = chance.randrange(256)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.gif"
        path.write_bytes(data[: chance.randrange(10, len(data))] if is_cut else data)
        try:
            found = taken(path, 10)
        except UnreadableImage as error:
            assert error.reason  # noqa: PT017 - either outcome is right
        else:
            for still in found:
                still.image.save(io.BytesIO(), "PNG")
