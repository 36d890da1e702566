"""Options that set one key of ours as they are, and those that nothing becomes of, with the reason."""

from __future__ import annotations

from typing import Final

from trainer.migration.desk import Desk, Kind

_GENERAL = "dataset.general"
_SAME: Final[dict[str, str]] = {
    **{
        name: f"{_GENERAL}.{name}"
        for name in (
            *("shuffle_caption", "keep_tokens", "keep_tokens_separator", "caption_separator", "secondary_separator"),
            *("enable_wildcard", "caption_prefix", "caption_suffix", "color_aug", "flip_aug", "random_crop"),
            *("enable_bucket", "bucket_no_upscale", "bucket_reso_steps", "min_bucket_reso", "max_bucket_reso"),
            *("token_warmup_min", "caption_dropout_every_n_epochs", "alpha_mask", "validation_seed"),
        )
    },
    "train_batch_size": "train.batch_size",
    "gradient_accumulation_steps": "train.gradient_accumulation",
    "max_grad_norm": "optimizer.max_grad_norm",
    "vae_batch_size": "dataset.encode_batch",
    "prior_loss_weight": "loss.prior_loss_weight",
    "no_metadata": "output.no_metadata",
    "torch_compile": "memory.compile",
    "gradient_checkpointing": "memory.checkpointing",
}
_SHARES: Final = ("caption_dropout_rate", "caption_tag_dropout_rate", "token_warmup_step", "validation_split")
"""Likewise, below [dataset.general], as numbers with a point."""
_NONE: Final = "no effect"
_NOT: Final = "not taken"
_CACHE = "latents and text states are always cached, in dataset.cache, by content"
_ATTENTION = "attention is always torch's own fast one"
_HUB = "nothing is uploaded or fetched; share the result yourself"
_SPEED = "made for sd-scripts' own ways of loading and speaking"
_STATE = "every checkpoint holds the whole state, and a run goes on by itself"
_SHARDED = "several GPUs: python -m trainer run --processes N, and memory.sharded for full finetunes"
_TITLES = "the metadata tell the config and the dataset; titles and licences are not written"
_MERGED = "merge it into a base first, and train on that"
_KEPT = "results written on the way are all kept, with checkpoints apart (train.keep_last)"
_EPOCHS = "say it in steps: validation.every"

_FATES: Final[dict[str, tuple[Kind, str]]] = {
    **dict.fromkeys(
        (
            *("cache_latents", "cache_latents_to_disk", "cache_text_encoder_outputs"),
            *("cache_text_encoder_outputs_to_disk", "skip_cache_check", "cache_info"),
        ),
        (_NONE, _CACHE),
    ),
    **dict.fromkeys(("xformers", "sdpa", "mem_eff_attn", "diffusers_xformers"), (_NONE, _ATTENTION)),
    **dict.fromkeys(
        (
            *("lowram", "highvram", "max_data_loader_n_workers", "persistent_data_loader_workers"),
            *("disable_mmap_load_safetensors", "console_log_level", "console_log_file", "console_log_simple"),
            *("ddp_timeout", "ddp_gradient_as_bucket_view", "ddp_static_graph", "tokenizer_cache_dir"),
            *("config_file", "output_config", "use_safetensors"),
        ),
        (_NONE, _SPEED),
    ),
    "no_half_vae": (_NONE, "the VAE is always float32"),
    "debug_dataset": (_NONE, "python -m trainer run --dry-run shows buckets, steps and memory"),
    "sample_at_first": (_NONE, "pictures are always made before and after"),
    "conditioning_data_dir": (_NONE, "sd-scripts reads it in a dataset TOML alone, and so do we"),
    **dict.fromkeys(("save_state", "save_state_on_train_end"), (_NONE, _STATE)),
    "resume": (_NOT, f"its state cannot be read; {_STATE}"),
    **dict.fromkeys(("initial_epoch", "initial_step", "skip_until_initial_step"), (_NOT, _STATE)),
    **dict.fromkeys(
        (
            *("save_last_n_epochs", "save_last_n_epochs_state", "save_last_n_steps", "save_last_n_steps_state"),
            "save_n_epoch_ratio",
        ),
        (_NOT, _KEPT),
    ),
    **dict.fromkeys(
        (
            *("huggingface_repo_id", "huggingface_repo_type", "huggingface_path_in_repo", "huggingface_token"),
            *("huggingface_repo_visibility", "save_state_to_huggingface", "resume_from_huggingface", "async_upload"),
        ),
        (_NOT, _HUB),
    ),
    **dict.fromkeys(
        (
            *("metadata_title", "metadata_author", "metadata_description", "metadata_license", "metadata_tags"),
            *("metadata_usage_hint", "metadata_thumbnail", "metadata_merged_from", "metadata_trigger_phrase"),
            *("metadata_preprocessor", "metadata_is_negative_embedding", "training_comment"),
        ),
        (_NOT, _TITLES),
    ),
    **dict.fromkeys(
        (
            *("deepspeed", "zero_stage", "offload_optimizer_device", "offload_optimizer_nvme_path"),
            *("offload_param_device", "offload_param_nvme_path", "zero3_init_flag", "zero3_save_16bit_model"),
            "fp16_master_weights_and_gradients",
        ),
        (_NOT, _SHARDED),
    ),
    **dict.fromkeys(("base_weights", "base_weights_multiplier"), (_NOT, _MERGED)),
    **dict.fromkeys(
        ("network_weights", "dim_from_weights", "weights"), (_NOT, "a run begins with fresh weights, not with others'")
    ),
    **dict.fromkeys(("log_config", "log_tracker_config"), (_NOT, "the whole config stands in the result's metadata")),
    "wandb_run_name": (_NOT, "runs are called by output.name"),
    "log_prefix": (_NOT, "logs lie in the output folder, which is one run's alone"),
    "wandb_api_key": (_NOT, "a secret belongs in the environment: WANDB_API_KEY"),
    "v2": (_NOT, "Stable Diffusion 2.x is none of the families"),
    "dataset_class": (_NOT, "write a dataset TOML"),
    "weighted_captions": (_NOT, "brackets and weights in captions are read as text"),
    "scale_weight_norms": (_NOT, "try weight_decay, or a lower rate"),
    "cpu_offload_checkpointing": (_NOT, "memory.vram plans what is put aside"),
    "stop_text_encoder_training": (_NOT, "text encoders are trained to the end, or not at all"),
    "no_token_padding": (_NOT, "prompts are always padded, as viewers do"),
    **dict.fromkeys(
        ("use_object_template", "use_style_template"), (_NOT, "write the captions: the word must stand in them")
    ),
    **dict.fromkeys(("lr_decay_steps", "lr_scheduler_timescale"), (_NOT, "no schedule of ours has it")),
    "validate_every_n_epochs": (_NOT, _EPOCHS),
}
_USUAL: Final = {"zero_stage": 2}
"""Values of which nothing would have to be said."""
_BACKENDS: Final = ("no", "inductor")


def apply(desk: Desk) -> None:
    """Takes what needs no thought, and says why of what is not taken."""
    for option, ours in _SAME.items():
        if option in desk:
            desk.take(option, ours, desk.get(option))
    for option in _SHARES:
        if option in desk:
            desk.take(option, f"{_GENERAL}.{option}", float(desk.get(option)))
    for option, (kind, remark) in _FATES.items():
        if desk.get(option) == 0:
            desk.note(option, _NONE, "0 is none")
        elif desk.get(option) != _USUAL.get(option):
            desk.note(option, kind, remark)
        else:
            desk.note(option, _NONE, "as usual")
    if desk.get("dynamo_backend", "no") not in _BACKENDS:
        desk.note("dynamo_backend", _NOT, "torch.compile is asked for with its own backend")
    else:
        desk.note("dynamo_backend", _NONE, "it is what torch.compile uses, if memory.compile asks for it")
