"""Whole runs of a small claim, with a base and a tagger of made-up weights: kept, not repeated, the same each time."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from experiments import facts, learning, running
from experiments.contract import Arm, Ask, Baking, Claim, Comparison, Measure, Painting, Sample
from experiments.judging import Judge, unknown_tags
from experiments.running import Lab
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from trainer.contracts.model import BaseSource, Prediction, SaveAs
from trainer.registry import FAMILIES

TAGS = ("bright", "red")
_FOREVER = math.inf


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "base"
    family = FAMILIES.load("tiny", field="model.family")
    model = family.load(BaseSource(None, "cpu", 0))
    family.save(model, folder, SaveAs("diffusers", torch.float32, {}, Prediction("v_prediction", True)))
    return folder


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Says `bright` where the mean of all channels is above 100, and `red` where red's is."""
    folder = tmp_path_factory.mktemp("tagger")
    weights = np.array([[1, 0], [1, 0], [1, 3]], np.float32) / 3  # BGR
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["sums"]),
        helper.make_node("Sub", ["sums", "bar"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["output"]),
    ]
    tensors = [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(np.float32(100), "bar")]
    asked = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 64, 64, 3])
    said = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 2])
    graph = helper.make_graph(nodes, "tagger", [asked], [said], tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, folder / "model.onnx")
    rows = "".join(f"{number},{tag},0,1,0.5\n" for number, tag in enumerate(TAGS))
    (folder / "selected_tags.csv").write_text("tag_id,name,category,count,best_threshold\n" + rows, "utf-8")
    return folder


def _samples(seed: int) -> list[Sample]:
    return [Sample(Image.new("RGB", (64, 64), (200, 10 * seed, place)), f"word, {place}") for place in range(4)]


CLAIM = Claim(
    name="small",
    title="Small",
    says="",
    how="",
    arms=(
        Arm("untrained", "", _samples, trains=False),
        Arm("plain", "", _samples),
        Arm("beside", "", _samples, class_prompts=("a", "b"), weighting="bare_min_snr"),
    ),
    asks=lambda seed: [Ask("word", "word"), Ask("word", "word"), Ask("asked", "red, word", ("red",))],
    measures=(Measure("bright", "bright", "word", tags=("bright",)), Measure("asked", "asked", "asked", "asked")),
    comparisons=(Comparison("bright", "plain", "untrained", 1),),
)


@pytest.fixture
def lab(tmp_path: Path, base: Path, tagger: Path) -> Lab:
    baking = Baking(str(base), steps=2, batch=2, rank=2)
    return Lab(tmp_path / "results", Judge(str(tagger), root=tmp_path), baking, Painting(steps=2))


def _run(lab: Lab, *, seeds: range = range(1), until: float = _FOREVER) -> tuple[bool, list[str]]:
    told: list[str] = []
    return running.all_of([CLAIM], lab, seeds, until=until, tell=told.append), told


def test_every_arm_is_run_once_and_kept(lab: Lab) -> None:
    done, told = _run(lab)
    assert done
    assert [line.split(",")[0] for line in told] == ["small: untrained", "small: plain", "small: beside"]
    kept = {arm.name: facts.load_run(facts.path_of(lab.folder, "small", arm=arm.name, seed=0)) for arm in CLAIM.arms}
    untrained, plain, beside = (kept[arm.name] for arm in CLAIM.arms)
    assert untrained is not None
    assert plain is not None
    assert beside is not None
    assert untrained.parameters == 0
    assert plain.parameters == beside.parameters > 0
    assert untrained.loss == (0.0, 0.0)
    assert plain.loss[0] > 0
    assert [one.group for one in plain.pictures] == ["word", "word", "asked"]
    # Two pictures of one prompt are of other noise; with LoRA they are others than without.
    assert plain.pictures[0].numbers != plain.pictures[1].numbers
    assert plain.pictures[0].numbers != untrained.pictures[0].numbers
    assert plain.data["brightness"] == pytest.approx(0.2126 * 200 / 255, abs=0.01)

    assert _run(lab) == (True, [])

    path = facts.path_of(lab.folder, "small", arm="plain", seed=0)
    path.unlink()
    assert len(_run(lab)[1]) == 1
    again = facts.load_run(path)
    assert again is not None
    assert (again.pictures, again.loss, again.setup) == (plain.pictures, plain.loss, plain.setup)


def test_without_time_nothing_begins(lab: Lab) -> None:
    done, told = _run(lab, until=time.monotonic())
    assert not done
    assert told == ["the time is up; 3 runs of small are left. The same command goes on."]
    assert not lab.folder.exists()


def test_another_setup_is_another_result(lab: Lab, base: Path) -> None:
    other = Lab(lab.folder, lab.judge, Baking(str(base), steps=3, batch=2, rank=2), lab.painting)
    arm = CLAIM.arm("untrained")
    running.run(CLAIM, arm, 0, lab)
    assert (arm, 0) not in running.todo(CLAIM, lab, [0])
    assert (arm, 0) in running.todo(CLAIM, other, [0])
    assert (arm, 1) in running.todo(CLAIM, lab, [0, 1])


def test_a_base_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no base model is there"):
        running.base_digest(str(tmp_path / "nothing"))


def test_tags_that_the_tagger_cannot_tell_are_named(lab: Lab) -> None:
    assert unknown_tags(CLAIM, lab.judge, seed=0) == ()
    blind = Claim("blind", "", "", "", CLAIM.arms, CLAIM.asks, (Measure("m", "", "word", tags=("hat",)),), ())
    assert unknown_tags(blind, lab.judge, seed=0) == ("hat",)


def test_the_tagger_says_what_it_was_made_to_say(lab: Lab) -> None:
    red, grey, black = (Image.new("RGB", (64, 64), colour) for colour in ("#ff0000", "#808080", "#000000"))
    assert lab.judge.tags([red, grey, black]) == [["red"], ["bright", "red"], []]


def test_the_bare_weighting_is_the_formula() -> None:
    snr = torch.tensor([0.0, 1.0, 5.0, 20.0])
    weights = learning.WEIGHTINGS["bare_min_snr"].weight(snr, prediction_type="v", gamma=5.0)
    assert weights.tolist() == pytest.approx([0.0, 0.5, 5 / 6, 5 / 21])
