"""LoRA files with kohya's key names, which ComfyUI, A1111, Forge, sd-scripts and diffusers read.

A key is `<prefix>_<module path, dots as underscores>.<suffix>`, e.g. `lora_unet_mid_block_attentions_0_...
.lora_down.weight`. The module path is the family's own name for it: SDXL's UNet goes by its checkpoint's names, which
loaders know best; a file with diffusers' names is read as well. `.alpha` is a scalar; where it is missing it is the
rank (kohya-ss/sd-scripts:networks/lora.py, create_network_from_weights).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import torch

from trainer.atomic import write_file
from trainer.contracts.adapter import Site
from trainer.contracts.model import Family
from trainer.errors import LoraFileError, some
from trainer.formats import tensors_file

SUFFIXES: Mapping[str, str] = {
    "lora_down.weight": "lora",
    "lora_up.weight": "lora",
    "lora_mid.weight": "lora",
    "hada_w1_a": "loha",
    "hada_w1_b": "loha",
    "hada_w2_a": "loha",
    "hada_w2_b": "loha",
    "hada_t1": "loha",
    "hada_t2": "loha",
    "lokr_w1": "lokr",
    "lokr_w1_a": "lokr",
    "lokr_w1_b": "lokr",
    "lokr_w2": "lokr",
    "lokr_w2_a": "lokr",
    "lokr_w2_b": "lokr",
    "lokr_t1": "lokr",
    "lokr_t2": "lokr",
    "oft_blocks": "oft",
    "rescale": "oft",
    "a1.weight": "glora",
    "a2.weight": "glora",
    "b1.weight": "glora",
    "b2.weight": "glora",
    "bm.weight": "glora",
    "diff": "full",
    "diff_b": "full",
    "w_norm": "norm",
    "b_norm": "norm",
    "dora_scale": "",
    "alpha": "",
}
"""What a key can end in, and the kind of adapter that tells; empty: any kind has it.
kohya-ss/sd-scripts:networks/lora.py; KohakuBlueleaf/LyCORIS:lycoris/modules/*.py (weight_list)."""
_ATTACHED = {"lora", "loha", "lokr", "dora", "oft"}
"""Kinds that an adapter here can take over."""
_CORES = {"lora_mid.weight", "hada_t1", "hada_t2", "lokr_t2"}
"""The middle one of three factors."""
_RANK_ALONG_0 = ("lora_down.weight", "hada_w1_b", "lokr_w2_b", "lokr_w1_b")
"""Tensors whose first side is the rank, and only that."""
_FOREIGN: Mapping[str, str] = {
    "lycoris_": "LyCORIS' own names",
    "lora_transformer_": "the names of a transformer model",
    "diffusion_model.": "ComfyUI's names",
    "base_model.": "peft's names",
    "unet.": "diffusers' names",
    "text_encoder": "diffusers' names",
    "transformer.": "the names of a transformer model",
}
"""How keys of files begin that other programs write in forms that are not read here."""

SizeOf = Callable[[Mapping[str, torch.Tensor]], tuple[int, float] | None]


def split_name(name: str) -> tuple[str, str]:
    """`unet.mid_block.x.lora_up.weight` -> (`unet.mid_block.x`, `lora_up.weight`)."""
    for words in (2, 1):
        parts = name.rsplit(".", words)
        suffix = ".".join(parts[1:])
        if suffix in SUFFIXES:
            return parts[0], suffix
    raise LoraFileError(f"{name} is no tensor of an adapter", hint=f"known endings: {', '.join(SUFFIXES)}")


def file_module(path: str, family: Family) -> str:
    """`unet.mid_block.attentions.0.proj_in` -> the module's name in a file of this family."""
    part, _, inner = path.partition(".")
    return f"{family.lora_prefixes[part]}_{family.own_name(part, inner).replace('.', '_')}"


def save(
    path: Path,
    state: Mapping[str, torch.Tensor],
    *,
    family: Family,
    dtype: torch.dtype,
    metadata: Mapping[str, str],
) -> None:
    """Writes the adapter's tensors, alpha too, in this precision, with both hashes in the metadata.

    Raises WriteError.
    """
    tensors = {}
    for name, tensor in state.items():
        module, suffix = split_name(name)
        tensors[f"{file_module(module, family)}.{suffix}"] = tensor
    packed = tensors_file.pack(tensors, dtype)
    write_file(path, packed.content({**metadata, **packed.hashes(metadata)}))


def load(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The file's tensors by its own keys, and its metadata. Raises LoraFileError."""
    return tensors_file.read(path)


def kinds_of(tensors: Iterable[str]) -> set[str]:
    """Kinds of adapter that these keys belong to; `dora` where a lora has magnitudes. Raises LoraFileError."""
    suffixes = {suffix for _, suffix in _split_keys(tensors)}
    kinds = {SUFFIXES[suffix] for suffix in suffixes} - {""}
    return {"dora" if kind == "lora" and "dora_scale" in suffixes else kind for kind in kinds}


def kind_of(tensors: Iterable[str]) -> str:
    """The one kind of adapter that these keys are of, of those that can be put on a model. Raises LoraFileError."""
    kinds = kinds_of(tensors)
    if not kinds:
        raise LoraFileError("the LoRA is empty", hint="bake or download it again")
    if len(kinds) > 1 or not kinds <= _ATTACHED:
        raise LoraFileError(
            f"the LoRA is of kind {' and '.join(sorted(kinds))}, which cannot be put on a model here",
            hint=f"those that can be: {', '.join(sorted(_ATTACHED))}, one in a file",
        )
    return kinds.pop()


def is_tucker(tensors: Iterable[str]) -> bool:
    """Whether its convolutions are taken apart into three factors. Raises LoraFileError."""
    return any(suffix in _CORES for _, suffix in _split_keys(tensors))


def to_state(tensors: Mapping[str, torch.Tensor], names: Iterable[str], *, family: Family) -> dict[str, torch.Tensor]:
    """The adapter's tensors, float32, by its own `names`. Raises LoraFileError where a key belongs to none."""
    wanted = set(names)
    modules = _owners({split_name(name)[0] for name in wanted}, family)
    state = {}
    for module, suffix in _split_keys(tensors):
        name = f"{modules.get(module, '')}.{suffix}"
        if module in modules and name not in wanted:
            raise LoraFileError(
                f"{module} has a {suffix}, which has no place here", hint="all modules of a file must be of one kind"
            )
        if name not in wanted:
            raise _stranger(module)
        state[name] = tensors[f"{module}.{suffix}"].float()
    for name in sorted(wanted - set(state)):
        module, suffix = split_name(name)
        if suffix == "alpha":
            state[name] = torch.tensor(_missing_alpha(module, state))
    return state


def sites_of(
    tensors: Mapping[str, torch.Tensor], parts: Mapping[str, torch.nn.Module], family: Family, *, size_of: SizeOf | None
) -> tuple[Site, ...]:
    """The modules that a file adapts, each with its own rank and alpha, in the model's order. Raises LoraFileError."""
    found: dict[str, dict[str, torch.Tensor]] = {}
    for module, suffix in _split_keys(tensors):
        found.setdefault(module, {})[suffix] = tensors[f"{module}.{suffix}"]
    paths = [f"{part}.{path}" for part, root in parts.items() for path, _ in root.named_modules() if path]
    owners = _owners(paths, family)
    if strange := sorted(set(found) - set(owners)):
        raise _stranger(*strange)
    by_path = {owners[module]: own for module, own in found.items()}
    if not by_path:
        raise LoraFileError("the LoRA is empty", hint="bake or download it again")
    return tuple(_site(path, by_path[path], size_of) for path in paths if path in by_path)


def _site(path: str, tensors: Mapping[str, torch.Tensor], size_of: SizeOf | None) -> Site:
    size = size_of(tensors) if size_of else None
    if size is None:
        kinds = " and ".join(sorted(kinds_of(f"x.{suffix}" for suffix in tensors))) or "no known"
        raise LoraFileError(
            f"{path}: {', '.join(sorted(tensors))} are not of the kind of the file's other modules",
            hint=f"they are of {kinds} kind: all modules of a file must be of one",
        )
    return Site(path, *size)


def _split_keys(keys: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(module, suffix) of each key of a file, in their order."""
    for key in keys:
        module, _, suffix = key.partition(".")
        form = next((form for start, form in _FOREIGN.items() if key.startswith(start)), None)
        if form or suffix not in SUFFIXES:
            raise LoraFileError(
                f"the LoRA's keys are not kohya's: {key} has {form or 'an unknown ending'}",
                hint="convert it to kohya's names (lora_unet_..., lora_te_...) with the program that made it",
            )
        yield module, suffix


def _owners(paths: Iterable[str], family: Family) -> dict[str, str]:
    """Name in a file -> `<part>.<module path>`; both the family's own names and diffusers'."""
    owners: dict[str, str] = {}
    for path in paths:
        part, _, inner = path.partition(".")
        owners[f"{family.lora_prefixes[part]}_{inner.replace('.', '_')}"] = path
    # Last, so that the family's own names win.
    return owners | {file_module(path, family): path for path in owners.values()}


def _stranger(*keys: str) -> LoraFileError:
    return LoraFileError(
        f"the LoRA does not fit this model: no module for {some(keys, limit=2)}",
        hint="choose the family, the kind and the targets that it was baked with",
    )


def _missing_alpha(module: str, state: Mapping[str, torch.Tensor]) -> float:
    """The rank; 0 for OFT, where alpha is a constraint and 0 is none; 1 where there is no rank to divide by."""
    if f"{module}.oft_blocks" in state:
        return 0.0
    for suffix in _RANK_ALONG_0:
        if f"{module}.{suffix}" in state:
            return float(state[f"{module}.{suffix}"].shape[0])
    return 1.0
