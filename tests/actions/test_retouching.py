"""dsk edit ITEM --with PROGRAM; the program is a small Python script."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hands import again, head, paint
from PIL import Image

from datakit.actions.advancing import advance
from datakit.actions.blaming import blame
from datakit.actions.copies import Note, Place, make_copy, read_note
from datakit.actions.cropping import crop
from datakit.actions.project import Project
from datakit.actions.renaming import rename
from datakit.actions.reporting import read_status
from datakit.actions.retouching import retouch
from datakit.errors import InputError, StateError, UsageError
from datakit.repo.operations.transaction import session
from datakit.repo.oplog import history
from datakit.repo.worktree.scan import scan

ITEM = "aria/danbooru_1"
IMAGE = f"edited/{ITEM}.png"
PAINT = "from PIL import Image; Image.new('RGB', (280, 270), 'lime').save({save})"


def script(tmp_path: Path, code: str, name: str = "painter.py") -> str:
    """The command of a program that runs `code` with `file`, the path that it is given."""
    path = tmp_path / name
    path.write_text(f"import sys, time, os, pathlib\nfile = pathlib.Path(sys.argv[1])\n{code}\n")
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(path))}"


def painter(tmp_path: Path, save: str = "file") -> str:
    return script(tmp_path, PAINT.format(save=save))


def copies(project: Project) -> list[str]:
    """Files that are left in the private folder."""
    folder = project.dataset.private / "retouch"
    return sorted(path.name for path in folder.glob("*/*"))


def test_what_the_program_saves_is_one_operation_and_survives_a_rebuild(advanced: Project, tmp_path: Path) -> None:
    root = advanced.dataset.root
    raw = (root / f"raw/{ITEM}.png").read_bytes()
    done = retouch(advanced, ITEM, painter(tmp_path))
    program = Path(sys.executable).name
    assert (done.subject, done.path, done.stage) == (f"edit: {ITEM} by {program}", IMAGE, "edited")
    operation = next(history(advanced.dataset))
    assert (operation.op, operation.stage, operation.commit) == ("edit", "edited", done.commit)
    painted = (root / IMAGE).read_bytes()
    assert (root / f"raw/{ITEM}.png").read_bytes() == raw
    assert (scan(advanced.dataset).edits, copies(advanced)) == ([], [])
    (root / "dsk.toml").write_text('[edited]\nbackground = "#000000"\n[cleaned]\ntrigger = "t"\n')
    advance(again(advanced))
    for stage in ("edited", "captioned", "cleaned", "wip"):
        assert (root / f"{stage}/{ITEM}.png").read_bytes() == painted, stage
    cause = blame(again(advanced), f"wip/{ITEM}.png").image[-1]
    assert (cause.stage, cause.kind) == ("edited", "person")


def test_a_later_crop_of_a_hand_edit_is_a_conflict_that_is_told(advanced: Project, tmp_path: Path) -> None:
    retouch(advanced, ITEM, painter(tmp_path))
    painted = (advanced.dataset.root / IMAGE).read_bytes()
    crop(again(advanced), [ITEM], (0, 0, 200, 200))
    done = {one.stage: one for one in advance(again(advanced), "wip")}
    assert done["edited"].conflicts == (f"{ITEM}.png",)
    assert (advanced.dataset.root / IMAGE).read_bytes() == painted
    assert any(one.conflicts for one in read_status(again(advanced)).stages)


def test_nothing_saved_is_no_operation(advanced: Project, tmp_path: Path) -> None:
    commit = head(advanced)
    done = retouch(advanced, ITEM, script(tmp_path, "time.sleep(2.1)"))
    assert (done.commit, done.notes, head(advanced)) == ("", (), commit)
    assert copies(advanced) == []


def test_a_program_that_ends_at_once_may_go_on_elsewhere(advanced: Project, tmp_path: Path) -> None:
    done = retouch(advanced, ITEM, script(tmp_path, "pass"))
    assert "ended at once" in done.notes[0]
    assert f"dsk edit {ITEM} --take" in done.notes[0]
    (copy,) = (advanced.dataset.private / "retouch").glob("*/*.png")
    paint(copy)
    assert retouch(again(advanced), ITEM, "").path == IMAGE
    assert (advanced.dataset.root / IMAGE).read_bytes() != (advanced.dataset.root / f"raw/{ITEM}.png").read_bytes()
    with pytest.raises(StateError, match="no program left anything"):
        retouch(again(advanced), ITEM, "")


def test_the_file_stands_where_the_command_says(advanced: Project, tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = script(tmp_path, f"pathlib.Path({str(log)!r}).write_text('|'.join(sys.argv[1:]))")
    retouch(advanced, ITEM, f"{command} 'a b' of={{}} -x")
    words = log.read_text().split("|")
    assert words[0] == "a b"
    assert words[1].startswith("of=/")
    assert words[1].endswith("/danbooru_1.png")
    assert words[2] == "-x"


@pytest.mark.parametrize(("name", "extension"), [("danbooru_1.webp", "webp"), ("danbooru_1.JPG", "JPG")])
def test_an_export_under_another_extension_is_taken(
    advanced: Project, tmp_path: Path, name: str, extension: str
) -> None:
    code = f"file.with_name('danbooru_1.psd').write_bytes(b'8BPS')\n{PAINT.format(save=f'file.with_name({name!r})')}"
    done = retouch(advanced, ITEM, script(tmp_path, code))
    assert done.path == f"edited/{ITEM}.{extension}"
    assert not (advanced.dataset.root / IMAGE).exists()
    assert any(f"{name} is what" in note for note in done.notes)
    assert any("danbooru_1.psd stays" in note for note in done.notes)
    assert copies(advanced) == ["danbooru_1.psd"]
    assert scan(advanced.dataset).edits == []


def test_only_the_programs_own_file_was_saved(advanced: Project, tmp_path: Path) -> None:
    done = retouch(advanced, ITEM, script(tmp_path, "file.with_suffix('.kra').write_bytes(b'kra')"))
    assert done.commit == ""
    assert "export the picture as" in done.notes[0]
    assert copies(advanced) == ["danbooru_1.kra", "danbooru_1.png"]


def test_a_wrong_extension_is_put_right(advanced: Project, tmp_path: Path) -> None:
    code = "from PIL import Image; Image.new('RGB', (280, 270), 'lime').save(file, 'JPEG')"
    assert retouch(advanced, ITEM, script(tmp_path, code)).path == f"edited/{ITEM}.jpg"


def test_an_unreadable_file_is_kept_and_named(advanced: Project, tmp_path: Path) -> None:
    before = (advanced.dataset.root / IMAGE).read_bytes()
    with pytest.raises(InputError, match=r"retouch/[0-9a-f]+/danbooru_1.png: not an image") as caught:
        retouch(advanced, ITEM, script(tmp_path, "file.write_bytes(b'half a picture')"))
    assert caught.value.hint.endswith(f"dsk edit {ITEM} --take")
    assert (advanced.dataset.root / IMAGE).read_bytes() == before
    assert copies(advanced) == ["danbooru_1.png"]


def test_programs_that_fail(advanced: Project, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no program 'no-such-painter' here"):
        retouch(advanced, ITEM, "no-such-painter --new")
    with pytest.raises(UsageError, match="No closing quotation"):
        retouch(advanced, ITEM, "gimp 'x")
    with pytest.raises(StateError, match="ended with exit code 3, and edited/aria/danbooru_1"):
        retouch(advanced, ITEM, script(tmp_path, "sys.exit(3)"))
    done = retouch(advanced, ITEM, script(tmp_path, f"{PAINT.format(save='file')}\nsys.exit(4)"))
    assert done.commit
    assert "ended with exit code 4" in done.notes[0]


def test_stages(advanced: Project, project: Project, tmp_path: Path) -> None:
    done = retouch(advanced, f"wip/{ITEM}.png", painter(tmp_path))
    assert (done.path, done.subject) == (f"wip/{ITEM}.png", f"edit: {ITEM} by {Path(sys.executable).name} in wip")
    assert retouch(again(advanced), ITEM, painter(tmp_path), stage="cleaned").path == f"cleaned/{ITEM}.png"
    for stage in ("raw", "edit"):
        with pytest.raises(UsageError, match=f"no stage '{stage}' to edit images in"):
            retouch(again(advanced), ITEM, painter(tmp_path), stage=stage)
    with pytest.raises(UsageError, match="no item 'aria/danbooru_9'"):
        retouch(again(advanced), "aria/danbooru_9", painter(tmp_path))


def test_an_item_that_the_stage_does_not_have_yet(project: Project, tmp_path: Path) -> None:
    with pytest.raises(StateError, match="has no image in edited") as caught:
        retouch(project, ITEM, painter(tmp_path))
    assert "dsk advance edited" in caught.value.hint


def test_the_dataset_is_free_while_the_program_is_open_and_a_rename_is_followed(
    advanced: Project, tmp_path: Path
) -> None:
    root = advanced.dataset.root
    words = ["-m", "datakit", "-C", str(root), "mv", ITEM, "aria/new"]
    inner = f"import subprocess; subprocess.run([sys.executable, *{words!r}], check=True)"
    done = retouch(advanced, ITEM, script(tmp_path, f"{inner}\n{PAINT.format(save='file')}"))
    assert done.path == "edited/aria/new.png"
    with Image.open(root / done.path) as image:
        assert image.size == (280, 270)


def test_an_image_that_changed_meanwhile_is_not_overwritten(advanced: Project, tmp_path: Path) -> None:
    root = advanced.dataset.root
    code = (
        f"from PIL import Image; goal = pathlib.Path({str(root / IMAGE)!r}); goal.unlink()\n"
        f"Image.new('RGB', (290, 290), 'red').save(goal)\n{PAINT.format(save='file')}"
    )
    with pytest.raises(StateError, match=r"edited/aria/danbooru_1.png changed, or went") as caught:
        retouch(advanced, ITEM, script(tmp_path, code))
    with Image.open(root / IMAGE) as image:
        assert image.size == (290, 290), "what the other hand painted stays"
    with pytest.raises(StateError, match="changed, or went"):
        retouch(again(advanced), ITEM, painter(tmp_path))
    command = caught.value.hint.partition(" takes it all the same")[0]
    subprocess.run(["sh", "-c", f"rm {shlex.quote(str(root / IMAGE))}; {command}"], check=True)
    with session(again(advanced).dataset):
        pass
    with Image.open(root / IMAGE) as image:
        assert image.size == (280, 270)
    heard: list[str] = []
    done = retouch(again(advanced), ITEM, painter(tmp_path), is_anew=True, tell=heard.append)
    assert "what" in heard[0]
    assert "is in" in heard[0]
    assert done.commit == "", "the very picture that is there already"


@pytest.fixture
def opened(advanced: Project, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Start `dsk edit` with a program that saves and then stays open; returns once it has saved."""
    running: list[subprocess.Popen[bytes]] = []
    saved = tmp_path / "saved"
    command = script(tmp_path, f"{PAINT.format(save='file')}\npathlib.Path({str(saved)!r}).touch()\ntime.sleep(60)")

    def start() -> subprocess.Popen[bytes]:
        words = [sys.executable, "-m", "datakit", "-C", str(advanced.dataset.root), "edit", ITEM, "--with", command]
        running.append(subprocess.Popen(words, start_new_session=True))
        until = time.monotonic() + 60
        while not saved.exists():
            assert time.monotonic() < until, "the program did not start"
            time.sleep(0.05)
        return running[-1]

    yield start
    for process in running:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_killed_while_the_program_is_open_nothing_is_lost(
    advanced: Project, tmp_path: Path, opened: Callable[[], subprocess.Popen[bytes]]
) -> None:
    process = opened()
    with pytest.raises(StateError, match="is open in another dsk edit"):
        retouch(again(advanced), ITEM, painter(tmp_path))
    process.kill()
    process.wait()
    assert copies(advanced) == ["danbooru_1.png"]
    advance(again(advanced))
    assert copies(advanced) == ["danbooru_1.png"], "no other command tidies it away"
    heard: list[str] = []
    done = retouch(again(advanced), ITEM, script(tmp_path, "pass", "idle.py"), tell=heard.append)
    assert heard[0].startswith("going on with ")
    assert done.commit
    with Image.open(advanced.dataset.root / IMAGE) as image:
        assert image.size == (280, 270)


def test_a_copy_that_was_left_is_found_after_a_rename(advanced: Project, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        retouch(advanced, ITEM, script(tmp_path, "file.write_bytes(b'half')"))
    (copy,) = (advanced.dataset.private / "retouch").glob("*/*.png")
    paint(copy)
    rename(again(advanced), [ITEM], "beth/moved")
    assert retouch(again(advanced), "beth/moved", "").path == "edited/beth/moved.png"


def test_half_a_copy_is_no_work_of_a_program(tmp_path: Path) -> None:
    place = Place(tmp_path / "copy", tmp_path / "copy.json", tmp_path / "copy.lock")
    note = Note(stage="edited", key="a/b", path="a/b.png", blob="", sha256="", program="gimp", begun_ns=0)
    source = tmp_path / "b.png"
    source.write_bytes(b"old")
    make_copy(place, note, source)
    assert read_note(place) == note
    with pytest.raises(OSError, match=r"b\.png"):
        make_copy(place, note, tmp_path / "none" / "b.png")
    assert read_note(place) is None
