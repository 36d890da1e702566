"""dsk prompt: a caption in the chunks that CLIP reads, and prompts from one program's language to another's."""

from __future__ import annotations

import msgspec

from datakit.actions.project import Project
from datakit.actions.tokenizing import load_tokenizer
from datakit.errors import UsageError
from datakit.registry import nearest
from datakit.repo.dataset import Dataset
from datakit.repo.items import STAGES_OF_ITEMS, Address, has_item, item_files, resolve_one
from datakit.repo.past.sides import edited_side
from datakit.repo.worktree.scan import scan
from datakit.tags.syntax.model import Written
from datakit.tags.syntax.table import convert, syntax_named
from datakit.tags.tokens import CHUNK, Chunk


class ShownPrompt(msgspec.Struct, frozen=True, kw_only=True):
    """One caption, as CLIP reads it."""

    key: str
    stage: str
    text: str
    num_tokens: int
    chunk: int = CHUNK
    """Tokens of a full chunk."""
    chunks: tuple[Chunk, ...]


def show_prompt(project: Project, word: str, *, stage: str = "") -> ShownPrompt:
    """An item's caption with its tokens, hand edits included; of the last stage that has one, unless told.

    Raises:
        UsageError: no such item or stage, or there is no caption.
    """
    if stage and stage not in STAGES_OF_ITEMS:
        like = nearest(stage, list(STAGES_OF_ITEMS))
        hint = f"did you mean '{like}'?" if like else f"one of: {', '.join(STAGES_OF_ITEMS)}"
        raise UsageError(f"no stage '{stage}' with items", hint=hint)
    dataset = project.dataset
    edits = scan(dataset).edits
    tree = edited_side(dataset, edits).tree if edits else dataset.head_tree
    address = resolve_one(dataset, tree, word)
    name, blob = _caption(dataset, tree, address, stage)
    text = dataset.objects.read(blob).decode("utf-8-sig", "replace").rstrip("\r\n")
    tokenizer = load_tokenizer()
    chunks = tuple(tokenizer.chunks(text))
    count = sum(chunk.num_tokens for chunk in chunks)
    return ShownPrompt(key=address.key, stage=name, text=text, num_tokens=count, chunks=chunks)


def _caption(dataset: Dataset, tree: bytes | None, address: Address, stage: str) -> tuple[str, bytes]:
    files = {name: item_files(dataset, tree, name, address.key) for name in STAGES_OF_ITEMS}
    captions = {name: item.caption for name, item in files.items() if item.caption is not None}
    asked = stage or (address.stage if address.stage in STAGES_OF_ITEMS else "")
    if asked and not has_item(files[asked]):
        places = [name for name, item in files.items() if has_item(item)]
        raise UsageError(f"{address.key} is not in {asked}", hint=f"it is in {', '.join(places)}")
    name = asked or next(reversed(captions), "")
    if name not in captions:
        where = f" in {asked}" if asked else ""
        hint = f"it has one in {', '.join(captions)}" if captions else "dsk advance writes captions"
        raise UsageError(f"{address.key} has no caption{where}", hint=hint)
    return name, captions[name]


def convert_prompt(text: str, source: str, *, target: str) -> Written:
    """A prompt from one language to another, by the names that people use for them.

    Raises:
        UsageError: a name that stands for none.
    """
    return convert(text, syntax_named(source), target=syntax_named(target))
