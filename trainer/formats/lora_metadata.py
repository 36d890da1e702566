"""What a result says of itself: `ss_*` as sd-scripts writes it, `modelspec.*`, and where it came from.

All values are texts: `ss_*` as Python's str() shows them, tables as JSON (kohya-ss/sd-scripts:train_network.py). A
checkpoint and an embedding have no `ss_*` there, nor here.
"""

from __future__ import annotations

import hashlib
import json

from trainer.data.items import Item
from trainer.formats import base_hashes, dataset_tables, network_args
from trainer.formats.bake import Bake
from trainer.formats.model_spec import minimum, model_spec
from trainer.formats.origin import origin
from trainer.run_sections import OptimizerConfig
from trainer.updates import schedules, table

_SCHEDULERS = {"cosine_restarts": "cosine_with_restarts"}
_KEPT = ("v2", "base_model_version", "network_module", "network_dim", "network_alpha", "network_args")
"""What readers need: kohya-ss/sd-scripts:library/train_util.py, SS_METADATA_MINIMUM_KEYS."""


def metadata(bake: Bake) -> dict[str, str]:
    """All of it, without the hashes, which `kohya_lora.save` adds."""
    spec = model_spec(bake)
    own = {} if bake.adapter.product != "lora" else _training(bake)
    if bake.config.output.no_metadata:
        return {f"ss_{key}": own[key] for key in _KEPT if key in own} | minimum(spec)
    return {f"ss_{key}": value for key, value in own.items()} | spec | origin(bake.config)


def _training(bake: Bake) -> dict[str, str]:
    """`ss_*`, without that."""
    plain = {**_course(bake), **_rates(bake), **_network(bake), **_numerics(bake), **_loss(bake), **_captions(bake)}
    whole = {key: str(value) for key, value in plain.items()}
    whole |= dataset_tables.tables(bake.dataset.items, bake.config.train.gradient_accumulation)
    if arguments := network_args.network_args(bake):
        whole["network_args"] = json.dumps(arguments)
    if bake.base is None:
        whole["sd_model_name"] = f"{bake.family.name}-random"
    # A base is big: where nothing but the minimum is kept, it is not read.
    elif not bake.config.output.no_metadata:
        whole |= base_hashes.facts(bake.base, "sd_model")
    if bake.vae is not None and not bake.config.output.no_metadata:
        whole |= base_hashes.facts(bake.vae, "vae")
    return whole


def _course(bake: Bake) -> dict[str, object]:
    """How long it took, over what."""
    groups = dataset_tables.groups(bake.dataset.items)
    return {
        "session_id": int(hashlib.sha256(str(bake.started_s).encode()).hexdigest()[:8], 16),
        "training_started_at": bake.started_s,
        "training_finished_at": bake.finished_s,
        "output_name": bake.config.output.name,
        "num_train_images": sum(group.num_draws(is_reg=False) for group in groups),
        "num_validation_images": sum(item.is_held_out for item in bake.dataset.items),
        "num_reg_images": sum(group.num_draws(is_reg=True) for group in groups),
        "num_batches_per_epoch": bake.batches_per_epoch,
        "num_epochs": bake.total_epochs,
        "epoch": bake.epochs,
        "steps": bake.steps,
        "max_train_steps": bake.total_steps,
        "gradient_accumulation_steps": bake.config.train.gradient_accumulation,
        "training_comment": None,
        # As sd-scripts writes it where it is no checkout of git.
        "sd_scripts_commit_hash": "(unknown)",
    }


def _rates(bake: Bake) -> dict[str, object]:
    optimizer, schedule = bake.config.optimizer, bake.config.schedule
    first = optimizer.text_encoder_rate or optimizer.learning_rate
    second = optimizer.text_encoder_2_rate or first
    text = None if bake.config.adapter.text_targets == "none" else first if second == first else [first, second]
    return {
        "learning_rate": optimizer.learning_rate,
        "unet_lr": optimizer.learning_rate,
        "text_encoder_lr": text,
        "lr_warmup_steps": schedules.warmup_steps(bake.total_steps, schedule),
        "lr_scheduler": _SCHEDULERS.get(schedule.name, schedule.name),
        "optimizer": _optimizer(optimizer),
        "max_grad_norm": optimizer.max_grad_norm,
        "scale_weight_norms": None,
    }


def _optimizer(given: OptimizerConfig) -> str:
    """As sd-scripts has it: the class's whole name, and what it is made with."""
    kind, known = table.resolve(given.name), table.known(given.name)
    arguments = {"weight_decay": given.weight_decay, **(known.defaults if known else {}), **given.arguments}
    return f"{kind.__module__}.{kind.__qualname__}({','.join(f'{key}={value}' for key, value in arguments.items())})"


def _network(bake: Bake) -> dict[str, object]:
    """What was trained on what."""
    asked, text = bake.config.adapter, bake.config.text
    version = bake.family.base_model_version
    # Only of SD 1 and 2 does the version say what the network says (library/model_util.py).
    says_v = version == "sd_v1" and bake.objective.prediction_type == "v"
    longest = text.max_token_length or (225 if text.split == "sd-scripts" else 0)
    return {
        "network_module": network_args.network_module(bake),
        "network_dim": asked.rank,
        "network_alpha": asked.alpha,
        "network_dropout": asked.dropout or None,
        "v2": False,
        "base_model_version": f"{version}_v" if says_v else version,
        "clip_skip": text.clip_skip or None,
        "max_token_length": longest if longest > 75 else None,
    }


def _numerics(bake: Bake) -> dict[str, object]:
    """How the numbers were made."""
    train, noise, memory = bake.config.train, bake.config.noise, bake.config.memory
    return {
        "mixed_precision": "bf16" if train.precision == "bf16" else "no",
        "full_fp16": False,
        "fp8_base": False,
        "fp8_base_unet": memory.weights == "fp8",
        "gradient_checkpointing": memory.checkpointing is True,
        "cache_latents": True,
        "lowram": False,
        "seed": train.seed,
        "noise_offset": noise.offset or None,
        "noise_offset_random_strength": noise.offset_random,
        "adaptive_noise_scale": noise.offset_adaptive or None,
        "multires_noise_iterations": noise.pyramid_iterations or None,
        "multires_noise_discount": noise.pyramid_discount,
        "ip_noise_gamma": noise.input_perturbation or None,
        "ip_noise_gamma_random_strength": noise.input_perturbation_random,
        "zero_terminal_snr": bake.zero_terminal_snr,
    }


def _loss(bake: Bake) -> dict[str, object]:
    loss, objective = bake.config.loss, bake.config.objective
    return {
        "loss_type": loss.kind,
        "huber_schedule": loss.huber_schedule,
        "huber_c": loss.huber_c,
        "huber_scale": loss.huber_scale,
        "min_snr_gamma": objective.gamma if objective.weighting == "min_snr" else None,
        "debiased_estimation": objective.weighting == "debiased",
        "prior_loss_weight": loss.prior_loss_weight,
    }


def _captions(bake: Bake) -> dict[str, object]:
    """What sd-scripts has once for all datasets: of the first one's first subset."""
    first: Item = bake.dataset.items[0]
    rule = first.subset.captions
    crop = first.subset.face_crop_aug_range
    return {
        "caption_dropout_rate": rule.caption_dropout_rate,
        "caption_dropout_every_n_epochs": rule.caption_dropout_every_n_epochs,
        "caption_tag_dropout_rate": rule.caption_tag_dropout_rate,
        "face_crop_aug_range": ",".join(str(side) for side in crop) if crop else None,
        "resize_interpolation": first.set.interpolation,
        "validation_seed": first.set.validation_seed,
        "validation_split": first.set.validation_split,
        "validate_every_n_epochs": None,
        "validate_every_n_steps": None,
        "max_validation_steps": None,
    }
