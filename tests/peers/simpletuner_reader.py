"""Reads an export with SimpleTuner's own options and data backends, as a process of its own.

Usage: simpletuner_reader.py SIMPLETUNER FOLDER ANSWER, as test_simpletuner_peer.py runs it. Stand-ins take the place of
networks and of what encodes with them (models, caches of latents and text), of its web server, and of torchvision where
that is missing.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import os
import sys
import types
from pathlib import Path
from typing import Any

_NETWORKS = {
    "simpletuner.helpers.models.common",
    "simpletuner.helpers.caching.text_embeds",
    "simpletuner.helpers.caching.vae",
    "simpletuner.helpers.caching.image_embed",
    "simpletuner.helpers.caching.distillation",
    "simpletuner.simpletuner_sdk.server.services.prompt_library_service",
}
_MAYBE_MISSING = {"peft", "torchaudio", "torchvision", "boto3", "botocore", "fastapi"}


class _Empty(types.ModuleType):
    """A module in which every name is a class that does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {"__init__": lambda self, *args, **more: None, "__call__": lambda self, image: image})


class _StandIns:
    """Finds empty modules in the place of those named."""

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        is_meant = name in self._names or name.partition(".")[0] in self._names
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if is_meant else None  # type: ignore[arg-type]

    def create_module(self, spec: Any) -> Any:
        module = _Empty(spec.name)
        module.__path__ = []
        return module

    def exec_module(self, module: Any) -> None:
        """Nothing."""


class Registry:
    """The families of models whose options are asked for."""

    @staticmethod
    def model_families() -> dict[str, None]:
        """As SimpleTuner names them."""
        return {"sdxl": None, "sd1x": None}

    @staticmethod
    def get(name: str) -> None:
        """No model."""


class Model:
    """A model that wants plain images, encodes nothing, and limits no size."""

    AUTOENCODER_CLASS = None
    MAXIMUM_CANVAS_SIZE = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **more: False

    def get_transforms(self, *args: Any, **more: Any) -> None:
        """Images stay images."""


def stand_ins(root: str) -> None:
    """Before anything of SimpleTuner is imported."""
    from transformers import PreTrainedModel  # noqa: F401  # before torchvision is faked: it looks for it

    missing = {name for name in _MAYBE_MISSING if importlib.util.find_spec(name) is None}
    sys.meta_path.insert(0, _StandIns(_NETWORKS | missing))  # type: ignore[arg-type]
    import simpletuner  # noqa: F401

    models = types.ModuleType("simpletuner.helpers.models")
    models.__path__ = [f"{root}/simpletuner/helpers/models"]
    registry = types.ModuleType("simpletuner.helpers.models.registry")
    for module in (models, registry):
        module.ModelRegistry = Registry  # type: ignore[attr-defined]
        sys.modules[module.__name__] = module
    for name in ("simpletuner_sdk", "simpletuner_sdk.server", "simpletuner_sdk.server.services"):
        package = types.ModuleType(f"simpletuner.{name}")
        package.__path__ = [f"{root}/simpletuner/{name.replace('.', '/')}"]
        sys.modules[package.__name__] = package


def options(folder: Path) -> Any:
    """config.json as the trainer's command line."""
    from simpletuner.helpers.configuration.cli_utils import mapping_to_cli_args
    from simpletuner.helpers.configuration.cmd_args import get_argument_parser

    config = json.loads((folder / "config.json").read_text("utf-8"))
    return get_argument_parser().parse_args(mapping_to_cli_args(config))


def errors(entries: list[dict[str, Any]]) -> list[str]:
    """What SimpleTuner's own rules say against the data backends."""
    from simpletuner.helpers.data_backend.config.image import ImageBackendConfig
    from simpletuner.helpers.data_backend.config_rules import _validate_dataloader_specific

    found = [one.message for one in _validate_dataloader_specific({"datasets": entries}) if one.level == "error"]
    for entry in entries:
        if entry["dataset_type"] != "text_embeds":
            try:
                ImageBackendConfig.from_dict(dict(entry), {}).validate({})
            except ValueError as error:
                found.append(str(error))
    return found


def told(backend: dict[str, Any]) -> dict[str, Any]:
    """What is known of one backend once it is configured."""
    from simpletuner.helpers.prompts import PromptHandler

    metadata, sampler = backend["metadata_backend"], backend["sampler"]
    buckets = {str(name): sorted(paths) for name, paths in metadata.aspect_ratio_bucket_indices.items()}
    paths = [path for found in buckets.values() for path in found]
    prompts = {
        path: PromptHandler.magic_prompt(
            image_path=path,
            use_captions=sampler.use_captions,
            caption_strategy=sampler.caption_strategy,
            prepend_instance_prompt=sampler.prepend_instance_prompt,
            data_backend=backend["data_backend"],
            instance_prompt=sampler.instance_prompt,
            sampler_backend_id=backend["id"],
        )
        for path in paths
        if backend["dataset_type"] != "conditioning"
    }
    return {
        "type": str(backend["dataset_type"]),
        "buckets": buckets,
        "sizes": {path: list(metadata.get_metadata_by_filepath(path)["target_size"]) for path in paths},
        "shown": metadata.repeats + 1,
        "batch": sampler.batch_size,
        "is_reg": sampler.is_regularisation_data,
        "prompts": prompts,
    }


def masks(backend: dict[str, Any], paths: list[str]) -> dict[str, float]:
    """Image → how much of it counts, by the mask that SimpleTuner pairs it with."""
    import numpy as np
    from simpletuner.helpers.training.state_tracker import StateTracker

    found = {}
    for paired in StateTracker.get_conditioning_datasets(backend["id"]):
        for path in paths:
            sample = paired["sampler"].get_conditioning_sample(path.split(backend["instance_data_dir"])[-1])
            if sample is not None:
                found[path] = float(np.asarray(sample.image).mean() / 255)
    return found


def main(repository: str, folder: str, answer: str) -> None:
    """Read options and data, and say what was found."""
    os.environ["SIMPLETUNER_LOG_LEVEL"] = "ERROR"
    sys.path.insert(0, repository)
    stand_ins(repository)
    from accelerate import Accelerator
    from simpletuner.helpers.data_backend.factory import FactoryRegistry, sort_dataset_configs_by_dependencies

    args = options(Path(folder))
    entries = json.loads(Path(args.data_backend_config).read_text("utf-8"))
    found: dict[str, Any] = {
        "errors": errors(entries),
        "options": {k: v for k, v in vars(args).items() if _is_plain(v)},
    }
    args.output_dir = str(Path(answer).parent / "output")
    args.vae_cache_disable = args.vae_cache_ondemand = False
    Path(args.output_dir).mkdir(exist_ok=True)
    factory = FactoryRegistry(args, Accelerator(cpu=True), [], [], Model())
    factory.configure_data_backends(sort_dataset_configs_by_dependencies(entries))
    found["backends"] = {name: told(backend) for name, backend in factory.data_backends.items()}
    found["masks"] = {
        name: masks(backend, list(found["backends"][name]["sizes"]))
        for name, backend in factory.data_backends.items()
        if found["backends"][name]["type"].endswith("image")
    }
    Path(answer).write_text(json.dumps(found), "utf-8")


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


if __name__ == "__main__":
    main(*sys.argv[1:])
