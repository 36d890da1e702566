"""Optimizer parameter groups: how fast each module learns.

A part's rate comes from [optimizer], a rule's `learning_rate` replaces it for the modules that it matches (the last
rule decides), and LoRA+ multiplies it for the factors that start at zero (Hayou et al. 2024, arXiv 2402.12354, eq. 5).
Everything decays, norms and biases too, as in sd-scripts; only vectors do not: decay would pull a word to the origin,
where no token is, and DoRA's lengths to zero, and the weight with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainer.contracts.adapter import Group
from trainer.run_sections import OptimizerConfig
from trainer.sections import AdapterConfig
from trainer.targeting import OwnName, matching


def parameter_groups(
    groups: Sequence[Group], adapter: AdapterConfig, optimizer: OptimizerConfig, own_name: OwnName
) -> list[dict[str, Any]]:
    """Groups for a torch optimizer: params, lr, weight_decay, and the part as `name`.

    Parameters of one part with equal numbers are one group. Groups and parameters have the order in which they
    first come, so the same run has the same ones each time. What has a rate of 0 is left out.
    """
    ruled = _ruled(groups, adapter, own_name)
    merged: dict[tuple[str, float, float], dict[str, Any]] = {}
    for group in groups:
        part = group.path.partition(".")[0]
        rate = ruled.get(group.path, part_rate(part, optimizer))
        if group.role == "up" and optimizer.lora_plus:
            rate *= optimizer.lora_plus
        decay = 0.0 if group.role == "vector" else optimizer.weight_decay
        if rate:
            new = {"params": [], "lr": rate, "weight_decay": decay, "name": part}
            merged.setdefault((part, rate, decay), new)["params"].extend(group.parameters)
    return list(merged.values())


def part_rate(part: str, optimizer: OptimizerConfig) -> float:
    """The rate of a part where no rule says otherwise."""
    first = optimizer.text_encoder_rate or optimizer.learning_rate
    rates = {"text_encoder": first, "text_encoder_2": optimizer.text_encoder_2_rate or first}
    return rates.get(part, optimizer.learning_rate)


def _ruled(groups: Sequence[Group], adapter: AdapterConfig, own_name: OwnName) -> dict[str, float]:
    """Path -> rate, of the modules that a rule gives one."""
    paths = dict.fromkeys(group.path for group in groups)
    found: dict[str, float] = {}
    for place, rule in enumerate(adapter.rules):
        if rule.learning_rate is not None:
            field = f"adapter.rules[{place}].match"
            hits = matching(rule.match, paths, own_name=own_name, field=field)
            found |= dict.fromkeys(hits, rule.learning_rate)
    return found
