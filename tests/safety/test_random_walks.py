"""Whatever people do in whatever order: no crash, a clean tree, a sound repository, and undo that is exact."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hands import again, assert_clean, commit_edits, paint

from datakit.actions.advancing import advance
from datakit.actions.branching import merge, switch
from datakit.actions.deciding import drop, keep
from datakit.actions.importing import import_folder
from datakit.actions.linting.lint import lint_and_fix
from datakit.actions.project import Project
from datakit.actions.renaming import rename
from datakit.actions.reporting import read_status
from datakit.actions.restoring import restore
from datakit.actions.verifying import verify_dataset
from datakit.errors import DskError, StateError
from datakit.repo.branches.switching import list_branches
from datakit.repo.items import known_keys
from datakit.repo.operations.undo import redo, undo

STEPS = int(os.environ.get("DSK_WALK_STEPS", "25"))
STAGES = ("raw", "filtered", "edited", "captioned", "cleaned", "wip")


class Walker:
    """A person without a plan."""

    def __init__(self, project: Project, chance: random.Random, scrape: Path, git: Callable[..., str]) -> None:
        self.project = project
        self.root = project.dataset.root
        self.chance = chance
        self.scrape = scrape
        self.git = git

    def by_hand(self) -> None:
        """Something in the folders."""
        images = [path for stage in STAGES for path in sorted((self.root / stage).glob("*/*.png"))]
        captions = [path for stage in STAGES for path in sorted((self.root / stage).glob("*/*.txt"))]
        what = self.chance.choice(("write", "write", "delete", "rename", "paint", "copy", "settings", "move", "git"))
        if what == "write" and captions:
            path = self.chance.choice(captions)
            path.write_text(f"tag_{self.chance.randrange(9)}, 1girl, {path.read_text()}")
        elif what == "settings":
            size_px, word = self.chance.choice((100, 300)), self.chance.choice("xyz")
            text = f'[filtered.too-small]\nmin_side_px = {size_px}\n[cleaned]\ntrigger = "{word}"\n'
            (self.root / "dsk.toml").write_text(text)
        elif images:
            self.to_image(what, self.chance.choice(images))
        if what == "git":
            self.git(self.root, "add", "-A", ".")
            if self.git(self.root, "status", "--porcelain"):
                self.git(self.root, "commit", "-q", "-m", "by plain git")

    def to_image(self, what: str, path: Path) -> None:
        """Something to one image and what is beside it."""
        beside = sorted(path.parent.glob(f"{path.stem}.*"))
        if what == "delete":
            for one in beside:
                one.unlink()
        elif what == "paint":
            paint(path, (self.chance.randrange(256), 9, 9))
        elif what == "copy":
            goal, content = path.with_name(f"copy{self.chance.randrange(5)}.png"), path.read_bytes()
            goal.unlink(missing_ok=True)
            goal.write_bytes(content)
        elif what in {"rename", "move"}:
            folder = path.parents[1] / self.chance.choice(("aria", "beth")) if what == "move" else path.parent
            folder.mkdir(exist_ok=True)
            stem = f"name{self.chance.randrange(6)}" if what == "rename" else path.stem
            if not list(folder.glob(f"{stem}.*")):
                for one in beside:
                    one.rename(folder / f"{stem}{one.suffix}")

    def by_command(self) -> str:
        """One command; its name."""
        project = again(self.project)
        key = self.chance.choice(sorted(known_keys(project.dataset, project.dataset.head_tree)) or ["aria/nobody"])
        here = next(one.name for one in list_branches(project.dataset) if one.is_current)
        branches = [one.name for one in list_branches(project.dataset) if not one.is_current]
        other = self.chance.choice(branches or ["nowhere"])
        work: dict[str, Callable[[], object]] = {
            "advance": lambda: advance(project, "wip"),
            "import": lambda: import_folder(project, self.scrape),
            "drop": lambda: drop(project, [key], reason="walk"),
            "keep": lambda: keep(project, [key]),
            "mv": lambda: rename(project, [key], f"aria/moved{self.chance.randrange(9)}"),
            "restore": lambda: restore(project, [key]),
            "lint": lambda: lint_and_fix(project),
            "switch": lambda: switch(project, other),
            "branch": lambda: switch(project, f"b{self.chance.randrange(3)}", create=True),
            "merge": lambda: merge(project, other, prefer="ours"),
            "undo": lambda: undo(project.dataset),
            "redo": lambda: redo(project.dataset),
        }
        name = self.chance.choice([*work, "advance", "advance", "undo"])
        try:
            work[name]()
        except DskError as error:
            name = f"{name} refused: {error.message}"
        return f"{here}: {name}"

    def undo_and_redo(self) -> None:
        """The last operation taken back and brought again is as it was."""
        commit_edits(self.project)
        after = again(self.project).dataset.head_tree
        try:
            undo(again(self.project).dataset)
        except DskError:
            return
        assert again(self.project).dataset.head_tree != after
        redo(again(self.project).dataset)
        assert again(self.project).dataset.head_tree == after


def walk(project: Project, seed: int, scrape: Path, git: Callable[..., str]) -> None:
    walker = Walker(project, random.Random(seed), scrape, git)
    told: list[str] = []
    for _ in range(STEPS):
        for _ in range(walker.chance.randrange(3)):
            walker.by_hand()
        told.append(walker.by_command())
        print(told[-1])
        if " refused: " not in told[-1]:
            assert_clean(walker.root, git)
        if walker.chance.random() < 0.3:
            walker.undo_and_redo()
    commit_edits(project)
    status = read_status(again(project))
    if not any(stage.conflicts for stage in status.stages) and status.stages[0].num_images:
        with contextlib.suppress(StateError):  # nothing is left to do anything with
            advance(again(project), "wip")
            assert advance(again(project), "wip") == []
    assert not verify_dataset(again(project), repair=False).damages


@pytest.mark.parametrize("seed", range(4))
def test_a_short_walk(advanced: Project, scrape, git, seed: int) -> None:
    walk(advanced, seed, scrape("more", aria=2, cleo=2), git)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 100 + int(os.environ.get("DSK_WALKS", "40"))))
def test_a_walk(advanced: Project, scrape, git, seed: int) -> None:
    walk(advanced, seed, scrape("more", aria=2, cleo=2), git)
