"""Puts a run's parts together: the model, what of it is trained, the optimizer, the caches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from trainer import loop, rates, recipe, targeting
from trainer.config import Config
from trainer.contracts.adapter import Adapter, AdapterSettings, Attached, Site
from trainer.contracts.model import BaseSource, Model
from trainer.data import items
from trainer.data.items import Dataset
from trainer.data.latents import LatentCache
from trainer.data.texts import TextCache
from trainer.errors import ConfigError
from trainer.formats import kohya_lora
from trainer.loop import Oven
from trainer.plan import Plan
from trainer.processes import Processes
from trainer.registry import ADAPTERS
from trainer.updates import updater as updates
from trainer.updates.ema import Ema
from trainer.updates.updater import Rounding, Updater


@dataclass(frozen=True)
class Assembled:
    """All that a run is made of."""

    oven: Oven
    dataset: Dataset
    """With the digests of its files."""
    kind: Adapter
    settings: dict[str, object]
    """What decides the weights; a checkpoint goes on only under the same."""


def load_model(plan: Plan, *, where: str = "") -> Model:
    """The base model of the plan, on the config's device or this one. Raises BaseModelError."""
    config = plan.config
    if config.train.threads:
        torch.set_num_threads(config.train.threads)
    vae = Path(config.model.vae) if config.model.vae else None
    source = BaseSource(
        plan.base,
        where or device(config),
        config.model.seed,
        vae,
        plan.text,
        # Eight bits are made later, of what is not trained.
        weights="bf16" if config.memory.weights in ("bf16", "fp8") else "fp32",
        text_weights="bf16" if config.memory.text_weights == "bf16" else "fp32",
    )
    return plan.family.load(source)


def device(config: Config) -> str:
    """Name of torch's device. Raises ConfigError where it is not there."""
    wanted = config.train.device
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigError("train.device: no GPU is available to torch", hint='set device = "auto" or "cpu"')
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted


def assemble(
    plan: Plan, note: Callable[[str], None] = lambda text: None, *, processes: Processes | None = None
) -> Assembled:
    """Loads and attaches everything; `note` is told of spoilt caches. Raises any TrainerError."""
    config = plan.config
    dataset = items.with_digests(plan.dataset)
    learnt = recipe.make(plan)
    processes = processes or Processes()
    model = load_model(plan, where=processes.device)
    latents = LatentCache(plan.cache, model, stride_px=plan.family.latent_stride_px, note=note)
    # Named before anything is attached: they are of the base.
    texts = TextCache(plan.cache if config.dataset.cache_text else None, model, note)
    settings = {**plan.deciding(), "model.digest": model.digest(), "dataset.digest": dataset.digest()}
    kind = ADAPTERS.load(config.adapter.name, field="adapter.name")
    # A word has no modules of its own to be put on.
    is_word = kind.product == "embedding"
    sites = [] if is_word else targeting.sites(model.parts, plan.family, config.adapter, kinds=kind.kinds)
    if config.memory.sharded:
        from trainer import sharding

        sharding.shard(model, processes)
    adapter = kind.attach(model, sites, settings=adapter_settings(config))
    oven = Oven(
        model=model,
        recipe=learnt,
        adapter=adapter,
        updater=updater(config, adapter, plan=plan),
        ema=Ema(adapter, config.ema.decay, config.ema.warmup) if config.ema.decay else None,
        items=dataset.trained,
        tags=plan.tag_rule(),
        latents=latents,
        texts=texts,
        trains_text=trains_text(adapter),
        rules=_rules(plan),
        processes=processes,
        sharded=config.memory.sharded,
    )
    return Assembled(oven, dataset, kind, settings)


def adapter_settings(config: Config) -> AdapterSettings:
    """What the config says of all modules alike."""
    asked = config.adapter
    return AdapterSettings(
        seed=config.train.seed,
        dtype="bf16" if config.memory.adapter_weights == "bf16" else "fp32",
        rank_dropout=asked.rank_dropout,
        module_dropout=asked.module_dropout,
        rank_stabilized=asked.rank_stabilized,
        tucker=asked.tucker,
        factor=asked.factor,
        full_matrix=asked.full_matrix,
        constraint=asked.constraint,
        word=asked.word,
        num_vectors=asked.num_vectors,
        init_text=asked.init_text,
    )


def updater(config: Config, adapter: Attached, *, plan: Plan) -> Updater:
    """What changes the adapter's parameters, each at the rate of its place. Raises ConfigError, MissingExtraError."""
    groups = rates.parameter_groups(adapter.groups(), config.adapter, config.optimizer, plan.family.own_name)
    rounding = Rounding(config.memory.fused_backward is True, config.train.seed)
    return updates.make(groups, config.optimizer, schedule=config.schedule, total=plan.steps, rounding=rounding)


def trains_text(adapter: Attached) -> bool:
    """Whether a text encoder's words change in training."""
    return any(group.path.startswith("text_encoder") for group in adapter.groups())


def attach_file(plan: Plan, model: Model, *, tensors: Mapping[str, torch.Tensor]) -> Attached:
    """An adapter of the kind and shape of a LoRA file, with its tensors. Raises LoraFileError."""
    name = kohya_lora.kind_of(tensors)
    kind = ADAPTERS.load(name, field="adapter.name")
    sites: Sequence[Site] = kohya_lora.sites_of(tensors, model.parts, plan.family, size_of=kind.size_of)
    # The tensors are what they are: nothing bounds them, and their sizes tell which matrices are whole.
    asked, is_tucker = adapter_settings(plan.config), kohya_lora.is_tucker(tensors)
    settings = replace(asked, tucker=is_tucker, full_matrix=False, constraint=0.0)
    adapter = kind.attach(model, sites, settings=settings)
    adapter.load(kohya_lora.to_state(tensors, adapter.state(), family=plan.family))
    return adapter


def _rules(plan: Plan) -> loop.Rules:
    train = plan.config.train
    return loop.Rules(train.seed, train.gradient_accumulation, train.precision == "bf16", plan.steps)
