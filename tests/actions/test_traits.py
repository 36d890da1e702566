"""dsk traits: fixed traits of concepts found, and written into dsk.toml for the cleaned stage."""

from __future__ import annotations

import json
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from datakit.actions.advancing import advance
from datakit.actions.blaming import blame
from datakit.actions.importing import import_folder
from datakit.actions.project import Project, open_project
from datakit.actions.traits import _with_prune, apply_traits, list_traits
from datakit.errors import StateError, UsageError
from datakit.repo.oplog import history

Dsk = Callable[..., subprocess.CompletedProcess[str]]
MIKU = "1girl solo aqua_hair twintails detached_sleeves"
RIN = "1girl solo blonde_hair hair_bow"
SETTINGS = """\
[cleaned]   # mine
# the words
triggers = {miku = "mikudress"}

[vocab]
"""


def write_posts(root: Path, concept: str, number: int, tags: str, first: int) -> None:
    """Posts of one concept; every third has a hat, one in eight a smile."""
    folder = root / "danbooru" / concept
    folder.mkdir(parents=True)
    for i in range(number):
        path = folder / f"danbooru_{i}.png"
        Image.new("RGB", (260, 256), (first + i, 200 - first, 40)).save(path)
        general = f"{tags}{' hat' if i % 3 == 0 else ''}{' smile' if i % 8 == 1 else ''}"
        post = {"category": "danbooru", "id": first + i, "rating": "s", "tag_string_general": general}
        path.with_name(path.name + ".json").write_text(
            json.dumps({**post, "tag_string_character": concept, "tag_string_meta": "white_hair"})
        )


@pytest.fixture
def tagged(empty: Project, tmp_path: Path) -> Project:
    """Ten images of miku, eight of rin, and three of a hat, as far as captioned."""
    for concept, number, tags, first in (("miku", 10, MIKU, 1), ("rin", 8, RIN, 50), ("hat", 3, "hat short_hair", 99)):
        write_posts(tmp_path / "scrape", concept, number, tags, first)
    import_folder(empty, tmp_path / "scrape")
    (empty.dataset.root / "dsk.toml").write_text(SETTINGS)
    project = open_project(empty.dataset.root)
    advance(project)
    return project


def again(project: Project) -> Project:
    return open_project(project.dataset.root)


def test_traits_of_each_concept(tagged: Project) -> None:
    found = {row.concept: row for row in list_traits(tagged)}
    assert {name: row.suggested for name, row in found.items()} == {
        "hat": (),
        "miku": ("aqua_hair", "twintails"),
        "rin": ("blonde_hair",),
    }
    assert {name: row.num_items for name, row in found.items()} == {"hat": 3, "miku": 10, "rin": 8}
    kinds = {one.tag: one.kind for one in found["miku"].tags}
    assert kinds == {
        "aqua_hair": "trait", "twintails": "trait", "detached_sleeves": "particular", "1girl": "frequent",
        "solo": "frequent",
    }  # fmt: skip
    assert found["miku"].trigger == "mikudress"
    assert found["rin"].tags[0].elsewhere == 0
    assert [row.concept for row in list_traits(tagged, "rin", at_least=1.0)] == ["rin"]


def test_aliases_and_replacements_count_as_they_will_be_written(tagged: Project) -> None:
    root = tagged.dataset.root
    (root / "vocab").mkdir()
    (root / "vocab/aliases.csv").write_text("twintails,twin_tails\ndetached_sleeves,aqua_hair\n")
    text = SETTINGS.replace("# the words", 'replace = {blonde_hair = "yellow_hair"}')
    (root / "dsk.toml").write_text(text)
    found = {row.concept: row for row in list_traits(again(tagged))}
    assert set(found["miku"].suggested) == {"aqua_hair"}  # and no family has twin_tails
    assert next(one.count for one in found["miku"].tags if one.tag == "aqua_hair") == 10
    assert found["rin"].suggested == ("yellow_hair",)


def test_applied_traits_are_one_operation_that_the_next_run_obeys(tagged: Project) -> None:
    root = tagged.dataset.root
    before = root / "cleaned/miku/danbooru_0.txt"
    assert before.read_text() == "mikudress, miku, 1girl, solo, aqua hair, twintails, detached sleeves, hat"
    done = apply_traits(tagged, "miku")
    assert done.added == {"miku": ("aqua_hair", "twintails")}
    assert next(history(tagged.dataset)).subject == "traits: 2 traits of miku left to the trigger"
    text = (root / "dsk.toml").read_text()
    assert text == SETTINGS.replace("[vocab]", '[cleaned.prune]\nmiku = ["aqua_hair", "twintails"]\n\n[vocab]')
    advance(again(tagged))
    assert before.read_text() == "mikudress, miku, 1girl, solo, detached sleeves, hat"
    assert (root / "wip/rin/danbooru_1.txt").read_text() == "rin, 1girl, solo, blonde hair, hair bow, smile"
    found = list_traits(again(tagged), "miku")[0]
    assert found.suggested == ()
    assert {one.tag for one in found.tags if one.is_pruned} == {"aqua_hair", "twintails"}
    gone = {row.tag: row.cause for row in blame(again(tagged), "miku/danbooru_0", removed=True).removed}
    assert (gone["twintails"].stage, gone["twintails"].kind) == ("cleaned", "prune")
    assert gone["twintails"].detail == "cleaned.prune.miku"


def test_only_what_is_named_is_applied(tagged: Project) -> None:
    done = apply_traits(tagged, "rin", ["Hair Bow", "smile"])
    assert (done.added, done.without_trigger) == ({"rin": ("hair_bow", "smile")}, ("rin",))
    assert apply_traits(again(tagged)).added == {"miku": ("aqua_hair", "twintails"), "rin": ("blonde_hair",)}
    settings = tomllib.loads((tagged.dataset.root / "dsk.toml").read_text())
    assert settings["cleaned"]["prune"] == {
        "rin": ["hair_bow", "smile", "blonde_hair"],
        "miku": ["aqua_hair", "twintails"],
    }
    head = tagged.dataset.head
    done = apply_traits(again(tagged))
    assert (done.commit, done.added, done.subject) == ("", {}, "traits: nothing to prune")
    assert again(tagged).dataset.head == head


def test_what_cannot_be_meant_is_refused(tagged: Project) -> None:
    with pytest.raises(UsageError, match="no concept 'mikku' with captions") as caught:
        list_traits(tagged, "mikku")
    assert caught.value.hint == "did you mean 'miku'?"
    with pytest.raises(UsageError, match="no item of miku has the tag 'aqua_hiar'") as caught:
        apply_traits(tagged, "miku", ["aqua_hiar"])
    assert caught.value.hint == "did you mean 'aqua_hair'?"
    with pytest.raises(UsageError, match="tags are a concept's traits"):
        apply_traits(tagged, "", ["hat"])


def test_without_captions_there_is_nothing_to_look_at(project: Project) -> None:
    with pytest.raises(UsageError, match="nothing in captioned has a caption") as caught:
        list_traits(project)
    assert caught.value.hint == "dsk advance captioned comes first"


TEXTS = [
    "",
    "[vocab]\ntags = []\n",
    '[cleaned]\n# a\ntrigger = "x" # b\n\n[cleaned.triggers]\nm = "x"\n\n[export]\n# c\n',
    '[cleaned.triggers]\nm = "x"\n[export]\n[cleaned]\ntrigger = "z"',
    '[cleaned]\nprune = {m = ["a"]}\n',
    '[cleaned]\nprune.m = ["a"] # why\n',
    'cleaned.prune.m = [\n  "a", # why\n]\n',
    'cleaned = {trigger = "x"}\n',
    '[cleaned]\r\ntrigger = "x"\r\n\r\n[vocab]\r\n',
]


@pytest.mark.parametrize("text", TEXTS)
def test_settings_are_added_to_however_they_are_written(text: str) -> None:
    meant = tomllib.loads(text)
    once, added = _with_prune(text, {"m": ["a", "b"], "ä/n": ["c"]})
    prune = meant.setdefault("cleaned", {}).setdefault("prune", {})
    assert added == {"m": ("b",) if "m" in prune else ("a", "b"), "ä/n": ("c",)}
    prune |= {"m": ["a", "b"], "ä/n": ["c"]}
    assert tomllib.loads(once) == meant
    assert all(line in once for line in text.splitlines() if line.startswith(("#", "  ")) or line.endswith("# b"))
    assert ("\r\n" in once) == ("\r\n" in text)
    assert "\n" not in once.replace("\r\n", "") or "\r\n" not in text
    assert _with_prune(once, {"m": ["b", "a"]}) == (once, {})


def test_settings_that_cannot_be_added_to_say_what_to_write() -> None:
    with pytest.raises(StateError, match="cannot be added to") as caught:
        _with_prune("cleaned.a = 1\ncleaned.b.c = 2\n[x]\n", {"m": ["a"]})
    assert caught.value.hint == "write it yourself: m = ['a']"


def test_the_command(tagged: Project, dsk: Dsk) -> None:
    root = tagged.dataset.root
    lines = dsk(root, "traits", "miku").stdout.splitlines()
    assert lines[0] == "miku: 10 items, trigger mikudress"
    assert lines[1].split() == ["tag", "items", "share", "elsewhere", "lift", "what", "family"]
    assert lines[2].split()[:6] == ["aqua_hair", "10", "100%", "0%", "22.9", "trait"]
    assert lines[-1] == "2 to prune: dsk traits miku --apply, then dsk clean"
    every = dsk(root, "traits").stdout
    assert "  fewer than 5 items say nothing about what is fixed" in every
    assert "no trigger yet to take them over: rin" in every
    found = json.loads(dsk(root, "traits", "--json").stdout)
    assert [row["suggested"] for row in found] == [[], ["aqua_hair", "twintails"], ["blonde_hair"]]
    assert dsk(root, "traits", "miku", "hat").returncode == 2
    done = dsk(root, "traits", "miku", "aqua hair", "--apply")
    assert done.stdout.splitlines() == [
        "traits: 1 trait of miku left to the trigger",
        "  miku: aqua_hair",
        "next: dsk clean takes them out of the captions",
    ]
    assert dsk(root, "clean").returncode == 0
    assert "aqua hair" not in (root / "cleaned/miku/danbooru_1.txt").read_text()
    assert json.loads(dsk(root, "traits", "miku", "--apply", "--json").stdout)["added"] == {"miku": ["twintails"]}
    assert dsk(root, "traits", "mikku").returncode == 2
