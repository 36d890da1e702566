"""dsk vocab as people type it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from datakit.actions.project import Project

Dsk = Callable[..., subprocess.CompletedProcess[str]]


def test_vocab_shows_what_is_known_and_where_from(empty: Project, tmp_path: Path, dsk: Dsk) -> None:
    root = empty.dataset.root
    assert "no vocabulary: put files into vocab/" in dsk(root, "vocab").stdout
    (tmp_path / "danbooru.csv").write_text('breasts,0,90,"boobs,oppai"\nbroken\n')
    (root / "dsk.toml").write_text(f'[vocab]\ntags = ["{tmp_path}/danbooru.csv"]\n')
    (root / "vocab").mkdir()
    (root / "vocab/implications.csv").write_text("huge breasts,breasts\n")
    (root / "vocab/blacklist.txt").write_text("oppai\n")
    lines = dsk(root, "vocab").stdout.splitlines()
    assert lines[0] == "1 tag, 2 aliases, 1 implication, 1 blacklisted tag"
    assert [line.split()[:2] for line in lines[2:5]] == [
        ["implications", "vocab/implications.csv"],
        ["blacklist", "vocab/blacklist.txt"],
        ["tags", f"{tmp_path}/danbooru.csv"],
    ]
    assert lines[5].startswith(f"left out: {tmp_path}/danbooru.csv: line 2: no type")
    assert json.loads(dsk(root, "vocab", "--json").stdout)["num_tags"] == 1


def test_vocab_tells_of_tags(empty: Project, dsk: Dsk) -> None:
    root = empty.dataset.root
    (root / "vocab").mkdir()
    (root / "vocab/tags.csv").write_text('breasts,0,1,"boobs,oppai"\n')
    (root / "vocab/implications.csv").write_text("huge breasts,breasts\n")
    (root / "vocab/blacklist.txt").write_text("oppai\n")
    done = dsk(root, "vocab", "Boobs", "huge breasts", "braests")
    assert done.stdout.splitlines() == [
        "boobs → breasts",
        "  general, 1 post",
        "  aliases  boobs, oppai",
        "  blacklisted",
        "huge_breasts",
        "  not known; it is kept as it is",
        "  implies  breasts",
        "braests",
        "  not known; it is kept as it is",
        "  near     breasts",
    ]
    found = json.loads(dsk(root, "vocab", "--json", "oppai").stdout)
    assert found[0]["name"] == "breasts"


def test_a_wrong_file_is_an_error_that_names_the_line(empty: Project, dsk: Dsk) -> None:
    root = empty.dataset.root
    (root / "vocab").mkdir()
    (root / "vocab/aliases.csv").write_text("a,b\nb,a\n")
    done = dsk(root, "vocab", "a")
    assert done.returncode == 3
    assert done.stderr.startswith("error: vocab/aliases.csv: aliases in a circle: a → b → a")
    assert "Traceback" not in done.stderr
