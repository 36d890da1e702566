"""The vocabulary on disk: its files are found and told apart, its compiled form is trusted only where it is right."""

from __future__ import annotations

import gzip
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from datakit.actions.project import Project, open_project
from datakit.actions.vocabulary import look_up, report_vocabulary
from datakit.config import decode
from datakit.errors import ConfigError
from datakit.repo.layout import is_managed
from datakit.repo.vocabularies import COMPILED, OWN_FILES, VocabSettings, load_vocabulary, stray_files
from datakit.tags.vocabulary.known import NONE

TAGS = 'breasts,0,90,"boobs,oppai"\nhatsune_miku,4,50,miku\n\\m/,0,3,\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    (folder / "vocab").mkdir(parents=True)
    return folder


@pytest.fixture
def pointed(tmp_path: Path) -> VocabSettings:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/danbooru.csv").write_text(TAGS)
    return VocabSettings(tags=("../lists/danbooru.csv",))


def compiled_of(root: Path) -> Path:
    return root / ".dsk" / COMPILED


def test_no_files_no_vocabulary_and_nothing_is_written(root: Path) -> None:
    assert load_vocabulary(root, root / ".dsk", VocabSettings()) is NONE
    assert not (root / ".dsk").exists()


def test_the_datasets_own_files_are_looked_after_by_dsk() -> None:
    assert [name for name in OWN_FILES if not is_managed(f"vocab/{name}")] == []


def test_own_files_and_those_pointed_at(root: Path, pointed: VocabSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    home = root.parent / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    (home / "implications.csv").write_text("a,b\n")
    (root.parent / "aliases.csv").write_text("tatas,boobs\n")
    (root / "vocab/tags.csv").write_text("mine,copyright,1,\n")
    (root / "vocab/aliases.csv").write_text("chest,breasts\n")
    (root / "vocab/implications.csv").write_text("b,c\n")
    (root / "vocab/blacklist.txt").write_text("miku\n")
    settings = VocabSettings(
        tags=pointed.tags, aliases=(str(root.parent / "aliases.csv"),), implications=("~/implications.csv",)
    )
    known = load_vocabulary(root, root / ".dsk", settings)
    assert known.names() == ("breasts", "hatsune_miku", "\\m/", "mine")
    assert {known.canonical(tag) for tag in ("chest", "tatas", "oppai")} == {"breasts"}
    assert known.implied("a") == {"b", "c"}
    assert known.blacklist() == {"miku", "hatsune_miku"}
    assert [(one.role, one.path) for one in known.sources] == [
        ("tags", "vocab/tags.csv"),
        ("aliases", "vocab/aliases.csv"),
        ("implications", "vocab/implications.csv"),
        ("blacklist", "vocab/blacklist.txt"),
        ("tags", "../lists/danbooru.csv"),
        ("aliases", str(root.parent / "aliases.csv")),
        ("implications", "~/implications.csv"),
    ]


def test_the_compiled_form_is_used_again(root: Path, pointed: VocabSettings) -> None:
    first = load_vocabulary(root, root / ".dsk", pointed)
    before = compiled_of(root).stat()
    again = load_vocabulary(root, root / ".dsk", pointed)
    assert compiled_of(root).stat() == before, "read, not written"
    assert again.digest == first.digest
    assert again.names() == first.names()
    assert sorted(os.listdir(root / ".dsk")) == [COMPILED]


def test_changed_files_are_compiled_anew_even_at_the_same_time_and_size(root: Path, pointed: VocabSettings) -> None:
    path = root.parent / "lists/danbooru.csv"
    first = load_vocabulary(root, root / ".dsk", pointed)
    before = path.stat()
    path.write_text(TAGS.replace("90", "91"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    again = load_vocabulary(root, root / ".dsk", pointed)
    assert (first.count("breasts"), again.count("breasts")) == (90, 91)
    assert first.digest != again.digest


def damaged(good: bytes, foreign: bytes) -> Iterator[bytes]:
    yield b""
    yield foreign
    yield good[:-1]
    yield good + b"\0"
    yield good[:40]
    yield bytes(len(good))
    for at in range(0, len(good), max(1, len(good) // 61)):  # one flipped bit, all over it
        yield good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]


def test_a_damaged_or_foreign_compiled_form_is_thrown_away(root: Path, pointed: VocabSettings) -> None:
    path = compiled_of(root)
    known = load_vocabulary(root, root / ".dsk", pointed)
    good = path.read_bytes()
    (root / "vocab/tags.csv").write_text("foreign,0,1,\n")
    load_vocabulary(root, root / ".dsk", pointed)
    foreign = path.read_bytes()
    (root / "vocab/tags.csv").unlink()
    assert foreign != good
    for data in damaged(good, foreign):
        path.write_bytes(data)
        found = load_vocabulary(root, root / ".dsk", pointed)
        assert (found.names(), found.digest) == (known.names(), known.digest)
        assert path.read_bytes() == good, "made anew"


def test_without_room_for_the_compiled_form_it_does_without(root: Path, pointed: VocabSettings) -> None:
    (root / ".dsk").write_text("a file where the folder should be")
    assert load_vocabulary(root, root / ".dsk", pointed).count("breasts") == 90
    (root / ".dsk").unlink()
    compiled_of(root).mkdir(parents=True)
    assert load_vocabulary(root, root / ".dsk", pointed).count("breasts") == 90


def test_files_are_only_read(root: Path, pointed: VocabSettings) -> None:
    path = root.parent / "lists/danbooru.csv"
    path.chmod(stat.S_IRUSR)
    path.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
    before = path.stat()
    try:
        assert len(load_vocabulary(root, root / ".dsk", pointed)) == 3
        assert (path.stat().st_mtime_ns, path.read_text()) == (before.st_mtime_ns, TAGS)
        assert os.listdir(path.parent) == ["danbooru.csv"]
    finally:
        path.parent.chmod(stat.S_IRWXU)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.csv", r"dsk.toml \[vocab\] tags: nowhere.csv: no such file"),
        ("~nobody-at-all/x.csv", r"dsk.toml \[vocab\] tags: ~nobody-at-all/x.csv: "),
        ("", r"dsk.toml \[vocab\] tags: '' is no path"),
        ("a\0b", r"dsk.toml \[vocab\] tags: 'a\\x00b' is no path"),
        ("x" * 5000, r"dsk.toml \[vocab\] tags: x"),
        ("vocab", "vocab: no file"),
        ("pipe", "pipe: no file"),
        ("packed.csv.gz", "packed.csv.gz: compressed"),
        ("latin.csv", "latin.csv: line 3: not UTF-8"),
    ],
)
def test_paths_that_lead_to_no_list_are_named(root: Path, name: str, message: str) -> None:
    os.mkfifo(root / "pipe")
    (root / "packed.csv.gz").write_bytes(gzip.compress(TAGS.encode()))
    (root / "latin.csv").write_bytes("a,0,1,\n\nü,0,1,\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=f"^{message}") as caught:
        load_vocabulary(root, root / ".dsk", VocabSettings(tags=(name,)))
    assert caught.value.hint


def test_a_link_that_leads_nowhere_is_told(root: Path) -> None:
    (root / "vocab/aliases.csv").symlink_to("gone.csv")
    with pytest.raises(ConfigError, match=r"vocab/aliases\.csv: no file"):
        load_vocabulary(root, root / ".dsk", VocabSettings())


def test_settings_are_strict() -> None:
    assert decode({"tags": ["a.csv"]}, VocabSettings, where="[vocab]").tags == ("a.csv",)
    with pytest.raises(ConfigError, match="unknown key 'tag'"):
        decode({"tag": ["a.csv"]}, VocabSettings, where="[vocab]")
    with pytest.raises(ConfigError, match="array"):
        decode({"tags": "a.csv"}, VocabSettings, where="[vocab]")


def test_files_that_are_not_read_are_told(root: Path) -> None:
    for name in ("tags.csv", "alias.csv", "notes.txt", "aliases.CSV", "profile.toml", "readme.md"):
        (root / f"vocab/{name}").write_text("")
    found = dict(stray_files(root))
    assert found == {"vocab/alias.csv": "aliases.csv", "vocab/aliases.CSV": "aliases.csv", "vocab/notes.txt": ""}
    assert list(stray_files(root / "nowhere")) == []


def test_a_project_knows_its_vocabulary(empty: Project, tmp_path: Path) -> None:
    root = empty.dataset.root
    assert empty.vocabulary is NONE
    (tmp_path / "danbooru.csv").write_text(TAGS)
    (root / "dsk.toml").write_text('[vocab]\ntags = ["../danbooru.csv"]\n')
    (root / "vocab").mkdir()
    (root / "vocab/alias.csv").write_text("")
    (root / "vocab/implications.csv").write_text("hatsune miku,1girl\n")
    project = open_project(root)
    project.check()
    report = report_vocabulary(project)
    assert (report.num_tags, report.num_aliases, report.num_implications) == (3, 3, 1)
    assert report.problems == ("vocab/alias.csv: not read; did you mean aliases.csv?",)
    known, gesture, unknown = look_up(project, ["Miku", "\\m/", "hatsune miko"])
    assert (known.name, known.category, known.count) == ("hatsune_miku", "character", 50)
    assert (known.aliases, known.implies) == (("miku",), ("1girl",))
    assert (gesture.name, gesture.is_known) == ("\\m/", True)
    assert (unknown.is_known, unknown.near) == (False, ("hatsune_miku",))
    (root / "dsk.toml").write_text('[vocab]\ntag = ["../danbooru.csv"]\n')
    with pytest.raises(ConfigError, match=r"\[vocab\]: unknown key 'tag'"):
        open_project(root).check()
