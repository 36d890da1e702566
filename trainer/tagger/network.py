"""The tagger's network: a few convolutions, in the interface of the WD taggers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Convolution(nn.Module):
    """3 x 3, normalised over the batch, and without what is below zero."""

    def __init__(self, before: int, after: int, *, stride: int = 1, side: int = 3) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(before, after, side, stride, side // 2, bias=False)
        self.norm = nn.BatchNorm2d(after)

    def forward(self, x: Tensor) -> Tensor:
        """[N, before, H, W] to [N, after, H / stride, W / stride]."""
        return torch.relu(self.norm(self.convolution(x)))


class Residual(nn.Module):
    """Two convolutions beside the way straight on."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = Convolution(width, width)
        self.second = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Keeps the shape."""
        return torch.relu(x + self.norm(self.second(self.first(x))))


class Tagger(nn.Module):
    """From pictures to a logit for each tag."""

    def __init__(self, widths: Sequence[int], num_tags: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        first, *rest = widths
        layers: list[nn.Module] = [Convolution(3, first, stride=2, side=5), Convolution(first, first)]
        before = first
        for width in rest:
            layers += [Convolution(before, width, stride=2), Residual(width)]
            before = width
        self.body = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * before, num_tags)

    def forward(self, pictures: Tensor) -> Tensor:
        """RGB [N, 3, S, S] in -1 to 1; logits [N, tags]."""
        cells = self.body(pictures)
        # The mean tells how much of something there is, the maximum whether there is any.
        seen = torch.cat([cells.mean((2, 3)), cells.amax((2, 3))], dim=1)
        scores: Tensor = self.head(self.dropout(seen))
        return scores


class Wd(nn.Module):
    """The same from what a WD tagger takes, to what it gives: BGR [N, S, S, 3] in 0 to 255, probabilities."""

    def __init__(self, tagger: Tagger) -> None:
        super().__init__()
        self.tagger = tagger

    def forward(self, pictures: Tensor) -> Tensor:
        """Probabilities [N, tags]."""
        rgb = pictures.flip(3).permute(0, 3, 1, 2)
        return torch.sigmoid(self.tagger(rgb / 127.5 - 1))


def fold(network: nn.Module) -> None:
    """Takes each normalisation into the convolution before it, in place: fewer weights, the same numbers."""
    for module in list(network.modules()):
        if isinstance(module, Convolution):
            module.convolution, module.norm = _folded(module.convolution, module.norm), nn.Identity()  # type: ignore[assignment]
        if isinstance(module, Residual):
            module.second, module.norm = _folded(module.second, module.norm), nn.Identity()  # type: ignore[assignment]


def _folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    fused: nn.Conv2d = nn.utils.fuse_conv_bn_eval(convolution.eval(), norm.eval())
    return fused
