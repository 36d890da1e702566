"""dsk find: the items of a stage that a query finds."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from datakit.errors import UsageError
from datakit.model.item import CAPTION_EXTENSION, split_path
from datakit.model.order import EXPORT, ORDER
from datakit.model.progress import Progress, silent
from datakit.registry import nearest
from datakit.repo.dataset import JOURNAL, Dataset, open_dataset
from datakit.repo.finding.looking import BegunLook
from datakit.repo.finding.segment import Late
from datakit.repo.finding.table import Place, Table, with_table
from datakit.store.objects import TREE_MODE, files, find
from datakit.tags.query.parsing import format_query, parse_query

if TYPE_CHECKING:
    from datakit.repo.finding.late import LateWords
    from datakit.tags.tokens import Tokenizer

STAGES_OF_ITEMS: Final = tuple(stage for stage in ORDER if stage != EXPORT)


class FoundItems(msgspec.Struct, frozen=True, kw_only=True):
    """What a query found."""

    query: str
    """As dsk understands it."""
    stage: str
    num_items: int
    """All of the stage."""
    num_edited: int
    """Captions that people edited since the last operation; they count as they stand."""
    items: tuple[str, ...]
    """Keys, sorted."""


def open_to_look(start: Path) -> Dataset:
    """Open the dataset around `start`, tidied up if a process died in it; loads less than `open_project`."""
    dataset = open_dataset(start)
    if (dataset.private / JOURNAL).exists():
        from datakit.repo.operations.transaction import recover  # most of the program, which looking does not need

        recover(dataset)
    return dataset


def find_items(
    dataset: Dataset,
    query: str,
    *,
    stage: str = "",
    begun: BegunLook | None = None,
    looks: bool = True,
    progress: Progress = silent,
) -> FoundItems:
    """The items of a stage that a query finds; its captions as they stand in the work tree, unless `looks` is off.

    Without `stage`, the last one that has captions.

    Raises:
        UsageError: not a query, no such stage, or no such item beside `near-duplicate-of`.
    """
    node = parse_query(query)
    root = dataset.head_tree
    stage = choose_stage(dataset, root, stage)

    def work(table: Table) -> FoundItems:
        return FoundItems(
            query=format_query(node),
            stage=stage,
            num_items=table.num_rows,
            num_edited=table.num_edited,
            items=tuple(table.find(node)),
        )

    place = Place(root, stage, begun, looks=looks, progress=progress)
    return with_table(dataset, place, work, late=late_words(dataset, place))


def late_words(dataset: Dataset, place: Place) -> Late:
    """The words of a query that need more than the index; what answers them is loaded when one is asked for."""

    @cache
    def words() -> LateWords:
        from datakit.repo.finding.late import LateWords

        return LateWords(dataset, place.root, place.stage, count_tokens=_count_tokens, progress=place.progress)

    return lambda segment, node, within: words()(segment, node, within)


def _count_tokens(text: str) -> int:
    return _tokenizer().count(text)


@cache
def _tokenizer() -> Tokenizer:
    from datakit.actions.tokenizing import load_tokenizer  # most queries need none

    return load_tokenizer()


def choose_stage(dataset: Dataset, root: bytes | None, stage: str) -> str:
    """The stage that is asked for, else the last one that has captions, else raw.

    Raises:
        UsageError: no such stage.
    """
    if stage and stage not in STAGES_OF_ITEMS:
        like = nearest(stage, list(STAGES_OF_ITEMS))
        hint = f"did you mean '{like}'?" if like else f"one of: {', '.join(STAGES_OF_ITEMS)}"
        raise UsageError(f"no stage '{stage}' with items", hint=hint)
    return stage or next(
        (name for name in reversed(STAGES_OF_ITEMS) if _has_captions(dataset, root, name)), STAGES_OF_ITEMS[0]
    )


def _has_captions(dataset: Dataset, root: bytes | None, stage: str) -> bool:
    entry = find(dataset.objects, root, stage) if root else None
    if entry is None or entry.mode != TREE_MODE:
        return False
    return any(split_path(path)[1] == CAPTION_EXTENSION for path, _ in files(dataset.objects, entry.oid))
