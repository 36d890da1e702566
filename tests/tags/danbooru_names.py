"""Every name of the tag list, and names by Danbooru's rules: shared by tests."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import pytest
from hypothesis import strategies as st

from datakit.tags.names import KAOMOJI, to_canonical

TAG_LIST = Path(__file__).parents[2].parent / "shared" / "data" / "danbooru.csv"

_SIGNS = "abcdefghijklmnopqrstuvwxyz0123456789:;'\"()[]{}<>^=+-.!?|/\\&#@~"
_WORDS = st.text(alphabet=_SIGNS, min_size=1, max_size=8)
SOME_NAMES = st.one_of(
    st.sampled_from(sorted(KAOMOJI)),
    st.sampled_from(
        (r"\m/", r"\||/", r"\(^o^)/", r"\\//", "late[st]", ":(", ">:)", ";)", "re:zero", ":3", "coffee-break")
    ),
    st.lists(_WORDS, min_size=1, max_size=4).map("_".join).map(to_canonical).filter(bool),
)
"""Canonical names made of printable ASCII without blanks, commas and asterisks, as Danbooru allows them."""


@cache
def every_name() -> tuple[str, ...]:
    """The 140,782 names."""
    if not TAG_LIST.is_file():
        pytest.skip(f"no tag list at {TAG_LIST}")
    with TAG_LIST.open(encoding="utf-8", newline="") as file:
        return tuple(row[0] for row in csv.reader(file))
