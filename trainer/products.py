"""Writes what a run made: a LoRA file, a checkpoint, or an embedding; and shows one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image

from trainer import assembling, bases, recipe, sheets
from trainer.contracts.adapter import Adapter, Attached
from trainer.contracts.model import Model, Prediction, SaveAs
from trainer.errors import LoraFileError
from trainer.formats import embedding, kohya_lora
from trainer.plan import Plan
from trainer.registry import ADAPTERS
from trainer.sampling import ddim

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}


def path_of(plan: Plan, kind: Adapter) -> Path:
    """Where the result goes."""
    is_folder = kind.product == "checkpoint" and plan.layout == "diffusers"
    return plan.output / (plan.config.output.name + ("" if is_folder else ".safetensors"))


def save(plan: Plan, kind: Adapter, *, model: Model, adapter: Attached, metadata: Mapping[str, str]) -> Path:
    """Writes the result and returns its path. Raises WriteError."""
    path, dtype = path_of(plan, kind), DTYPES[plan.config.output.dtype]
    if kind.product == "lora":
        kohya_lora.save(path, adapter.state(), family=plan.family, dtype=dtype, metadata=metadata)
    elif kind.product == "embedding":
        embedding.save(path, adapter.state(), family=plan.family, dtype=dtype, metadata=metadata)
    else:
        says = Prediction(plan.objective, plan.zero_terminal_snr)
        plan.family.save(model, path, SaveAs(plan.layout, dtype, metadata, says))
    return path


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
        adapter = _attached(plan, kind, model=model, result=result)
        before, after = sheets.both(plan, model, learnt, adapter=adapter, wanted=wanted)
    return sheets.drawn(plan, (("before", before), ("after", after)), wanted=wanted, title=title)


def _attached(plan: Plan, kind: Adapter, *, model: Model, result: Path) -> Attached:
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
