"""What decides a result beside base, tagger and settings, as a digest: whoever draws or asks otherwise has another."""

from __future__ import annotations

import hashlib
from dataclasses import asdict

from . import facts
from .contract import Arm, Claim
from .material import SIZE_PX

FIRST_SEED = 0


def of_arm(claim: Claim, arm: Arm) -> str:
    """Of an arm's runs: its own settings, captions and pixels of the first seed, and what is asked for."""
    own = [arm.settings, arm.subset, arm.class_prompts, arm.weighting, arm.trains]
    samples = arm.samples(FIRST_SEED)
    drawn = [(one.caption, hashlib.sha256(one.image.tobytes()).hexdigest()) for one in samples]
    return facts.digest([[*own, drawn], _asks(claim)])


def of_check(claim: Claim) -> str:
    """Of the tagger's check: the looks that it is shown, and what is asked for."""
    looks = [asdict(look) for look in claim.looks(FIRST_SEED)] if claim.looks else []
    measures = [asdict(measure) for measure in claim.measures]
    return facts.digest([looks, SIZE_PX, measures, _asks(claim)])


def _asks(claim: Claim) -> list[dict[str, object]]:
    return [asdict(ask) for ask in claim.asks(FIRST_SEED)]
