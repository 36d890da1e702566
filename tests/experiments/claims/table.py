"""All claims, in the order of the report."""

from __future__ import annotations

from . import kinds, missing_captions, negation, rank, regularization, tag_dropout, transparency, zero_snr

CLAIMS = tuple(
    module.CLAIM
    for module in (negation, missing_captions, transparency, zero_snr, rank, kinds, regularization, tag_dropout)
)
