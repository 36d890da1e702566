"""The verbs of dsk tag, made of the words that people type."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal

from datakit.actions.tagcounts import categories_of, tag_counts
from datakit.actions.tagging import Context, TagEdit
from datakit.errors import StateError, UsageError
from datakit.model.record import CATEGORIES
from datakit.tags.captions import BAR
from datakit.tags.edits import (
    Edit,
    adding,
    deduping,
    moving_first,
    pruning,
    removing,
    renaming,
    renaming_all,
    replacing,
    sorting,
)
from datakit.tags.names import to_canonical
from datakit.tags.query.parsing import EVERYTHING, parse_pattern

SortKey = Literal["alphabet", "count", "category"]
_NO_VOCABULARY: Final = "vocab/ of the dataset, or [vocab] in dsk.toml"


def add(words: Sequence[str], *, first: bool = False, after: str = "") -> TagEdit:
    """Add tags that are not there, last, first, or behind another.

    Raises:
        UsageError: not a tag.
    """
    tags, neighbour = tags_of(words), tags_of([after])[0] if after else ""
    edit = adding(tags, place="first" if first else "last", after=neighbour)
    args = {"tags": tags, "first": first, "after": neighbour}
    return TagEdit("add", f"add {', '.join(tags)}", args, lambda context: edit, makes_captions=True)


def remove(words: Sequence[str]) -> TagEdit:
    """Take away tags, by name, pattern or regular expression.

    Raises:
        UsageError: not a tag or pattern.
    """
    edit = removing([parse_pattern(word) for word in words])
    return TagEdit("remove", f"remove {', '.join(words)}", {"tags": list(words)}, lambda context: edit)


def replace(old: str, new: Sequence[str]) -> TagEdit:
    """Put tags in the place of others.

    Raises:
        UsageError: not a tag or pattern.
    """
    tags = tags_of(new)
    edit = replacing(parse_pattern(old), tags)
    args = {"old": old, "new": tags}
    return TagEdit("replace", f"replace {old} with {', '.join(tags)}", args, lambda context: edit)


def rename(old: str, new: str) -> TagEdit:
    r"""Give tags another name; of a regular expression, the new name may hold `\1`.

    Raises:
        UsageError: not a tag, or not a template of the expression.
    """
    pattern = parse_pattern(old)
    name = new if pattern.kind == "regex" else tags_of([new])[0]
    try:
        edit = renaming(pattern, name)
    except (re.error, IndexError) as error:
        raise UsageError(f"'{new}' does not go with {old}: {error}", hint=r"groups are written \1, \2") from error
    return TagEdit("rename", f"rename {old} to {name}", {"old": old, "new": name}, lambda context: edit)


def move_first(words: Sequence[str]) -> TagEdit:
    """Put tags in front of the others, in this order.

    Raises:
        UsageError: not a tag.
    """
    tags = tags_of(words)
    edit = moving_first(tags)
    return TagEdit("move-first", f"move {', '.join(tags)} first", {"tags": tags}, lambda context: edit)


def sort(by: SortKey = "alphabet") -> TagEdit:
    """Sort tags: by name, the commonest of the stage first, or by category as `captioned` orders them."""

    def make(context: Context) -> Edit:
        if by == "alphabet":
            return sorting(lambda tag: tag)
        if by == "count":
            counts = tag_counts(context.table, EVERYTHING)
            return sorting(lambda tag: (-counts[tag], tag))
        order = dict.fromkeys((*context.project.settings("captioned").categories, *CATEGORIES))
        ranks = {category: rank for rank, category in enumerate(order)}
        category = categories_of(context.project, context.table)
        return sorting(lambda tag: ranks.get(category(tag), ranks["general"]))

    return TagEdit("sort", f"sort by {by}", {"by": by}, make)


def dedupe() -> TagEdit:
    """Leave each tag once."""
    return TagEdit("dedupe", "dedupe", {}, lambda context: deduping)


def apply_aliases() -> TagEdit:
    """Write each tag as the vocabulary calls it."""

    def make(context: Context) -> Edit:
        vocabulary = context.project.vocabulary
        if not vocabulary.digest:
            raise StateError("no vocabulary knows an alias", hint=_NO_VOCABULARY)
        return renaming_all(dict(_aliases(context)))

    return TagEdit("apply-aliases", "apply aliases", {}, make)


def _aliases(context: Context) -> Iterable[tuple[str, str]]:
    """Those of the tags here that are aliases."""
    canonical = context.project.vocabulary.canonical
    names = {tag for part in context.table.parts for tag in part.segment.values("tag")}
    return ((tag, canonical(tag)) for tag in names if canonical(tag) != tag)


def prune_implied() -> TagEdit:
    """Take away tags that another tag of the caption implies."""

    def make(context: Context) -> Edit:
        vocabulary = context.project.vocabulary
        if not vocabulary.digest:
            raise StateError("no vocabulary knows an implication", hint=_NO_VOCABULARY)
        return pruning(vocabulary.implied)

    return TagEdit("prune-implied", "prune implied tags", {}, make)


def tags_of(words: Iterable[str]) -> list[str]:
    """Canonical names of what people type; commas part them too.

    Raises:
        UsageError: nothing is left of a word, or it is a pattern or a bar.
    """
    found: dict[str, None] = {}
    for word in words:
        quoted = len(word) > 1 and word[0] == word[-1] == '"'
        names = [name for piece in word.strip('"' if quoted else None).split(",") if (name := to_canonical(piece))]
        if not names or any(BAR in name for name in names):
            raise UsageError(f"'{word}' is no tag", hint="a tag has letters or signs, and no comma or |||")
        found |= dict.fromkeys(names)
    return list(found)
