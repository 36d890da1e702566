"""How each tool does the operations of the history benchmark, as the commands that a person would type."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.benchmarks.peers import call, dsk_command, dvc_program

IMPORT: Final = "import + commit"
STATUS: Final = "status, unchanged"
ADVANCE: Final = "all stages, first time"
STATUS_ADVANCED: Final = "status with all stages, unchanged"
EDIT: Final = "one caption edited: commit"
UNDO: Final = "undo that"
TEN: Final = "ten new images: import + commit"
ADVANCE_TEN: Final = "ten new images: all stages"
SWITCH: Final = "switch to a branch with 1 % fewer items"
SWITCH_BACK: Final = "switch back"
OPERATIONS: Final = (*(IMPORT, STATUS, ADVANCE, STATUS_ADVANCED, EDIT, UNDO, TEN, ADVANCE_TEN, SWITCH, SWITCH_BACK),)
LOOKS: Final = frozenset({STATUS, STATUS_ADVANCED})
"""Operations that change nothing, so that each round can repeat them."""

Commands = Sequence[Sequence[str]]
_MAIN, _OTHER = "main", "other"


@dataclass(frozen=True)
class Sources:
    """Folders to import from."""

    images: Path
    ten: Path


@dataclass(frozen=True)
class Tool:
    """One contender: its repository is the folder `set` below the one it is given."""

    name: str
    prepare: Callable[[Path], None]
    """Makes the empty repository; not measured."""
    commands: Mapping[str, Callable[[Sources], Commands]]
    """Operation → what is measured; absent where the tool has no such thing."""
    before: Mapping[str, Callable[[Path], None]] = field(default_factory=dict)
    """Operation → what a person does first in the work tree; not measured."""


def dsk(commands: frozenset[str]) -> Tool:
    """dsk; `commands` are those that it has."""
    dsk = dsk_command()

    def prepare(folder: Path) -> None:
        call([*dsk, "init", "set"], folder)
        config = folder / "set" / "dsk.toml"
        text = config.read_text("utf-8")
        config.write_text(text.replace("# min_side_px = 256", "min_side_px = 64"), "utf-8")

    def branch(root: Path) -> None:
        call(["git", "branch", _OTHER], root)
        call([*dsk, "switch", _OTHER], root)
        _remove_some(root / "wip")
        call([*dsk, "advance", "filtered"], root)
        call([*dsk, "switch", _MAIN], root)

    status: Commands = [[*dsk, "status"]]
    table: dict[str, Callable[[Sources], Commands]] = {
        IMPORT: lambda sources: [[*dsk, "import", str(sources.images)]],
        STATUS: lambda sources: status,
        ADVANCE: lambda sources: [[*dsk, "advance"]],
        STATUS_ADVANCED: lambda sources: status,
        EDIT: lambda sources: [[*dsk, "advance", "filtered"]],
        UNDO: lambda sources: [[*dsk, "undo"]],
        TEN: lambda sources: [[*dsk, "import", str(sources.ten)]],
        ADVANCE_TEN: lambda sources: [[*dsk, "advance"]],
    }
    if "switch" in commands:
        table |= {
            SWITCH: lambda sources: [[*dsk, "switch", _OTHER]],
            SWITCH_BACK: lambda sources: [[*dsk, "switch", _MAIN]],
        }
    return Tool("dsk", prepare, table, {EDIT: lambda root: _edit_caption(root / "wip"), SWITCH: branch})


def git(*, lfs: bool) -> Tool:
    """git by its defaults, without or with the git-lfs filters for the images."""

    def prepare(folder: Path) -> None:
        call(["git", "init", "-q", "-b", _MAIN, "set"], folder)
        root = folder / "set"
        if lfs:
            call(["git", "lfs", "install", "--local"], root)
            call(["git", "lfs", "track", "*.jpg"], root)
            call(["git", "add", ".gitattributes"], root)
        call(["git", "commit", "-q", "--allow-empty", "-m", "begin"], root)

    return Tool("git-lfs" if lfs else "git", prepare, _git_commands([]), _git_edits())


def git_in_dsk() -> Tool:
    """Plain `git status` of the very tree that dsk made."""
    look: Commands = [["git", "status"]]
    return Tool("git status, same tree", lambda folder: None, {STATUS: lambda _: look, STATUS_ADVANCED: lambda _: look})


def dvc(cache: Path) -> Tool:
    """dvc with its own cache, by its defaults: the whole folder is one output, git holds its one-line manifest."""
    program = str(dvc_program(cache))

    def prepare(folder: Path) -> None:
        call(["git", "init", "-q", "-b", _MAIN, "set"], folder)
        call([program, "init", "-q"], folder / "set")
        call(["git", "commit", "-q", "-m", "dvc init"], folder / "set")

    edits = {**_git_edits(), SWITCH: lambda root: _git_branch(root, [program])}
    return Tool("dvc", prepare, _git_commands([program]), edits)


def oxen() -> Tool:
    """oxen, where it is installed."""

    def prepare(folder: Path) -> None:
        call(["oxen", "init", "set"], folder)

    def branch(root: Path) -> None:
        call(["oxen", "checkout", "-b", _OTHER], root)
        _remove_some(root / "raw")
        call(["oxen", "add", "raw"], root)
        call(["oxen", "commit", "-m", "fewer"], root)
        call(["oxen", "checkout", _MAIN], root)

    def save(copied: Path | None) -> Commands:
        copy = [["cp", "-r", f"{copied}/.", "raw"]] if copied else []
        return [*copy, ["oxen", "add", "raw"], ["oxen", "commit", "-m", "change"]]

    table: dict[str, Callable[[Sources], Commands]] = {
        IMPORT: lambda sources: save(sources.images),
        STATUS: lambda sources: [["oxen", "status"]],
        EDIT: lambda sources: save(None),
        TEN: lambda sources: save(sources.ten),
        SWITCH: lambda sources: [["oxen", "checkout", _OTHER]],
        SWITCH_BACK: lambda sources: [["oxen", "checkout", _MAIN]],
    }
    return Tool("oxen", prepare, table, {EDIT: lambda root: _edit_caption(root / "raw"), SWITCH: branch})


def _git_commands(dvc: Sequence[str]) -> Mapping[str, Callable[[Sources], Commands]]:
    """The operations by git, with dvc's part in them where `dvc` names the program."""
    add = [[*dvc, "add", "-q", "raw"], ["git", "add", "raw.dvc", ".gitignore"]] if dvc else [["git", "add", "raw"]]
    save: list[list[str]] = [*add, ["git", "commit", "-q", "-m", "change"]]
    follow: list[list[str]] = [[*dvc, "checkout", "-q"]] if dvc else []
    look: list[list[str]] = [["git", "status"], *([[*dvc, "status"]] if dvc else [])]
    return {
        IMPORT: lambda sources: [["cp", "-r", str(sources.images), "raw"], *save],
        STATUS: lambda sources: look,
        EDIT: lambda sources: save,
        UNDO: lambda sources: [["git", "revert", "--no-edit", "HEAD"], *follow],
        TEN: lambda sources: [["cp", "-r", f"{sources.ten}/.", "raw"], *save],
        SWITCH: lambda sources: [["git", "switch", "-q", _OTHER], *follow],
        SWITCH_BACK: lambda sources: [["git", "switch", "-q", _MAIN], *follow],
    }


def _git_edits() -> dict[str, Callable[[Path], None]]:
    return {EDIT: lambda root: _edit_caption(root / "raw"), SWITCH: lambda root: _git_branch(root, [])}


def _git_branch(root: Path, dvc: Sequence[str]) -> None:
    call(["git", "switch", "-q", "-c", _OTHER], root)
    _remove_some(root / "raw")
    for argv in _git_commands(dvc)[EDIT](Sources(root, root)):
        call(argv, root)
    call(["git", "switch", "-q", _MAIN], root)
    if dvc:
        call([*dvc, "checkout", "-q"], root)


def _edit_caption(stage: Path) -> None:
    """Write one more word into one caption."""
    caption = min((stage / "concept_007").glob("*.txt"))
    caption.write_text(caption.read_text("utf-8").rstrip() + ", one_more_word\n", "utf-8")


def _remove_some(stage: Path) -> None:
    """Remove every hundredth item."""
    for image in sorted(stage.glob("*/*.jpg"))[::100]:
        image.unlink()
        image.with_suffix(".txt").unlink()


def has_oxen() -> bool:
    """Whether oxen is installed."""
    return shutil.which("oxen") is not None
