"""How much memory of the GPU a run will take at most, before it starts: bytes by kind, told without torch.

What PyTorch's own tensors take is counted (trainer/memory/activations.py); constants stand for what is not. WORKSPACE
makes the runs in docs/benchmarks.md come out right, the others are usual values with room to spare.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Literal

from trainer.config import Config
from trainer.contracts.model import BaseHeader, Family
from trainer.errors import ConfigError
from trainer.memory import activations, sizes
from trainer.memory.sizes import FULL, WORD, Sizes
from trainer.updates import table

GIB = 1 << 30
CONTEXT = 800_000_000
"""The CUDA context, and what its libraries hold."""
WORKSPACE = 0.2
"""Share of the activations that convolutions take for their work, and that is lost between tensors: 13.7 GB were
measured where 11.5 were counted."""
GAPS = 0.07
"""Share of everything that lies unused between tensors."""
FREE = GIB // 4
"""Left to the screen and other programs."""
ENCODING, DECODING = 3100, 3700
"""Bytes per pixel and picture that a VAE of 8 pixels per latent takes in float32; 2560 and 3072 of them are tensors."""
_TEXT = 80
"""Bytes per token, layer and width of a text encoder that learns: 80 in float32, 48 in bf16 beside the casts; 56 and 32
where only its words do (CLIP-L, one and three chunks)."""
_TOKENS = 3 * 77
_COPIES = 1 << 24
"""Numbers that are updated as float32 copies at once."""
_GPU_BATCH = 4
Stay = Literal["text", "vae"]
"""Networks that are asked in training: text encoders where captions vary, the VAE where pictures do."""
Kinds = Mapping[str, int]

STATES: Mapping[str, tuple[int, int]] = {
    "adafactor": (0, 4),
    "adamw": (8, 0),
    "adamw8bit": (2, 0),
    "came": (4, 8),
    "dadapt_adagrad": (16, 0),
    "dadapt_adam": (12, 0),
    "dadapt_adan": (20, 0),
    "dadapt_lion": (8, 0),
    "dadapt_sgd": (12, 0),
    "lion": (4, 0),
    "lion8bit": (1, 0),
    "paged_adamw": (0, 0),
    "paged_adamw8bit": (0, 0),
    "paged_lion8bit": (0, 0),
    "prodigy": (16, 0),
    "schedulefree_adamw": (8, 0),
    "sgd": (4, 0),
}
"""Bytes that an optimizer remembers per number, and per row and column of a factored one; paged ones in main memory."""
_UNKNOWN = (8, 0)
_COMPANIONS: Mapping[str, int] = {"lokr": 2, "loha": 3, "dora": 14, "oft": 6}
"""Bytes per number of an adapted weight that these keep for the way back: they make a change as large as it."""


@dataclass(frozen=True)
class Estimate:
    """Bytes by kind, in each phase of a run."""

    phases: Mapping[str, Kinds]

    @property
    def phase(self) -> str:
        """The one that takes most."""
        return max(self.phases, key=lambda name: sum(self.phases[name].values()))

    @property
    def kinds(self) -> Kinds:
        """Of that phase."""
        return self.phases[self.phase]

    @property
    def total(self) -> int:
        """The most that is taken at once."""
        return sum(self.kinds.values())

    def lines(self) -> list[str]:
        """For a person: the total, then what of it is what."""
        shown = [f"{kind} {_gib(size)}" for kind, size in self.kinds.items() if size >= GIB // 20]
        return [f"memory   {_gib(self.total)} GiB at most, while {self.phase}: " + ", ".join(shown)]


def fits(found: Estimate, vram_gib: int) -> bool:
    """Whether it fits a GPU of this size."""
    return found.total <= vram_gib * GIB - FREE


def require(found: Estimate, vram_gib: int, *, hint: str = "") -> None:
    """Raises ConfigError, with bytes by kind, where it does not fit."""
    if not fits(found, vram_gib):
        kinds = ", ".join(f"{kind} {_gib(size)}" for kind, size in found.kinds.items() if size >= GIB // 20)
        raise ConfigError(
            f"memory.vram: this takes about {found.total / GIB:.2f} GiB while {found.phase}, "
            f"and a GPU of {vram_gib} GiB has {vram_gib - FREE / GIB:.2f} to spare ({kinds})",
            hint=hint or "see docs/training.md, Memory",
        )


def _gib(size: int) -> str:
    return f"{size / GIB:.1f}"


def estimate(
    config: Config,
    *,
    family: Family,
    base: BaseHeader | None,
    largest_px: tuple[int, int] = (0, 0),
    stay: Set[Stay] = frozenset(),
) -> Estimate:
    """Of a settled config; `largest_px` is the largest bucket. Raises BaseModelError, ConfigError."""
    return of_sizes(
        config, sizes.of(config.adapter, family=family, base=base), family=family, largest_px=largest_px, stay=stay
    )


def of_sizes(
    config: Config,
    held: Sizes,
    *,
    family: Family,
    largest_px: tuple[int, int] = (0, 0),
    stay: Set[Stay] = frozenset(),
) -> Estimate:
    """The same where the sizes are known."""
    area = largest_px[0] * largest_px[1] or family.native_resolution_px**2
    drawn = config.sample.size[0] * config.sample.size[1] or family.native_resolution_px**2
    own = _kept(config, held)
    vae, scale = 4 * held.networks["vae"], family.latent_stride_px**2 / 64
    batch = config.dataset.encode_batch or _GPU_BATCH
    staying = {"text encoders": _text(config, held)} if "text" in stay or held.trained.text else {}
    if "vae" in stay:
        staying["vae"] = vae + round(area * ENCODING * scale)
    weights = {"weights": _weights(config, held)}
    step = _step(config, held, family=family, latents=area // family.latent_stride_px**2)
    phases: dict[str, dict[str, int]] = {
        "encoding": {"vae": vae, "activations": round(batch * area * ENCODING * scale), "adapter": own["adapter"]},
        "reading texts": {"text encoders": _text(config, held), "adapter": own["adapter"]},
        "training": weights | staying | own | step,
        "updating": weights | staying | own | {"gradients": step["gradients"], "copies": _copies(config, held)},
        # The network waits in main memory while its latents become pictures.
        "drawing": {"vae": vae, "activations": round(drawn * DECODING * scale)} | own,
    }
    for kinds in phases.values():
        work = round(WORKSPACE * kinds.pop("counted", 0))
        kinds["overhead"] = CONTEXT + work + round(GAPS * (work + sum(kinds.values())))
    return Estimate(phases)


def _kept(config: Config, held: Sizes) -> dict[str, int]:
    """What lies there from the first update to the last, beside the base's weights."""
    trained, is_full = held.trained, config.adapter.name == FULL
    number, line = STATES.get(config.optimizer.name, _UNKNOWN)
    return {
        "adapter": 0 if is_full else trained.total * _bytes(config.memory.adapter_weights),
        "optimizer": trained.total * number + trained.lines * line,
        "average": trained.total * 4 if config.ema.decay else 0,
    }


def _bytes(dtype: str) -> int:
    return {"fp32": 4, "bf16": 2, "fp8": 1}[dtype]


def _text(config: Config, held: Sizes) -> int:
    return held.text * _bytes(config.memory.text_weights)


def _weights(config: Config, held: Sizes) -> int:
    """The network's, without what waits in main memory."""
    memory = config.memory
    share = float(memory.offload) if memory.offload != "auto" else 0.0
    rest = _bytes("bf16" if memory.weights == "fp8" else memory.weights)
    here = round(held.storable * (1 - share)) * _bytes(memory.weights) + (held.unet - held.storable) * rest
    # One is on its way while the other is used.
    moving = 2 * held.largest * rest if share or memory.weights == "fp8" else 0
    return here + moving


def _step(config: Config, held: Sizes, *, family: Family, latents: int) -> dict[str, int]:
    """Gradients and activations of one batch."""
    trained, memory = held.trained, config.memory
    batch = config.train.batch_size or 1
    is_full, is_again = config.adapter.name == FULL, memory.checkpointing is True
    dtype = memory.text_weights if config.adapter.name == WORD else memory.adapter_weights
    each = _bytes(memory.weights if is_full else dtype)
    gradients = (trained.largest if memory.fused_backward is True else trained.total) * each
    kind, pixels = "full" if is_full else "lora", latents * batch
    counted = _line(family.name, kind, (_arithmetic(config), is_again), pixels)
    if is_full and memory.fused_backward is not True:
        # Gradients come to be while activations, and casts, go: nearly all of the one or nearly all of the other.
        arithmetic = "fp32" if _arithmetic(config) == "fp32" else "bf16 weights"
        counted = max(counted - gradients, _line(family.name, kind, (arithmetic, True), pixels))
    if kept := _COMPANIONS.get(config.adapter.name, 0):
        # Made again, those of one block are there at once, and what they are made of.
        counted += (kept + 11) * held.largest if is_again else kept * trained.of("unet")
    if trained.text:
        counted += _TEXT * _TOKENS * batch * held.text_widths + (held.text * 2 if memory.text_weights == "fp32" else 0)
    return {"gradients": gradients, "activations": counted, "counted": counted}


def _arithmetic(config: Config) -> str:
    memory = config.memory
    if memory.weights == "fp32" and config.train.precision == "fp32":
        return "fp32"
    # Stored weights are made whole where they are used, and forgotten.
    is_cast = memory.weights == "fp32" and not memory.offload
    return "bf16" if is_cast else "bf16 weights"


def _line(family: str, kind: str, rest: tuple[str, bool], pixels: int) -> int:
    """Activations of the network, as measured; a family that was not is taken for SDXL."""
    fixed, slope = activations.STEP.get((family, kind, *rest)) or activations.STEP["sdxl", kind, *rest]
    return fixed + slope * pixels


def _copies(config: Config, held: Sizes) -> int:
    """What the update itself takes: float32 copies of bf16 weights, or a few tensors of the largest one's size."""
    trained = held.trained
    dtype = config.memory.weights if config.adapter.name == FULL else config.memory.adapter_weights
    if config.memory.fused_backward is True:
        at_once = trained.largest
    else:
        at_once = min(max(trained.largest, _COPIES), trained.total)
    known = table.known(config.optimizer.name)
    if dtype == "bf16" and known is not None and known.whole:
        at_once = trained.total
    return 16 * at_once
