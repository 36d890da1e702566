"""Every option of sd-scripts' training scripts for Stable Diffusion 1.x and SDXL, and of what type each is.

Source: kohya-ss/sd-scripts:train_network.py, sdxl_train_network.py, sdxl_train.py, fine_tune.py, train_db.py,
train_textual_inversion.py, sdxl_train_textual_inversion.py (setup_parser), library/train_util.py.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any, Final, Literal

Kind = Literal["switch", "whole", "number", "text", "words", "numbers"]

_BY_KIND: Final[dict[Kind, str]] = {
    "switch": """
        alpha_mask async_upload bucket_no_upscale cache_info cache_latents cache_latents_to_disk
        cache_text_encoder_outputs cache_text_encoder_outputs_to_disk color_aug console_log_simple
        cpu_offload_checkpointing ddp_gradient_as_bucket_view ddp_static_graph debiased_estimation_loss
        debug_dataset deepspeed diffusers_xformers dim_from_weights disable_mmap_load_safetensors
        enable_bucket enable_wildcard flip_aug fp16_master_weights_and_gradients fp8_base fp8_base_unet
        full_bf16 full_fp16 fused_backward_pass gradient_checkpointing highvram
        ip_noise_gamma_random_strength log_config lowram masked_loss mem_eff_attn
        network_train_text_encoder_only network_train_unet_only no_half_vae no_metadata no_token_padding
        noise_offset_random_strength output_config persistent_data_loader_workers random_crop
        resume_from_huggingface sample_at_first save_state save_state_on_train_end save_state_to_huggingface
        scale_v_pred_loss_like_noise_pred sdpa shuffle_caption skip_cache_check skip_until_initial_step
        torch_compile train_text_encoder use_8bit_adam use_lion_optimizer use_object_template
        use_safetensors use_style_template v2 v_parameterization weighted_captions xformers zero3_init_flag
        zero3_save_16bit_model zero_terminal_snr
    """,
    "whole": """
        bucket_reso_steps caption_dropout_every_n_epochs clip_skip dataset_repeats ddp_timeout
        fused_optimizer_groups gradient_accumulation_steps initial_epoch initial_step keep_tokens
        lr_scheduler_num_cycles lr_scheduler_timescale max_bucket_reso max_data_loader_n_workers
        max_timestep max_token_length max_train_epochs max_train_steps max_validation_steps min_bucket_reso
        min_timestep multires_noise_iterations network_dim num_vectors_per_token sample_every_n_epochs
        sample_every_n_steps save_every_n_epochs save_every_n_steps save_last_n_epochs
        save_last_n_epochs_state save_last_n_steps save_last_n_steps_state save_n_epoch_ratio seed
        stop_text_encoder_training token_warmup_min train_batch_size vae_batch_size validate_every_n_epochs
        validate_every_n_steps validation_seed zero_stage
    """,
    "number": """
        adaptive_noise_scale caption_dropout_rate caption_tag_dropout_rate huber_c huber_scale
        ip_noise_gamma learning_rate learning_rate_te learning_rate_te1 learning_rate_te2 lr_decay_steps
        lr_scheduler_min_lr_ratio lr_scheduler_power lr_warmup_steps max_grad_norm min_snr_gamma
        multires_noise_discount network_alpha network_dropout noise_offset prior_loss_weight
        scale_weight_norms token_warmup_step unet_lr v_pred_like_loss validation_split
    """,
    "text": """
        block_lr caption_extension caption_extention caption_prefix caption_separator caption_suffix
        conditioning_data_dir config_file console_log_file console_log_level dataset_class dataset_config
        dynamo_backend face_crop_aug_range huber_schedule huggingface_path_in_repo huggingface_repo_id
        huggingface_repo_type huggingface_repo_visibility huggingface_token in_json init_word
        keep_tokens_separator log_prefix log_tracker_config log_tracker_name log_with logging_dir loss_type
        lr_scheduler lr_scheduler_type metadata_author metadata_description metadata_is_negative_embedding
        metadata_license metadata_merged_from metadata_preprocessor metadata_tags metadata_thumbnail
        metadata_title metadata_trigger_phrase metadata_usage_hint mixed_precision network_module
        network_weights offload_optimizer_device offload_optimizer_nvme_path offload_param_device
        offload_param_nvme_path optimizer_type output_dir output_name pretrained_model_name_or_path
        reg_data_dir resize_interpolation resolution resume sample_prompts sample_sampler save_model_as
        save_precision secondary_separator token_string tokenizer_cache_dir train_data_dir training_comment
        vae wandb_api_key wandb_run_name weights
    """,
    "words": """
        base_weights lr_scheduler_args network_args optimizer_args
    """,
    "numbers": """
        base_weights_multiplier text_encoder_lr
    """,
}
OPTIONS: Final[dict[str, Kind]] = {name: kind for kind, names in _BY_KIND.items() for name in names.split()}
"""By name. `words` and `numbers` are lists."""


def read(option: str, value: Any) -> Any:
    """The value as the option's type has it: scripts, GUIs and people write 1e-4, "1e-4" and ["1e-4"] alike.

    None where the option is as good as not given. Raises ValueError where it cannot be understood.
    """
    kind = OPTIONS[option]
    if value is None or value is False or value in ("", [], {}):
        return None
    return _READERS[kind](value)


def _switch(value: Any) -> bool | None:
    if isinstance(value, str):
        if value.strip().lower() in ("true", "1", "yes"):
            return True
        if value.strip().lower() in ("false", "0", "no"):
            return None
        raise ValueError(value)
    return True if value else None


def _whole(value: Any) -> int:
    number = _number(value)
    if number != int(number):
        raise ValueError(value)
    return int(number)


def _number(value: Any) -> int | float:
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    number = ast.literal_eval(value.strip()) if isinstance(value, str) else value
    if not isinstance(number, int | float) or number != number or abs(number) == float("inf"):
        raise ValueError(value)
    return number


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(str(part) for part in value)
    return str(value)


def _words(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [f"{key}={_shown(part)}" for key, part in value.items() if part not in ("", None)]
    if isinstance(value, str):
        return value.replace('"', "").split()
    if not isinstance(value, list):
        raise ValueError(value)
    return [str(part) for part in value]


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _numbers(value: Any) -> list[int | float]:
    if isinstance(value, str):
        value = value.replace(",", " ").split()
    return [_number(part) for part in value] if isinstance(value, list) else [_number(value)]


_READERS: Final[dict[Kind, Callable[[Any], Any]]] = {
    "switch": _switch,
    "whole": _whole,
    "number": _number,
    "text": _text,
    "words": _words,
    "numbers": _numbers,
}
