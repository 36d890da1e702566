"""Prompts become the states that sd-scripts makes of them, and modules are called as it calls them.

PEER_SD_SCRIPTS names a checkout of kohya-ss/sd-scripts, PEER_SD_SCRIPTS_PYTHON an interpreter with what it requires.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from peers.real_export import checkout, read_back
from safetensors.torch import load_file

from trainer.contracts.model import BaseSource, Family, TextRule
from trainer.families._clip_text import tokenizer_files
from trainer.registry import FAMILIES

pytestmark = pytest.mark.peers

TAGS = ["1girl", "solo", "saber (fate)", "long hair", "looking at viewer", ":d", "absurdres", "^_^", "é", "少女"]
PROMPTS = (
    "",
    "1girl, solo",
    "!",
    ", ".join(TAGS * 3),
    ", ".join(TAGS * 7),
    ", ".join(TAGS * 30),
    "hat " * 75,
    "hat " * 74 + "! " + "hat",
    "hat " * 75 + "! hat",
    "hat " * 150,
    "hat " * 224,
    "hat " * 225,
)
LENGTHS = (75, 150, 225)
CLIP_SKIPS = (1, 2)


@pytest.fixture
def bases(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module that makes base models in small."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "trainer"))
    import tiny_bases

    return tiny_bases


def asked(folder: Path, **request: Any) -> dict[str, Any]:
    (folder / "request.json").write_text(json.dumps(request), "utf-8")
    return read_back(
        "sd_scripts_text_reader.py",
        checkout("PEER_SD_SCRIPTS"),
        str(folder / "request.json"),
        python="PEER_SD_SCRIPTS_PYTHON",
    )


def family(name: str) -> Family:
    return FAMILIES.load(name, field="model.family")


def tokenizers(folder: Path) -> Path:
    """What sd-scripts keeps in its --tokenizer_cache_dir; laion's names the end mark as padding, as ours of SD 1.5."""
    for name in ("openai/clip-vit-large-patch14", "laion/CLIP-ViT-bigG-14-laion2B-39B-b160k"):
        place = folder / name.replace("/", "_")
        place.mkdir(parents=True)
        for file, content in tokenizer_files("<|endoftext|>").items():
            (place / file).write_bytes(content)
    return folder


def test_states_of_its_own_split(tmp_path: Path, bases: Any) -> None:
    folders = {"sd15": bases.write_sd15(tmp_path / "sd15"), "sdxl": bases.write_sdxl(tmp_path / "sdxl")}
    found = asked(
        tmp_path,
        what="states",
        bases={name: str(path) for name, path in folders.items()},
        tokenizers=str(tokenizers(tmp_path / "tokenizers")),
        prompts=PROMPTS,
        lengths=LENGTHS,
        clip_skips=CLIP_SKIPS,
        states=str(tmp_path / "states.safetensors"),
    )
    theirs = load_file(tmp_path / "states.safetensors")
    ours: dict[str, torch.Tensor] = {}
    for length in LENGTHS:
        for skip in CLIP_SKIPS:
            rule = TextRule("sd-scripts", length, skip)
            for number, said in enumerate(texts("sd15", folders["sd15"], rule, bases)):
                ours[f"sd15.{skip}.{length}.{number}"] = said["states"]
        for number, said in enumerate(texts("sdxl", folders["sdxl"], TextRule("sd-scripts", length), bases)):
            ours[f"sdxl.states.{length}.{number}"] = said["states"]
            ours[f"sdxl.pooled.{length}.{number}"] = said["pooled"]
    assert len(theirs) == found["written"] == len(LENGTHS) * len(PROMPTS) * (len(CLIP_SKIPS) + 2)
    assert set(ours) == set(theirs)
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, atol=1e-5, rtol=1e-5, msg=lambda text, n=name: f"{n}: {text}")


def texts(name: str, folder: Path, rule: TextRule, bases: Any) -> list[dict[str, torch.Tensor]]:
    model = family(name).load(BaseSource(bases.header_of(folder), text=rule))
    with torch.no_grad():
        return model.encode_text(PROMPTS)


@pytest.mark.parametrize("kind", ["sd15", "sdxl"])
def test_modules_of_a_lora(kind: str, tmp_path: Path, bases: Any) -> None:
    found = asked(tmp_path, what="names")
    one, parts = family(kind), bases.real_modules(kind)
    for theirs, preset in (("linear", "kohya"), ("conv", "full")):
        patterns = [*one.targets[preset], *one.text_targets["attention+mlp"]]
        mine = [
            f"{one.lora_prefixes[part]}.{one.own_name(part, path)}".replace(".", "_")
            for part, root in parts.items()
            for path, _ in root.named_modules()
            if any(re.fullmatch(pattern, f"{part}.{path}") for pattern in patterns)
        ]
        assert len(mine) == len(set(mine))
        assert set(mine) == set(found[f"{kind}.{theirs}"])
