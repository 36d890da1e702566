"""Which program generated an image, from what the program wrote into the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from PIL import Image

_COMMENT: Final = 0x9286
_EXIF: Final = 0x8769
_MAKE, _MODEL, _SOFTWARE, _DESCRIPTION = 0x010F, 0x0110, 0x0131, 0x010E
_SETTINGS: Final = re.compile(
    r"\bSteps: ?\d+, ?(?:Sampler|Size|Seed|CFG)|\bSampler: ?[^,\n]{1,100},[^\n]{0,200}?\bSeed: ?\d+"
)
"""Its repeats are bounded: who made the file must not choose how long it is searched."""
_MIDJOURNEY: Final = re.compile(r"\bJob ID: ?[0-9a-f]{8}-[0-9a-f]{4}")
_NODES: Final = re.compile(r'"class_type"|"last_node_id"|"nodes" *:')
_SOURCES: Final = (b"trainedAlgorithmicMedia", b"compositeWithTrainedAlgorithmicMedia")
"""IPTC's digital source types of generated images, as they stand in XMP and in C2PA."""
_HEAD_BYTES: Final = 262_144
_LONGEST: Final = 65_536
_STEALTH: Final = re.compile(rb"stealth_(?:png|rgb)(?:info|comp)")
_STEALTH_BITS: Final = 15 * 8

_BY_TEXT: Final[tuple[tuple[str, Callable[[Mapping[str, str]], bool]], ...]] = (
    ("swarmui", lambda text: "sui_image_params" in text.get("parameters", "")),
    ("fooocus", lambda text: "fooocus_scheme" in text or "Fooocus" in text.get("parameters", "")),
    ("a1111", lambda text: bool(_SETTINGS.search(text.get("parameters", "")))),
    ("comfyui", lambda text: bool(_NODES.search(text.get("workflow", "") or text.get("prompt", "")))),
    ("novelai", lambda text: text.get("Software", "").startswith("NovelAI") or "NovelAI" in text.get("Source", "")),
    ("invokeai", lambda text: bool({"invokeai_metadata", "invokeai_graph", "sd-metadata", "Dream"} & text.keys())),
    ("midjourney", lambda text: bool(_MIDJOURNEY.search(text.get("Description", "")))),
    ("other", lambda text: bool(_SETTINGS.search(text.get("Comment", "") + text.get("UserComment", "")))),
)
"""Program → whether the texts of the file are its own; the first is told."""


def generator(image: Image.Image, data: bytes) -> str:
    """`a1111` (and its forks), `comfyui`, `novelai`, …; `other` where only the kind is known; '' for none."""
    text = _texts(image)
    for name, is_its in _BY_TEXT:
        if is_its(text):
            return name
    if any(source in data[:_HEAD_BYTES] for source in _SOURCES):
        return "other"
    return "novelai" if _has_stealth(image) else ""


def _texts(image: Image.Image) -> dict[str, str]:
    """Texts in the file by their name, those of EXIF by the name under which the same program writes them in PNG."""
    found = {str(name): value[:_LONGEST] for name, value in image.info.items() if isinstance(value, str)}
    if "comment" in image.info:
        found.setdefault("Comment", _as_text(image.info["comment"]))
    if image.format == "PNG" and "exif" not in image.info:
        return found
    try:
        exif = image.getexif()
        inner = exif.get_ifd(_EXIF) if exif else {}
        comment = _as_text(inner.get(_COMMENT, ""))
        tags = {tag: _as_text(exif.get(tag, "")) for tag in (_MAKE, _MODEL, _SOFTWARE, _DESCRIPTION)}
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, RuntimeError, EOFError):
        return found
    for text in (tags[_MAKE], tags[_MODEL], tags[_DESCRIPTION]):
        name, colon, value = text.partition(":")
        if colon and name.lower() in ("prompt", "workflow"):  # ComfyUI's in WebP
            found.setdefault(name.lower(), value)
    found.setdefault("parameters", comment)
    found.setdefault("Software", tags[_SOFTWARE])
    found.setdefault("Description", tags[_DESCRIPTION])
    return found


def _as_text(value: Any) -> str:
    """A text of EXIF; a user comment begins with eight bytes that name its encoding."""
    if isinstance(value, str):
        return value[:_LONGEST]
    if not isinstance(value, bytes):
        return ""
    if value.startswith(b"UNICODE\0"):
        body = value[8 : 8 + 2 * _LONGEST]
        is_little = body[1:2] == b"\0" or body[:2] == b"\xff\xfe"
        return body.decode("utf-16-le" if is_little else "utf-16-be", "replace")
    return value.removeprefix(b"ASCII\0\0\0")[:_LONGEST].decode("utf-8", "replace")


def _has_stealth(image: Image.Image) -> bool:
    """Whether the lowest bits of alpha, or of the colours, spell the head of hidden parameters, column by column."""
    if image.mode not in ("RGB", "RGBA") or image.format not in ("PNG", "WEBP"):
        return False
    width, height = image.size
    corner = image.crop((0, 0, min(width, -(-_STEALTH_BITS // height)), min(height, _STEALTH_BITS)))
    columns = corner.transpose(Image.Transpose.TRANSPOSE)  # so that bytes run down the columns
    pixels = columns.tobytes()
    depth = len(columns.getbands())
    colours = bytes(value for at, value in enumerate(pixels) if at % depth < 3)
    layers = [colours, pixels[3::4]] if depth == 4 else [colours]
    return any(_STEALTH.match(_lowest_bits(layer)) for layer in layers)


def _lowest_bits(values: bytes) -> bytes:
    bits = "".join(str(value & 1) for value in values[:_STEALTH_BITS])
    return int(bits or "0", 2).to_bytes(_STEALTH_BITS // 8, "big")
