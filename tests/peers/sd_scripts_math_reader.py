"""Noise, losses and weights as sd-scripts works them out: run by its interpreter, with the checkout, what, answer.

`what` is a JSON file of the numbers to work with; drawn numbers are taken from it in the order that they are drawn in,
in place of torch.randn, torch.rand and random.random. Everything else is sd-scripts' own code, and diffusers'.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path
from typing import Any

from sd_scripts_reader import stand_in


def scheduler(zero: bool) -> Any:
    from diffusers import DDPMScheduler
    from library import custom_train_functions as own

    made = DDPMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000, clip_sample=False
    )
    if zero:
        own.fix_noise_scheduler_betas_for_zero_terminal_snr(made)
    own.prepare_scheduler_for_custom_training(made, "cpu")
    return made


def weights(zero: bool) -> dict[str, list[float]]:
    """What a loss of 1 becomes at every timestep."""
    import torch
    from library import custom_train_functions as own

    noises, times, ones = scheduler(zero), torch.arange(1000), torch.ones(1000)
    made = {
        "snr": noises.all_snr,
        "min_snr/epsilon": own.apply_snr_weight(ones, times, noises, 5.0, False),
        "min_snr/v": own.apply_snr_weight(ones, times, noises, 5.0, True),
        "debiased/epsilon": own.apply_debiased_estimation(ones, times, noises, False),
        "debiased/v": own.apply_debiased_estimation(ones, times, noises, True),
        "scale_v/v": own.scale_v_prediction_loss_like_noise_prediction(ones, times, noises),
        "v_pred_like": own.add_v_prediction_like_loss(ones, times, noises, 0.3),
    }
    return {name: values.tolist() for name, values in made.items()}


def losses(given: dict[str, Any], zero: bool) -> dict[str, list[float]]:
    import torch
    from library import custom_train_functions as own
    from library import train_util

    output, target, mask = (torch.tensor(given[name]) for name in ("output", "target", "mask"))
    times, made = torch.arange(1000), {}
    for kind in ("l2", "l1", "huber", "smooth_l1"):
        for schedule in ("constant", "exponential", "snr"):
            args = argparse.Namespace(loss_type=kind, huber_schedule=schedule, huber_c=0.07, huber_scale=1.3)
            bend = train_util.get_huber_threshold_if_needed(args, times, scheduler(zero))
            each = train_util.conditional_loss(output, target, kind, "none", bend)
            made[f"{kind}/{schedule}"] = each.mean(dim=(1, 2, 3)).tolist()
            masked = own.apply_masked_loss(each, {"alpha_masks": mask})
            made[f"{kind}/{schedule}/masked"] = masked.mean(dim=(1, 2, 3)).tolist()
    return made


def noise(given: dict[str, Any]) -> dict[str, Any]:
    """Noise, what the network sees, and its target, of one picture, all drawn numbers being given."""
    import torch
    from library import train_util

    normals = iter([torch.tensor(each) for each in given["normals"]])
    shares, ratios = iter(given["shares"]), iter(given["ratios"])
    torch.randn = lambda *size, **_: next(normals).reshape(*size)
    torch.randn_like = lambda like, **_: next(normals).reshape(like.shape)
    torch.rand = lambda *size, **_: torch.full(size, next(shares))
    random.random = lambda: next(ratios)
    args = argparse.Namespace(**given["args"], min_timestep=given["time"], max_timestep=given["time"] + 1)
    target, noisy, times = train_util.get_noise_noisy_latents_and_timesteps(
        args, scheduler(False), torch.tensor(given["latents"])
    )
    assert times.tolist() == [given["time"]]
    assert not list(normals)
    return {"noise": target.tolist(), "noisy": noisy.tolist()}


def main(checkout: str, what: str, answer: str) -> None:
    sys.path.insert(0, checkout)
    stand_in()
    import torch

    torch.set_num_threads(1)
    given = json.loads(Path(what).read_text("utf-8"))
    found: dict[str, Any] = {
        "weights": {str(zero): weights(zero) for zero in (False, True)},
        "losses": {str(zero): losses(given["losses"], zero) for zero in (False, True)},
        "noise": [noise(case) for case in given["noise"]],
    }
    Path(answer).write_text(json.dumps(found), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
