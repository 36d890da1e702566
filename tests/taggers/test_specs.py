"""The specs that come with dsk, and those that people write."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime
import pytest
from PIL import Image
from taggers import onnx_graphs as graphs

from datakit.errors import ConfigError
from datakit.taggers.preprocess import prepare
from datakit.taggers.spec import Input, LabelFile, Output, Spec, parse_spec
from datakit.taggers.specfiles import built_in_specs, load_spec, own_specs, spec_text

V2 = {"vit": 0.3537, "convnext": 0.3685, "convnextv2": 0.3710, "swinv2": 0.3771, "moat": 0.3771}
V3 = {"vit": 0.2614, "convnext": 0.2682, "swinv2": 0.2653, "vit-large": 0.2606, "eva02-large": 0.5296}
CARDS = {
    **{f"wd-v1-4-{name}-tagger-v2": number for name, number in V2.items()},
    **{f"wd-{name}-tagger-v3": number for name, number in V3.items()},
}
OTHERS = {
    **{f"cl-tagger-{number}": graphs.CL for number in ("1.00", "1.01", "1.02")},
    "pixai-tagger-v0.9": graphs.PIXAI,
    "camie-tagger": graphs.CAMIE,
    "camie-tagger-v2": graphs.CAMIE2,
    "joytag": graphs.JOYTAG,
    "deepdanbooru": graphs.DEEPDANBOORU,
    "ml-danbooru": graphs.ML_DANBOORU,
    "z3d-e621-convnext": graphs.Z3D,
}
BUNDLED = frozenset({"dsk-tiny-tagger"})
"""Come with dsk; tested on their own files in test_tiny_tagger."""


def spec_of(name: str) -> Spec:
    return load_spec(name, Path("/nowhere"))


def test_every_spec_is_one_of_those_tested_here() -> None:
    assert set(built_in_specs()) == {*CARDS, *OTHERS, *BUNDLED}


@pytest.mark.parametrize("name", CARDS)
def test_the_wd_family_by_its_cards(name: str) -> None:
    spec = spec_of(name)
    assert spec.thresholds == {"general": CARDS[name], "character": 0.85}
    assert spec.repository == f"SmilingWolf/{name}"
    assert spec.num_tags == (graphs.NUM_WD_TAGS if name.endswith("v3") else 9083)
    assert spec.input == Input(size_px=448), "the family is what the defaults say"
    assert (spec.output, spec.inclusive, spec.rating) == (Output(), False, "argmax")
    assert (spec.files.model, spec.files.labels) == ("model.onnx", "selected_tags.csv")


@pytest.mark.parametrize("name", built_in_specs())
def test_every_spec_says_what_it_is(name: str) -> None:
    spec = spec_of(name)
    assert spec.summary
    assert spec.repository.count("/") == (0 if name in BUNDLED else 1)
    assert spec.thresholds["general"] <= 0.7
    assert spec_text(name, Path("/nowhere")).startswith("# From "), "where its facts are from"
    size = 1 if name in BUNDLED else spec.files.size_bytes  # theirs are on the disk
    known = {"licence": spec.licence, "files.size_bytes": size, "num_tags": spec.num_tags}
    for fact, value in known.items():
        assert value or any(one.startswith(fact) for one in spec.unverified), f"{fact} is unknown: say so"


@pytest.mark.parametrize("name", [*CARDS, *OTHERS])
def test_the_spec_fits_the_models_interface(name: str) -> None:
    """A wide image, red on top: only the right layout, channels, range, padding and output answer all questions."""
    interface = OTHERS.get(name, graphs.WD)
    spec = spec_of(name)
    image = Image.new("RGB", (600, 300), (130, 40, 40))
    image.paste((255, 160, 160), (0, 0, 600, 150))
    session = onnxruntime.InferenceSession(graphs.graph(200, interface), providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    axes = given.shape[1:3] if spec.input.layout == "nhwc" else given.shape[2:4]
    side = spec.input.size_px or axes[0]
    assert axes == [side, side]
    output = spec.output.name or session.get_outputs()[spec.output.index].name
    raw = session.run([output], {given.name: prepare(image, spec.input, side)[None]})[0][0]
    scores = 1 / (1 + np.exp(-raw)) if spec.output.activation == "sigmoid" else raw
    assert scores.shape == (200,)
    assert scores.min() >= 0
    assert scores.max() <= 1
    found = zip(graphs.PROBES, scores[interface.first_probe :], strict=False)
    yes = {probe for probe, score in found if score > 0.5}
    padding = {"white_corner"} if spec.input.fit != "stretch" and spec.input.pad == "white" else set()
    assert yes - {"bright", "centre", "left"} == {"red", "top", *padding}
    assert ("bright" in yes) == bool(padding or spec.input.fit == "stretch")


@pytest.mark.parametrize(
    ("text", "word", "hint"),
    [
        ("thresholds = 3", "thresholds", ""),
        ("[input]\nlayot = 'nhwc'", "unknown key 'layot'", "layout"),
        ("[inputs]\n", "unknown key 'inputs'", "input"),
        ("[input]\nlayout = 'hwcn'", "hwcn", ""),
        ("[input]\npad = 'whitish'", "whitish", ""),
        ("[input]\nstd = [1, 0, 1]", "std", ""),
        ("[input]\nmean = [1, 0]", "mean", ""),
        ("[input]\nsize_px = 100000", "size_px", ""),
        ("[output]\nindex = -1", "index", ""),
        ("[thresholds]\ngenral = 0.3", "genral", "general"),
        ("[labels.categories]\n0 = 'genral'", "genral", "general"),
        ("[files]\nmodel = '../model.onnx'", "leaves", ""),
        ("[files]\nlabels = '/etc/passwd'", "leaves", ""),
        ("[files]\nmore = ['a/../../b']", "leaves", ""),
        ("[files]\nmodel = 'C:\\x.onnx'", "leaves", ""),
        ("repository =", "not valid TOML", ""),
        ("more = " + "[" * 5000, "not valid TOML", ""),
        ("revision = '/dev/zero'", "revision", "commit"),
        ("revision = '../../x'", "revision", "commit"),
    ],
)
def test_mistakes_are_named(text: str, word: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=r"mine\.toml") as raised:
        parse_spec(text, "mine.toml")
    assert word in raised.value.message
    assert hint in raised.value.hint


def test_a_datasets_own_spec_wins(tmp_path: Path) -> None:
    folder = tmp_path / "vocab" / "taggers"
    folder.mkdir(parents=True)
    (folder / "wd-vit-tagger-v3.toml").write_text("[thresholds]\ngeneral = 0.4\n", "utf-8")
    (folder / "mine.toml").write_text('summary = "mine"\n', "utf-8")
    (folder / ".hidden.toml").write_text("", "utf-8")
    assert own_specs(tmp_path) == ["mine", "wd-vit-tagger-v3"]
    assert load_spec("wd-vit-tagger-v3", tmp_path).thresholds == {"general": 0.4}
    assert load_spec("mine", tmp_path).summary == "mine"
    (folder / "mine.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"vocab/taggers/mine\.toml: not UTF-8"):
        load_spec("mine", tmp_path)


def test_an_unknown_name_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no tagger 'wd-eva02-tagger-v3'") as raised:
        load_spec("wd-eva02-tagger-v3", tmp_path)
    assert "wd-eva02-large-tagger-v3" in raised.value.hint
    with pytest.raises(ConfigError):
        load_spec("../../secret", tmp_path)


@pytest.mark.parametrize("batch", [None, 1, 4])
def test_graphs_have_a_fixed_or_any_batch(tmp_path: Path, batch: int | None) -> None:
    folder = graphs.write_wd(tmp_path / "wd", batch=batch)
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    assert given.shape == [batch or "N", 448, 448, 3]
    images = np.zeros((batch or 3, 448, 448, 3), np.float32)
    scores = session.run(None, {given.name: images})[0]
    assert scores.shape == (len(images), graphs.NUM_WD_TAGS)


def test_the_documented_spec_is_one_and_has_every_key() -> None:
    page = (Path(__file__).parents[2] / "docs" / "taggers.md").read_text("utf-8")
    example = page.partition("```toml\n")[2].partition("```")[0]
    assert parse_spec(example, "docs/taggers.md").thresholds == Spec().thresholds
    table = tomllib.loads(example)
    for name, kind in {"input": Input, "output": Output, "labels": LabelFile}.items():
        keys = {field.name for field in msgspec.structs.fields(kind)}
        assert keys - {"index"} == set(table[name]) - {"index"}
