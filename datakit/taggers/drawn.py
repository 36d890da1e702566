"""The small model that comes with dsk: is an image drawn or a photo, and how explicit is it.

MobileNetV2 of nsfwjs 4.3.0 (MIT, infinitered/nsfwjs), 2.9 MB as ONNX, 3 ms an image on one core. Its input is NHWC,
RGB, 0 to 1, stretched to 224 px; its output the probabilities of `LABELS`. It is a hint and no judge.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, Final, Literal

from PIL import Image

from datakit.images.convert import to_srgb_rgb
from datakit.model.stage import Look

LABELS: Final = ("drawing", "hentai", "neutral", "porn", "sexy")
"""In the order of the output."""
MODEL: Final = Path(__file__).with_name("assets") / "nsfwjs_mobilenet_v2.onnx"
MODEL_SHA256: Final = "705391239dcb05d62f44feba207d345e7d9a99fa71c4800d83d3434d2722bcaf"
SIZE_PX: Final = 224
_VERSION: Final = 1
"""Raised when the same image would be seen otherwise."""
DRAWN: Final = Look(name="drawn", key=f"drawn:{_VERSION}:{MODEL_SHA256[:16]}")
"""Facts: each of `LABELS` with its probability, 4 digits; or `unreadable`."""
Hint = Literal["general", "sensitive", "explicit"]

_WHITE: Final = (255, 255, 255)
_SHRINKS_FIRST: Final = frozenset({"RGB", "RGBA", "L", "LA"})
"""Modes in which Pillow shrinks as if the image were laid on a colour already: it weighs colours by their alpha."""
_LOADING: Final = Lock()


def see(image: Image.Image, data: bytes = b"") -> dict[str, Any]:
    """The probability of each label for a decoded image, which stays as it is.

    Raises:
        UnreadableImage: its pixels cannot be had.
    """
    import numpy as np

    del data
    pixels = np.asarray(small(image), dtype=np.float32)[None] / 255
    found = _session().run(None, {"input": pixels})[0][0]
    return {label: round(float(score), 4) for label, score in zip(LABELS, found, strict=True)}


def small(image: Image.Image) -> Image.Image:
    """The image as the model takes it: RGB, on white, upright, 224 px both ways whatever its shape."""
    if image.mode in _SHRINKS_FIRST and "transparency" not in image.info:
        return to_srgb_rgb(_shrunk(image), background=_WHITE)
    return _shrunk(to_srgb_rgb(image, background=_WHITE))


def _shrunk(image: Image.Image) -> Image.Image:
    return image.resize((SIZE_PX, SIZE_PX), Image.Resampling.BILINEAR, reducing_gap=2.0)


def drawn_score(facts: Mapping[str, Any]) -> float:
    """How sure the model is that the image is drawn, 0 to 1."""
    return round(float(facts["drawing"] + facts["hentai"]), 4)


def explicit_score(facts: Mapping[str, Any]) -> float:
    """How sure the model is that the image is explicit, drawn or not, 0 to 1."""
    return round(float(facts["hentai"] + facts["porn"]), 4)


def rating_hint(facts: Mapping[str, Any]) -> Hint:
    """The rating that the probabilities hint at: the likeliest of three."""
    scores: dict[Hint, float] = {
        "general": facts["drawing"] + facts["neutral"],
        "sensitive": facts["sexy"],
        "explicit": explicit_score(facts),
    }
    return max(scores, key=lambda name: scores[name])


def _session() -> Any:
    with _LOADING:  # threads ask at once
        return _load()


@cache
def _load() -> Any:
    """The model; one thread for each image, since images are looked at on all cores."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])
