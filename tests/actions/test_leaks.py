"""dsk find leaks: what a tagger sees and captions lack, what is left out on purpose, and the fix."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from hands import again, commit_edits
from PIL import Image
from taggers.onnx_graphs import PROBES, graph

from datakit.actions.advancing import advance
from datakit.actions.importing import import_folder
from datakit.actions.leaks import Asked, LeaksFound, find_leaks, fix_leaks
from datakit.actions.linting.lint import lint
from datakit.actions.project import Project, open_project
from datakit.actions.starting import start_dataset
from datakit.errors import StateError, UsageError
from datakit.repo.operations.undo import undo
from datakit.repo.oplog import history

NAMES = dict(
    zip(
        PROBES,
        ("choker", "hat", "cat_ears", "white_corner", "top_light", "left_light", "bright", "centre"),
        strict=True,
    )
)
"""What the tagger's answers are called: red images show a choker, green ones a hat, blue ones cat ears."""
COLOURS = {"red": (230, 20, 20), "green": (20, 230, 20), "blue": (20, 20, 230)}
SETTINGS = """\
[captioned]
policy = "caption"
taggers = ["models/eyes"]
[cleaned]
triggers = {aria = "ariaword"}
"""


def write_tagger(folder: Path) -> None:
    """A tagger of the WD kind with twelve labels, of which eight answer something."""
    folder.mkdir(parents=True)
    rows = [(name, 9) for name in ("general", "sensitive", "questionable", "explicit")]
    rows += [(name, 0) for name in NAMES.values()] + [("ariaword", 4)]
    text = "tag_id,name,category,count\n" + "".join(f"{at},{name},{kind},9\n" for at, (name, kind) in enumerate(rows))
    (folder / "selected_tags.csv").write_text(text, "utf-8")
    (folder / "model.onnx").write_bytes(graph(len(rows)))


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Project]:
    """A dataset of plain images with captions: `make({"aria/a": ("red", "smile")}, settings)`."""

    def build(items: Mapping[str, tuple[str, str]], settings: str = "") -> Project:
        for key, (colour, caption) in items.items():
            path = tmp_path / "scrape" / f"{key}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture = Image.new("RGB", (300, 300), COLOURS[colour])
            picture.putpixel((150, 150), (len(key) * 7 % 256, sum(map(ord, key)) % 256, 9))
            picture.save(path)
            path.with_suffix(".txt").write_text(caption, "utf-8")
        root = start_dataset(tmp_path / "set")
        write_tagger(root / "models" / "eyes")
        (root / "dsk.toml").write_text(SETTINGS + settings, "utf-8")
        import_folder(open_project(root), tmp_path / "scrape")
        advance(open_project(root))
        return open_project(root)

    return build


def words(found: LeaksFound) -> dict[str, list[str]]:
    """Key → the tags."""
    return {key: list(row) for key, row in found.items.items()}


def text(project: Project, key: str, stage: str = "wip") -> str:
    return (project.dataset.root / stage / f"{key}.txt").read_text("utf-8")


THREE = {"aria/a": ("red", "smile"), "aria/b": ("red", "smile, Choker"), "aria/c": ("green", "smile, cat_ears")}


def test_what_is_seen_and_not_said_is_told_by_tag_and_by_item(make: Callable[..., Project]) -> None:
    found = find_leaks(make(THREE), Asked())
    assert words(found) == {"aria/a": ["choker"], "aria/c": ["hat"]}
    assert (found.stage, found.num_images, found.taggers) == ("wip", 3, ("models/eyes",))
    assert [(row.tag, row.num_images, row.samples) for row in found.tags] == [
        ("choker", 1, ("aria/a",)), ("hat", 1, ("aria/c",)),
    ]  # fmt: skip
    assert all(row.mean_score > 0.9 for row in found.tags)


def test_the_tag_of_most_images_comes_first(make: Callable[..., Project]) -> None:
    project = make({**THREE, "aria/d": ("green", "x"), "aria/e": ("green", "x")})
    assert [(row.tag, row.num_images) for row in find_leaks(project, Asked()).tags] == [("hat", 3), ("choker", 1)]
    assert words(find_leaks(project, Asked(where="name:*e"))) == {"aria/e": ["hat"]}


def test_said_and_not_seen_is_the_reverse_and_the_trigger_is_no_claim(make: Callable[..., Project]) -> None:
    project = make(THREE)
    assert text(project, "aria/c") == "ariaword, smile, cat ears"
    found = find_leaks(project, Asked(kind="unseen"))
    assert words(found) == {"aria/c": ["cat_ears"]}  # the tagger knows no smile, and ariaword is the trigger
    done = fix_leaks(project, found)
    assert done.subject == "tag: remove cat_ears in 1 caption of wip"
    assert text(project, "aria/c") == "ariaword, smile"


def test_categories_that_captions_are_made_without_are_no_leak(make: Callable[..., Project]) -> None:
    project = make({"aria/a": ("red", "smile")})
    (project.dataset.root / "models/eyes/selected_tags.csv").write_text(
        (project.dataset.root / "models/eyes/selected_tags.csv").read_text().replace("choker,0", "choker,4")
    )
    assert "choker" in words(find_leaks(open_project(project.dataset.root), Asked()))["aria/a"]
    settings = project.dataset.root / "dsk.toml"
    settings.write_text(SETTINGS.replace('policy = "caption"', 'policy = "caption"\ncategories = ["general"]'))
    found = find_leaks(open_project(project.dataset.root), Asked())
    assert "choker" not in words(found).get("aria/a", [])


def test_the_fix_is_one_operation_in_the_captions_where_it_is_seen(make: Callable[..., Project]) -> None:
    project = make(THREE)
    done = fix_leaks(project, find_leaks(project, Asked()))
    assert done.subject == "tag: add choker, hat in 2 captions of wip"
    assert text(project, "aria/a") == "ariaword, smile, choker"
    assert text(project, "aria/b") == "ariaword, smile, choker"
    assert text(project, "aria/c") == "ariaword, smile, cat ears, hat"
    operation = next(history(again(project).dataset))
    assert (operation.op, operation.args["verb"], operation.args["tags"]) == ("tag", "fix-leaks", ["choker", "hat"])
    assert find_leaks(again(project), Asked()).items == {}
    undo(again(project).dataset)
    assert text(project, "aria/a") == "ariaword, smile"
    advance(again(project))


def test_the_fix_takes_the_named_tags_alone_and_a_dry_run_changes_nothing(make: Callable[..., Project]) -> None:
    project = make(THREE)
    found = find_leaks(project, Asked(stage="captioned"))
    assert fix_leaks(project, found, ["Choker"], dry_run=True).items == ("aria/a",)
    assert text(project, "aria/a", "captioned") == "smile"
    fix_leaks(project, found, ["Choker"])
    assert text(project, "aria/a", "captioned") == "smile, choker"
    assert text(project, "aria/c", "captioned") == "smile, cat_ears"
    with pytest.raises(UsageError, match="not among what was found: gloves"):
        fix_leaks(project, found, ["gloves"])
    advance(again(project))
    assert text(project, "aria/a") == "ariaword, smile, choker"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ('blacklist = ["hat"]', "cleaned.blacklist"),
        ('blacklist = ["h*t"]', "cleaned.blacklist: h*t"),
        ('prune = {aria = ["hat"]}', "cleaned.prune.aria"),
        ('replace = {hat = ""}', "cleaned.replace: hat → nothing"),
    ],
)
def test_what_cleaned_leaves_out_is_no_leak(make: Callable[..., Project], settings: str, reason: str) -> None:
    project = make(THREE, settings)
    for stage in ("wip", "captioned"):
        found = find_leaks(project, Asked(stage=stage))
        assert words(found) == {"aria/a": ["choker"]}
        assert [(one.tag, one.reason, one.num_images) for one in found.left_out] == [("hat", reason, 1)]


def test_what_a_person_took_out_is_no_leak(make: Callable[..., Project]) -> None:
    project = make(THREE)
    path = project.dataset.root / "wip" / "aria" / "b.txt"
    path.write_text("ariaword, smile", "utf-8")
    for _ in ("as it stands", "committed"):
        found = find_leaks(again(project), Asked())
        assert words(found) == {"aria/a": ["choker"], "aria/c": ["hat"]}
        assert [(one.tag, one.reason) for one in found.left_out] == [("choker", "taken out by hand")]
        commit_edits(project)


def test_the_vocabulary_knows_other_names_and_what_is_implied(make: Callable[..., Project]) -> None:
    project = make(
        {"aria/a": ("red", "spiked choker"), "aria/b": ("green", "bonnet"), "aria/c": ("blue", "ears of a cat")}
    )
    vocab = project.dataset.root / "vocab"
    vocab.mkdir()
    assert len(find_leaks(project, Asked()).items) == 3
    (vocab / "aliases.csv").write_text("bonnet,hat\n", "utf-8")
    (vocab / "implications.csv").write_text("spiked_choker,choker\n", "utf-8")
    assert words(find_leaks(again(project), Asked())) == {"aria/c": ["cat_ears"]}
    (vocab / "implications.csv").write_text("spiked_choker,choker\nears_of_a_cat,cat_ears\n", "utf-8")
    assert words(find_leaks(again(project), Asked())) == {}


def test_a_leak_is_added_as_the_stage_spells_it(make: Callable[..., Project]) -> None:
    project = make({"aria/a": ("green", "smile"), "aria/b": ("green", "smile, hat")}, 'replace = {hat = "big_hat"}')
    assert text(project, "aria/b") == "ariaword, smile, big hat"
    found = find_leaks(project, Asked())
    assert words(found) == {"aria/a": ["hat"]}
    fix_leaks(project, found)
    assert text(project, "aria/a") == "ariaword, smile, big hat"


def test_lint_tells_leaks_from_what_is_remembered_and_runs_no_model(make: Callable[..., Project]) -> None:
    project = make({**THREE, "aria/d": ("green", "x"), "aria/e": ("green", "x")})
    assert "leaking-tag" not in [one.name for one in lint(project).report.findings]
    find_leaks(project, Asked(where="-name:*e"))
    found = [one for one in lint(again(project)).report.findings if one.name == "leaking-tag"]
    assert [one.message[:28] for one in found] == ["hat is seen in 2 of 4 images"]
    fix_leaks(project, find_leaks(project, Asked()), ["hat"])
    assert "leaking-tag" not in [one.name for one in lint(again(project)).report.findings]


def test_without_a_tagger_it_says_what_to_do(make: Callable[..., Project]) -> None:
    project = make(THREE)
    (project.dataset.root / "dsk.toml").write_text("", "utf-8")
    with pytest.raises(UsageError) as caught:
        find_leaks(again(project), Asked())
    assert "--tagger" in caught.value.hint
    with pytest.raises(StateError) as missing:
        find_leaks(again(project), Asked(taggers=("wd-vit-tagger-v3",)))
    assert "dsk taggers fetch wd-vit-tagger-v3" in missing.value.hint
    with pytest.raises(UsageError, match="no captions"):
        find_leaks(again(project), Asked(stage="raw", taggers=("models/eyes",)))


def test_the_command(make: Callable[..., Project], dsk: Callable[..., CompletedProcess[str]]) -> None:
    root = make(THREE).dataset.root
    told = dsk(root, "find", "leaks")
    assert told.returncode == 0, told.stderr
    assert "choker" in told.stdout
    assert "2 seen but not tagged in 2 of 3 images of wip" in told.stderr
    assert "aria/c: hat 1.00" in dsk(root, "find", "leaks", "--items", "--min-score", "0.5").stdout
    assert dsk(root, "find", "tag:leaks", "--count").stdout == "0\n"
    assert dsk(root, "find", "leaks", "--max-score", "0.5").returncode == 2
    assert dsk(root, "find", "leaks", "hat").returncode == 2
    assert '"cat_ears"' in dsk(root, "find", "leaks", "--unseen", "--json").stdout
    assert dsk(root, "find", "leaks", "--fix", "hat").stdout == "tag: add hat in 1 caption of wip\n"
    assert (root / "wip/aria/c.txt").read_text("utf-8") == "ariaword, smile, cat ears, hat"
