"""The tagger as files that programs for WD taggers read: model.onnx and selected_tags.csv."""

from __future__ import annotations

import copy
import csv
import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from trainer.tagger.network import Tagger, Wd, fold

MODEL, LABELS = "model.onnx", "selected_tags.csv"
_OPSET = 17
_GENERAL = 0


def onnx_bytes(tagger: Tagger, *, size_px: int, fp16: bool) -> bytes:
    """The ONNX file: `input` float32 BGR [N, S, S, 3] in 0 to 255, `output` [N, tags] in 0 to 1.

    With `fp16` the weights are stored so, and cast as the model is loaded: half the size, and computed with as fp32.
    It is written by torch's exporter of traced programs, which needs no package beside torch.
    """
    wd = Wd(copy.deepcopy(tagger)).eval()
    fold(wd)
    if fp16:
        _store_halves(wd)
    example = torch.zeros(2, size_px, size_px, 3)
    file: Any = io.BytesIO()  # which the exporter takes, and its types do not know
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that this exporter is the older one
        torch.onnx.export(
            wd,
            (example,),
            file,
            input_names=["input"],
            output_names=["output"],
            dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}},
            opset_version=_OPSET,
            do_constant_folding=not fp16,
            dynamo=False,
        )
    content: bytes = file.getvalue()
    return content


def labels_bytes(counts: Mapping[str, int], thresholds: Sequence[float]) -> bytes:
    """`selected_tags.csv` with WD's columns, and each tag's own threshold in one more."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("tag_id", "name", "category", "count", "best_threshold"))
    for number, ((tag, count), bar) in enumerate(zip(counts.items(), thresholds, strict=True)):
        writer.writerow((number, tag, _GENERAL, count, f"{bar:g}"))
    return file.getvalue().encode()


def rounded(tagger: Tagger) -> Tagger:
    """A folded copy with weights as fp16 holds them, to be judged as it is shipped."""
    found = copy.deepcopy(tagger).eval()
    fold(found)
    for value in found.parameters():
        value.data.copy_(value.data.half().float())
    return found


class _HalfStored(nn.Module):
    """A convolution or a linear layer whose weights are kept as fp16 and cast where they are used."""

    def __init__(self, layer: nn.Conv2d | nn.Linear) -> None:
        super().__init__()
        self.weight = nn.Parameter(layer.weight.detach().half(), requires_grad=False)
        assert layer.bias is not None
        self.bias = nn.Parameter(layer.bias.detach().half(), requires_grad=False)
        self.stride, self.padding = 0, 0
        if isinstance(layer, nn.Conv2d):
            self.stride, self.padding = layer.stride[0], layer.kernel_size[0] // 2

    def forward(self, x: Tensor) -> Tensor:
        """As the layer."""
        weight, bias = self.weight.float(), self.bias.float()
        if self.stride:
            return nn.functional.conv2d(x, weight, bias, self.stride, self.padding)
        return nn.functional.linear(x, weight, bias)


def _store_halves(network: nn.Module) -> None:
    """In place."""
    for name, layer in list(network.named_children()):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            setattr(network, name, _HalfStored(layer))
        else:
            _store_halves(layer)
