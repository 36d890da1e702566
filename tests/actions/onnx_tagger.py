"""A tagger whose rules are known: a tag for each colour that leads, and one for bright pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TAGS = ("red_hair", "green_hair", "blue_hair", "bright", "1girl", "solo")
"""General tags, in the order of the outputs."""


def is_seen(name: str, mean: np.ndarray) -> bool:
    """Whether the tag of this colour, or `bright`, is given to a picture of these means (RGB, 0 to 1)."""
    if name == "bright":
        return bool(mean.mean() > 0.5)
    own = ("red", "green", "blue").index(name)
    return bool(mean[own] > (mean.sum() - mean[own]) / 2)


def write(folder: Path, side_px: int = 64) -> Path:
    """A folder with the two files of a WD tagger: NHWC, BGR, 0 to 255."""
    folder.mkdir(parents=True, exist_ok=True)
    rules = np.full((3, len(TAGS)), 0.0, np.float32)
    for tag, row in enumerate((2, 1, 0)):  # the place of the colour in BGR
        rules[:, tag] = -0.5
        rules[row, tag] = 1.0
    rules[:, 3] = 1 / 3
    bias = np.array([0, 0, 0, -0.5, -1, -1], np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Div", ["mean", "white"], ["shares"]),
        helper.make_node("Gemm", ["shares", "rules", "bias"], ["steps"]),
        helper.make_node("Mul", ["steps", "steep"], ["scores"]),
        helper.make_node("Sigmoid", ["scores"], ["probabilities"]),
    ]
    constants = {"white": np.float32(255), "rules": rules, "bias": bias, "steep": np.float32(1000)}
    graph = helper.make_graph(
        nodes,
        "tagger",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", side_px, side_px, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(TAGS)])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    onnx.checker.check_model(model)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    rows = [f"{number},{tag},0,100,0.5\n" for number, tag in enumerate(TAGS)]
    (folder / "selected_tags.csv").write_text("tag_id,name,category,count,best_threshold\n" + "".join(rows))
    return folder
