"""Where tags and images come from, for every kind of origin; followed through undo, merges and renames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hands import again
from PIL import Image, ImageOps

from datakit.actions.advancing import advance
from datakit.actions.blaming import blame
from datakit.actions.branching import merge
from datakit.actions.importing import import_folder
from datakit.actions.project import STAGES, Project
from datakit.actions.renaming import rename
from datakit.errors import UsageError
from datakit.model.provenance import Blame, Cause
from datakit.model.stage import Origin, Stage
from datakit.repo.operations.transaction import save_hand_edits, transaction
from datakit.repo.operations.undo import redo, undo
from datakit.repo.past.blaming import Blamer
from datakit.repo.past.tracing import Position

Run = Callable[..., str]
ITEM = "aria/danbooru_0"


def rewrite(project: Project, old: str, new: str, *, stage: str = "wip", item: str = ITEM) -> None:
    path = project.dataset.root / f"{stage}/{item}.txt"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def save(project: Project) -> None:
    with transaction(project.dataset, "save"):
        pass


def causes(found: Blame) -> dict[str, Cause]:
    return {row.tag: row.cause for row in found.tags}


def missing(project: Project, item: str = ITEM) -> dict[str, Cause]:
    return {row.tag: row.cause for row in blame(again(project), item, removed=True).removed}


def said(cause: Cause) -> tuple[str, str, str]:
    return cause.stage, cause.kind, cause.detail


def test_a_site_a_trigger_and_what_was_not_taken(project: Project) -> None:
    (project.dataset.root / "dsk.toml").write_text(
        "[cleaned]\ntrigger = 'You'\nblacklist = ['me']\n[cleaned.triggers]\naria = 'Aria Dress'\n"
    )
    advance(again(project))
    found = blame(again(project), ITEM, removed=True)
    assert (found.key, found.stage, found.has_caption) == (ITEM, "wip", True)
    assert [(row.tag, row.text) for row in found.tags] == [
        ("aria_dress", "Aria Dress"),
        ("aria", "aria"),
        ("1girl", "1girl"),
        ("blue_hair", "blue hair"),
        ("^_^", "^_^"),
    ]
    rows = causes(found)
    assert said(rows["aria_dress"]) == ("cleaned", "trigger", "cleaned.triggers.aria")
    assert said(rows["aria"]) == ("raw", "site", "danbooru, character")
    assert said(rows["blue_hair"]) == ("raw", "site", "danbooru, general")
    doer = rows["1girl"].operation
    assert doer is not None
    assert (doer.op, doer.author, doer.subject) == (
        "import",
        "Ann Author",
        "import: 5 images from gallery-dl (2 concepts)",
    )
    gone = {row.tag: said(row.cause) for row in found.removed}
    assert gone == {
        "me": ("cleaned", "blacklist", "cleaned.blacklist"),
        "highres": ("captioned", "not-taken", "danbooru, meta; captioned.categories lacks it"),
    }
    rows = causes(blame(again(project), "beth/danbooru_0"))
    assert said(rows["you"]) == ("cleaned", "trigger", "cleaned.trigger")


def test_a_caption_that_came_along(empty: Project, tmp_path: Path) -> None:
    folder = tmp_path / "s/x"
    folder.mkdir(parents=True)
    Image.new("RGB", (300, 300)).save(folder / "a.png")
    (folder / "a.txt").write_text("hat, smile")
    import_folder(empty, tmp_path / "s")
    (empty.dataset.root / "raw/x/a.txt").write_text("hat, smile, cat")
    advance(again(empty))
    rows = causes(blame(again(empty), "x/a"))
    assert said(rows["hat"]) == ("raw", "caption", "raw/x/a.txt")
    assert [rows[tag].operation.op for tag in ("hat", "cat")] == ["import", "edit"]  # type: ignore[union-attr]
    rows = causes(blame(again(empty), "raw/x/a.txt"))
    assert (rows["hat"].kind, rows["cat"].kind) == ("import", "person")
    (empty.dataset.root / "dsk.toml").write_text("[captioned]\npolicy = 'booru'\n")
    advance(again(empty), "wip")
    gone = {row.tag: said(row.cause) for row in blame(again(empty), "x/a", stage="wip", removed=True).removed}
    assert gone["hat"] == ("captioned", "not-taken", "raw/x/a.txt; captioned.policy is booru")
    found = blame(again(empty), "x/a", stage="edited")
    assert (found.has_caption, found.tags) == (False, ())


def test_a_person_by_hand_by_git_and_not_committed_yet(advanced: Project, git: Run) -> None:
    root = advanced.dataset.root
    rewrite(advanced, "blue_hair", "blue_hair, hat", stage="captioned")
    advance(again(advanced))
    rewrite(advanced, "hat", "hat, cat")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "a cat", "--author", "Bob <bob@example.org>")
    rewrite(advanced, "cat", "cat, Dog")
    rows = causes(blame(again(advanced), ITEM))
    assert (rows["hat"].stage, rows["hat"].kind, rows["hat"].operation.op) == ("captioned", "person", "edit")  # type: ignore[union-attr]
    assert (rows["cat"].operation.author, rows["cat"].operation.subject) == ("Bob", "a cat")  # type: ignore[union-attr]
    assert said(rows["dog"]) == ("wip", "pending", "not committed yet")
    assert git(root, "status", "--porcelain").split() == ["M", f"wip/{ITEM}.txt"]


def test_a_tag_taken_out_by_a_person_or_by_the_stage_before(advanced: Project) -> None:
    rewrite(advanced, "blue_hair, ", "", stage="captioned")
    rewrite(advanced, "1girl", "2girls")
    advance(again(advanced))
    rewrite(advanced, "2girls", "cat")
    save(advanced)
    rewrite(advanced, ", ^_^", "")
    gone = missing(advanced)
    assert (gone["blue_hair"].stage, gone["blue_hair"].kind) == ("captioned", "person")
    assert (gone["1girl"].stage, gone["1girl"].operation.op) == ("wip", "edit")  # type: ignore[union-attr]
    assert gone["2girls"].operation != gone["1girl"].operation
    assert gone["^_^"].kind == "pending"
    assert "highres" in gone


def test_an_undo_leads_to_the_first_operation(advanced: Project) -> None:
    rewrite(advanced, "1girl", "1girl, hat")
    save(advanced)
    first = causes(blame(again(advanced), ITEM))["hat"]
    rewrite(advanced, ", hat", "")
    save(advanced)
    undo(again(advanced).dataset)
    assert causes(blame(again(advanced), ITEM))["hat"] == first
    assert first.operation is not None
    assert first.operation.op == "edit"
    undo(again(advanced).dataset)
    assert "hat" not in causes(blame(again(advanced), ITEM))
    redo(again(advanced).dataset)
    assert causes(blame(again(advanced), ITEM))["hat"] == first


@pytest.mark.parametrize("how", ["git", "dsk"])
def test_a_merge_leads_to_the_other_branch(advanced: Project, git: Run, how: str) -> None:
    root = advanced.dataset.root
    git(root, "switch", "-qc", "side")
    rewrite(advanced, "1girl", "1girl, hat")
    git(root, "commit", "-qam", "from the side")
    git(root, "switch", "-q", "main")
    rewrite(advanced, "1girl", "1girl, cat", item="aria/danbooru_1")
    git(root, "commit", "-qam", "from main")
    if how == "git":
        git(root, "merge", "-q", "--no-edit", "side")
    else:
        merge(again(advanced), "side")
    rows = causes(blame(again(advanced), ITEM))
    assert rows["hat"].operation.subject == "from the side"  # type: ignore[union-attr]
    rows = causes(blame(again(advanced), "aria/danbooru_1"))
    assert rows["cat"].operation.subject == "from main"  # type: ignore[union-attr]


@pytest.mark.parametrize("how", ["mv", "by hand", "not committed"])
def test_renames_are_followed(advanced: Project, how: str) -> None:
    root = advanced.dataset.root
    rewrite(advanced, "1girl", "1girl, hat")
    save(advanced)
    before = causes(blame(again(advanced), ITEM))
    if how == "mv":
        rename(again(advanced), [ITEM], "beth/new")
    else:
        for extension in ("png", "txt"):
            (root / f"wip/{ITEM}.{extension}").rename(root / f"wip/beth/new.{extension}")
        if how == "by hand":
            save(advanced)
    found = blame(again(advanced), "beth/new")
    assert causes(found) == before
    assert [cause.kind for cause in found.image] == ["import"]
    assert missing(advanced, "beth/new").keys() == {"highres"}


def test_what_an_earlier_run_wrote_and_a_person_kept(advanced: Project) -> None:
    root = advanced.dataset.root
    image = root / f"wip/{ITEM}.png"
    picture = ImageOps.invert(Image.open(image).convert("RGB"))
    image.unlink()
    picture.save(image)
    save(advanced)
    (root / "dsk.toml").write_text("[filtered.too-small]\nmin_side_px = 5000\n")
    advance(again(advanced), "wip")
    rows = causes(blame(again(advanced), ITEM))
    assert said(rows["blue_hair"]) == ("raw", "site", "danbooru, general")


def test_settings_and_inputs_are_those_of_the_run(project: Project) -> None:
    root = project.dataset.root
    (root / "dsk.toml").write_text("[cleaned]\ntrigger = 'first'\n")
    advance(again(project))
    (root / "dsk.toml").write_text("[cleaned]\ntrigger = 'second'\nblacklist = ['1girl']\n")
    rewrite(project, "blue_hair", "red_hair", stage="captioned")
    save(project)
    rows = causes(blame(again(project), ITEM))
    assert said(rows["first"]) == ("cleaned", "trigger", "cleaned.trigger")
    assert rows["blue_hair"].kind == rows["1girl"].kind == "site"


def test_the_image_its_post_its_conversion_and_its_retouching(empty: Project, scrape: Callable[..., Path]) -> None:
    folder = scrape(aria=1)
    Image.new("RGBA", (300, 300), (255, 0, 0, 40)).save(folder / "danbooru/aria/danbooru_0.png")
    import_folder(empty, folder)
    advance(empty)
    root = empty.dataset.root
    found = blame(again(empty), ITEM).image
    assert [(cause.stage, cause.kind) for cause in found] == [("raw", "import"), ("edited", "edited")]
    assert found[0].detail == "danbooru post 1, danbooru/aria/danbooru_0.png"
    assert found[1].detail == "flattened"
    (root / f"wip/{ITEM}.png").unlink()
    Image.new("RGB", (300, 300), "green").save(root / f"wip/{ITEM}.png")
    assert [cause.kind for cause in blame(again(empty), ITEM).image] == ["import", "edited", "pending"]
    save(empty)
    assert [cause.kind for cause in blame(again(empty), ITEM).image] == ["import", "edited", "person"]
    assert [cause.kind for cause in blame(again(empty), ITEM, stage="raw").image] == ["import"]
    Image.new("RGB", (300, 300), "blue").save(root / "wip/aria/own.png")
    assert [cause.kind for cause in blame(again(empty), "aria/own").image] == ["pending"]


def test_what_a_stage_says_of_its_tags_is_passed_on(advanced: Project) -> None:
    """Taggers, renamed tags, and a function that says nothing: stages of the future."""

    def origins(subject: object, settings: object) -> dict[str, Origin]:
        del subject, settings
        return {
            "1girl": Origin(kind="tagger", detail="wd-eva02", score=0.93),
            "blue_hair": Origin(kind="renamed", detail="vocab/aliases.csv", was="aria"),
            "gone": Origin(kind="rule", detail="mine", removed=True),
        }

    def stages(name: str) -> Stage:
        real = STAGES.load(name)
        return msgspec.structs.replace(
            real, origins=origins if name == "cleaned" else None if name == "captioned" else real.origins
        )

    dataset = advanced.dataset
    at = Position(dataset.head, dataset.head_tree)
    blamer = Blamer(dataset, stages, renamed={})
    found = blamer.tags(at, "wip", ITEM, ["1girl", "blue_hair", "^_^"])
    assert found["1girl"] == Cause(stage="cleaned", kind="tagger", detail="wd-eva02", score=0.93)
    assert (found["blue_hair"].was, found["blue_hair"].stage, found["blue_hair"].kind) == ("aria", "captioned", "stage")
    assert said(found["^_^"]) == ("captioned", "stage", "made by captioned")
    assert said(blamer.removed(at, "wip", ITEM, [])["gone"]) == ("cleaned", "rule", "mine")


def test_words_that_name_nothing_are_refused(advanced: Project) -> None:
    for word, stage, message in (
        ("aria/nobody", "", "no item"),
        (ITEM, "wpi", "no stage 'wpi'"),
        (ITEM, "export", "no stage 'export'"),
    ):
        with pytest.raises(UsageError, match=message):
            blame(advanced, word, stage=stage)
    (advanced.dataset.root / f"wip/{ITEM}.png").unlink()
    (advanced.dataset.root / f"wip/{ITEM}.txt").unlink()
    assert blame(again(advanced), ITEM).stage == "cleaned"
    with pytest.raises(UsageError, match="is not in wip"):
        blame(again(advanced), ITEM, stage="wip")


def test_looking_writes_nothing(advanced: Project, git: Run) -> None:
    rewrite(advanced, "1girl", "1girl, hat")
    before = git(advanced.dataset.root, "count-objects", "-v"), advanced.dataset.head
    blame(again(advanced), ITEM, removed=True)
    assert (git(advanced.dataset.root, "count-objects", "-v"), advanced.dataset.head) == before
    assert save_hand_edits(again(advanced).dataset)
