"""dsk why: for each stage, the rule, the operation or the person that an item is there for, or is not."""

from __future__ import annotations

import json
import shutil

import pytest
from hands import again, commit_edits
from PIL import Image

from datakit.actions.advancing import advance
from datakit.actions.deciding import drop, keep
from datakit.actions.explaining import Explanation, Verdict, explain
from datakit.actions.importing import import_folder
from datakit.actions.project import Project
from datakit.actions.renaming import rename
from datakit.actions.restoring import restore
from datakit.errors import UsageError
from datakit.model.order import COMPUTED
from datakit.repo.operations.undo import redo, undo

KEY = "aria/danbooru_1"
STAGES = ("raw", *COMPUTED)


def why(project: Project, word: str = KEY) -> Explanation:
    return explain(again(project), word)


def standings(project: Project, word: str = KEY) -> list[str]:
    """Of raw to wip, and of the one export."""
    return [one.standing for one in why(project, word).stages]


def at(project: Project, stage: str, word: str = KEY) -> Verdict:
    return next(one for one in why(project, word).stages if one.stage == stage)


def remove(project: Project, key: str = KEY) -> None:
    for stage in STAGES:
        for path in (project.dataset.root / stage).glob(f"{key}.*"):
            path.unlink()


def test_an_item_that_is_everywhere(advanced: Project) -> None:
    found = why(advanced)
    assert [one.stage for one in found.stages] == [*STAGES, "export"]
    assert {one.standing for one in found.stages} == {"there"}
    assert not any(one.stale for one in found.stages)
    assert found.stages[-1].path.startswith("export/kohya/")
    assert (advanced.dataset.root / found.stages[-1].path).exists()
    assert not found.can_restore


def test_an_item_that_a_rule_dropped_and_a_person_kept(project: Project) -> None:
    root = project.dataset.root
    shutil.copy(root / "raw/aria/danbooru_0.png", root / "raw/aria/zz.png")
    advance(project)
    verdict = at(project, "filtered", "zz")
    assert (verdict.standing, verdict.rule) == ("dropped", "exact-duplicate")
    assert "aria/danbooru_0" in verdict.reason
    assert verdict.evidence
    later = at(project, "wip", "zz")
    assert (later.standing, later.reason) == ("not reached", "filtered lacks it")
    assert standings(project, "zz")[-1] == "not reached"
    keep(again(project), ["aria/zz"])
    kept = at(project, "filtered", "zz")
    assert (kept.standing, kept.rule) == ("kept", "exact-duplicate")
    assert kept.operation is not None
    assert (kept.operation.op, kept.operation.author) == ("keep", "Ann Author")
    assert at(project, "edited", "zz").standing == "waiting"
    advance(again(project), "wip")
    assert standings(project, "zz")[2:6] == ["there"] * 4


@pytest.mark.parametrize("way", ["once", "redone"])
def test_an_item_that_a_person_dropped(advanced: Project, way: str) -> None:
    drop(again(advanced), [KEY], reason="blurry")
    if way == "redone":
        undo(again(advanced).dataset)
        assert at(advanced, "filtered").standing == "there"
        redo(again(advanced).dataset)
    found = why(advanced)
    verdict = found.stages[1]
    assert (verdict.standing, verdict.reason) == ("removed", "blurry")
    assert verdict.operation is not None
    assert verdict.operation.subject == f"drop: {KEY} from filtered: blurry"
    assert verdict.operation.op == "drop"
    assert found.can_restore
    assert at(advanced, "edited").stale == "filtered changed"
    advance(again(advanced), "wip")
    assert standings(advanced) == ["there", "removed", *["not reached"] * 4, "there"]
    assert not at(advanced, "edited").stale
    assert at(advanced, "export").stale == "wip changed"
    advance(again(advanced))
    assert standings(advanced)[-1] == "not reached"


def test_an_item_that_plain_git_took_out_of_the_middle(advanced: Project, git) -> None:
    git(advanced.dataset.root, "rm", "-q", f"edited/{KEY}.png")
    git(advanced.dataset.root, "commit", "-qm", "not this one")
    advance(again(advanced), "wip")
    verdict = at(advanced, "edited")
    assert verdict.standing == "removed"
    assert verdict.operation is not None
    assert (verdict.operation.op, verdict.operation.subject) == ("", "not this one")
    assert at(advanced, "wip").reason == "edited lacks it"


def test_an_item_deleted_just_now(advanced: Project) -> None:
    (advanced.dataset.root / f"wip/{KEY}.png").unlink()
    assert standings(advanced)[-2] == "deleted"
    assert why(advanced).can_restore


def test_an_item_that_has_not_come_far_yet(project: Project, advanced: Project, scrape) -> None:
    import_folder(again(advanced), scrape("more", carla=1))
    found = why(advanced, "carla/danbooru_0")
    assert [one.standing for one in found.stages] == ["there", "waiting", *["not reached"] * 5]
    assert found.stages[1].stale == "raw changed"


def test_an_item_put_into_a_stage_by_a_person(advanced: Project) -> None:
    root = advanced.dataset.root
    Image.new("RGB", (300, 300)).save(root / "wip/aria/own.png")
    (root / "wip/aria/own.txt").write_text("aria")
    commit_edits(advanced)
    found = why(advanced, "own")
    assert [one.standing for one in found.stages] == ["never", *["not reached"] * 4, "added", "waiting"]
    assert found.stages[5].operation is not None
    assert found.stages[5].operation.op == "edit"


def test_an_item_that_is_no_more(advanced: Project) -> None:
    remove(advanced)
    commit_edits(advanced)
    found = why(advanced)
    assert (found.is_missing, found.can_restore) == (True, True)
    assert found.stages[0].standing == "removed"
    assert found.stages[0].operation is not None
    assert found.stages[0].operation.op == "edit"
    advance(again(advanced))
    found = why(advanced)
    assert [one.standing for one in found.stages] == ["removed", *["not reached"] * 6]
    restore(again(advanced), [KEY])
    advance(again(advanced))
    assert set(standings(advanced)) == {"there"}
    with pytest.raises(UsageError, match="no item"):
        why(advanced, "aria/never")


def test_an_item_that_is_called_otherwise_now(advanced: Project) -> None:
    rename(again(advanced), [KEY], "aria/smile")
    found = why(advanced)
    assert (found.renamed_to, found.can_restore) == ("aria/smile", False)
    assert standings(advanced, "smile")[:6] == ["there"] * 6
    drop(again(advanced), ["smile"], reason="dull", stage="wip")
    assert at(advanced, "wip", "smile").reason == "dull"


def test_the_command(advanced: Project, dsk) -> None:
    root = advanced.dataset.root
    drop(again(advanced), [KEY], reason="blurry")
    done = dsk(root, "why", KEY)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "removed" in lines[3]
    assert "blurry: by Ann Author" in lines[3]
    assert lines[3].count("blurry") == 1
    assert f"dsk restore {KEY} brings it back" in lines
    rows = json.loads(dsk(root, "why", KEY, "--json").stdout)
    assert [row["standing"] for row in rows["stages"]][:2] == ["there", "removed"]
    assert rows["stages"][1]["operation"]["op"] == "drop"


def test_a_conflict_is_decided_first_and_names_can_be_typed(advanced: Project, dsk) -> None:
    root = advanced.dataset.root
    rename(again(advanced), [KEY], "aria/a smile")
    for stage, colour in (("edited", "red"), ("raw", "blue")):
        (root / stage / "aria/a smile.png").unlink()
        Image.new("RGB", (300, 300), colour).save(root / stage / "aria/a smile.png")
    advance(again(advanced), "wip")
    (root / "dsk.toml").write_text('[cleaned]\ntrigger = "t"\n')
    lines = dsk(root, "why", "aria/a smile").stdout.splitlines()
    assert lines[-2:] == [
        "dsk keep 'aria/a smile' keeps yours, dsk keep --theirs 'aria/a smile' takes what its source became",
        "then dsk advance runs what must run again",
    ]


def test_a_caption_that_no_image_belongs_to(advanced: Project) -> None:
    (advanced.dataset.root / "raw/aria/lonely.txt").write_text("1girl")
    commit_edits(advanced)
    found = why(advanced, "aria/lonely").stages[0]
    assert (found.standing, found.reason) == ("never", "only its caption: no image had this name")
