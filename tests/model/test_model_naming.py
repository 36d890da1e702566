"""Names that every file system, git and trainer can hold, whatever they were."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from datakit.model.naming import MAX_NAME_BYTES, safe_name

ANY = st.text(st.characters(), max_size=60)
NASTY = st.lists(
    st.sampled_from(
        [
            "..",
            ".",
            "/",
            "\\",
            " ",
            "con",
            "COM1",
            "git~1",
            ".git",
            "\0",
            "\n",
            "é",
            "e\u0301",
            "\u200d",
            "\udcff",
            "\ud800",
            "\U0001f468",
            "x" * 119,
            "ｎ",
            ":",
            "nul.",
        ]
    ),
    max_size=5,
).map("".join)
WINDOWS = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


@given(name=ANY | NASTY)
@example(name="con." + "a" * 200)
@example(name="CON .png")
@example(name="a" * 119 + "\u3042")
@example(name="a" * 118 + "..b")
@example(name="a\u200b\u0301")
@example(name="\ud800")
def test_a_safe_name_is_safe_and_stays_so(name: str) -> None:
    safe = safe_name(name)
    assert safe_name(safe) == safe
    assert safe
    assert not set(safe) & set('/\\:*?"<>|\0\n')
    assert len(safe.encode()) <= MAX_NAME_BYTES
    assert unicodedata.is_normalized("NFC", safe)
    assert not safe.startswith((".", " "))
    assert not safe.endswith((".", " "))
    assert safe.partition(".")[0].rstrip().lower() not in WINDOWS


@pytest.mark.parametrize(
    "name", ["danbooru_1234_aria", "long hair (x)", "miku~v4", "初音ミク", "a.b.c", "-x", "#1", "commodore"]
)
def test_a_good_name_comes_back_unchanged(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        ("", "_"),
        ("...", "_"),
        ("CON", "_CON"),
        ("nul.tar", "_nul.tar"),
        ("git~1", "_git~1"),
        (".git", "git"),
        ("trail. ", "trail"),
        ("e\u0301", "é"),
        ("a\udcffb", "a_b"),
        ("a\nb", "a_b"),
    ],
)
def test_hostile_names(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(name=NASTY)
def test_the_file_system_takes_it_and_nothing_lies_outside(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder: Path = tmp_path_factory.getbasetemp() / "names"
    folder.mkdir(exist_ok=True)
    path = folder / f"{safe_name(name)}-abcdef.png.json"
    path.write_bytes(b"")
    assert path.name in os.listdir(folder)
    path.unlink()
