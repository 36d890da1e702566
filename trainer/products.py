"""Writes what a run made: a LoRA file, a checkpoint, or an embedding; and shows one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image
from safetensors import safe_open

from trainer import assembling, bases, recipe, sheets
from trainer.assembling import Assembled
from trainer.atomic import remove_file, remove_folder
from trainer.contracts.adapter import Adapter, Attached
from trainer.contracts.model import Model, Prediction, SaveAs
from trainer.errors import LoraFileError
from trainer.formats import embedding, kohya_lora
from trainer.plan import Plan
from trainer.registry import ADAPTERS
from trainer.sampling import ddim

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}


def path_of(plan: Plan, kind: Adapter, *, step: int = 0) -> Path:
    """Where the result goes, or that of a step on the way."""
    is_folder = kind.product == "checkpoint" and plan.layout == "diffusers"
    name = plan.config.output.name + (f"-step-{step:08d}" if step else "")
    return plan.output / (name + ("" if is_folder else ".safetensors"))


def save(
    plan: Plan, parts: Assembled, *, state: Mapping[str, torch.Tensor], metadata: Mapping[str, str], step: int = 0
) -> Path:
    """Writes the result, or that of a step on the way, and returns its path. Raises WriteError.

    `state`: that of the adapter, whole, on any device; a checkpoint is written from the model itself.
    """
    kind, dtype = parts.kind, DTYPES[plan.config.output.dtype]
    path = path_of(plan, kind, step=step)
    if kind.product == "lora":
        kohya_lora.save(path, state, family=plan.family, dtype=dtype, metadata=metadata)
    elif kind.product == "embedding":
        embedding.save(path, state, family=plan.family, dtype=dtype, metadata=metadata)
    else:
        says = Prediction(plan.objective, plan.zero_terminal_snr)
        plan.family.save(parts.oven.model, path, SaveAs(plan.layout, dtype, metadata, says))
    return path


def discard_on_the_way(plan: Plan) -> None:
    """Removes the results of steps on the way. Raises WriteError."""
    name = re.compile(re.escape(plan.config.output.name) + r"-step-[0-9]{8,}(\.safetensors)?")
    for path in plan.output.iterdir():
        if name.fullmatch(path.name):
            remove_folder(path) if path.is_dir() else remove_file(path)


def weights_sha256(path: Path) -> str:
    """Of a result's numbers and their names, whatever its header says of where and when: hex digits."""
    sums = hashlib.sha256()
    files = [path] if path.is_file() else sorted(path.rglob("*.safetensors"))
    for file in files:
        with safe_open(file, framework="pt") as tensors:
            for name in sorted(tensors.keys()):
                tensor = tensors.get_tensor(name)
                sums.update(f"{file.name if file != path else ''} {name} {tensor.dtype} {list(tensor.shape)}".encode())
                sums.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy())
    return sums.hexdigest()


def sample(plan: Plan, result: Path, *, wanted: ddim.Request, title: str) -> Image.Image:
    """The sheet of pictures without and with a result. Raises LoraFileError, BaseModelError."""
    kind = ADAPTERS.load(plan.config.adapter.name, field="adapter.name")
    learnt = recipe.make(plan)
    model = assembling.load_model(plan)
    if kind.product == "checkpoint":
        before = sheets.pictures(plan, model, learnt, wanted=wanted)
        del model
        changed = assembling.load_model(replace(plan, base=bases.read_header(result)))
        after = sheets.pictures(plan, changed, learnt, wanted=wanted)
    else:
        adapter = attached(plan, result, model=model)
        before, after = sheets.both(plan, model, learnt, adapter=adapter, wanted=wanted)
    return sheets.drawn(plan, (("before", before), ("after", after)), wanted=wanted, title=title)


def attached(plan: Plan, result: Path, *, model: Model) -> Attached:
    """An adapter or embedding from its file, put on the model. Raises LoraFileError."""
    kind = ADAPTERS.load(plan.config.adapter.name, field="adapter.name")
    if kind.product == "lora":
        tensors, _ = kohya_lora.load(result)
        return assembling.attach_file(plan, model, tensors=tensors)
    vectors = embedding.load(result, family=plan.family)
    num = {len(tensor) for tensor in vectors.values()}
    if len(num) != 1:
        raise LoraFileError(f"{result}: its encoders have words of different lengths", hint="bake it again")
    settings = replace(assembling.adapter_settings(plan.config), num_vectors=num.pop())
    adapter = kind.attach(model, (), settings=settings)
    adapter.load(embedding.to_state(vectors, adapter.state(), family=plan.family))
    return adapter
