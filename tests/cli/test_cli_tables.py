"""Tables and lines: whole in narrow terminals, without a trailing space elsewhere, one line for any name."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from forked import Forker
from hands import again, commit_edits, head
from PIL import Image

from datakit.actions.deciding import drop
from datakit.actions.project import Project

Dsk = Callable[..., subprocess.CompletedProcess[str]]
KEY = "aria/danbooru_1"


def on_a_terminal(forker: Forker, root: Path, columns: int, *words: str) -> list[str]:
    """The lines of a command whose output is a terminal."""
    ours, theirs = os.openpty()
    env = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm", "NO_COLOR": "1"}
    running = forker.start(["-C", str(root), *words], env=env, stdout=theirs, stderr=theirs)
    os.close(theirs)
    found = b""
    try:
        while data := os.read(ours, 65536):
            found += data
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert running.wait() == 0, found
    return found.decode().splitlines()


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
@pytest.mark.parametrize("words", [("op", "log"), ("log",), ("branch",), ("why", KEY), ("status",)])
def test_hashes_and_words_stay_whole_in_any_terminal(
    advanced: Project, forker: Callable[[], Forker], columns: int, words: tuple[str, ...]
) -> None:
    drop(again(advanced), [KEY], reason="blurry beyond all hope")
    text = "\n".join(on_a_terminal(forker(), advanced.dataset.root, columns, *words))
    if words != ("status",):
        assert head(advanced)[:10] in text
        assert {"blurry", "hope", "filtered"} <= set(text.replace(":", " ").replace('"', " ").split())


@pytest.mark.parametrize("words", [("op", "log"), ("log",), ("branch",), ("status",), ("why", KEY)])
def test_no_line_ends_with_a_space(advanced: Project, dsk: Dsk, words: tuple[str, ...]) -> None:
    done = dsk(advanced.dataset.root, *words)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line != line.rstrip()] == []


def test_a_name_with_a_newline_stays_on_its_line(advanced: Project, dsk: Dsk) -> None:
    root = advanced.dataset.root
    name = "aria/two\nlines"
    Image.new("RGB", (300, 300), "red").save(root / f"wip/{name}.png")
    commit_edits(advanced)
    assert dsk(root, "why", name).stdout.splitlines()[0] == "aria/two\\nlines"
    done = dsk(root, "keep", name)
    assert done.stderr.splitlines() == [
        line for line in done.stderr.splitlines() if line.startswith(("error:", "hint:"))
    ]
    done = dsk(root, "drop", name, "--reason", "x", "--stage", "wip")
    assert done.stdout.splitlines() == ["drop: aria/two\\nlines from wip: x"]
    assert "dsk restore $'aria/two\\x0alines' brings it back" in dsk(root, "why", name).stdout.splitlines()


def test_a_name_that_is_missing_is_named(advanced: Project, dsk: Dsk) -> None:
    done = dsk(advanced.dataset.root, "mv", KEY)
    assert done.returncode == 2
    assert f"NEW is missing: what is '{KEY}' to be called?" in done.stderr
    assert dsk(advanced.dataset.root, "mv").returncode == 2
