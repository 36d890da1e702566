"""dsk find, dsk tag and dsk tags as people type them."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hands import head

from datakit.actions.project import Project

Dsk = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).parents[2]


def test_find_prints_items_and_counts_beside_them(advanced: Project, dsk: Dsk) -> None:
    root = advanced.dataset.root
    done = dsk(root, "find", "concept:aria -name:*_1")
    assert done.stdout.splitlines() == ["aria/danbooru_0", "aria/danbooru_2"]
    assert done.stderr == "2 of 5 items in wip\n"
    assert dsk(root, "find", "concept:aria", "-name:*_1").stdout == done.stdout
    assert dsk(root, "find", "-concept:beth -name:*_1").stdout == done.stdout
    assert dsk(root, "find", "--", "-concept:beth", "-name:*_1").stdout == done.stdout
    assert dsk(root, "find", "-0", "concept:beth").stdout == "beth/danbooru_0\0beth/danbooru_1\0"
    assert dsk(root, "find", "--count").stdout == "5\n"
    (root / "wip/aria/danbooru_1.txt").write_text("changed")
    assert dsk(root, "find", "changed", "--stage", "wip").stderr == "1 of 5 items in wip; 1 edited by hand\n"
    assert dsk(root, "find", "changed", "--committed").stderr == "0 of 5 items in wip\n"
    found = json.loads(dsk(root, "find", "--json", "--stage=captioned", "rating:s,g aria").stdout)
    assert found == {
        "items": ["aria/danbooru_0", "aria/danbooru_1", "aria/danbooru_2"],
        "num_edited": 0,
        "num_items": 5,
        "query": "rating:sensitive,general tag:aria",
        "stage": "captioned",
    }
    assert dsk(root, "find", "nothing").returncode == 0


def test_mistakes_of_a_query_are_told_with_their_place(advanced: Project, dsk: Dsk) -> None:
    done = dsk(advanced.dataset.root, "find", "aria widht>=3")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "error: query: no word 'widht': aria ⟨here⟩widht>=3",
        "hint:  did you mean 'width'? a tag with that sign is written tag:\"widht>=3\"",
    ]
    told = dsk(advanced.dataset.root, "find", "--stgae", "wip").stderr
    assert "No such option" in told
    assert "--stgae" in told


def test_tag_shows_what_changes_and_does_it(advanced: Project, dsk: Dsk) -> None:
    root = advanced.dataset.root
    before = head(advanced)
    done = dsk(root, "tag", "rename", "1girl", "one_girl", "--where", "-concept:beth", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "tag      removed added for example in",
        "1girl         -3       aria/danbooru_0, aria/danbooru_1, aria/danbooru_2",
        "one_girl            +3 aria/danbooru_0, aria/danbooru_1, aria/danbooru_2",
        "dry run: tag: rename 1girl to one_girl in 3 captions of wip",
    ]
    assert head(advanced) == before
    done = dsk(root, "tag", "rename", "1girl", "one_girl", "--where", "-concept:beth")
    assert done.stdout.splitlines()[-1] == "tag: rename 1girl to one_girl in 3 captions of wip"
    assert dsk(root, "undo").returncode == 0
    done = dsk(root, "tag", "add", "cap", "--first", "--stage", "cleaned", "--json")
    shown = json.loads(done.stdout)
    assert (shown["verb"], shown["stage"], len(shown["items"]), len(shown["commit"])) == ("add", "cleaned", 5, 40)
    done = dsk(root, "tag", "add", "cap", "--stage", "cleaned")
    assert (done.returncode, done.stdout) == (0, "nothing to change in cleaned\n")
    done = dsk(root, "tag", "move-first", "blue_hair", "--stage", "cleaned")
    assert done.stdout.splitlines() == [
        "other order or layout: 5 captions, such as aria/danbooru_0, aria/danbooru_1",
        "tag: move blue_hair first in 5 captions of cleaned",
        "next: dsk advance carries that on to the later stages",
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("add", "a", "--first", "--last"), "exclude each other"),
        (("rename", "/a/", r"\9"), "does not go with"),
        (("remove", "/(/"), "not a regular expression"),
        (("apply-aliases",), "no vocabulary"),
        (("add", "a", "--where", "rating:zz"), "cannot be 'zz'"),
        (("sort", "--by", "size"), "is not one of"),
    ],
)
def test_mistakes_of_an_edit(advanced: Project, dsk: Dsk, words: tuple[str, ...], told: str) -> None:
    done = dsk(advanced.dataset.root, "tag", *words)
    assert done.returncode != 0
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [("replace", "me", "x", "y"), ("remove", "me"), ("sort",), ("dedupe",), ("prune-implied",), ("move-first", "me")],
)
def test_every_verb_runs_dry(advanced: Project, dsk: Dsk, words: tuple[str, ...]) -> None:
    (advanced.dataset.root / "vocab").mkdir(exist_ok=True)
    (advanced.dataset.root / "vocab/aliases.csv").write_text("one,1girl\n")
    before = head(advanced)
    done = dsk(advanced.dataset.root, "tag", *words, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert head(advanced) == before


def test_tags_in_tables_csv_and_json(advanced: Project, dsk: Dsk) -> None:
    root = advanced.dataset.root
    (root / "wip/aria/danbooru_0.txt").write_text('x, "quoted", x')
    done = dsk(root, "tags", "-n", "2")
    assert done.stdout.splitlines() == [
        "tag   count category",
        "1girl     4 general",
        "^_^       4 general",
        "… and 6 more tags (-n 0 shows all)",
        "8 of 8 tags, in 5 items of wip",
    ]
    rows = list(csv.reader(io.StringIO(dsk(root, "tags", "--csv", "-concept:beth").stdout)))
    assert rows[:2] == [["tag", "count", "category"], ["1girl", "2", "general"]]
    assert ['"quoted"', "1", ""] in rows
    found = json.loads(dsk(root, "tags", "--json", "--with", "aria", "--sort", "tag").stdout)
    assert [row["tag"] for row in found["tags"]] == ["1girl", "^_^", "blue_hair", "me"]
    assert found["tags"][0]["jaccard"] == 0.5
    assert json.loads(dsk(root, "tags", "--json", "--typos").stdout)["tags"] == []
    assert [row["tag"] for row in json.loads(dsk(root, "tags", "--json", "--rare", "1").stdout)["tags"]] == [
        '"quoted"', "x",
    ]  # fmt: skip
    assert "exclude each other" in dsk(root, "tags", "--rare", "1", "--typos").stderr
    assert "has the tag 'zzz'" in dsk(root, "tags", "--with", "zzz").stderr
    for sort in ("category", "lift", "jaccard"):
        assert dsk(root, "tags", "--sort", sort).returncode == 0


def test_finding_loads_little(advanced: Project) -> None:
    heavy = ("numpy", "scipy", "PIL", "rich", "tokenizers", "datakit.repo.operations.transaction")
    code = (
        "import sys; from datakit.cli.commands.find import command;"
        "command.main(['blue_hair', '--count'], standalone_mode=False);"
        f"print(*[name for name in {heavy!r} if name in sys.modules])"
    )
    for _ in range(2):  # the first makes the index
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=advanced.dataset.root, env={"PYTHONPATH": str(ROOT)}, capture_output=True,
            text=True, check=True,
        )  # fmt: skip
    assert done.stdout == "5\n\n"
