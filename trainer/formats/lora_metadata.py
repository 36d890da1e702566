"""What a LoRA file says of itself: `ss_*` as sd-scripts writes it, `modelspec.*`, and where it came from.

All values are texts: `ss_*` as Python's str() shows them, tables as JSON
(kohya-ss/sd-scripts:train_network.py; Stability-AI/ModelSpec 1.0.1).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from trainer.config import Config
from trainer.contracts import Adapter, Family, Objective
from trainer.data.items import Dataset, Item

_OPTIMIZERS = {"adamw": "torch.optim.adamw.AdamW"}
_PRECISIONS = {"fp32": "no", "bf16": "bf16"}


@dataclass(frozen=True)
class Bake:
    """What the metadata is made of."""

    config: Config
    family: Family
    objective: Objective
    adapter: Adapter
    dataset: Dataset
    started_s: float
    finished_s: float
    steps: int
    epochs: int
    batches_per_epoch: int


def metadata(bake: Bake) -> dict[str, str]:
    """All of it, without the hashes, which `kohya_lora.save` adds."""
    whole = {f"ss_{key}": str(value) for key, value in _training(bake).items()}
    whole |= {f"ss_{key}": json.dumps(value, ensure_ascii=False) for key, value in _tables(bake).items()}
    whole |= {f"modelspec.{key}": value for key, value in _modelspec(bake).items()}
    whole |= {f"dsk_{key}": value for key, value in origin(Path(bake.config.dataset.config)).items()}
    whole["dsk_config"] = json.dumps(portable(bake.config), sort_keys=True)
    return whole


def portable(config: Config) -> dict[str, object]:
    """The config without what names a place on this computer: file names are kept, folders are not."""
    plain: dict[str, dict[str, object]] = msgspec.to_builtins(config)
    for section, key in (("model", "base"), ("dataset", "config"), ("dataset", "cache"), ("output", "dir")):
        plain[section][key] = Path(str(plain[section][key])).name
    return dict(plain)


def origin(dataset_toml: Path) -> dict[str, str]:
    """Commit and digest of the manifest.json beside the dataset TOML; nothing where there is none."""
    try:
        content = (dataset_toml.parent / "manifest.json").read_bytes()
        manifest = json.loads(content)
    except (OSError, ValueError):
        return {}
    found = {"manifest_sha256": hashlib.sha256(content).hexdigest()}
    if isinstance(manifest, dict) and isinstance(manifest.get("commit"), str):
        found["dataset_commit"] = manifest["commit"]
    return found


def _training(bake: Bake) -> dict[str, object]:
    return {**_course(bake), **_network(bake), **_numerics(bake)}


def _course(bake: Bake) -> dict[str, object]:
    """How long it took, over what."""
    return {
        "session_id": int(hashlib.sha256(str(bake.started_s).encode()).hexdigest()[:8], 16),
        "training_started_at": bake.started_s,
        "training_finished_at": bake.finished_s,
        "output_name": bake.config.output.name,
        "num_train_images": bake.dataset.num_repeats,
        "num_validation_images": 0,
        "num_reg_images": 0,
        "num_batches_per_epoch": bake.batches_per_epoch,
        "num_epochs": bake.epochs,
        "epoch": bake.epochs,
        "steps": bake.steps,
        "max_train_steps": bake.steps,
        "gradient_accumulation_steps": bake.config.train.gradient_accumulation,
        "training_comment": None,
    }


def _network(bake: Bake) -> dict[str, object]:
    """What was trained on what."""
    config = bake.config
    return {
        "network_module": bake.adapter.network_module,
        "network_dim": config.adapter.rank,
        "network_alpha": config.adapter.alpha,
        "network_dropout": None,
        "v2": False,
        "base_model_version": bake.family.base_model_version,
        "sd_model_name": Path(config.model.base).name if config.model.base else f"{bake.family.name}-random",
        "clip_skip": None,
        "max_token_length": None,
    }


def _numerics(bake: Bake) -> dict[str, object]:
    """How the numbers were made."""
    optimizer, train = bake.config.optimizer, bake.config.train
    rule = bake.dataset.items[0].subset.captions
    return {
        "learning_rate": optimizer.learning_rate,
        "unet_lr": optimizer.learning_rate,
        "text_encoder_lr": None,
        "lr_warmup_steps": 0,
        "lr_scheduler": "constant",
        "optimizer": f"{_OPTIMIZERS[optimizer.name]}(weight_decay={optimizer.weight_decay})",
        "max_grad_norm": optimizer.max_grad_norm,
        "mixed_precision": _PRECISIONS[train.precision],
        "full_fp16": False,
        "gradient_checkpointing": False,
        "cache_latents": True,
        "lowram": False,
        "seed": train.seed,
        "noise_offset": None,
        "min_snr_gamma": None,
        "zero_terminal_snr": False,
        "loss_type": "l2",
        "prior_loss_weight": 1.0,
        "caption_dropout_rate": rule.caption_dropout_rate,
        "caption_dropout_every_n_epochs": rule.caption_dropout_every_n_epochs,
        "caption_tag_dropout_rate": rule.caption_tag_dropout_rate,
    }


def _tables(bake: Bake) -> dict[str, object]:
    folders: dict[str, list[Item]] = {}
    for item in bake.dataset.items:
        folders.setdefault(item.subset.image_dir.name, []).append(item)
    buckets = sorted(bake.dataset.bucket_counts().items())
    return {
        "network_args": {"preset": bake.config.adapter.targets},
        "tag_frequency": {name: _tag_counts(items) for name, items in folders.items()},
        "dataset_dirs": {
            name: {"n_repeats": items[0].subset.num_repeats, "img_count": len(items)} for name, items in folders.items()
        },
        "reg_dataset_dirs": {},
        "bucket_info": {
            "buckets": {str(number): {"resolution": size, "count": num} for number, (size, num) in enumerate(buckets)}
        },
        "datasets": [_dataset_table(bake.dataset.items, number) for number in _set_numbers(bake.dataset.items)],
    }


def _set_numbers(items: Sequence[Item]) -> list[int]:
    return sorted({item.set_number for item in items})


def _dataset_table(items: Sequence[Item], number: int) -> dict[str, object]:
    own = [item for item in items if item.set_number == number]
    rule = own[0].set.buckets
    return {
        "is_dreambooth": True,
        "batch_size_per_device": own[0].set.batch_size,
        "num_train_images": sum(item.subset.num_repeats for item in own),
        "resolution": list(rule.resolution_px),
        "enable_bucket": rule.enable,
        "min_bucket_reso": rule.min_px,
        "max_bucket_reso": rule.max_px,
        "tag_frequency": _tag_counts(own),
    }


def _tag_counts(items: Sequence[Item]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for item in items:
        separator = item.subset.captions.caption_separator or ","
        counts.update(tag.strip() for tag in item.caption.split(separator) if tag.strip())
    return dict(counts.most_common())


def _modelspec(bake: Bake) -> dict[str, str]:
    rule = bake.dataset.items[0].set.buckets
    return {
        "sai_model_spec": "1.0.1",
        "architecture": bake.family.architecture,
        "implementation": "diffusers",
        "title": bake.config.output.name,
        "resolution": f"{rule.resolution_px[0]}x{rule.resolution_px[1]}",
        "date": datetime.fromtimestamp(bake.finished_s, UTC).replace(microsecond=0, tzinfo=None).isoformat(),
        "prediction_type": bake.objective.prediction_type,
    }
