"""Section `[lint]` of dsk.toml, and of the `dsk-lint.toml` of a folder that is no dataset."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from datakit.lint.severities import Level

FOLDER_CONFIG: Final = "dsk-lint.toml"
Words = Annotated[str, msgspec.Meta(min_length=1)]


class Allow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is right as it is, `[[lint.allow]]`: findings of one rule, in all items or in some, with the reason."""

    rule: Words
    """Name, code or group of rules."""
    reason: Words
    """Why that is as it should be."""
    where: str = ""
    """The items that are meant, as a query: `concept:aria`, `item:aria/image12`; empty for all."""


class TrainingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the images will be trained, `[lint.training]`, where no export says so; 0 for what the export says, or the
    defaults of an SDXL run."""

    resolution: int | tuple[int, int] = 0
    """Training resolution in pixels: a square's side, or [width, height]."""
    batch_size: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Images a step."""
    max_tokens: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Tokens of a caption that are trained: 75, 150 or 225."""

    def __post_init__(self) -> None:
        # As constraints of the type they would crash msgspec 0.22: a bounded int beside a tuple of fixed length.
        sides = self.resolution if isinstance(self.resolution, tuple) else (self.resolution or 1,)
        if min(sides) < 1:
            raise ValueError("resolution is at least 1 pixel a side")


class LintSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[lint]` of dsk.toml."""

    select: tuple[str, ...] = ("all",)
    """Which rules run: codes, names, groups (`tags`, `T`, `T01`), or `all`."""
    ignore: tuple[str, ...] = ()
    """Which of them do not; of two that name a rule, the one that names it more closely counts."""
    preview: bool = False
    """Whether rules that are new and still being tried run too."""
    targets: tuple[str, ...] = ()
    """The trainers that the dataset is for, as in `--for`: `["sd-scripts", "onetrainer"]`."""
    severity: dict[str, Level] = {}
    """Rule → `error`, `warning`, `info` or `off`, in the place of its own severity."""
    allow: tuple[Allow, ...] = ()
    """Findings that are right as they are: tables `[[lint.allow]]`; `dsk allow` writes them."""
    training: TrainingSettings = TrainingSettings()
    """Table `[lint.training]`."""
    rules: dict[str, dict[str, Any]] = {}
    """Settings of single rules: tables `[lint.rules.<name>]`."""
