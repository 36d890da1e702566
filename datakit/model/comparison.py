"""What differs between two states of a dataset, as plain values."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Mark = Literal["added", "removed", "changed", "renamed"]
CaptionMark = Literal["added", "removed", "changed", "reordered", "respelled"]


class Picture(msgspec.Struct, frozen=True):
    """An image as one side has it."""

    path: str
    """Inside its stage."""
    sha256: str
    """'' for an image that plain git committed without git-lfs."""
    size_bytes: int


class ImageChange(msgspec.Struct, frozen=True, kw_only=True):
    """An image that differs; None on the side that does not have it."""

    mark: Mark
    """`renamed`: the same content under another name."""
    before: Picture | None
    after: Picture | None


class CaptionChange(msgspec.Struct, frozen=True, kw_only=True):
    """A caption that differs; None on the side that does not have it."""

    mark: CaptionMark
    """`reordered`: the same tags in another order; `respelled`: the same tags, written otherwise."""
    before: str | None
    after: str | None
    tags_added: tuple[str, ...] = ()
    """As the caption writes them, in its order."""
    tags_removed: tuple[str, ...] = ()


class FieldChange(msgspec.Struct, frozen=True, kw_only=True):
    """A value that differs in a record or in dsk.toml; None where it is not set."""

    field: str
    """With dots, as in `tags.general`; '' for a file that cannot be read as such, whose text then is the value."""
    before: Any
    after: Any


class RecordChange(msgspec.Struct, frozen=True, kw_only=True):
    """A record that differs; `fields` only where both sides have it."""

    mark: Mark
    fields: tuple[FieldChange, ...] = ()


class FileChange(msgspec.Struct, frozen=True, kw_only=True):
    """Another file that differs."""

    path: str
    """Inside the dataset."""
    mark: Mark


class ItemChange(msgspec.Struct, frozen=True, kw_only=True):
    """What differs of one item in one stage."""

    key: str
    """As it is called after, or before where it is gone."""
    was: str = ""
    """As it was called before, where it was renamed."""
    images: tuple[ImageChange, ...] = ()
    """More than one only where several images share the item's name."""
    caption: CaptionChange | None = None
    record: RecordChange | None = None
    why: str = ""
    """What the stage's function says of an image that one side lacks."""


class StageChange(msgspec.Struct, frozen=True, kw_only=True):
    """What differs in one stage."""

    stage: str
    items: tuple[ItemChange, ...]
    """Sorted by key."""
    tags_added: dict[str, int]
    """Tag, as most of the captions write it → number of captions that have it anew."""
    tags_removed: dict[str, int]

    def num_images(self, mark: Mark) -> int:
        """Images that differ in this way."""
        return sum(image.mark == mark for item in self.items for image in item.images)

    def num_captions(self, mark: CaptionMark) -> int:
        """Captions that differ in this way."""
        return sum(item.caption is not None and item.caption.mark == mark for item in self.items)

    def num_records(self, mark: Mark) -> int:
        """Records that differ in this way."""
        return sum(item.record is not None and item.record.mark == mark for item in self.items)


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two states."""

    name: str
    """As the person named it."""
    commit: str = ""
    """40 hex digits; '' for the work tree as it is now."""
    time: int = 0
    """Unix seconds."""
    subject: str = ""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """All that differs between two states."""

    before: Moment
    after: Moment
    stages: tuple[StageChange, ...]
    """Those that differ, in order."""
    settings: tuple[FieldChange, ...] = ()
    """Of dsk.toml."""
    files: tuple[FileChange, ...] = ()
    """All others: exports, vocabulary, ledger."""


def mark_of(before: object, after: object) -> Mark:
    """What happened to a thing that is None where it does not exist."""
    return "added" if before is None else "removed" if after is None else "changed"
