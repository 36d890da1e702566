"""What a base is and what its network predicts, told by its files; and what is refused, by name."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from trainer.bases import identify, looks_like, prediction_of, read_header
from trainer.contracts.model import BaseHeader, Prediction
from trainer.errors import BaseModelError

UNET = "model.diffusion_model."
CONTEXT = f"{UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
SD15 = {f"{UNET}input_blocks.0.0.weight": (320, 4, 3, 3), CONTEXT: (320, 768), "cond_stage_model.transformer.x": (1,)}
SDXL = {f"{UNET}input_blocks.0.0.weight": (320, 4, 3, 3), CONTEXT: (640, 2048), "conditioner.embedders.1.model.x": (1,)}


@dataclass(frozen=True)
class Known:
    """As much of a family as is asked here."""

    name: str

    def recognise(self, header: BaseHeader) -> Prediction | None:
        found = self.name in header.metadata.get("kinds", "").split()
        return prediction_of(header) if found else None


FAMILIES: Any = {name: Known(name) for name in ("sd15", "sdxl")}


def file(path: Path, shapes: dict[str, tuple[int, ...]], metadata: dict[str, str] | None = None) -> Path:
    save_file({name: np.zeros(shape, np.float16) for name, shape in shapes.items()}, path, metadata)
    return path


def header_of(shapes: dict[str, tuple[int, ...]], **metadata: str) -> BaseHeader:
    return BaseHeader(Path("base.safetensors"), shapes=shapes, metadata=metadata)


def folder(path: Path, **configs: Any) -> Path:
    """Parts by name; `model_index` lies at the top."""
    for name, config in {"unet": {}, **configs}.items():
        at = path / "model_index.json" if name == "model_index" else path / name / "config.json"
        at = path / "scheduler" / "scheduler_config.json" if name == "scheduler" else at
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(json.dumps(config))
    return path


def test_a_file_s_shapes_and_metadata(tmp_path: Path) -> None:
    path = file(tmp_path / "a.safetensors", {"a.b": (2, 3), "v_pred": (0,), "c": ()}, {"x": "y"})
    header = read_header(path)
    assert header == BaseHeader(path, {"a.b": (2, 3), "v_pred": (0,), "c": ()}, {"x": "y"}, {})


def test_a_folder_s_settings(tmp_path: Path) -> None:
    path = folder(tmp_path, model_index={"_class_name": "P"}, vae={"a": 1}, scheduler={"b": 2})
    assert read_header(path).configs == {
        "model_index.json": {"_class_name": "P"},
        "unet/config.json": {},
        "vae/config.json": {"a": 1},
        "scheduler/scheduler_config.json": {"b": 2},
    }


def test_reading_a_header_imports_no_torch(tmp_path: Path) -> None:
    path = file(tmp_path / "a.safetensors", {"a": (1,)})
    code = "import sys, pathlib, trainer.bases as b; b.read_header(pathlib.Path(sys.argv[1]))"
    code += "; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("shapes", "metadata", "expected"),
    [
        ({}, {}, (None, None)),
        ({"v_pred": (0,)}, {}, ("v_prediction", None)),
        ({"v_pred": (0,), "ztsnr": (0,)}, {}, ("v_prediction", True)),
        ({"ztsnr": (0,)}, {}, (None, True)),
        ({"v_pred": (0,)}, {"modelspec.prediction_type": "epsilon"}, ("v_prediction", None)),
        ({}, {"modelspec.prediction_type": "epsilon"}, ("epsilon", None)),
        ({}, {"modelspec.prediction_type": "v"}, ("v_prediction", None)),
        ({}, {"modelspec.prediction_type": "V-prediction"}, ("v_prediction", None)),
        ({}, {"modelspec.prediction_type": "no idea"}, (None, None)),
        ({}, {"modelspec.prediction_type": "v", "ss_zero_terminal_snr": "True"}, ("v_prediction", True)),
        ({"v_pred": (0,)}, {"ss_zero_terminal_snr": "False"}, ("v_prediction", False)),
        ({}, {"ss_zero_terminal_snr": "None"}, (None, None)),
    ],
)
def test_what_a_file_says_of_its_network(shapes: Any, metadata: dict[str, str], expected: Any) -> None:
    found = prediction_of(header_of(SDXL | shapes, **metadata))
    assert (found.objective, found.zero_terminal_snr) == expected
    assert bool(found.evidence) == (expected != (None, None))


@pytest.mark.parametrize(
    ("scheduler", "expected"),
    [
        (None, (None, None)),
        ({}, ("epsilon", None)),
        ({"prediction_type": "epsilon", "rescale_betas_zero_snr": False}, ("epsilon", False)),
        ({"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}, ("v_prediction", True)),
        ({"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}, ("epsilon", None)),
        ({"_class_name": "FlowMatchEulerDiscreteScheduler"}, ("rectified_flow", None)),
    ],
)
def test_what_a_folder_says_of_its_network(scheduler: Any, expected: Any, tmp_path: Path) -> None:
    configs = {} if scheduler is None else {"scheduler": scheduler}
    found = prediction_of(read_header(folder(tmp_path, **configs)))
    assert (found.objective, found.zero_terminal_snr) == expected
    assert ("scheduler_config.json" in found.evidence) == (scheduler is not None)


@pytest.mark.parametrize(
    ("configs", "said"),
    [
        ({"scheduler": {"prediction_type": "sample"}}, "predicts 'sample'"),
        ({"scheduler": {"beta_schedule": "linear"}}, "beta_schedule is 'linear'"),
        ({"scheduler": {"beta_end": 0.02}}, "beta_end is 0.02"),
        ({"scheduler": {"_class_name": "EDMEulerScheduler", "prediction_type": "v_prediction"}}, "noise of EDM"),
        ({"unet": {"in_channels": 9}}, "reads 9 channels"),
    ],
)
def test_a_folder_that_no_objective_stands_for(configs: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match=said):
        prediction_of(read_header(folder(tmp_path, **configs)))


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ({"edm_mean": (4,), "edm_std": (4,)}, "noise of EDM"),
        ({"edm_vpred.sigma_max": ()}, "noise of EDM"),
        ({f"{UNET}input_blocks.0.0.weight": (320, 9, 3, 3)}, "inpainting or editing model"),
    ],
)
def test_a_file_that_no_objective_stands_for(shapes: Any, said: str) -> None:
    with pytest.raises(BaseModelError, match=said):
        prediction_of(header_of(SDXL | shapes))


def test_the_one_family_that_recognises_a_base() -> None:
    name, found = identify(header_of(SD15 | {"v_pred": (0,)}, kinds="sd15"), FAMILIES)
    assert (name, found.objective, found.evidence) == ("sd15", "v_prediction", "the key v_pred")


def test_a_base_that_two_families_recognise() -> None:
    with pytest.raises(BaseModelError, match="could be any of sd15, sdxl") as caught:
        identify(header_of(SD15, kinds="sd15 sdxl"), FAMILIES)
    assert "model.family" in caught.value.hint


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ({"x": (1,)}, "no base model of the family sd15 or sdxl"),
        ({"double_blocks.0.img_attn.norm.key_norm.scale": (1,)}, "Flux"),
        ({f"{UNET}double_blocks.0.img_attn.qkv.weight": (1,)}, "Flux"),
        ({f"{UNET}joint_blocks.0.context_block.attn.qkv.weight": (1,)}, "Stable Diffusion 3"),
        ({CONTEXT: (320, 1024), "cond_stage_model.model.transformer.resblocks.0.x": (1,)}, "Stable Diffusion 2"),
        ({CONTEXT: (640, 1280), "conditioner.embedders.0.model.transformer.x": (1,)}, "the SDXL refiner"),
        ({CONTEXT: (640, 2048), "conditioner.embedders.0.transformer.x": (1,)}, "an SDXL variant"),
        ({CONTEXT: (320, 768)}, "a UNet without text encoders"),
        ({CONTEXT: (640, 2048), "first_stage_model.encoder.conv_in.weight": (1,)}, "a UNet without text encoders"),
        ({"down_blocks.0.resnets.0.conv1.weight": (1,)}, "a UNet without text encoders"),
        ({"first_stage_model.encoder.conv_in.weight": (1,)}, "a VAE alone"),
        ({"encoder.conv_in.weight": (1,)}, "a VAE alone"),
        ({"text_model.embeddings.position_embedding.weight": (1,)}, "a text encoder alone"),
        ({"control_model.input_blocks.0.0.weight": (1,)}, "a ControlNet"),
        ({"clip_l": (1, 768), "clip_g": (1, 1280)}, "an embedding of textual inversion"),
        ({"emb_params": (1, 768)}, "an embedding of textual inversion"),
    ],
)
def test_what_no_family_recognises_is_named(shapes: Any, said: str) -> None:
    with pytest.raises(BaseModelError, match=f"base.safetensors: is {said}") as caught:
        identify(header_of(shapes), FAMILIES)
    assert "sd15, sdxl" in caught.value.hint


def test_a_folder_of_another_pipeline_is_named(tmp_path: Path) -> None:
    path = folder(tmp_path, model_index={"_class_name": "FluxPipeline"})
    with pytest.raises(BaseModelError, match="is a folder of FluxPipeline"):
        identify(read_header(path), FAMILIES)


def test_a_folder_of_stable_diffusion_2_is_named(tmp_path: Path) -> None:
    path = folder(tmp_path, model_index={"_class_name": "StableDiffusionPipeline"}, unet={"cross_attention_dim": 1024})
    with pytest.raises(BaseModelError, match="is a folder of Stable Diffusion 2"):
        identify(read_header(path), FAMILIES)


def test_a_base_of_another_family_than_the_one_asked_for() -> None:
    with pytest.raises(BaseModelError, match=r"is no base model of the family sd15$"):
        identify(header_of(SDXL, kinds="sdxl"), {"sd15": FAMILIES["sd15"]})


def test_plain_bases_look_like_nothing_else() -> None:
    assert looks_like(header_of(SD15)) == looks_like(header_of(SDXL)) == ""


@pytest.mark.parametrize(
    "key",
    [
        "lora_unet_a.lora_down.weight",
        "unet.a.lora_A.default.weight",
        "a.hada_w1_a",
        "a.lokr_w1_a",
        "lycoris_a.diff",
        "unet.a.processor.to_q_lora.down.weight",
        "a.dora_scale",
    ],
)
def test_a_lora_is_refused_as_one(key: str, tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="is a LoRA, not a base model"):
        read_header(file(tmp_path / "a.safetensors", {key: (1,)}))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gone.safetensors", "there is no such base model"),
        ("gone" * 2000 + ".safetensors", "cannot be read"),
        ("gone\0.safetensors", "there is no such base model"),
        ("a.ckpt", "pickled checkpoint"),
        ("a.PT", "pickled checkpoint"),
        ("a.gguf", "neither a .safetensors file nor a folder"),
    ],
)
def test_a_path_of_another_kind(name: str, said: str, tmp_path: Path) -> None:
    if "gone" not in name:
        (tmp_path / name).write_bytes(b"\x80\x04")
    with pytest.raises(BaseModelError, match=said) as caught:
        read_header(tmp_path / name)
    assert caught.value.hint


def test_a_file_that_was_cut_short(tmp_path: Path) -> None:
    path = file(tmp_path / "a.safetensors", {"a": (100,)})
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BaseModelError, match="cut short"):
        read_header(path)


def test_a_folder_of_files(tmp_path: Path) -> None:
    file(tmp_path / "noob.safetensors", {"a": (1,)})
    with pytest.raises(BaseModelError, match=r"no unet/config\.json") as caught:
        read_header(tmp_path)
    assert "noob.safetensors" in caught.value.hint


@pytest.mark.parametrize("text", ["{", "[]", "\udcff", "[" * 100_000, "9" * 5_000_000])
def test_a_folder_with_broken_settings(text: str, tmp_path: Path) -> None:
    path = folder(tmp_path) / "unet" / "config.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(BaseModelError, match=r"unet.config\.json"):
        read_header(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NUMBERS = st.lists(st.integers(-1, 4), max_size=3)
ENTRY = st.fixed_dictionaries({"shape": NUMBERS | JSON, "data_offsets": st.just([0, 2]) | NUMBERS | JSON}) | JSON


@given(st.dictionaries(st.sampled_from(["a", "__metadata__", CONTEXT, "clip_l"]), ENTRY), st.binary(max_size=4))
def test_any_header_is_read_or_refused(entries: dict[str, Any], rest: bytes) -> None:
    assert_read_or_refused(json.dumps(entries).encode(), rest)


@given(st.binary(max_size=64), st.binary(max_size=8))
def test_any_bytes_are_read_or_refused(text: bytes, rest: bytes) -> None:
    assert_read_or_refused(text, rest)


def assert_read_or_refused(text: bytes, rest: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "a.safetensors")
        path.write_bytes(len(text).to_bytes(8, "little") + text + rest)
        refused = None
        try:
            identify(read_header(path), FAMILIES)
        except BaseModelError as error:
            refused = error
        assert refused is None or (str(path) in refused.message and refused.hint)
