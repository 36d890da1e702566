"""What a sheet says in words beside its pictures: in its footer what its prompts share, at each row what is its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from trainer.sampling.grid import Row
from trainer.sampling.prompts import Prompt


def rows(prompts: Sequence[Prompt]) -> tuple[Row, ...]:
    """The labels of the rows."""
    shared = _shared(prompts)
    return tuple(Row(prompt.text, _notes(prompt, shared)) for prompt in prompts)


def footer(prompts: Sequence[Prompt], base: str, *, more: str = "") -> str:
    """The line below all pictures."""
    shared = _shared(prompts)
    parts = [f"base: {base}", *(say(prompts[0]) for name, say in _SAID.items() if name in shared and name != _SIZE)]
    return "   ".join([*parts, more] if more else parts)


_SIZE = "size_px"
_SAID: Mapping[str, Callable[[Prompt], str]] = {
    _SIZE: lambda prompt: f"{prompt.size_px[0]} x {prompt.size_px[1]}",
    "seed": lambda prompt: f"seed {prompt.seed}",
    "steps": lambda prompt: f"{prompt.steps} steps",
    "guidance": lambda prompt: f"guidance {prompt.guidance:g}",
}


def _shared(prompts: Sequence[Prompt]) -> set[str]:
    """Names of the settings that all prompts have in common."""
    return {name for name in (*_SAID, "negative") if len({getattr(prompt, name) for prompt in prompts}) == 1}


def _notes(prompt: Prompt, shared: set[str]) -> tuple[str, ...]:
    own = ", ".join(say(prompt) for name, say in _SAID.items() if name not in shared)
    unwanted = f"not: {prompt.negative}" if prompt.negative and "negative" not in shared else ""
    return tuple(note for note in (own, unwanted) if note)
