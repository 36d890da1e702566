"""The ledger of bakes: read back, listed, sorted, annotated, written as sheets."""

from __future__ import annotations

import csv
import json
import tomllib
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import msgspec
import pytest
from baked import OLD, enter
from hands import again
from hypothesis import given
from hypothesis import strategies as st

from datakit.actions.bakes.asking import Wishes, asked_tables, read_set, with_sets
from datakit.actions.bakes.hard import hard_images
from datakit.actions.bakes.ledger import Bake, Validated, annotate, encode, find_bake, read_ledger
from datakit.actions.bakes.tables import FACTS, as_csv, as_xlsx, sheet_of, sort_bakes
from datakit.actions.project import Project
from datakit.actions.trainerprogram import trainer_settings
from datakit.errors import ConfigError, InputError, StateError, UsageError
from datakit.repo.operations.undo import undo
from datakit.repo.oplog import read_operation

Dsk = Callable[..., "CompletedProcess[str]"]
RESOLVED = {
    "model": {"family": "sdxl", "base": ""},
    "adapter": {"name": "lora", "rank": 8, "rules": [{"match": "unet", "rank": None}]},
    "optimizer": {"name": "adamw", "learning_rate": 1e-4},
    "train": {"seed": 0, "steps": 30},
}

texts = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=30)
values = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab.-é ", min_size=1, max_size=4), inner),
    max_leaves=6,
)


@given(
    st.dictionaries(st.sampled_from(["train", "adapter", "captions"]), st.dictionaries(texts, values, max_size=3)),
    texts,
    st.integers(0, 5),
)
def test_every_bake_is_read_back_as_it_was_written(config: dict[str, object], note: str, rating: int) -> None:
    done = Bake(
        id="x", commit="a", lora="l", images=0, steps=0, first_loss=0.0, final_loss=0.0, seconds=0.0, device="cpu",
        seed=0, note=note, rating=rating, config=config, validation=Validated(step=3, held_out=0.5),
        samples=("a.png", "b.png"),
    )  # fmt: skip
    kept = {name: table for name, table in config.items() if table}
    back = msgspec.convert(tomllib.loads(encode(done)), Bake)
    assert back == msgspec.structs.replace(done, config=back.config)
    assert {name: table for name, table in back.config.items() if table} == kept


def test_an_old_ledger_file_and_a_new_one_stand_side_by_side(advanced: Project) -> None:
    enter(advanced, id="2026-02-01-002", resolved={"adapter": {"rank": 4}}, seed=7, started="2026-02-01T10:00:00Z")
    folder = advanced.dataset.root / "bakes"
    (folder / "2026-01-01-001.toml").write_text(OLD.format(commit="b" * 40))
    (folder / "2026-02-01-010.toml").write_text(encode(find_bake(advanced)).replace("-002", "-010"))
    (folder / "2026-03-01-001.toml").write_text("id = 5\n")
    (folder / "2026-03-01-002.toml").write_text(OLD.format(commit="b" * 40))
    ledger = read_ledger(again(advanced))
    assert [one.id for one in ledger.bakes] == ["2026-02-01-010", "2026-02-01-002", "2026-01-01-001"]
    assert [str(failure).partition("bakes/")[2][:15] for failure in ledger.failures] == [
        "2026-03-01-002.", "2026-03-01-001."
    ]  # fmt: skip
    with pytest.raises(InputError, match="no ledger entry"):
        find_bake(advanced)
    assert find_bake(advanced, "2026-01-01-001").seed is None
    with pytest.raises(UsageError, match="no bake '2026-02-01-003'") as told:
        find_bake(advanced, "2026-02-01-003")
    assert "did you mean" in told.value.hint


def test_a_note_and_a_rating_are_one_operation_that_can_be_undone(advanced: Project) -> None:
    with pytest.raises(StateError, match="nothing baked yet"):
        find_bake(advanced)
    before = enter(advanced, config={"train": {"steps": 30}}, versions={"torch": "2"})
    path = advanced.dataset.root / f"bakes/{before.id}.toml"
    path.write_text(f"# my own words\n{path.read_text()}\n[mine]\nx = 1\n")
    project = again(advanced)
    annotate(project, before.id, 'hands are "better"', rating=4)
    text = path.read_text()
    assert text.startswith("# my own words")
    assert tomllib.loads(text)["mine"] == {"x": 1}
    assert find_bake(project) == msgspec.structs.replace(before, note='hands are "better"', rating=4)
    assert project.dataset.head is not None
    operation = read_operation(project.dataset, project.dataset.head)
    assert operation.args == {"id": before.id, "note": 'hands are "better"', "rating": 4}
    annotate(again(project), before.id, "", rating=0)
    assert find_bake(project) == before
    undo(again(project).dataset)
    assert find_bake(project).rating == 4
    for wrong in ({"rating": 6}, {}):
        with pytest.raises(UsageError):
            annotate(project, before.id, None, **wrong)


def make_three(project: Project) -> list[Bake]:
    slow = {**RESOLVED, "optimizer": {"name": "adamw", "learning_rate": 5e-5}}
    enter(project, final_loss=0.9, config={"optimizer": {"learning_rate": 1e-4}}, resolved=RESOLVED, rating=2,
          grid=".dsk/bakes/x/samples/a b#1.png", note="=1+1")  # fmt: skip
    enter(project, final_loss=0.7, config={"train": {"steps": 30}}, resolved=slow, note="second, and ö")
    (project.dataset.root / "bakes/2026-01-01-001.toml").write_text(OLD.format(commit="b" * 40))
    return list(read_ledger(again(project)).bakes)


def test_bakes_are_sorted_by_columns_and_settings(advanced: Project) -> None:
    bakes = make_three(advanced)
    ids = [one.id[:7] + one.id[9:10] for one in sort_bakes(bakes)]
    assert ids == ["2026-022", "2026-021", "2026-011"]
    assert [one.final_loss for one in sort_bakes(bakes, "loss")] == [0.7, 0.9, 1.0]
    assert [one.final_loss for one in sort_bakes(bakes, "-loss")] == [1.0, 0.9, 0.7]
    assert [one.final_loss for one in sort_bakes(bakes, "optimizer.learning_rate")] == [0.7, 0.9, 1.0]
    assert [one.rating for one in sort_bakes(bakes, "-rating")] == [2, 0, 0]
    with pytest.raises(UsageError, match="learning_rat'") as told:
        sort_bakes(bakes, "optimizer.learning_rat")
    assert told.value.hint == "did you mean 'optimizer.learning_rate'?"


def test_a_sheet_has_the_settings_that_were_asked_for_or_differ(advanced: Project) -> None:
    bakes = make_three(advanced)
    sheet = sheet_of(sort_bakes(bakes))
    settings = [name for name in sheet.columns if "." in name]
    assert settings == ["optimizer.learning_rate", "train.steps"]
    rows = list(csv.DictReader(as_csv(sheet).splitlines()))
    assert [row["optimizer.learning_rate"] for row in rows] == ["5e-05", "0.0001", ""]
    assert [row["base"] for row in rows] == ["sdxl", "sdxl", "tiny"]
    assert [row["adapter"] for row in rows] == ["lora 8", "lora 8", "lora"]
    assert rows[0]["note"] == "second, and ö"


def test_a_workbook_has_numbers_links_and_a_frozen_head(advanced: Project, tmp_path: Path) -> None:
    sheet = sheet_of(sort_bakes(make_three(advanced)))
    path = tmp_path / "bakes.xlsx"
    path.write_bytes(as_xlsx(sheet, root=advanced.dataset.root, folder=tmp_path))
    with zipfile.ZipFile(path) as book:
        page = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
        strings = ElementTree.fromstring(book.read("xl/sharedStrings.xml"))
        links = book.read("xl/worksheets/_rels/sheet1.xml.rels").decode()
    space = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    words = ["".join(one.itertext()) for one in strings]
    assert set(FACTS) <= set(words)
    pane = page.find(".//m:pane", space)
    assert pane is not None
    assert (pane.get("ySplit"), pane.get("state")) == ("1", "frozen")
    assert not page.findall(".//m:f", space), "a note is no formula"
    row = page.findall(".//m:row", space)[1]
    cells = {str(cell.get("r")): cell for cell in row}
    column = {name: cells.get(f"{chr(65 + at)}2") for at, name in enumerate(sheet.columns[:10])}
    loss = column["loss"]
    assert loss is not None
    assert (loss.get("t"), float("".join(loss.itertext()))) == (None, 0.7)
    assert r"set\.dsk\bakes\x\samples\a%20b%231.png" in links


def test_the_command_lists_shows_and_writes(advanced: Project, dsk: Dsk) -> None:
    root = advanced.dataset.root
    assert "nothing baked yet" in dsk(root, "bakes").stdout
    bakes = make_three(advanced)
    listed = dsk(root, "bakes", "--sort", "loss").stdout.splitlines()
    assert listed[0].split()[:4] == ["id", "date", "images", "steps"]
    assert [line.split()[0] for line in listed[1:]] == ["2026-02-02-001", "2026-02-01-001", "2026-01-01-001"]
    assert [one["id"] for one in json.loads(dsk(root, "bakes", "--json").stdout)] == [one.id for one in bakes]
    assert dsk(root, "bakes", "--csv", "-").stdout.startswith(",".join(FACTS))
    done = dsk(root, "bakes", "--csv", "all.csv", "--xlsx", "all.xlsx")
    assert "wrote all.xlsx: 3 bakes" in done.stderr
    assert (root / "all.csv").exists()
    assert (root / "all.xlsx").exists()
    nowhere = dsk(root, "bakes", "--csv", "nowhere/all.csv")
    assert (nowhere.returncode, "there is no folder nowhere" in nowhere.stderr) == (2, True)
    assert "both write" in dsk(root, "bakes", "--csv", "-", "--json").stderr
    shown = dsk(root, "bakes", "show", bakes[0].id).stdout
    assert "optimizer.learning_rate  5e-05" in shown
    assert "4 of 5" in dsk(root, "bakes", "note", bakes[0].id, "good", "--rating", "4").stdout
    (root / "bakes/2026-05-01-001.toml").write_text("broken")
    done = dsk(root, "bakes")
    assert (done.returncode, "left out:" in done.stderr, len(done.stdout.splitlines())) == (1, True, 4)


@pytest.mark.parametrize(
    ("text", "names", "value"),
    [
        ("train.steps=500", ["train", "steps"], 500),
        ("optimizer.name = lion", ["optimizer", "name"], "lion"),
        ("adapter.name='lokr'", ["adapter", "name"], "lokr"),
        ("optimizer.arguments.betas=[0.9, 0.99]", ["optimizer", "arguments", "betas"], [0.9, 0.99]),
        ('captions.tag_dropout."blue eyes"=0.5', ["captions", "tag_dropout", "blue eyes"], 0.5),
        ("sample.prompts=1girl, solo", ["sample", "prompts"], "1girl, solo"),
        ("log.wandb=", ["log", "wandb"], ""),
        ("train.steps=1\n[evil]\nx=1", ["train", "steps"], "1\n[evil]\nx=1"),
        ("preset=sdxl-character", ["preset"], "sdxl-character"),
    ],
)
def test_a_set_is_read_as_toml_and_else_as_a_word(text: str, names: list[str], value: object) -> None:
    assert read_set(text) == (names, value)


@pytest.mark.parametrize("text", ["train.steps", "steps=5", "=5", "a..b=5", "a b=5", "train.steps\nx=5", ""])
def test_what_is_no_setting_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no setting"):
        read_set(text)


def test_a_commands_words_are_laid_over_the_settings(advanced: Project) -> None:
    root = advanced.dataset.root
    (root / "dsk.toml").write_text('[bake]\npreset = "slow"\n[bake.train]\nsteps = 5\nseed = 1\n')
    project = again(advanced)
    project.check()
    asked = asked_tables(project, Wishes(sets=("train.steps=9", "model.base=../x.safetensors"), vram_gib=12))
    assert asked == {
        "preset": "slow", "train": {"steps": 9, "seed": 1}, "model": {"base": "../x.safetensors"},
        "memory": {"vram": 12},
    }  # fmt: skip
    assert project.table("bake")["train"]["steps"] == 5
    given = trainer_settings(project, asked)
    assert given["model"]["base"] == str(root / "../x.safetensors")
    assert given["preset"] == "slow"
    assert asked["model"]["base"] == "../x.safetensors", "the ledger keeps what was said"
    with pytest.raises(ConfigError, match="'config' is not yours"):
        trainer_settings(project, with_sets(asked, ["dataset.config=x"]))
    with pytest.raises(UsageError, match="no section 'trian'") as told:
        with_sets({}, ["trian.steps=5"])
    assert told.value.hint == "did you mean 'train'?"
    with pytest.raises(UsageError, match="'steps' is a value"):
        with_sets(asked, ["train.steps.more=5"])


def test_hard_pictures_are_told_by_their_items(advanced: Project, dsk: Dsk) -> None:
    root = advanced.dataset.root
    folder = root / ".dsk/bakes/2026-02-01-001"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_bytes((root / "export/kohya/manifest.json").read_bytes())
    items = json.loads((folder / "manifest.json").read_text())["items"]
    path = f"somewhere/else/{items['aria/danbooru_1']}"
    row = {"rank": 1, "path": path, "caption": "1girl", "draws": 9, "ratio": 2.5, "late_ratio": None, "z": 4.0}
    (folder / "image-losses.json").write_text(json.dumps({"draws": 9, "images": [row, {**row, "path": "a/b.png"}]}))
    enter(advanced, id="2026-02-01-001", image_losses=".dsk/bakes/2026-02-01-001/image-losses.json")
    found = hard_images(again(advanced))
    assert [(one.item, one.ratio) for one in found.images] == [("aria/danbooru_1", 2.5), ("", 2.5)]
    shown = dsk(root, "bakes", "losses").stdout.splitlines()
    assert shown[1].split() == ["aria/danbooru_1", "2.50", "+4.0", "9", "1girl"]
    (folder / "image-losses.json").write_text("[")
    with pytest.raises(InputError, match="not what the trainer writes"):
        hard_images(again(advanced))
    enter(advanced, id="2026-02-02-001")
    with pytest.raises(StateError, match="no losses of pictures here"):
        hard_images(again(advanced))
