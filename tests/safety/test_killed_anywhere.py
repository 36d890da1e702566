"""kill -9 anywhere in a command leaves the old state or the new one, sound, with nothing of the user's gone.

By time: after a random part of what the command takes. Between two system calls: by strace, where it is installed.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from harm import dsk_words, kept_contents, user_files

from datakit.actions.advancing import advance
from datakit.actions.importing import Wishes, import_folder
from datakit.actions.project import open_project
from datakit.actions.reporting import read_status
from datakit.actions.starting import start_dataset
from datakit.actions.verifying import verify_dataset
from datakit.cli.main import COMMANDS
from datakit.repo.operations.transaction import transaction
from datakit.repo.oplog import history

Git = Callable[..., str]
EDITED = "raw/aria/danbooru_0.txt"
WORDS = {
    "import": ["import", "SCRAPE"],
    "advance": ["advance"],
    "undo": ["undo"],
    "mv": ["mv", "aria/danbooru_0", "beth/smiling"],
    "switch": ["switch", "other"],
}
KNOWN = [name for name in WORDS if name in COMMANDS]
ROUNDS = 2
SLOW_ROUNDS = 40
CALLS = ("rename", "link", "unlink", "fsync", "syncfs", "mkdir", "rmdir", "utimensat")
POINTS = [(call, when) for call in CALLS for when in range(1, 13)]
FEW_POINTS = [("syncfs", 1), ("fsync", 6), ("rename", 2), ("rename", 3)]


class Base(NamedTuple):
    """A dataset to copy, and what the command makes of it."""

    root: Path
    words: list[str]
    before: list[str]
    after: list[str]
    seconds: float


def subjects(root: Path) -> list[str]:
    return [operation.subject for operation in history(open_project(root).dataset)][::-1]


def copy(source: Path, target: Path) -> Path:
    """With its hard links; then as if it had always been there."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)
    with transaction(open_project(target).dataset, "look"):
        pass
    (target / EDITED).write_text("written by hand")
    return target


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Base]:
    folder = tmp_path_factory.mktemp("killed")
    made: dict[str, Base] = {}

    def base(name: str) -> Base:
        if name not in made:
            made[name] = make(folder, name)
        return made[name]

    return base


def make(folder: Path, name: str) -> Base:
    from PIL import Image

    scrape, root = folder / "scrape", folder / name
    for number in range(24):
        path = scrape / ("aria" if number < 12 else "beth") / f"danbooru_{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (260, 256), (number * 9, 30, 40)).save(path)
        path.with_suffix(".txt").write_text("1girl, hat")
    start_dataset(root)
    if name == "import":
        import_folder(open_project(root), scrape / "aria", Wishes(concept="aria"))
    else:
        import_folder(open_project(root), scrape)
    if name in {"undo", "mv", "switch"}:
        advance(open_project(root))
    if name == "switch":
        subprocess.run(["git", "-C", str(root), "branch", "other", "HEAD~3"], check=True)
    words = [str(scrape) if word == "SCRAPE" else word for word in WORDS[name]]
    before = subjects(root)
    probe = copy(root, folder / f"{name}-probe")
    began = time.monotonic()
    subprocess.run(dsk_words(probe, *words), check=True, stdout=subprocess.DEVNULL)
    return Base(root, words, before, subjects(probe), time.monotonic() - began)


def assert_old_or_new(base: Base, root: Path, contents: set[str], git: Git, hint: str) -> None:
    """The history is a beginning of what was asked for; work tree and index are what it says."""
    now = subjects(root)  # opening tidies up
    states = [base.after[:length] for length in range(len(base.before), len(base.after) + 1)]
    # a switch leaves the one branch, with the hand edit saved, for the other
    states += [base.before, base.before[:-3], [*base.before, "raw: 1 caption edited"]]
    assert now in states, hint
    verified = verify_dataset(open_project(root), repair=False)
    assert verified.damages == (), hint
    hand_edits = read_status(open_project(root)).hand_edits
    assert hand_edits in {(), (EDITED,)}, hint
    assert hand_edits == () or now == base.before, hint
    assert len(git(root, "status", "--porcelain").splitlines()) == len(hand_edits), hint
    git(root, "fsck", "--strict")
    assert contents <= kept_contents(root), hint


def go_on(base: Base, root: Path, git: Git) -> None:
    """The next command works; where nothing had happened, it does it."""
    untouched = subjects(root) == base.before
    words = base.words if untouched else ["advance"]
    done = subprocess.run(dsk_words(root, *words), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert git(root, "status", "--porcelain") == ""
    if untouched:
        assert subjects(root) == base.after
    assert not list(root.glob(".git/**/*.lock"))


def round_of(base: Base, root: Path, git: Git, seed: str) -> None:
    copy(base.root, root)
    contents = set(user_files(root).values())
    delay_s = random.Random(seed).uniform(0.15, 1.05) * base.seconds
    process = subprocess.Popen(
        dsk_words(root, *base.words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    time.sleep(delay_s)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert_old_or_new(base, root, contents, git, f"seed {seed}, killed after {delay_s:.3f} s of {base.seconds:.3f} s")
    go_on(base, root, git)
    shutil.rmtree(root)


@pytest.mark.parametrize("number", range(ROUNDS))
@pytest.mark.parametrize("name", KNOWN)
def test_killed_at_a_random_time(
    bases: Callable[[str], Base], tmp_path: Path, git: Git, name: str, number: int
) -> None:
    round_of(bases(name), tmp_path / "set", git, f"{name}-{number}")


@pytest.mark.slow
@pytest.mark.parametrize("name", KNOWN)
def test_killed_at_many_random_times(bases: Callable[[str], Base], tmp_path: Path, git: Git, name: str) -> None:
    rounds = int(os.environ.get("DSK_KILL_ROUNDS", SLOW_ROUNDS))
    for number in range(rounds):
        round_of(bases(name), tmp_path / "set", git, f"{name}-{number}-of-{rounds}")


@pytest.fixture(scope="module")
def strace() -> str:
    path = shutil.which("strace")
    if path is None:
        pytest.skip("strace is not installed, so nothing can be killed between two system calls")
    if subprocess.run([path, "-qq", "-o", os.devnull, "true"], capture_output=True, check=False).returncode:
        pytest.skip("strace may not trace here")
    return path


def round_at(base: Base, root: Path, git: Git, strace: str, point: tuple[str, int]) -> None:
    copy(base.root, root)
    contents = set(user_files(root).values())
    call, when = point
    calls = {"rename": "?rename,?renameat,?renameat2", "link": "?link,?linkat", "unlink": "?unlink,?unlinkat"}
    calls |= {"mkdir": "?mkdir,?mkdirat", "rmdir": "?rmdir"}
    which = calls.get(call, call)
    subprocess.run(
        [strace, "-f", "-qq", "-o", os.devnull, "-e", f"trace={which}",
         "-e", f"inject={which}:signal=KILL:when={when}", *dsk_words(root, *base.words)],
        capture_output=True, check=False,
    )  # fmt: skip
    assert_old_or_new(base, root, contents, git, f"killed at {call} number {when} of {base.words[0]}")
    go_on(base, root, git)
    shutil.rmtree(root)


@pytest.mark.parametrize("point", FEW_POINTS, ids=lambda point: f"{point[0]}-{point[1]}")
def test_killed_between_two_system_calls(
    bases: Callable[[str], Base], tmp_path: Path, git: Git, strace: str, point: tuple[str, int]
) -> None:
    round_at(bases("undo"), tmp_path / "set", git, strace, point)


@pytest.mark.slow
@pytest.mark.parametrize("name", KNOWN)
def test_killed_between_many_system_calls(
    bases: Callable[[str], Base], tmp_path: Path, git: Git, strace: str, name: str
) -> None:
    for point in POINTS:
        round_at(bases(name), tmp_path / "set", git, strace, point)
