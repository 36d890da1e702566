"""HTML that is safe by the way it is made: text is escaped unless `el` made it, nothing is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

VOID: Final = frozenset({"img", "meta", "br"})
"""Elements without an end tag."""
_LOADING: Final = frozenset({"href", "src"})
_LOCAL: Final = ("#", "data:image/")
_CONTROLS: Final = {
    number: "\ufffd" for number in (*range(32), *range(127, 160), *range(0xD800, 0xE000)) if chr(number) not in "\n\t"
}


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | Iterable["Child"] | None
"""Html as it is, text escaped, nothing for None, the members of anything else."""
Value = str | int | float | bool | None


def text(value: str) -> Html:
    """Any text as HTML; what HTML cannot hold becomes U+FFFD."""
    return Html(escape(value.translate(_CONTROLS), quote=True))


def join(*children: Child) -> Html:
    """One after the other."""
    return Html("".join(_each(children)))


def el(name: str, *children: Child, **attributes: Value) -> Html:
    """An element. `class_` stands for class, other underscores for hyphens; False and None leave an attribute out.

    Raises:
        ValueError: an attribute would load something, or run a script.
    """
    words = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in VOID:
        return Html(f"<{name}{words}>")
    return Html(f"<{name}{words}>{''.join(_each(children))}</{name}>")


def _each(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, Html):
            yield child
        elif isinstance(child, str):
            yield text(child)
        else:
            yield from _each(child)


def _attribute(key: str, value: Value) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if name.startswith("on"):
        raise ValueError(f"{name}: the page runs no scripts")
    if name in _LOADING and not str(value).startswith(_LOCAL):
        raise ValueError(f"{name}={value}: the page loads nothing")
    return f" {name}" if value is True else f' {name}="{text(str(value))}"'
