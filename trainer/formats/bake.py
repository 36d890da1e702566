"""All that a result's metadata is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainer.config import Config
    from trainer.contracts.adapter import Adapter, AdapterSettings
    from trainer.contracts.model import Family
    from trainer.contracts.objective import Objective
    from trainer.data.items import Dataset


@dataclass(frozen=True)
class Bake:
    """A finished run."""

    config: Config
    """With absolute paths."""
    family: Family
    objective: Objective
    zero_terminal_snr: bool
    """Whether the noise path ended in pure noise."""
    adapter: Adapter
    settings: AdapterSettings
    dataset: Dataset
    """With what was held out."""
    started_s: float
    """Unix time, as `finished_s`."""
    finished_s: float
    steps: int
    """Done; as `epochs`, those begun."""
    epochs: int
    total_steps: int
    """Asked for; as `total_epochs`."""
    total_epochs: int
    batches_per_epoch: int

    @property
    def base(self) -> Path | None:
        """The base model's file or folder."""
        return Path(self.config.model.base) if self.config.model.base else None

    @property
    def vae(self) -> Path | None:
        """The VAE that stood in for the base's own."""
        return Path(self.config.model.vae) if self.config.model.vae else None
