"""What the text encoders say: as diffusers' pipelines have it, filled up, with gradients, and with new words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from tiny_bases import header_of, write_sd15, write_sdxl
from transformers.models.clip.tokenization_clip import CLIPTokenizer

from trainer.contracts.model import BaseSource, Geometry, TextRule
from trainer.errors import ConfigError
from trainer.families._clip_text import tokenizer_files
from trainer.registry import FAMILIES

PROMPT = "1girl, saber (fate), looking at viewer, ^_^"
LONG = ", ".join(["long hair"] * 60)
PLACE = Geometry((1200, 800), (10, 0), (1216, 832))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    path = tmp_path_factory.mktemp("bases")
    return {"sd15": write_sd15(path / "sd15"), "sdxl": write_sdxl(path / "sdxl")}


def load(folders: dict[str, Path], name: str, rule: TextRule | None = None) -> Any:
    family = FAMILIES.load(name, field="model.family")
    return family.load(BaseSource(header_of(folders[name]), text=rule or TextRule()))


def tokenizer(folder: Path, pad: str) -> CLIPTokenizer:
    folder.mkdir()
    for name, content in tokenizer_files(pad).items():
        (folder / name).write_bytes(content)
    return CLIPTokenizer.from_pretrained(folder)


def test_sd15_says_what_diffusers_says(folders: dict[str, Path], tmp_path: Path) -> None:
    model = load(folders, "sd15")
    pipe = StableDiffusionPipeline(
        vae=model.networks["vae"],
        text_encoder=model.networks["text_encoder"],
        tokenizer=tokenizer(tmp_path / "tokenizer", "<|endoftext|>"),
        unet=model.networks["unet"],
        scheduler=DDIMScheduler(steps_offset=1, clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    expected, _ = pipe.encode_prompt(PROMPT, "cpu", 1, False)
    (said,) = model.encode_text([PROMPT])
    assert set(said) == {"states"}
    torch.testing.assert_close(said["states"], expected[0])


@pytest.mark.parametrize("skip", [1, 2, 3])
def test_sd15_leaves_layers_out_but_not_the_last_norm(folders: dict[str, Path], skip: int) -> None:
    """hidden_states[-skip], then (x - mean) / sqrt(variance + 1e-5) times weight, plus bias, in float64."""
    model = load(folders, "sd15", TextRule(clip_skip=skip))
    network = model.networks["text_encoder"]
    for name, shift in (("weight", 0.3), ("bias", 0.1)):
        tensor = getattr(network.get_submodule("final_layer_norm"), name)
        tensor.copy_(tensor + shift * torch.arange(32) / 32)
    norm = network.get_submodule("final_layer_norm")
    ids = model.token_ids(PROMPT)
    row = torch.tensor([[49406, *ids, *[49407] * (76 - len(ids))]])
    hidden = network(row, output_hidden_states=True).hidden_states[-skip][0].double()
    centred = hidden - hidden.mean(-1, keepdim=True)
    expected = centred / (hidden.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt() * norm.weight + norm.bias
    (said,) = model.encode_text([PROMPT])
    torch.testing.assert_close(said["states"], expected.float())


@pytest.mark.parametrize("skip", [0, 2, 3])
def test_sdxl_says_what_diffusers_says(folders: dict[str, Path], skip: int, tmp_path: Path) -> None:
    model = load(folders, "sdxl", TextRule(clip_skip=skip))
    pipe = StableDiffusionXLPipeline(
        vae=model.networks["vae"],
        text_encoder=model.networks["text_encoder"],
        text_encoder_2=model.networks["text_encoder_2"],
        tokenizer=tokenizer(tmp_path / "tokenizer", "<|endoftext|>"),
        tokenizer_2=tokenizer(tmp_path / "tokenizer_2", "!"),
        unet=model.networks["unet"],
        scheduler=DDIMScheduler(steps_offset=1, clip_sample=False),
    )
    states, _, pooled, _ = pipe.encode_prompt(
        PROMPT, device="cpu", do_classifier_free_guidance=False, clip_skip=1 if skip == 3 else None
    )
    (said,) = model.encode_text([PROMPT])
    torch.testing.assert_close(said["states"], states[0])
    torch.testing.assert_close(said["pooled"], pooled[0])


@pytest.mark.parametrize("name", ["sd15", "sdxl"])
def test_a_short_prompt_beside_a_long_one_is_filled_with_nothing(folders: dict[str, Path], name: str) -> None:
    model = load(folders, name)
    short, long = model.encode_text([PROMPT, LONG])
    (empty,) = model.encode_text([""])
    both = model.assemble([short, long], [PLACE, PLACE])
    assert long["states"].shape[0] == 231
    assert torch.equal(both["states"][0], torch.cat([short["states"], empty["states"], empty["states"]]))
    assert torch.equal(both["states"][1], long["states"])
    if name == "sdxl":
        assert torch.equal(both["pooled"], torch.stack([short["pooled"], long["pooled"]]))


def test_what_fills_up_is_not_asked_again_where_it_is_known(folders: dict[str, Path]) -> None:
    model = load(folders, "sdxl")
    texts = model.encode_text([PROMPT, LONG])
    (empty,) = model.encode_text([""])
    asked = model.assemble(texts, [PLACE, PLACE])
    with torch.no_grad():
        next(model.parts["text_encoder"].parameters()).zero_()
    told = model.assemble(texts, [PLACE, PLACE], empty=empty)
    assert torch.equal(asked["states"], told["states"])
    assert not torch.equal(asked["states"], model.assemble(texts, [PLACE, PLACE])["states"])


def test_what_fills_up_is_trained_too(folders: dict[str, Path]) -> None:
    model = load(folders, "sdxl")
    weight = next(model.parts["text_encoder"].parameters()).requires_grad_(True)
    short, long = ({key: tensor.detach() for key, tensor in text.items()} for text in model.encode_text([PROMPT, LONG]))
    model.assemble([short, long], [PLACE, PLACE])["states"].sum().backward()
    assert weight.grad is not None
    assert weight.grad.abs().sum() > 0


def test_texts_of_half_precision_are_filled_up_too(folders: dict[str, Path]) -> None:
    model = load(folders, "sdxl")
    exact = model.assemble(model.encode_text([PROMPT, LONG]), [PLACE, PLACE])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = model.encode_text([PROMPT, LONG])
    found = model.assemble(half, [PLACE, PLACE])
    for key, tensor in exact.items():
        torch.testing.assert_close(found[key].float(), tensor, rtol=0.1, atol=0.1)


def test_the_pooled_state_is_of_the_first_row(folders: dict[str, Path]) -> None:
    model = load(folders, "sdxl")
    first, both = model.encode_text(["1girl", "1girl BREAK solo"])
    torch.testing.assert_close(both["pooled"], first["pooled"])
    torch.testing.assert_close(both["states"][:77], first["states"])


@pytest.mark.parametrize("name", ["sd15", "sdxl"])
def test_a_prompt_is_read_alone(folders: dict[str, Path], name: str) -> None:
    model = load(folders, name)
    together, alone = model.encode_text([LONG, PROMPT])[1], model.encode_text([PROMPT])[0]
    assert all(torch.equal(together[key], alone[key]) for key in alone)


def test_gradients_flow_where_weights_are_trained(folders: dict[str, Path]) -> None:
    model = load(folders, "sdxl")
    assert not model.encode_text([PROMPT])[0]["states"].requires_grad
    for part in ("text_encoder", "text_encoder_2"):
        weight = model.parts[part].get_submodule(model.token_embeddings[part]).weight.requires_grad_(True)
        (said,) = model.encode_text([PROMPT])
        said["states"].sum().backward()
        assert weight.grad is not None
        assert weight.grad[model.token_ids("1girl")[0]].abs().sum() > 0
        with torch.no_grad():
            assert not model.encode_text([PROMPT])[0]["states"].requires_grad
        weight.requires_grad_(False)


@pytest.mark.parametrize("name", ["sd15", "sdxl"])
def test_a_new_word_stands_for_its_vectors(folders: dict[str, Path], name: str) -> None:
    """Given the vectors of `long hair` it says what `long hair` says, in both encoders and the pooled state."""
    model = load(folders, name)
    (expected,) = model.encode_text(["1girl, long hair, solo"])
    before = model.text_digest()
    ids = model.add_word("sks", 2)
    assert ids == (49408, 49409)
    for part, path in model.token_embeddings.items():
        table = model.parts[part].get_submodule(path)
        grown = torch.nn.Embedding(49410, table.weight.shape[1])
        vectors = table.weight[torch.tensor(load(folders, name).token_ids("long hair"))]
        grown.weight = torch.nn.Parameter(torch.cat([table.weight, vectors]))
        model.parts[part].set_submodule(path, grown)
    (said,) = model.encode_text(["1girl, SKS, solo"])
    for key, tensor in expected.items():
        torch.testing.assert_close(said[key], tensor)
    assert model.token_ids("sks") == list(ids)
    assert model.text_digest() != before
    assert model.add_word("other", 1) == (49410,)


@pytest.mark.parametrize(("word", "count"), [("", 1), ("a, b", 1), ("sks", 76), ("sks", 0)])
def test_what_can_be_no_word(folders: dict[str, Path], word: str, count: int) -> None:
    with pytest.raises(ConfigError, match=r"adapter\."):
        load(folders, "sd15").add_word(word, count)


def test_a_layer_that_is_not_there(folders: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match="clip_skip: 4"):
        load(folders, "sd15", TextRule(clip_skip=4))


def test_the_digest_tells_rules_apart(folders: dict[str, Path]) -> None:
    rules = [TextRule(), TextRule("sd-scripts"), TextRule(max_tokens=75), TextRule(clip_skip=2)]
    digests = [load(folders, "sd15", rule).text_digest() for rule in rules]
    assert len(set(digests)) == len(rules)
    assert load(folders, "sd15").text_digest() == digests[0]
