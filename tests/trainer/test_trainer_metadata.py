"""What a result says of itself: sd-scripts' keys, modelspec, and nothing of the computer it was made on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from peers.bakes import BUCKETS, REG, bake, config_of

from trainer.config import Config
from trainer.data.dataset_toml import Fallback, read
from trainer.data.items import find
from trainer.formats import base_hashes
from trainer.formats.lora_metadata import metadata
from trainer.registry import OBJECTIVES

SD_SCRIPTS_KEYS = """
session_id training_started_at training_finished_at output_name learning_rate text_encoder_lr unet_lr num_train_images
num_validation_images num_reg_images num_batches_per_epoch num_epochs epoch steps gradient_checkpointing
gradient_accumulation_steps max_train_steps lr_warmup_steps lr_scheduler network_module network_dim network_alpha
network_dropout mixed_precision full_fp16 v2 base_model_version clip_skip max_token_length cache_latents seed lowram
noise_offset noise_offset_random_strength multires_noise_iterations multires_noise_discount adaptive_noise_scale
zero_terminal_snr training_comment sd_scripts_commit_hash optimizer max_grad_norm caption_dropout_rate
caption_dropout_every_n_epochs caption_tag_dropout_rate face_crop_aug_range prior_loss_weight min_snr_gamma
scale_weight_norms ip_noise_gamma ip_noise_gamma_random_strength debiased_estimation loss_type huber_schedule huber_c
huber_scale fp8_base fp8_base_unet validation_seed validation_split validate_every_n_epochs validate_every_n_steps
max_validation_steps resize_interpolation datasets dataset_dirs tag_frequency sd_model_name
"""
"""Those of every run; kohya-ss/sd-scripts:train_network.py."""
FLAT_KEYS = """
batch_size_per_device total_batch_size resolution color_aug flip_aug random_crop shuffle_caption enable_bucket
bucket_no_upscale min_bucket_reso max_bucket_reso keep_tokens dataset_dirs reg_dataset_dirs tag_frequency bucket_info
"""
"""Those of a run with folders."""


def test_every_key_of_sd_scripts_is_there(tmp_path: Path) -> None:
    found = metadata(bake(tmp_path, more=REG))
    assert {f"ss_{key}" for key in (SD_SCRIPTS_KEYS + FLAT_KEYS).split()} <= set(found)
    assert all(isinstance(value, str) for value in found.values())
    assert {key.partition("_")[0].partition(".")[0] for key in found} == {"ss", "modelspec", "dsk"}


def test_values_are_as_python_writes_them(tmp_path: Path) -> None:
    config = config_of(
        tmp_path,
        "[adapter]\nrank = 4\nalpha = 2\ndropout = 0.1\ntext_targets = 'attention'\n"
        "[optimizer]\nlearning_rate = 0.0001\ntext_encoder_2_rate = 5e-5\n[noise]\noffset = 0.05\n"
        "[objective]\nweighting = 'min_snr'\n[loss]\nkind = 'huber'\n[text]\nsplit = 'sd-scripts'\nclip_skip = 2\n",
    )
    found = metadata(replace(bake(tmp_path, config, more=REG), zero_terminal_snr=True))
    expected = {
        "session_id": str(int(hashlib.sha256(b"1700000000.25").hexdigest()[:8], 16)),
        "training_started_at": "1700000000.25",
        "network_dim": "4",
        "network_alpha": "2.0",
        "network_dropout": "0.1",
        "network_module": "networks.lora",
        "unet_lr": "0.0001",
        "text_encoder_lr": "[0.0001, 5e-05]",
        "optimizer": "torch.optim.adamw.AdamW(weight_decay=0.01)",
        "noise_offset": "0.05",
        "adaptive_noise_scale": "None",
        "multires_noise_discount": "0.3",
        "zero_terminal_snr": "True",
        "min_snr_gamma": "5.0",
        "debiased_estimation": "False",
        "loss_type": "huber",
        "clip_skip": "2",
        "max_token_length": "225",
        "num_train_images": "8",
        "num_reg_images": "6",
        "num_validation_images": "0",
        "resolution": "(32, 32)",
        "base_model_version": "sdxl_base_v1-0",
        "sd_model_name": "sdxl-random",
        "training_comment": "None",
    }
    assert {key: found[f"ss_{key}"] for key in expected} == expected
    assert "ss_network_args" not in found


def test_the_tables(tmp_path: Path) -> None:
    found = metadata(bake(tmp_path, more=REG))
    assert json.loads(found["ss_dataset_dirs"]) == {"girl": {"n_repeats": 2, "img_count": 4}}
    assert json.loads(found["ss_reg_dataset_dirs"]) == {"reg": {"n_repeats": 3, "img_count": 2}}
    tags = json.loads(found["ss_tag_frequency"])["girl"]
    assert (tags["sks"], tags["hat"], tags["1girl"]) == (4, 2, 4)
    buckets = json.loads(found["ss_bucket_info"])
    # As many regularization pictures as there are training repeats.
    assert sum(row["count"] for row in buckets["buckets"].values()) == 16
    sizes = [row["resolution"] for row in buckets["buckets"].values()]
    assert sizes == sorted(sizes)
    assert 0 <= buckets["mean_img_ar_error"] < 1
    (told,) = json.loads(found["ss_datasets"])
    assert (told["num_train_images"], told["num_reg_images"]) == (8, 6)
    assert (told["is_dreambooth"], told["bucket_info"]) == (True, buckets)
    girl, reg = told["subsets"]
    assert (girl["image_dir"], girl["img_count"], girl["flip_aug"], girl["is_reg"]) == ("girl", 4, True, False)
    assert (girl["keep_tokens"], girl["shuffle_caption"], girl["class_tokens"]) == (2, True, None)
    assert (reg["image_dir"], reg["class_tokens"], reg["is_reg"]) == ("reg", "girl", True)


def test_two_datasets_share_a_folder(tmp_path: Path) -> None:
    more = f'[[datasets]]\n{BUCKETS}[[datasets.subsets]]\nimage_dir = "girl"\nnum_repeats = 5\n'
    found = metadata(bake(tmp_path, more=more))
    assert set(json.loads(found["ss_dataset_dirs"])) == {"girl", "girl (2)"}
    assert len(json.loads(found["ss_datasets"])) == 2
    assert found["ss_num_train_images"] == str(4 * 2 + 4 * 5)
    assert "ss_bucket_info" not in found, "one table cannot tell of two"


def test_what_is_held_out_is_counted_apart(tmp_path: Path) -> None:
    given = bake(tmp_path)
    items = tuple(replace(item, is_held_out=place == 1) for place, item in enumerate(given.dataset.items))
    found = metadata(replace(given, dataset=replace(given.dataset, items=items)))
    assert (found["ss_num_train_images"], found["ss_num_validation_images"]) == ("6", "1")
    assert json.loads(found["ss_tag_frequency"])["girl"]["1girl"] == 3


@pytest.mark.parametrize(
    ("adapter", "config", "settings", "module", "expected"),
    [
        ("lora", "conv_rank = 4", {}, "networks.lora", {"conv_dim": "4", "conv_alpha": "4.0", "dropout": None}),
        (
            "lora",
            "conv_rank = 4\nconv_alpha = 1.0\ntargets = 'full'\ndropout = 0.5",
            {"tucker": True},
            "lycoris.kohya",
            {
                "algo": "lora",
                "preset": "full",
                "use_tucker": "True",
                "conv_dim": "4",
                "conv_alpha": "1.0",
                "dropout": 0.5,
            },
        ),
        (
            "lora",
            "targets = 'attention'",
            {"rank_stabilized": True, "rank_dropout": 0.25},
            "lycoris.kohya",
            {"algo": "lora", "preset": "attn-only", "rs_lora": "True", "rank_dropout": "0.25", "dropout": None},
        ),
        ("loha", "targets = 'full'", {}, "lycoris.kohya", {"algo": "loha", "preset": "full-lin", "dropout": None}),
        (
            "lokr",
            "targets = ['unet.*']",
            {"factor": 8},
            "lycoris.kohya",
            {"algo": "lokr", "factor": "8", "full_matrix": "False", "dropout": None},
        ),
        ("dora", "", {}, "lycoris.kohya", {"algo": "lora", "preset": "attn-mlp", "dora_wd": "True", "dropout": None}),
        (
            "oft",
            "",
            {"constraint": 0.5},
            "lycoris.kohya",
            {"algo": "diag-oft", "preset": "attn-mlp", "constraint": "0.5", "dropout": None},
        ),
    ],
)
def test_network_args_are_what_the_command_line_would_say(
    tmp_path: Path, adapter: str, config: str, settings: dict[str, Any], module: str, expected: dict[str, Any]
) -> None:
    given = bake(tmp_path, config_of(tmp_path, f"[adapter]\n{config}\n"), adapter=adapter, **settings)
    found = metadata(given)
    assert found["ss_network_module"] == module
    assert json.loads(found["ss_network_args"]) == expected


@pytest.mark.parametrize(
    ("family", "adapter", "architecture", "implementation"),
    [
        ("sdxl", "lora", "stable-diffusion-xl-v1-base/lora", "https://github.com/Stability-AI/generative-models"),
        ("sd15", "lora", "stable-diffusion-v1/lora", "diffusers"),
        ("sd15", "full", "stable-diffusion-v1", "https://github.com/Stability-AI/generative-models"),
        (
            "sdxl",
            "textual_inversion",
            "stable-diffusion-xl-v1-base/textual-inversion",
            "https://github.com/Stability-AI/generative-models",
        ),
    ],
)
def test_modelspec(tmp_path: Path, family: str, adapter: str, architecture: str, implementation: str) -> None:
    config = config_of(tmp_path, "[timesteps]\nmin = 100\n[text]\nclip_skip = 2\n")
    given = bake(tmp_path, config, family=family, adapter=adapter, word="sks-x" if "text" in adapter else "")
    given = replace(given, objective=OBJECTIVES.load("v_prediction", field=""))
    found = metadata(given)
    spec = {key.removeprefix("modelspec."): value for key, value in found.items() if key.startswith("modelspec.")}
    version = spec.pop("implementation_version")
    assert version.startswith("dsk/")
    assert spec == {
        "sai_model_spec": "1.0.1",
        "architecture": architecture,
        "implementation": implementation,
        "title": "sks",
        "resolution": "32x32",
        "date": "2023-11-14T22:15:00",
        "prediction_type": "v",
        "timestep_range": "100,1000",
        "encoder_layer": "2",
        **({"trigger_phrase": "sks-x"} if "text" in adapter else {}),
    }
    assert any(key.startswith("ss_") for key in found) == (adapter == "lora")
    if adapter == "lora":
        assert found["ss_base_model_version"] == {"sdxl": "sdxl_base_v1-0", "sd15": "sd_v1_v"}[family]


def test_the_trigger_is_what_all_captions_keep_in_front(tmp_path: Path) -> None:
    given = bake(tmp_path, more=REG)
    (tmp_path / "girl" / "00.txt").write_text("sks, 1girl, hat")
    same = replace(given, dataset=find(read(tmp_path / "dataset.toml", Fallback(1, 32))))
    assert metadata(same)["modelspec.trigger_phrase"] == "sks, 1girl"
    (tmp_path / "girl" / "00.txt").write_text("other, 1girl, hat")
    other = replace(given, dataset=find(read(tmp_path / "dataset.toml", Fallback(1, 32))))
    assert "modelspec.trigger_phrase" not in metadata(other)


def test_the_base_is_known_by_its_hashes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "base.safetensors").write_bytes(content)
    (tmp_path / "vae.safetensors").write_bytes(content[:100])
    config = config_of(tmp_path, "[model]\nbase = 'base.safetensors'\nvae = 'vae.safetensors'\n")
    found = metadata(bake(tmp_path, config))
    assert found["ss_sd_model_name"] == "base.safetensors"
    assert found["ss_new_sd_model_hash"] == hashlib.sha256(content).hexdigest()
    assert found["ss_sd_model_hash"] == hashlib.sha256(content[0x100000:0x110000]).hexdigest()[:8]
    assert (found["ss_vae_name"], found["ss_vae_hash"]) == ("vae.safetensors", "e3b0c442")
    assert found["ss_new_vae_hash"] == hashlib.sha256(content[:100]).hexdigest()
    assert base_hashes.facts(tmp_path / "gone.safetensors", "sd_model") == {"sd_model_name": "gone.safetensors"}
    assert base_hashes.facts(tmp_path, "vae") == {"vae_name": tmp_path.name}


def test_nothing_tells_of_this_computer(tmp_path: Path) -> None:
    general = '[dataset.general]\nimage_dir = "/home/someone/girl"\ncaption_extension = ".txt"\n'
    general += "caption_prefix = '~no such user, x'\n"
    general += "custom_attributes = {from = ['C:\\\\someone\\\\set', 'fate/stay night']}\n"
    places = "[model]\nvae = 'x/vae.safetensors'\n[dataset]\ntrain_dir = 'd/set'\nreg_dir = 'r/reg'\ncache = 'c'\n"
    places += "[sample]\nprompt_file = 'prompts/miku.txt'\n"
    found = metadata(bake(tmp_path, config_of(tmp_path, places + general)))
    whole = json.dumps(found)
    assert str(tmp_path) not in whole
    assert "someone" not in whole
    told = json.loads(found["dsk_config"])
    assert (told["model"]["vae"], told["dataset"]["train_dir"], told["dataset"]["reg_dir"]) == (
        "vae.safetensors",
        "set",
        "reg",
    )
    assert told["sample"]["prompt_file"] == "miku.txt"
    assert told["dataset"]["general"] == {
        "image_dir": "girl",
        "caption_extension": ".txt",
        "caption_prefix": "~no such user, x",
        "custom_attributes": {"from": ["set", "fate/stay night"]},
    }
    assert told["adapter"]["targets"] == Config().adapter.targets


def test_the_dataset_is_known_by_its_manifest(tmp_path: Path) -> None:
    given = bake(tmp_path)
    assert "dsk_dataset_commit" not in metadata(given)
    (tmp_path / "manifest.json").write_text('{"commit": "abc", "x": 1}')
    found = metadata(given)
    assert found["dsk_dataset_commit"] == "abc"
    assert found["dsk_manifest_sha256"] == hashlib.sha256(b'{"commit": "abc", "x": 1}').hexdigest()
    for broken in ("{", "[]", '{"commit": 1}'):
        (tmp_path / "manifest.json").write_text(broken)
        assert "dsk_dataset_commit" not in metadata(given)


def test_without_metadata_only_what_readers_need_is_left(tmp_path: Path) -> None:
    config = config_of(tmp_path, "no_metadata = true\n[model]\nbase = 'base.safetensors'\n[adapter]\nconv_rank = 2\n")
    found = metadata(bake(tmp_path, config))
    kept = {"v2", "base_model_version", "network_module", "network_dim", "network_alpha", "network_args"}
    spec = {"sai_model_spec", "architecture", "implementation", "title", "resolution", "prediction_type"}
    assert set(found) == {f"ss_{key}" for key in kept} | {f"modelspec.{key}" for key in spec}
