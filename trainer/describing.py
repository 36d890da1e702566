"""A plan in words, for --dry-run."""

from __future__ import annotations

import msgspec

from trainer.memory import estimate
from trainer.plan import Plan


def describe(plan: Plan) -> list[str]:
    """The resolved config, then pictures, repeats, buckets, steps and epochs; one line each."""
    lines = []
    for section, table in msgspec.to_builtins(plan.config).items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {_toml(value)}" for key, value in table.items() if value is not None]
        lines.append("")
    lines += [f"note: {note}" for note in plan.notes]
    held_out = len(plan.dataset.items) - len(plan.trained)
    reg = sum(item.subset.is_reg for item in plan.trained)
    lines += [
        f"family   {plan.family.name}",
        f"learns   {plan.objective}{', zero terminal SNR' if plan.zero_terminal_snr else ''}",
        f"images   {len(plan.trained) - reg}",
        *([f"reg      {reg} images"] if reg else []),
        *([f"held out {held_out} images"] if held_out else []),
        f"repeats  {plan.dataset.num_repeats} per epoch",
        "buckets  " + ", ".join(f"{w}x{h}: {num}" for (w, h), num in sorted(plan.dataset.bucket_counts().items())),
        f"batches  {plan.batches_per_epoch} per epoch",
        f"steps    {plan.steps} ({plan.steps_per_epoch} per epoch)",
        f"epochs   {plan.epochs}",
        *([f"shared   by {plan.processes} processes"] if plan.processes > 1 else []),
        *_memory(plan),
    ]
    return lines


def _memory(plan: Plan) -> list[str]:
    """What it will take on a GPU, and why it is done so."""
    found = estimate.estimate(
        plan.config, family=plan.family, base=plan.base, largest_px=plan.dataset.largest_px, stay=plan.staying()
    )
    return [*found.lines(), *(f"         {reason}" for reason in plan.reasons)]


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(part) for part in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {_toml(part)}" for key, part in value.items() if part is not None) + "}"
    return msgspec.json.encode(value).decode() if isinstance(value, str) else str(value)


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else _toml(name)
