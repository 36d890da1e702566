"""dsk beside another dsk and beside plain git: one waits, or says who is at work; and what is done is on the disk."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from harm import assert_sound, dsk_words

from datakit.actions.advancing import advance
from datakit.actions.project import Project, open_project
from datakit.repo.oplog import history

Git = Callable[..., str]
LOOP = """
n=0
while [ ! -e "$1" ]; do
  for i in 1 2 3 4 5 6 7 8 9 10; do git status --porcelain >/dev/null; sleep 0.04; done
  git commit -q --allow-empty -m "plain $n" 2>/dev/null && n=$((n+1))
done
echo $n
"""


@pytest.mark.parametrize("words", [["import", "SCRAPE"], ["advance"]])
def test_git_at_work_in_the_same_dataset(
    project: Project, scrape: Callable[..., Path], tmp_path: Path, git: Git, words: list[str]
) -> None:
    root, stop = project.dataset.root, tmp_path / "stop"
    words = [str(scrape("more", cara=20)) if word == "SCRAPE" else word for word in words]
    with subprocess.Popen(["sh", "-c", LOOP, "sh", str(stop)], cwd=root, stdout=subprocess.PIPE, text=True) as plain:
        codes = set()
        for _ in range(30):
            done = subprocess.run(dsk_words(root, *words), capture_output=True, text=True, check=False)
            codes.add(done.returncode)
            if done.returncode == 0:
                break
            assert done.returncode == 5, done.stderr
            assert "git command" in done.stderr, "it says who is at work"
        stop.touch()
        number = int(plain.communicate()[0])
    assert 0 in codes, "it gets through"
    operations = list(history(open_project(root).dataset))
    subjects = [operation.subject for operation in operations]
    assert [f"plain {n}" for n in range(number)] == [one for one in subjects[::-1] if one.startswith("plain")]
    assert "edit" not in {operation.op for operation in operations}, "nobody edited anything"
    advance(open_project(root))
    assert_sound(root, git)


def test_two_at_once_do_both(project: Project, scrape: Callable[..., Path], git: Git) -> None:
    root = project.dataset.root
    more = str(scrape("more", cara=20))
    running = [
        subprocess.Popen(dsk_words(root, *words), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for words in (["import", more], ["advance"], ["import", more])
    ]
    for process in running:
        said = process.communicate()[1]
        assert process.returncode == 0, said
    assert len(list(root.glob("raw/cara/*.png"))) == 20
    assert [one.op for one in history(open_project(root).dataset)].count("import") == 2, "the fixture's, and one"
    advance(open_project(root))
    assert_sound(root, git)


def test_what_is_done_is_on_the_disk(project: Project, scrape: Callable[..., Path], tmp_path: Path) -> None:
    """The store and git's objects are synced at once, before the branch moves; the branch before it is there."""
    strace = shutil.which("strace")
    if strace is None or subprocess.run([strace, "-qq", "-o", os.devnull, "true"], check=False).returncode:
        pytest.skip("strace is not there, or may not trace, so nobody sees what is synced")
    root, log = project.dataset.root, tmp_path / "log"
    calls = "?rename,?renameat,?renameat2,?link,?linkat,syncfs,fsync,fdatasync,write"
    words = [strace, "-f", "-qq", "-y", "-s", "0", "-o", str(log), "-e", f"trace={calls}"]
    subprocess.run([*words, *dsk_words(root, "import", str(scrape("more", cara=30)))], check=True, capture_output=True)
    lines = log.read_text("utf-8", "replace").splitlines()

    def places(*texts: str) -> list[int]:
        return [number for number, line in enumerate(lines) if all(text in line for text in texts)]

    (sync,) = places("syncfs(")
    moved = places("rename", "refs/heads/main.lock")[0]
    stored = places("rename", "lfs/objects")
    journal = places("rename", "journal.json")[0]
    assert len(stored) >= 30
    assert len(list(root.glob("raw/cara/*.png"))) == 30
    assert max(stored) < sync < journal < moved
    assert max(places("rename", "objects/pack"), default=0) < sync
    assert [at for at in places("fsync(", "refs/heads/main.lock") if at < moved]
    assert [at for at in places("fsync(", "journal.json") if at < journal]
    assert len(places("fsync(")) < 20, "no sync for each file"


@pytest.mark.parametrize("is_dsk", [True, False])
def test_a_wait_is_told(advanced: Project, is_dsk: bool) -> None:
    root = advanced.dataset.root
    with (root / ".dsk/lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(f"{os.getpid() if is_dsk else 2**22 + 1:<20}")
        lock.flush()
        with subprocess.Popen(dsk_words(root, "undo"), stderr=subprocess.PIPE, text=True) as waiting:
            assert waiting.stderr is not None
            who = f"another dsk (process {os.getpid()})" if is_dsk else "another process"
            assert waiting.stderr.readline() == f"waiting for {who} …\n"
            fcntl.flock(lock, fcntl.LOCK_UN)
            assert waiting.stderr.read() == ""
    assert waiting.returncode == 0
