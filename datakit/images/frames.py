"""Frames of moving pictures: chosen evenly over the time that they are shown, decoded under limits.

Gif by Pillow, which composes each frame with what stood before; videos by PyAV, an optional dependency. The format is
what the first bytes say; a video is given to that format's reader alone, since some readers open other files.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Literal, NamedTuple

from PIL import Image

from datakit.errors import InputError
from datakit.images.convert import alpha_of
from datakit.images.decode import (
    PIXEL_LIMIT,
    UnreadableImage,
    decode_pixels,
    format_of,
    open_lazily,
    unreadable_if_damaged,
)
from datakit.images.gif import gif_delays

Kind = Literal["gif", "mov", "matroska", "avi", ""]
"""Readers of moving pictures; '' for what none of them reads."""

WORK_PX: Final = 40_000_000_000
"""A gif is composed until this many pixels were worked on: some 40 seconds, or 20,000 frames of 2 megapixels."""
_SIGNATURES: Final[tuple[tuple[Kind, re.Pattern[bytes]], ...]] = (
    ("gif", re.compile(rb"GIF8[79]a")),
    ("mov", re.compile(rb"....(?:ftyp|moov|mdat|wide|free|skip)", re.DOTALL)),
    ("matroska", re.compile(rb"\x1aE\xdf\xa3")),
    ("avi", re.compile(rb"RIFF....AVI ", re.DOTALL)),
)
_STEP_S: Final = 4.0
"""A frame that is further ahead is sought by its key frame, not by decoding all before it."""
_SLACK: Final = 0.2
"""Part of a video's length that its pictures may lack."""
_HD_PX: Final = 720
_UNSPECIFIED: Final = 2
"""FFmpeg's AVCOL_SPC_UNSPECIFIED."""


class Still(NamedTuple):
    """One frame."""

    number: int
    """From 0, in the whole animation."""
    time_s: float
    image: Image.Image
    """RGB, or RGBA where any pixel is less than opaque."""


def kind_of(path: Path) -> Kind:
    """What reads a file, by its first bytes.

    Raises:
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        start = file.read(16)
    return next((kind for kind, signature in _SIGNATURES if signature.match(start)), "")


def choose(starts_s: Sequence[float], end_s: float, most: int) -> list[int]:
    """Which of the frames that begin at these times, in their order, stand evenly over the duration; at most `most`."""
    if len(starts_s) <= most:
        return list(range(len(starts_s)))
    first = starts_s[0]
    chosen: list[int] = []
    at = 0
    for number in range(most):
        wanted_s = first + number * (end_s - first) / most
        while at + 1 < len(starts_s) and starts_s[at + 1] <= wanted_s:
            at += 1
        if not chosen or chosen[-1] != at:
            chosen.append(at)
    return chosen


def gif_stills(path: Path, *, most: int) -> Iterator[Still]:
    """Frames of a gif as they are seen, transparent where nothing was drawn.

    Raises:
        UnreadableImage: truncated, damaged or over the limits; what came before it was given.
        OSError: the file cannot be read.
    """
    starts_s = _starts(gif_delays(path.read_bytes()))
    wanted = choose(starts_s[:-1], starts_s[-1], most) or [0]
    with path.open("rb") as file:
        image = open_lazily(file)
        decode_pixels(image)
        worked_px = 0
        chosen = frozenset(wanted)
        for number in range(wanted[-1] + 1):
            worked_px += image.width * image.height
            if image.width * image.height > PIXEL_LIMIT or worked_px > WORK_PX:
                raise UnreadableImage(f"frame {number + 1} and all after it are over the limit of pixels")
            with unreadable_if_damaged(format_of(image)):
                image.seek(number)
                image.load()
                still = _plain(image) if number in chosen else None
            if still is not None:
                yield Still(number, starts_s[number] if number < len(starts_s) else 0.0, still)


def _starts(delays_s: Sequence[float]) -> list[float]:
    """When each frame begins, and at last when the animation ends."""
    found = [0.0]
    for delay_s in delays_s:
        found.append(found[-1] + delay_s)
    return found


def _plain(image: Image.Image) -> Image.Image:
    alpha = alpha_of(image)
    is_opaque = alpha is None or alpha.getextrema()[0] == 255
    plain = image.convert("RGB" if is_opaque else "RGBA")
    plain.info = {}
    return plain


def video_stills(path: Path, kind: Kind, *, most: int) -> Iterator[Still]:
    """Frames of a video, upright.

    Raises:
        InputError: PyAV is not installed.
        UnreadableImage: truncated, damaged or over the limit of pixels; what came before it was given.
        OSError: the file cannot be opened.
    """
    av = _pyav()
    with path.open("rb") as file:
        try:
            times, missing_s = _packet_times(av, file, kind)
            file.seek(0)
            yield from _decoded(av, (file, kind), times, most)
            if missing_s > 0:
                raise UnreadableImage(f"the video was cut short: the last {missing_s:.0f} s are missing")
        except (av.FFmpegError, EOFError, ValueError, MemoryError, IndexError, TypeError) as error:
            detail = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise UnreadableImage(f"truncated or damaged video: {detail}") from error


def _pyav() -> ModuleType:
    try:
        return importlib.import_module("av")
    except ImportError as error:
        hint = "install it: pip install 'dsk[video]'; gif and ugoira need nothing"
        raise InputError("frames of videos need PyAV, which is not installed", hint=hint) from error


def _packet_times(av: Any, file: Any, kind: Kind) -> tuple[list[tuple[int, float]], float]:
    """((time stamp, seconds) of each frame in the order they are shown, and of the end; seconds that are missing).

    Nothing is decoded. A sound that lasts a little longer than the pictures is no missing part.
    """
    with av.open(file, format=kind) as container:
        stream = _video_stream(container)
        told_s = (container.duration or 0) / av.time_base
        spans: list[tuple[int, int]] = []
        for packet in container.demux(stream):
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is not None and packet.size and not getattr(packet, "is_discard", False):
                spans.append((stamp, stamp + (packet.duration or 0)))
        if not spans:
            raise UnreadableImage("the video holds no frames")
        base = float(stream.time_base)
    stamps = sorted({start for start, _ in spans})
    stamps.append(max(stamps[-1] + 1, *(end for _, end in spans)))
    times = [(stamp, (stamp - stamps[0]) * base) for stamp in stamps]
    missing_s = told_s - times[-1][1]
    return times, missing_s if missing_s > max(1.0, told_s * _SLACK) else 0.0


def _video_stream(container: Any) -> Any:
    stream = next((one for one in container.streams.video if one.codec_context is not None), None)
    if stream is None:
        raise UnreadableImage("no video in it that can be decoded")
    if stream.codec_context.width * stream.codec_context.height > PIXEL_LIMIT:
        raise UnreadableImage(f"the video is over the limit of {PIXEL_LIMIT:,} pixels")
    return stream


def _decoded(av: Any, source: tuple[Any, Kind], times: list[tuple[int, float]], most: int) -> Iterator[Still]:
    """The chosen frames of a (file, kind); one that cannot be decoded is left out in favour of the next."""
    seconds = [second for _, second in times]
    wanted = choose(seconds[:-1], seconds[-1], most)
    number_of = {stamp: number for number, (stamp, _) in enumerate(times)}
    with av.open(source[0], format=source[1]) as container:
        stream = _video_stream(container)
        stream.thread_type = "AUTO"
        frames = container.decode(stream)
        now_s = 0.0
        for number in wanted:
            stamp, second = times[number]
            if second - now_s > _STEP_S:
                container.seek(stamp, stream=stream, backward=True, any_frame=False)
                frames = container.decode(stream)
            found = next((one for one in frames if one.pts is not None and one.pts >= stamp), None)
            if found is None:
                raise UnreadableImage("truncated or damaged video: it ends before its time")
            now_s = second
            yield Still(number_of.get(found.pts, number), second, _upright(found))


def _upright(frame: Any) -> Image.Image:
    if frame.width * frame.height > PIXEL_LIMIT:
        raise UnreadableImage(f"a frame is over the limit of {PIXEL_LIMIT:,} pixels")
    is_hd = min(frame.width, frame.height) >= _HD_PX and int(frame.colorspace) == _UNSPECIFIED
    space = "ITU709" if is_hd else None  # what players take for HD that does not say it
    image: Image.Image = frame.reformat(format="rgb24", src_colorspace=space).to_image()
    turned = round(getattr(frame, "rotation", 0) or 0) % 360
    return image.rotate(turned, expand=True) if turned else image
