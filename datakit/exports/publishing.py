"""`[publish]` of dsk.toml: how a dataset is shown to others."""

from __future__ import annotations

from typing import Literal

import msgspec


class PublishSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section `[publish]`."""

    repo: str = ""
    """Dataset repository of the Hugging Face hub: `owner/name`, or `name` of your own."""
    format: Literal["imagefolder", "parquet"] = "imagefolder"
    """Files that people can look at, or tables that the hub can show and stream."""
    title: str = ""
    """Of the card; empty for the name of the dataset's folder."""
    description: str = ""
    """What the dataset is, in your words; Markdown, at the top of the card."""
    license: str = ""
    """As the hub writes it: `cc-by-4.0`, `cc0-1.0`, `other`; empty for none, which allows others nothing."""
    language: tuple[str, ...] = ("en",)
    """Of the captions: two letters each."""
    tags: tuple[str, ...] = ()
    """Words that the hub finds the dataset by, beside those that follow from it."""
    private: bool = True
    """Whether a repository that is made anew is only yours to see."""
    thumbnails: int = 24
    """Images on the card's picture, none of them rated questionable or explicit; 0 for no picture."""
