"""Two branches become one: what a person would expect of every pair of changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hands import again, assert_clean
from PIL import Image

from datakit.actions.advancing import advance
from datakit.actions.branching import merge, switch
from datakit.actions.deciding import drop
from datakit.actions.importing import import_folder
from datakit.actions.project import Project
from datakit.actions.renaming import rename
from datakit.actions.reporting import read_status
from datakit.errors import StateError, UsageError
from datakit.model.mergetoml import merge_toml
from datakit.repo.operations.undo import undo
from datakit.repo.oplog import history

Git = Callable[..., str]
Work = Callable[[Project], None]


def write(name: str, text: str) -> Work:
    def work(project: Project) -> None:
        (project.dataset.root / name).write_text(text)

    return work


def paint(name: str, colour: str) -> Work:
    def work(project: Project) -> None:
        path = project.dataset.root / name
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (300, 301), colour).save(path)

    return work


def remove(*names: str) -> Work:
    def work(project: Project) -> None:
        for name in names:
            (project.dataset.root / name).unlink()

    return work


def part(project: Project, here: Work, there: Work, *, run: bool = True) -> Project:
    """Do `there` on the branch `idea` and `here` on main, and stand on main."""
    switch(project, "idea", create=True)
    there(again(project))
    if run:
        advance(again(project), "wip")
    switch(again(project), "main")
    here(again(project))
    if run:
        advance(again(project), "wip")
    return again(project)


def tags(path: Path) -> set[str]:
    return set(path.read_text().split(", "))


def test_hand_edits_here_and_new_images_there(advanced: Project, scrape, git: Git) -> None:
    root = advanced.dataset.root
    more = scrape("more", cleo=2)
    part(advanced, write("wip/aria/danbooru_0.txt", "mine, 1girl"), lambda there: import_folder(there, more))
    done = merge(again(advanced), "idea")
    assert done.conflicts == done.notes == ()
    assert done.subject == "merge: idea, 6 operations"
    assert (root / "wip/aria/danbooru_0.txt").read_text() == "mine, 1girl"
    assert len(list(root.glob("wip/cleo/*.png"))) == 2
    assert [one.stage for one in advance(again(advanced), "wip") if one.num_computed > 2] == []
    assert len(list(root.glob("wip/cleo/*.png"))) == 2
    assert_clean(advanced.dataset.root, git)


def test_another_trigger_here_and_images_with_the_old_one_there(advanced: Project, scrape, git: Git) -> None:
    root = advanced.dataset.root
    (root / "dsk.toml").write_text('[cleaned]\ntrigger = "old"\n')
    advance(again(advanced), "wip")
    more = scrape("more", cleo=2)
    part(advanced, write("dsk.toml", '[cleaned]\ntrigger = "new"\n'), lambda there: import_folder(there, more))
    merge(again(advanced), "idea")
    advance(again(advanced), "wip")
    for path in root.glob("wip/*/*.txt"):
        assert "new" in tags(path), path
        assert "old" not in tags(path), path
    assert len(list(root.glob("wip/*/*.txt"))) == 7
    assert_clean(advanced.dataset.root, git)


def test_settings_here_and_captions_by_hand_there(advanced: Project, git: Git) -> None:
    root = advanced.dataset.root
    part(
        advanced,
        write("dsk.toml", '[cleaned]\ntrigger = "t"\nblacklist = ["me"]\n'),
        write("wip/aria/danbooru_0.txt", "aria, 1girl, red hat, me"),
    )
    merge(again(advanced), "idea")
    advance(again(advanced), "wip")
    assert tags(root / "wip/aria/danbooru_0.txt") == {"t", "aria", "1girl", "red hat"}
    assert_clean(advanced.dataset.root, git)


def test_both_wrote_in_one_caption(advanced: Project) -> None:
    root = advanced.dataset.root
    part(
        advanced,
        write("wip/aria/danbooru_0.txt", "aria, 1girl, blue hair, ^_^, me, here"),
        write("wip/aria/danbooru_0.txt", "there, aria, blue hair, ^_^, me"),
    )
    assert merge(again(advanced), "idea").conflicts == ()
    assert tags(root / "wip/aria/danbooru_0.txt") == {"there", "here", "aria", "blue hair", "^_^", "me"}


def test_one_image_painted_on_both_is_a_conflict_until_somebody_decides(advanced: Project, git: Git) -> None:
    root = advanced.dataset.root
    part(advanced, paint("wip/aria/danbooru_0.png", "red"), paint("wip/aria/danbooru_0.png", "blue"))
    mine = (root / "wip/aria/danbooru_0.png").read_bytes()
    done = merge(again(advanced), "idea")
    assert done.conflicts == ("wip/aria/danbooru_0.png",)
    assert (root / "wip/aria/danbooru_0.png").read_bytes() == mine
    status = {one.stage: one.conflicts for one in read_status(again(advanced)).stages}
    assert status["wip"] == ("aria/danbooru_0.png",)
    with pytest.raises(StateError, match="changed by hand"):
        advance(again(advanced))
    assert_clean(advanced.dataset.root, git)


def test_both_import_other_images_under_one_name(advanced: Project, git: Git) -> None:
    root = advanced.dataset.root
    part(advanced, paint("raw/aria/new.png", "red"), paint("raw/aria/new.png", "blue"))
    done = merge(again(advanced), "idea")
    assert len(done.notes) == 1
    assert done.notes[0].startswith("aria/new of idea is another image, and is called aria/new-")
    assert len(list(root.glob("raw/aria/new*.png"))) == 2
    advance(again(advanced), "wip")
    assert len(list(root.glob("wip/aria/new*.png"))) == 2
    assert len({path.read_bytes() for path in root.glob("wip/aria/new*.png")}) == 2
    assert_clean(advanced.dataset.root, git)


def test_both_import_the_same_scrape(advanced: Project, scrape) -> None:
    more = scrape("more", cleo=2)
    part(advanced, lambda here: import_folder(here, more), lambda there: import_folder(there, more))
    done = merge(again(advanced), "idea")
    assert done.conflicts == done.notes == ()
    assert {one.num_computed for one in advance(again(advanced), "wip")} <= {2}, "the times of import may differ"
    assert read_status(again(advanced)).stages[5].num_by_hand == 0


def test_removed_here_and_edited_there(advanced: Project) -> None:
    root = advanced.dataset.root
    part(
        advanced,
        remove("wip/aria/danbooru_0.png", "wip/aria/danbooru_0.txt", "filtered/beth/danbooru_0.png"),
        write("wip/aria/danbooru_0.txt", "edited"),
    )
    merge(again(advanced), "idea")
    advance(again(advanced), "wip")
    assert not list(root.glob("wip/aria/danbooru_0.*"))
    assert not (root / "wip/beth/danbooru_0.png").exists()
    assert (root / "filtered/aria/danbooru_0.png").exists()


def test_renamed_here_and_edited_there(advanced: Project, git: Git) -> None:
    root = advanced.dataset.root

    def rename(project: Project) -> None:
        for path in root.glob("*/aria/danbooru_0.*"):
            if path.parts[-3] != "export":
                path.rename(path.with_name(f"first{path.suffix}"))

    part(advanced, rename, write("wip/aria/danbooru_0.txt", "edited"))
    merge(again(advanced), "idea")
    advance(again(advanced), "wip")
    assert (root / "wip/aria/first.txt").read_text() == "edited"
    assert not list(root.glob("[!e]*/aria/danbooru_0.*"))
    assert_clean(advanced.dataset.root, git)


@pytest.mark.parametrize("prefer", ["", "ours", "theirs"])
def test_one_setting_set_otherwise_on_both(advanced: Project, prefer: str) -> None:
    root = advanced.dataset.root
    part(
        advanced,
        write("dsk.toml", '[cleaned]\ntrigger = "a" # mine\n[filtered.too-small]\nmin_side_px = 100\n'),
        write("dsk.toml", '[cleaned]\ntrigger = "b"\n'),
        run=False,
    )
    before = again(advanced).dataset.head
    if prefer:
        merge(again(advanced), "idea", prefer=prefer)
        wanted = {"ours": 'trigger = "a" # mine', "theirs": 'trigger = "b" # mine'}[prefer]
        assert wanted in (root / "dsk.toml").read_text()
        assert "min_side_px = 100" in (root / "dsk.toml").read_text()
    else:
        with pytest.raises(StateError, match=r"cleaned.trigger: 'a' here, 'b' there") as caught:
            merge(again(advanced), "idea")
        assert "--prefer ours" in caught.value.hint
        assert before != again(advanced).dataset.head, "the edit became an operation; the merge did not"
        assert next(history(again(advanced).dataset)).op == "edit"


def test_a_merge_can_be_undone_and_done_again(advanced: Project, scrape, git: Git) -> None:
    root = advanced.dataset.root
    more = scrape("more", cleo=2)
    part(advanced, write("wip/aria/danbooru_0.txt", "mine"), lambda there: import_folder(there, more))
    before = again(advanced).dataset.head_tree
    merge(again(advanced), "idea")
    merged = again(advanced).dataset.head_tree
    assert merge(again(advanced), "idea").commit == ""
    assert undo(again(advanced).dataset).op == "merge"
    assert again(advanced).dataset.head_tree == before
    assert merged != before
    assert not list(root.glob("wip/cleo/*"))
    assert_clean(advanced.dataset.root, git)


def test_a_branch_that_is_only_ahead(advanced: Project, scrape, git: Git) -> None:
    root = advanced.dataset.root
    more = scrape("more", cleo=2)
    part(advanced, lambda here: None, lambda there: import_folder(there, more))
    done = merge(again(advanced), "idea")
    assert done.num_operations == 6
    assert advance(again(advanced), "wip") == []
    git(root, "reflog", "expire", "--expire=now", "--all")
    git(root, "branch", "-D", "idea")
    git(root, "gc", "-q", "--prune=now")
    (root / "dsk.toml").write_text('[cleaned]\ntrigger = "t"\n')
    assert {one.stage: one.num_computed for one in advance(again(advanced), "wip")} == {"cleaned": 7, "wip": 7}
    assert_clean(advanced.dataset.root, git)


def test_both_ways_give_the_same_but_for_order(advanced: Project, scrape) -> None:
    root = advanced.dataset.root
    more = scrape("more", cleo=1)

    def there(project: Project) -> None:
        import_folder(project, more)
        remove("filtered/beth/danbooru_1.png")(project)
        write("captioned/aria/danbooru_1.txt", "there, 1girl")(project)

    def here(project: Project) -> None:
        write("captioned/aria/danbooru_1.txt", "1girl, here")(project)
        paint("edited/aria/danbooru_2.png", "red")(project)

    part(advanced, here, there)
    switch(again(advanced), "twin", create=True, revision="idea")
    merge(again(advanced), "main")
    one = meaning(root)
    switch(again(advanced), "main")
    merge(again(advanced), "idea")
    assert meaning(root) == one


def meaning(root: Path) -> dict[str, object]:
    return {
        str(path.relative_to(root)): tags(path) if path.suffix == ".txt" else path.read_bytes()
        for path in root.glob("*/*/*.*")
        if path.parts[-3] != "export"
    }


def test_what_cannot_be_merged(advanced: Project, tmp_path: Path, git: Git) -> None:
    with pytest.raises(UsageError, match="no revision 'nothing'"):
        merge(advanced, "nothing")
    git(advanced.dataset.root, "checkout", "-q", "--orphan", "other")
    git(advanced.dataset.root, "commit", "-q", "-m", "alone")
    with pytest.raises(StateError, match="no history in common"):
        merge(again(advanced), "main")


def test_a_merge_by_plain_git_is_a_commit_like_any_other(advanced: Project, git: Git) -> None:
    root = advanced.dataset.root
    part(advanced, write("wip/aria/danbooru_0.txt", "mine"), write("wip/beth/danbooru_0.txt", "theirs"), run=False)
    (root / "wip/aria/danbooru_0.txt").write_text("mine")
    with_edit = read_status(again(advanced)).hand_edits
    git(root, "add", "-A", "wip")
    git(root, "commit", "-q", "-m", "by hand") if with_edit else None
    git(root, "merge", "-q", "--no-edit", "idea")
    assert advance(again(advanced))[-1].stage == "export"
    assert (root / "wip/beth/danbooru_0.txt").read_text() == "theirs"
    assert_clean(advanced.dataset.root, git)


def test_a_merge_that_was_undone_counts_as_not_done_on_either_side(advanced: Project, git: Git) -> None:
    root = advanced.dataset.root
    part(advanced, paint("wip/beth/own.png", "white"), paint("raw/aria/n1.png", "red"))
    merge(again(advanced), "idea")
    undo(again(advanced).dataset)
    switch(again(advanced), "idea")
    paint("raw/aria/n2.png", "blue")(again(advanced))
    advance(again(advanced), "wip")
    switch(again(advanced), "main")
    write("wip/aria/danbooru_0.txt", "on we go")(again(advanced))
    merge(again(advanced), "idea")
    assert {path.stem for path in root.glob("raw/aria/n*.png")} == {"n1", "n2"}
    undo(again(advanced).dataset)
    switch(again(advanced), "idea")
    merge(again(advanced), "main")
    assert {path.stem for path in root.glob("raw/aria/n*.png")} == {"n1", "n2"}
    assert_clean(root, git)


def test_names_that_were_freed_and_taken_again(advanced: Project) -> None:
    root = advanced.dataset.root

    def renumber(project: Project) -> None:
        rename(project, ["aria/danbooru_0"], "aria/zz")
        rename(again(project), ["aria/danbooru_1"], "aria/danbooru_0")

    def caption(project: Project) -> None:
        write("wip/aria/danbooru_0.txt", "the first")(project)
        write("wip/aria/danbooru_1.txt", "the second")(project)

    part(advanced, renumber, caption)
    merge(again(advanced), "idea")
    assert (root / "wip/aria/zz.txt").read_text() == "the first"
    assert (root / "wip/aria/danbooru_0.txt").read_text() == "the second"


def test_a_drop_outlives_a_merge_with_a_rule_that_agrees(advanced: Project) -> None:
    root = advanced.dataset.root
    strict = "[filtered.too-small]\nmin_side_px = 1000\n"
    part(advanced, lambda here: drop(here, ["aria/danbooru_0"], reason="x"), write("dsk.toml", strict))
    merge(again(advanced), "idea")
    advance(again(advanced), "wip")
    (root / "dsk.toml").write_text("")
    advance(again(advanced), "wip")
    assert not (root / "wip/aria/danbooru_0.png").exists()
    assert len(list(root.glob("wip/*/*.png"))) == 4


def test_what_was_changed_there_and_removed_here_is_told(advanced: Project) -> None:
    part(
        advanced,
        remove("wip/aria/danbooru_0.png", "wip/aria/danbooru_0.txt"),
        paint("wip/aria/danbooru_0.png", "red"),
    )
    notes = merge(again(advanced), "idea").notes
    assert notes == ("wip/aria/danbooru_0.png: changed on idea and removed here; it stays removed",)


def test_settings_are_merged_by_key() -> None:
    base = "# head\n[a]\nx = 1\ny = 2\n[a.deep]\nz = 3\n"
    ours = base.replace("x = 1", "x = 9 # mine")
    theirs = base.replace("y = 2", "y = 5").replace("[a.deep]\nz = 3\n", "[b]\nnew = [1, 2]\n")
    text, disputes = merge_toml(base, ours, theirs)
    assert disputes == []
    assert "x = 9 # mine" in text
    assert "y = 5" in text
    assert "z = 3" not in text
    assert "new = [1, 2]" in text


def test_in_a_terminal(advanced: Project, dsk) -> None:
    root = advanced.dataset.root
    part(advanced, paint("wip/aria/danbooru_0.png", "red"), paint("wip/aria/danbooru_0.png", "blue"))
    done = dsk(root, "merge", "idea")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("merge: idea, 1 operation\n")
    assert "conflict: wip/aria/danbooru_0.png: changed on both branches" in done.stderr
    assert dsk(root, "merge", "idea").stdout == "merge: idea has nothing new\n"
