"""Reads an export with OneTrainer's own configs and loader; run by test_onetrainer_peer.py as a process of its own.

Usage: onetrainer_reader.py ONETRAINER FOLDER MGDS ANSWER. Where torchvision is missing, the few functions of it that
loading images needs stand in for it; the modules of OneTrainer that hold networks are empty ones.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import types
from pathlib import Path
from typing import Any


def stand_ins() -> None:
    """Modules that the loader names and that reading a dataset does not use."""
    import diffusers  # noqa: F401  # before torchvision is faked: it looks whether that is there
    import transformers
    from transformers import PreTrainedModel  # noqa: F401

    _ = transformers
    networks = {"modules.model.BaseModel": "BaseModel", "modules.modelSetup.BaseModelSetup": "BaseModelSetup"}
    networks["modules.modelSetup.mixin.ModelSetupText2ImageMixin"] = "ModelSetupText2ImageMixin"
    for name, held in networks.items():
        module = types.ModuleType(name)
        setattr(module, held, type(held, (), {}))
        sys.modules[name] = module
    try:
        import torchvision
    except ImportError:
        _fake_torchvision()
    else:
        _ = torchvision


def _fake_torchvision() -> None:
    import numpy as np
    import torch
    from PIL import Image

    class Resize:
        def __init__(self, size: Any, **_: Any) -> None:
            self.size = tuple(size)

        def __call__(self, image: Any) -> Any:
            return torch.nn.functional.interpolate(image[None], self.size, mode="bilinear", antialias=True)[0]

    class ToTensor:
        def __call__(self, image: Any) -> Any:
            pixels = np.asarray(image, dtype=np.float32) / 255
            return torch.from_numpy(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1).copy())

    def read_image(path: str, mode: Any, **_: Any) -> Any:
        pixels = np.asarray(Image.open(path).convert(mode))
        return torch.from_numpy(pixels[None].copy() if pixels.ndim == 2 else pixels.transpose(2, 0, 1).copy())

    def crop(image: Any, top: int, left: int, height: int, width: int) -> Any:
        return image[..., top : top + height, left : left + width]

    parts: dict[str, dict[str, Any]] = {
        "torchvision": {},
        "torchvision.io": {"read_image": read_image, "ImageReadMode": types.SimpleNamespace(RGB="RGB", GRAY="L")},
        "torchvision.transforms": {
            "Resize": Resize,
            "ToTensor": ToTensor,
            "InterpolationMode": types.SimpleNamespace(BILINEAR=0, BICUBIC=1, NEAREST=2),
        },
        "torchvision.transforms.functional": {"crop": crop, "InterpolationMode": types.SimpleNamespace(BILINEAR=0)},
    }
    for name, held in parts.items():
        module = types.ModuleType(name)
        vars(module).update(held)
        sys.modules[name] = module
        if "." in name:
            parent, _, child = name.rpartition(".")
            setattr(sys.modules[parent], child, module)


def unknown_keys(config: Any, data: dict[str, Any], where: str = "") -> list[str]:
    """Keys that OneTrainer's config would pass over."""
    found = [where + key for key in data if key not in config.types and key != "__version"]
    for key, value in data.items():
        if isinstance(value, dict) and hasattr(getattr(config, key, None), "types"):
            found += unknown_keys(getattr(config, key), value, f"{where}{key}.")
    return found


def kept(config: Any, data: dict[str, Any], where: str = "") -> list[str]:
    """Keys that OneTrainer's config does not hold as they were written."""
    held = config.to_dict()
    found = []
    for key, value in data.items():
        if isinstance(value, dict) and hasattr(getattr(config, key, None), "types"):
            found += kept(getattr(config, key), value, f"{where}{key}.")
        elif held.get(key) != value:
            found.append(f"{where}{key}: {value} became {held.get(key)}")
    return found


def epochs(config: Any, is_validation: bool, number: int) -> list[list[dict[str, Any]]]:
    """What the loader gives, epoch by epoch."""
    from modules.dataLoader.mixin.DataLoaderMgdsMixin import DataLoaderMgdsMixin
    from modules.dataLoader.mixin.DataLoaderText2ImageMixin import DataLoaderText2ImageMixin
    from modules.util.enum.DataType import DataType
    from modules.util.TrainProgress import TrainProgress

    names = ["image_path", "prompt", "crop_resolution", "image"]
    names += ["mask"] if config.masked_training else []
    model = types.SimpleNamespace(train_dtype=DataType.FLOAT_32)

    class Loader(DataLoaderText2ImageMixin, DataLoaderMgdsMixin):
        def _preparation_modules(self, config: Any, model: Any) -> list[Any]:
            return []

        def _cache_modules(self, config: Any, model: Any, model_setup: Any) -> list[Any]:
            return self._cache_modules_from_names(
                model,
                model_setup,
                image_split_names=[],
                image_aggregate_names=[],
                text_split_names=[],
                sort_names=[*names, "concept"],
                config=config,
                text_caching=False,
            )

        def _output_modules(self, config: Any, model: Any, model_setup: Any) -> list[Any]:
            return self._output_modules_from_out_names(
                model, model_setup, output_names=list(names), config=config, train_dtype=DataType.FLOAT_32
            )

        def _debug_modules(self, config: Any, model: Any) -> list[Any]:
            return []

    dataset = Loader()._create_dataset(
        config, model, None, TrainProgress(), is_validation, aspect_bucketing_quantization=64, supports_inpainting=False
    )
    found = []
    for _ in range(number):
        dataset.start_next_epoch()
        found.append([_told(sample) for sample in dataset])
    return found


def _told(sample: dict[str, Any]) -> dict[str, Any]:
    return {
        "path": sample["image_path"],
        "prompt": sample["prompt"],
        "bucket": [int(side) for side in sample["crop_resolution"]],
        "made": list(sample["image"].shape[-2:]),
        "weight": float(sample["loss_weight"]),
        "type": sample["concept_type"],
        **({"mask": float(sample["mask"].mean())} if "mask" in sample else {}),
    }


def main(repository: str, folder: str, mgds: str, answer: str) -> None:
    """Read configs and data, and say what was found."""
    sys.path[:0] = [repository, mgds]
    stand_ins()
    from modules.util.config.ConceptConfig import ConceptConfig
    from modules.util.config.SampleConfig import SampleConfig
    from modules.util.config.TrainConfig import TrainConfig

    given = json.loads((Path(folder) / "onetrainer.json").read_text("utf-8"))
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        config = TrainConfig.default_values().from_dict(given)
    wrong = unknown_keys(config, given) + kept(config, given)
    for name, kind in ((config.concept_file_name, ConceptConfig), (config.sample_definition_file_name, SampleConfig)):
        for one in json.loads(Path(name).read_text("utf-8")):
            with contextlib.redirect_stdout(said):
                held = kind.default_values().from_dict(one)
            wrong += unknown_keys(held, one) + kept(held, one)
    config.latent_caching = False  # no network encodes anything here
    config.train_device = "cpu"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        trained, validated = epochs(config, False, 2), epochs(config, True, 1)
    found = {"wrong": wrong, "said": said.getvalue(), "trained": trained, "validated": validated[0]}
    Path(answer).write_text(json.dumps(found), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
