"""Trains sd-scripts' own LoRAModule on the layers, factors and inputs of a file; writes what came out beside it.

Arguments: checkout, file, answer file. Tensors of the file: `<layer>.weight`, `.bias`, `.down`, `.up`, `.x`; ranks,
strides and the like are in its header. Written to `<file>.found`: `.out`, `.down_grad`, `.up_grad`, `.down`, `.up`,
`.merged`. The answer holds alpha and keys by layer. torchvision, which only pictures need, is stood in for.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from stand_ins import stand_in


def main(repository: str, source: str, answer: str) -> None:
    stand_in(repository, "torchvision")
    from networks.lora import LoRAInfModule, LoRAModule

    torch.set_num_threads(1)
    given = load_file(source)
    with safe_open(source, "pt") as file:
        rules = json.loads(file.metadata()["rules"])
    found, said = {}, {}
    for name, rule in rules.items():
        base = layer(given[f"{name}.weight"], given[f"{name}.bias"], rule)
        merged = layer(given[f"{name}.weight"], given[f"{name}.bias"], rule)
        lora = LoRAModule(name, base, lora_dim=rule["rank"], alpha=rule["alpha"])
        lora.apply_to()
        with torch.no_grad():
            lora.lora_down.weight.copy_(given[f"{name}.down"])
            lora.lora_up.weight.copy_(given[f"{name}.up"])
        optimizer = torch.optim.AdamW(lora.parameters(), lr=rule["rate"], weight_decay=0.01)
        out = base(given[f"{name}.x"])
        out.square().mean().backward()
        found |= {f"{name}.out": out, f"{name}.down_grad": lora.lora_down.weight.grad}
        found |= {f"{name}.up_grad": lora.lora_up.weight.grad}
        optimizer.step()
        state = lora.state_dict()
        found |= {f"{name}.down": state["lora_down.weight"], f"{name}.up": state["lora_up.weight"]}
        LoRAInfModule(name, merged, lora_dim=rule["rank"], alpha=rule["alpha"]).merge_to(state, None, "cpu")
        found[f"{name}.merged"] = merged.weight
        said[name] = {"alpha": float(state["alpha"]), "keys": sorted(state)}
    save_file({key: value.detach().contiguous() for key, value in found.items()}, source + ".found")
    Path(answer).write_text(json.dumps(said))


def layer(weight: torch.Tensor, bias: torch.Tensor, rule: dict) -> torch.nn.Module:
    height, width = weight.shape[:2]
    if weight.dim() == 2:
        made = torch.nn.Linear(width, height)
    else:
        made = torch.nn.Conv2d(width, height, weight.shape[2], rule["stride"], rule["padding"])
    made.load_state_dict({"weight": weight, "bias": bias})
    return made.requires_grad_(False)


main(*sys.argv[1:])
