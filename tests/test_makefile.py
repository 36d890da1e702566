"""The Makefile: a rule for each chore, and every chore that a page names."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
RULES = re.findall(r"^([a-z][a-z-]*):(?!=)", MAKEFILE, re.MULTILINE)


def test_no_chore_has_two_rules() -> None:
    assert [name for name, count in Counter(RULES).items() if count > 1] == []


def test_chores_are_no_files_and_each_has_a_line_of_help() -> None:
    phony = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    assert phony is not None
    assert sorted(phony[1].split()) == sorted(RULES)
    assert sorted(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE)) == sorted(RULES)


def test_pages_name_chores_that_are_there() -> None:
    named = {
        (page.name, name)
        for page in (ROOT / "docs").rglob("*.md")
        for name in re.findall(r"(?:`|^)make ([a-z][a-z-]+)", page.read_text("utf-8"), re.MULTILINE)
    }
    assert len(named) > 5
    assert {(page, name) for page, name in named if name not in RULES} == set()


def test_files_that_chores_name_are_there() -> None:
    named = re.findall(r"(?:trainer|docs)/[\w/-]+\.(?:toml|py)", MAKEFILE)
    recipes = re.findall(r"\$\(TINY_RECIPE\)/([\w-]+\.toml)", MAKEFILE)
    assert len(recipes) >= 3
    for path in (*named, *(f"docs/recipes/dsk-tiny/{name}" for name in recipes)):
        assert (ROOT / path).is_file(), path
