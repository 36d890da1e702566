"""What is learnt and how much each error counts: objective, noise path, timesteps, noise, loss, weighting.

The numbers of a run's TOML, turned into the pure functions that the loop calls.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import torch

from trainer.contracts.objective import NoisePath, Objective, Weighting
from trainer.losses import LossRule
from trainer.noise import NoiseRule
from trainer.plan import Plan
from trainer.registry import OBJECTIVES, WEIGHTINGS
from trainer.timesteps import TimeRule
from trainer.weightings._v_pred_like import v_pred_like


@dataclass(frozen=True)
class Recipe:
    """All that decides the loss of a picture, beside the model."""

    objective: Objective
    path: NoisePath
    weighting: Weighting
    gamma: float
    v_pred_like_loss: float
    times: TimeRule
    noise: NoiseRule
    loss: LossRule
    prior_loss_weight: float
    masked: bool
    native_area_px: int
    """Pixels of the family's own resolution, which shift_by_resolution compares with."""

    def weights(self, times: torch.Tensor) -> torch.Tensor:
        """Loss weight [B], float64, of times [B]."""
        snr = self.path.snr(times)
        weight = self.weighting.weight(snr, prediction_type=self.objective.prediction_type, gamma=self.gamma)
        return weight * (1.0 + v_pred_like(snr, strength=self.v_pred_like_loss)) if self.v_pred_like_loss else weight


def make(plan: Plan) -> Recipe:
    """The recipe that the plan's config asks for. What does not go together, the plan has refused."""
    config = plan.config
    objective = OBJECTIVES.load(plan.objective, field="objective.name")
    weighting = WEIGHTINGS.load(config.objective.weighting, field="objective.weighting")
    return Recipe(
        objective=objective,
        path=objective.path(plan.zero_terminal_snr),
        weighting=weighting,
        gamma=config.objective.gamma,
        v_pred_like_loss=config.objective.v_pred_like_loss,
        times=TimeRule(**msgspec.structs.asdict(config.timesteps)),
        noise=NoiseRule(**msgspec.structs.asdict(config.noise)),
        loss=LossRule(config.loss.kind, config.loss.huber_c, config.loss.huber_schedule, config.loss.huber_scale),
        prior_loss_weight=config.loss.prior_loss_weight,
        masked=config.loss.masked,
        native_area_px=plan.family.native_resolution_px**2,
    )
