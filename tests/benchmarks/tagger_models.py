"""ONNX graphs that cost what real taggers cost: a vision transformer of any width and depth with random weights.

The real ones have no weights in a benchmark, but time does not ask what a weight says. `wd-vit-tagger-v3` is a ViT-B/16
at 448 px: 784 patches, 768 wide, 12 blocks. The same graph, 192 wide and 6 deep, costs 7 GFLOP an image and is a tenth
of a second on two cores; a graph of pooled colours, as the tests have it, costs next to nothing.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

_OPSET = 20
_IR = 9
_PATCH = 16


class _Builder:
    """Nodes and weights of one graph."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.weights: dict[str, np.ndarray] = {}
        self._random = np.random.default_rng(5)

    def add(self, kind: str, inputs: list[str], **attributes: object) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def weight(self, *shape: int, scale: float = 0.02) -> str:
        return self.constant(self._random.normal(0, scale, shape).astype(np.float32))

    def constant(self, value: np.ndarray) -> str:
        name = f"w{len(self.weights)}"
        self.weights[name] = value
        return name

    def linear(self, image: str, of: int, to: int) -> str:
        return self.add("Add", [self.add("MatMul", [image, self.weight(of, to)]), self.weight(to)])

    def norm(self, image: str, width: int) -> str:
        ones = self.constant(np.ones(width, np.float32))
        return self.add("LayerNormalization", [image, ones, self.weight(width)], axis=-1)


def write_vit(folder: Path, labels: str, *, width: int, depth: int, size_px: int = 448) -> Path:
    """A folder with the two files of a WD v3 tagger; `labels` is the text of its CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "selected_tags.csv").write_text(labels, "utf-8")
    num_labels = len(labels.strip().splitlines()) - 1
    build = _Builder()
    scaled = build.add("Mul", ["input", build.constant(np.array(1 / 255, np.float32))])
    nchw = build.add("Transpose", [scaled], perm=[0, 3, 1, 2])
    patches = build.add("Conv", [nchw, build.weight(width, 3, _PATCH, _PATCH)], strides=[_PATCH] * 2)
    shape = build.constant(np.array([0, width, -1], np.int64))
    image = build.add("Transpose", [build.add("Reshape", [patches, shape])], perm=[0, 2, 1])
    for _ in range(depth):
        image = _block(build, image, width)
    axes = build.constant(np.array([1], np.int64))
    pooled = build.add("ReduceMean", [build.norm(image, width), axes], keepdims=0)
    logits = build.linear(pooled, width, num_labels)
    build.nodes.append(helper.make_node("Sigmoid", [logits], ["output"]))
    graph = helper.make_graph(
        build.nodes,
        "vit",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", size_px, size_px, 3])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", num_labels])],
        [numpy_helper.from_array(value, name) for name, value in build.weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    return folder


def _block(build: _Builder, image: str, width: int, *, head: int = 64) -> str:
    """Attention and a perceptron, each with its norm and its way around."""
    normed = build.norm(image, width)
    split = build.constant(np.array([0, 0, width // head, head], np.int64))
    parts = [build.add("Reshape", [build.linear(normed, width, width), split]) for _ in range(3)]
    query, value = (build.add("Transpose", [parts[at]], perm=[0, 2, 1, 3]) for at in (0, 2))
    key = build.add("Transpose", [parts[1]], perm=[0, 2, 3, 1])
    scaled = build.add("Mul", [query, build.constant(np.array(head**-0.5, np.float32))])
    weights = build.add("Softmax", [build.add("MatMul", [scaled, key])], axis=-1)
    seen = build.add("Transpose", [build.add("MatMul", [weights, value])], perm=[0, 2, 1, 3])
    joined = build.add("Reshape", [seen, build.constant(np.array([0, 0, width], np.int64))])
    image = build.add("Add", [image, build.linear(joined, width, width)])
    wide = build.add("Gelu", [build.linear(build.norm(image, width), width, 4 * width)])
    return build.add("Add", [image, build.linear(wide, 4 * width, width)])
