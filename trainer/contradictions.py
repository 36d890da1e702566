"""Settings that would be read and then forgotten: what a person surely did not mean is refused, before torch is loaded.

Numbers that merely wait for a switch, such as gamma without min_snr, are let be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from trainer.config import Config
from trainer.contracts.model import Family
from trainer.contracts.objective import Objective, Weighting
from trainer.errors import ConfigError, some
from trainer.registry import OBJECTIVES, WEIGHTINGS
from trainer.run_sections import OptimizerConfig
from trainer.sections import AdapterConfig
from trainer.updates import table

CHECKPOINT, WORD = "full", "textual_inversion"
"""The kinds whose result is no adapter's file. By name, as are those below: their modules need torch."""
_FILES = ("lora", "loha", "lokr", "dora", "oft")
_UP = ("lora", "loha", "lokr", "dora")
_DEFAULT = AdapterConfig()
_MEANT_FOR: dict[str, tuple[str, ...]] = {
    "conv_rank": _FILES,
    "conv_alpha": _UP,
    "dropout": _FILES,
    "rank_dropout": _FILES,
    "module_dropout": _FILES,
    "rank_stabilized": _UP,
    "tucker": _UP,
    "targets": (*_FILES, CHECKPOINT),
    "text_targets": (*_FILES, CHECKPOINT),
    "rules": (*_FILES, CHECKPOINT),
    "factor": ("lokr",),
    "full_matrix": ("lokr",),
    "constraint": ("oft",),
    "word": (WORD,),
    "num_vectors": (WORD,),
    "init_text": (WORD,),
}
"""Field of [adapter] -> kinds that read it; fields that are not here are read by all, or harmless."""

Finding = tuple[str, str]
"""What is wrong, and the cure."""


def refuse(config: Config, *, family: Family, objective: str, processes: int = 1) -> None:
    """Raises ConfigError at the first setting that has no effect, or that its neighbours contradict."""
    kind = config.adapter.name
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        lambda: _adapter(config.adapter, kind),
        lambda: _rules(config.adapter, kind),
        lambda: _convolutions(config.adapter),
        lambda: _rates(config, family, kind),
        lambda: _switches(config),
        lambda: _limit(config),
        lambda: _course(config),
        lambda: _places(config, kind),
        lambda: _processes(config, kind, processes),
        lambda: _objective(config, objective),
    )
    for check in checks:
        for message, hint in check():
            raise ConfigError(message, hint=hint)


def _adapter(asked: AdapterConfig, kind: str) -> Iterator[Finding]:
    for field, kinds in _MEANT_FOR.items():
        if getattr(asked, field) != getattr(_DEFAULT, field) and kind not in kinds:
            yield f"adapter.{field} means nothing for {kind}", f"leave it out; it is for {', '.join(kinds)}"
    if kind == WORD and not asked.word.strip():
        yield "adapter.word is empty", 'name the word to learn, e.g. word = "sks-style"'


def _rules(asked: AdapterConfig, kind: str) -> Iterator[Finding]:
    if kind != CHECKPOINT:
        return
    for place, rule in enumerate(asked.rules):
        if rule.rank or rule.alpha is not None or rule.dropout is not None:
            where = f"adapter.rules[{place}]"
            yield f"{where}: {kind} has no rank, alpha or dropout", "give a learning_rate, or rank = 0 to freeze"


def _convolutions(asked: AdapterConfig) -> Iterator[Finding]:
    if asked.conv_rank or any(rule.rank for rule in asked.rules):
        return
    for field in ("conv_alpha", "tucker"):
        if getattr(asked, field):
            yield f"adapter.{field} is of convolutions, and none has a rank", "set adapter.conv_rank"


def _rates(config: Config, family: Family, kind: str) -> Iterator[Finding]:
    asked = config.optimizer
    if asked.lora_plus and kind not in _UP:
        yield f"optimizer.lora_plus means nothing for {kind}, which has no up matrices", "leave it out"
    is_text_trained = kind == WORD or config.adapter.text_targets not in ("none", ())
    for field, part in (("text_encoder_rate", "text_encoder"), ("text_encoder_2_rate", "text_encoder_2")):
        if not getattr(asked, field):
            continue
        if part not in family.embedding_keys:
            yield f"optimizer.{field}: {family.name} has no such text encoder", "leave it out"
        if not is_text_trained:
            yield f"optimizer.{field}: no text encoder is trained", 'set adapter.text_targets, e.g. "attention+mlp"'


def _switches(config: Config) -> Iterator[Finding]:
    noise, times = config.noise, config.timesteps
    if noise.offset_random and not noise.offset:
        yield "noise.offset_random is set, but noise.offset is 0", "set noise.offset to the largest strength"
    if noise.input_perturbation_random and not noise.input_perturbation:
        yield (
            "noise.input_perturbation_random is set, but noise.input_perturbation is 0",
            "set noise.input_perturbation to the largest strength",
        )
    if times.distribution == "uniform" and (times.mean != 0.0 or times.std != 1.0):
        yield "timesteps.mean and std mean nothing for uniform", 'set timesteps.distribution = "logit_normal", or "edm"'


def _limit(config: Config) -> Iterator[Finding]:
    limit = config.optimizer.max_grad_norm
    if config.memory.fused_backward is True and limit not in (0.0, OptimizerConfig().max_grad_norm):
        yield (
            "optimizer.max_grad_norm: memory.fused_backward knows the gradient's length too late to shorten it",
            "leave out max_grad_norm, or set fused_backward = false",
        )


def _course(config: Config) -> Iterator[Finding]:
    """Of the rate over the run."""
    schedule, known = config.schedule, table.known(config.optimizer.name)
    averages = known is not None and known.averages
    if schedule.name == "constant" and schedule.end:
        yield "schedule.end means nothing for constant, which does not fall", 'set schedule.name, e.g. "cosine"'
    if schedule.name != "cosine_restarts" and schedule.cycles != 1:
        yield f"schedule.cycles means nothing for {schedule.name}", 'set schedule.name = "cosine_restarts"'
    if averages and (schedule.name != "constant" or config.ema.decay):
        yield (
            f"optimizer.name: {config.optimizer.name} keeps an average of the weights by itself",
            "leave out [ema], and all of [schedule] but warmup",
        )


def _processes(config: Config, kind: str, processes: int) -> Iterator[Finding]:
    memory = config.memory
    if memory.fused_backward is True and processes > 1:
        yield (
            "memory.fused_backward updates each weight before the other processes have told their gradients",
            "set fused_backward = false",
        )
    if not memory.sharded:
        return
    if kind != CHECKPOINT:
        yield f"memory.sharded means nothing for {kind}, which each process holds whole", "leave it out; it is for full"
    if processes == 1:
        yield "memory.sharded: there is one process", "start several, with --processes"
    if config.adapter.text_targets not in ("none", ()):
        yield "memory.sharded: text encoders cannot be trained in pieces", 'set adapter.text_targets = "none"'
    for field, plain in (("compile", False), ("channels_last", False), ("weights", "fp32")):
        if getattr(memory, field) not in (plain, "auto"):
            yield f"memory.{field} does not go together with memory.sharded", "keep one of them"


def _places(config: Config, kind: str) -> Iterator[Finding]:
    if config.model.vae and not config.model.base:
        yield "model.vae is set, but model.base is not", "name the base that it replaces the VAE of"
    if config.output.layout != "auto" and kind != CHECKPOINT:
        yield f"output.layout: {kind} is always written as one file", "leave it out; it is for full"


def _objective(config: Config, name: str) -> Iterator[Finding]:
    objective: Objective = OBJECTIVES.load(name, field="objective.name")
    weighting: Weighting = WEIGHTINGS.load(config.objective.weighting, field="objective.weighting")
    if objective.prediction_type not in weighting.prediction_types:
        known = [WEIGHTINGS.load(one, field="objective.weighting") for one in WEIGHTINGS.names()]
        fitting = [one.name for one in known if objective.prediction_type in one.prediction_types]
        yield (
            f"objective.weighting: {weighting.name} is not defined for {objective.name}",
            f"choose among {some(fitting)}",
        )
    if config.objective.v_pred_like_loss and objective.prediction_type != "epsilon":
        yield f"objective.v_pred_like_loss is for epsilon, this is {objective.name}", "leave it at 0"
