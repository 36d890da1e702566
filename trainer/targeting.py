"""Which modules are trained, and with what numbers: presets, patterns and rules become sites.

A pattern is a regular expression that must match a whole `<part>.<module path>`. It is read by diffusers' names;
where it matches none of them, by the names in LoRA files (SDXL's `unet.input_blocks.4.1.proj_in`). Never by both at
once: `unet\\.(?!mid_block).*` would find the middle block by its other name.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from trainer.contracts.adapter import Site
from trainer.contracts.model import Family
from trainer.errors import ConfigError, nearest
from trainer.sections import AdapterConfig, RuleConfig

if TYPE_CHECKING:
    from torch import nn

OwnName = Callable[[str, str], str]
AUTO, NONE, EVERYTHING, USUAL = "auto", "none", "full", "kohya"


def sites(parts: Mapping[str, nn.Module], family: Family, config: AdapterConfig, *, kinds: Sequence[str]) -> list[Site]:
    """The sites in the model's order.

    `kinds` are class names of modules that can be a site; empty: every module that has weights of its own, and the
    preset `full` is then all of them. `targets` choose among the parts that are no text encoders, `text_targets`
    among those. Convolutions larger than 1x1 have `conv_rank`, all else `rank`; without kinds ranks are of no
    matter, save that a rule's 0 freezes. Raises ConfigError where a pattern or a rule finds nothing, and where
    nothing is left to train.
    """
    network = _Network(_modules(parts), kinds, family.own_name)
    can = [path for path, module in network.modules.items() if _is_kind(module, kinds)]
    text = [path for path in can if path.partition(".")[0] in family.embedding_keys]
    rest = [path for path in can if path not in set(text)]
    hits = _chosen(network, rest, field="targets", given=_asked(config, kinds), presets=family.targets)
    hits += _chosen(network, text, field="text_targets", given=config.text_targets, presets=family.text_targets)
    named = {path for _, paths in hits for path in paths}
    first = {path: _numbers(network.modules[path], config, kinds) for path in can if path in named}
    last = dict(first)
    for place, rule in enumerate(config.rules):
        other = "is not among adapter.targets and text_targets"
        for path in network.find(rule.match, first, field=f"adapter.rules[{place}].match", other=other):
            last[path] = _changed(last[path], rule)
    _refuse_narrow(hits, first, last)
    found = [Site(path, n.rank, n.alpha or float(n.rank), n.dropout) for path, n in last.items() if n.is_trained]
    if not found:
        raise ConfigError("adapter: no module is left to train", hint="check targets, text_targets and rules")
    return found


def matching(pattern: str, paths: Iterable[str], *, own_name: OwnName, field: str) -> list[str]:
    """Those of `paths` that the pattern matches, by one kind of names. Raises ConfigError, naming `field`."""
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(
            f"{field}: {pattern!r} is no regular expression ({error})", hint=r"write dots as \. and any text as .*"
        ) from None
    known = list(paths)
    by_path = [path for path in known if expression.fullmatch(path)]
    return by_path or [path for path in known if expression.fullmatch(_in_files(path, own_name))]


def _in_files(path: str, own_name: OwnName) -> str:
    part, _, inner = path.partition(".")
    return f"{part}.{own_name(part, inner)}" if inner else part


@dataclass(frozen=True)
class _Network:
    modules: Mapping[str, nn.Module]
    """All of them, in order."""
    kinds: Sequence[str]
    own_name: OwnName

    def find(self, pattern: str, among: Collection[str], *, field: str, other: str) -> list[str]:
        """Raises ConfigError where none of `among` matches; `other` is said of what matches beside them."""
        hits = matching(pattern, among, own_name=self.own_name, field=field)
        if hits:
            return hits
        beside = matching(pattern, self.modules, own_name=self.own_name, field=field)
        fit = [path for path in beside if _is_kind(self.modules[path], self.kinds)]
        if fit:
            raise ConfigError(f"{field}: {pattern!r} matches {fit[0]}, which {other}", hint=self._near(pattern, among))
        if beside:
            kinds = " or ".join(self.kinds) or "module with weights of its own"
            kind = type(self.modules[beside[0]]).__name__
            raise ConfigError(
                f"{field}: {pattern!r} matches {beside[0]}, a {kind}, but no {kinds}", hint=self._near(pattern, among)
            )
        raise ConfigError(f"{field}: {pattern!r} matches no module", hint=self._near(pattern, among))

    def _near(self, pattern: str, among: Iterable[str]) -> str:
        names = [name for path in among for name in (path, _in_files(path, self.own_name))]
        close = difflib.get_close_matches(re.sub(r"\\(.)", r"\1", pattern), names, n=1, cutoff=0.0)
        return f"the nearest is {close[0]}" if close else "this model has no module to choose there"


@dataclass(frozen=True)
class _Numbers:
    rank: int
    alpha: float
    """0: the rank."""
    dropout: float
    learning_rate: float | None = None

    @property
    def is_trained(self) -> bool:
        return self.rank > 0 and self.learning_rate != 0


_Hits = list[tuple[str, list[str]]]
"""Where a pattern or preset stands, and what it matched."""


def _modules(parts: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    return {
        f"{part}.{path}" if path else part: module
        for part, root in parts.items()
        for path, module in root.named_modules()
    }


def _is_kind(module: nn.Module, kinds: Sequence[str]) -> bool:
    if kinds:
        return type(module).__name__ in kinds
    return next(module.parameters(recurse=False), None) is not None


def _chosen(
    network: _Network,
    can: Sequence[str],
    *,
    field: str,
    given: str | Sequence[str],
    presets: Mapping[str, Sequence[str]],
) -> _Hits:
    where = f"adapter.{field}"
    if given == NONE:
        return []
    if isinstance(given, str) and "." not in given:
        return [(f"{where}: {given!r}", _preset(network, can, where=where, name=given, presets=presets))]
    other = f"belongs in adapter.{'targets' if field == 'text_targets' else 'text_targets'}"
    patterns = [given] if isinstance(given, str) else given
    return [(f"{where}: {one!r}", network.find(one, can, field=where, other=other)) for one in patterns]


def _asked(config: AdapterConfig, kinds: Sequence[str]) -> str | Sequence[str]:
    """What `auto` stands for: all there is to a full finetune, convolutions where they have a rank, else the usual."""
    if config.targets != AUTO:
        return config.targets
    return EVERYTHING if not kinds or config.conv_rank else USUAL


def _preset(
    network: _Network, can: Sequence[str], *, where: str, name: str, presets: Mapping[str, Sequence[str]]
) -> list[str]:
    if name == EVERYTHING and not network.kinds:
        return list(can)
    if name not in presets:
        raise ConfigError(f"{where}: there is no preset {name!r}", hint=nearest(name, [*presets, NONE]))
    # A preset is the family's: it goes by one kind of names, and some of its patterns may find nothing.
    hits = {path for one in presets[name] for path in can if re.fullmatch(one, path)}
    if not hits:
        raise ConfigError(f"{where}: {name!r} finds nothing to train in this model", hint="give patterns instead")
    return [path for path in can if path in hits]


def _numbers(module: nn.Module, config: AdapterConfig, kinds: Sequence[str]) -> _Numbers:
    kernel = getattr(module, "kernel_size", (1,))
    if kinds and max(kernel) > 1:
        return _Numbers(config.conv_rank, config.conv_alpha or float(config.conv_rank), config.dropout)
    return _Numbers(config.rank, config.alpha, config.dropout)


def _changed(numbers: _Numbers, rule: RuleConfig) -> _Numbers:
    said = {name: getattr(rule, name) for name in ("rank", "alpha", "dropout", "learning_rate")}
    return replace(numbers, **{name: value for name, value in said.items() if value is not None})


def _refuse_narrow(hits: _Hits, first: Mapping[str, _Numbers], last: Mapping[str, _Numbers]) -> None:
    """Raises ConfigError where someone names convolutions alone and leaves them without a rank."""
    for told, paths in hits:
        if not any(first[path].rank or last[path].is_trained for path in paths):
            raise ConfigError(f"{told} matches only convolutions that have no rank", hint="set adapter.conv_rank")
