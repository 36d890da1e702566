"""The prompt languages by name, and from one to another."""

from __future__ import annotations

from typing import Final

from datakit.errors import UsageError
from datakit.registry import nearest
from datakit.tags.syntax import a1111, comfyui, novelai, plain
from datakit.tags.syntax.model import Syntax, Written

SYNTAXES: Final[dict[str, Syntax]] = {
    syntax.name: syntax for syntax in (a1111.SYNTAX, comfyui.SYNTAX, novelai.SYNTAX, plain.SYNTAX)
}
NAMES: Final[dict[str, str]] = {word: name for name, syntax in SYNTAXES.items() for word in (name, *syntax.aliases)}
"""Each word that names a language → its name."""


def syntax_named(word: str) -> Syntax:
    """A language by its name or another that people use.

    Raises:
        UsageError: there is none of that name.
    """
    name = NAMES.get(word.lower())
    if name is None:
        like = nearest(word, list(NAMES))
        hint = f"did you mean '{like}'?" if like else f"one of: {', '.join(NAMES)}"
        raise UsageError(f"no prompt language '{word}'", hint=hint)
    return SYNTAXES[name]


def convert(text: str, source: Syntax, *, target: Syntax) -> Written:
    """The prompt in another language, weight for weight, and what that language cannot say."""
    return target.write(source.parse(text))
