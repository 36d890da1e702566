"""The external command: any order, errors as facts, and an end that leaves neither processes nor files."""

from __future__ import annotations

import io
import os
import shlex
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from datakit.errors import ConfigError, StateError
from datakit.taggers.command import AHEAD, Facts, allow, ask_command, require_allowed
from stages.captioning.seeing import Asked

PROGRAM = Path(__file__).with_name("caption_program.py")
Row = tuple[Callable[[], bytes], Asked]


def command(how: str, log: Path) -> str:
    return shlex.join([sys.executable, str(PROGRAM), how, str(log)])


def picture(kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(stream, kind)
    return stream.getvalue()


def rows(number: int) -> list[Row]:
    return [(picture, Asked(f"c/{at}", ("hat", "1girl"), "")) for at in range(number)]


def ask(how: str, tmp_path: Path, number: int, *, timeout_s: float = 30) -> dict[int, Facts]:
    return dict(ask_command(command(how, tmp_path / "log"), rows(number), timeout_s=timeout_s))


@pytest.fixture(autouse=True)
def no_files_left(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path_factory.mktemp("tmp")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("how", ["plain", "backwards"])
def test_every_image_gets_its_caption(tmp_path: Path, how: str) -> None:
    number = 2 * AHEAD + 8
    found = ask(how, tmp_path, number)
    assert found == {at: {"caption": f"A picture of hat, 1girl. It is c/{at}."} for at in range(number)}
    assert len((tmp_path / "log").read_text().splitlines()) == number


def test_the_file_is_the_image_with_the_ending_of_its_format(tmp_path: Path) -> None:
    some = [(lambda kind=kind: picture(kind), Asked("c/a", (), "")) for kind in ("PNG", "JPEG", "WEBP")]
    dict(ask_command(command("plain", tmp_path / "log"), some, timeout_s=30))
    endings = [line.split()[1] for line in (tmp_path / "log").read_text().splitlines()]
    assert endings == [".png", ".jpg", ".webp"]


def test_errors_are_facts_of_their_image(tmp_path: Path) -> None:
    found = ask("errors", tmp_path, 4)
    assert [list(found[at]) for at in range(4)] == [["caption"], ["error"], ["caption"], ["error"]]
    assert found[1] == {"error": "out of memory"}


def test_odd_answers_are_no_captions(tmp_path: Path) -> None:
    found = ask("odd", tmp_path, 2)
    assert found[0] == {"error": "an answer without a caption"}
    assert "caption" in found[1]


def test_half_a_character_and_a_nul_are_none(tmp_path: Path) -> None:
    (facts,) = ask("halves", tmp_path, 1).values()
    assert facts == {"caption": "A cat ? sits."}


def test_answers_that_nobody_asked_for_give_no_more_time(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"gave no answer for 1 s.*which nobody asked"):
        ask("wrong", tmp_path, 3, timeout_s=1)


def test_output_before_any_input_holds_up_nobody(tmp_path: Path) -> None:
    assert sorted(ask("floods", tmp_path, AHEAD + 3)) == list(range(AHEAD + 3))
    answers = ask_command(command("floods", tmp_path / "log"), rows(2), timeout_s=30)
    next(answers)
    answers.close()


def test_what_it_said_last_is_shown_in_short(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="ended too early") as caught:
        ask("wide", tmp_path, 1)
    assert len(caught.value.message) < 5000


def test_an_unreadable_image_is_not_sent(tmp_path: Path) -> None:
    some = [*rows(1), (lambda: b"", Asked("c/empty", (), ""))]
    found = dict(ask_command(command("plain", tmp_path / "log"), some, timeout_s=30))
    assert found[1] == {"unreadable": "the file is empty"}
    assert "c/empty" not in (tmp_path / "log").read_text()


def test_one_that_dies_is_told_with_its_last_words(tmp_path: Path) -> None:
    answers = ask_command(command("dies", tmp_path / "log"), rows(5), timeout_s=30)
    assert sorted(number for number, _ in (next(answers), next(answers))) == [0, 1]
    with pytest.raises(StateError, match=r"ended too early \(exit code 1\).*CUDA error: no kernel image"):
        next(answers)


def test_one_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="gave no answer for 1 s"):
        ask("hangs", tmp_path, 3, timeout_s=1)


def test_whoever_stops_early_ends_the_program(tmp_path: Path) -> None:
    answers = ask_command(command("plain", tmp_path / "log"), rows(AHEAD + 4), timeout_s=30)
    next(answers)
    answers.close()


@pytest.mark.parametrize(
    ("text", "told"), [("no-such-program-here x", "no-such-program-here"), ("'a", "quotation"), ("a\0b", "null byte")]
)
def test_what_cannot_run_is_named(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        list(ask_command(text, rows(1), timeout_s=5))


def test_a_command_has_to_be_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    with pytest.raises(StateError) as caught:
        require_allowed("one")
    assert "dsk caption --allow-command" in caught.value.hint
    allow("one")
    allow("two")
    require_allowed("one")
    require_allowed("two")
    with pytest.raises(StateError, match="`one two`"):
        require_allowed("one two")
    for name in ("mine", "mine/deep", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name.split("/")[0] / "dsk.toml").write_text("")
    monkeypatch.chdir(tmp_path / "mine")
    allow("python caption.py")
    monkeypatch.chdir(tmp_path / "mine/deep")
    require_allowed("python caption.py")
    monkeypatch.chdir(tmp_path / "other")
    with pytest.raises(StateError, match=r"caption\.py"):  # another dataset's may be anything
        require_allowed("python caption.py")
    monkeypatch.setenv("DSK_ALLOW_COMMAND", "1")
    require_allowed("three")
    assert os.environ["DSK_ALLOW_COMMAND"] == "1"
