"""Prompt profiles in a dataset: listed, copied, changed, used; hand edits survive, and blame knows their words."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hands import again, assert_clean, commit_edits

from datakit.actions.advancing import advance
from datakit.actions.blaming import blame
from datakit.actions.profiles import copy_profile, list_profiles, show_profile
from datakit.actions.project import Project
from datakit.actions.reporting import read_status
from datakit.errors import ConfigError, StateError
from datakit.repo.operations.undo import undo

ITEM = "aria/danbooru_0"
OWN = """\
order = ["trigger", "quality", "people", "separator", "artist", "general", "year", "rating"]
rating = {general = ["safe"], sensitive = ["rating_safe"], explicit = ["nsfw"]}
year = {template = "year {year}"}
[quality]
measure = ["score"]
by = []
min_posts = 5
cumulative = true
levels = [{above = 80, words = ["score_9"]}, {above = 40, words = ["very aesthetic"]}]
"""
USES_OWN = '[cleaned]\nprofile = "own"\ntrigger = "sks"\n'


def write(project: Project, path: str, text: str) -> Project:
    file = project.dataset.root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return again(project)


def read(project: Project, stage: str, item: str = ITEM) -> str:
    return (project.dataset.root / f"{stage}/{item}.txt").read_text()


def note_facts(project: Project, item: str, **facts: object) -> None:
    """Write into a record, as a refresh does."""
    path = project.dataset.root / f"raw/{item}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))


def stale(project: Project) -> dict[str, str]:
    """Of the stages, without the export."""
    stages = read_status(again(project)).stages
    return {stage.stage: stage.stale for stage in stages if stage.stale and stage.stage != "export"}


@pytest.fixture
def scored(advanced: Project) -> Project:
    """A dataset with a profile of its own, run; aria's first image is the best of five."""
    items = ("aria/danbooru_0", "aria/danbooru_1", "aria/danbooru_2", "beth/danbooru_0", "beth/danbooru_1")
    for place, item in enumerate(items):
        note_facts(advanced, item, score=50 - place, created_at="2023-01-02T00:00:00Z")
    write(advanced, "vocab/profiles/own.toml", OWN)
    advance(write(advanced, "dsk.toml", USES_OWN), "wip")
    return again(advanced)


def test_the_built_in_profiles_are_listed(empty: Project, dsk) -> None:
    rows = {row.name: row for row in list_profiles(empty)}
    assert set(rows) == {"animagine-3.1", "animagine-4", "illustrious", "kohaku", "noobai", "plain", "pony"}
    assert [row.name for row in rows.values() if row.in_use] == ["plain"]
    assert {row.place for row in rows.values()} == {"built in"}
    told = dsk(empty.dataset.root, "profile").stdout
    assert "noobai" in told
    assert "NoobAI-XL" in told
    assert json.loads(dsk(empty.dataset.root, "profile", "--json").stdout)[5]["name"] == "plain"


def test_a_profile_is_shown_as_it_is_written(empty: Project, dsk) -> None:
    assert show_profile(empty, "pony").profile.quality.cumulative
    assert dsk(empty.dataset.root, "profile", "show", "pony").stdout == show_profile(empty, "pony").text
    found = json.loads(dsk(empty.dataset.root, "profile", "show", "kohaku", "--json").stdout)
    assert found["profile"]["separator"] == "|||"
    failed = dsk(empty.dataset.root, "profile", "show", "ponny")
    assert failed.returncode == 3
    assert "did you mean 'pony'?" in failed.stderr


def test_a_copy_is_an_operation_and_wins_over_the_built_in(empty: Project, dsk, git) -> None:
    root = empty.dataset.root
    told = dsk(root, "profile", "copy", "noobai").stdout
    assert told == (
        "profile: noobai, a copy\n"
        'next: change vocab/profiles/noobai.toml; profile = "noobai" in [cleaned] of dsk.toml uses it\n'
    )
    assert (root / "vocab/profiles/noobai.toml").read_text() == show_profile(again(empty), "noobai").text
    assert_clean(root, git)
    done = copy_profile(again(empty), "noobai", "mine")
    assert (done.path, done.subject) == ("vocab/profiles/mine.toml", "profile: mine, a copy of noobai")
    write(empty, "vocab/profiles/noobai.toml", 'summary = "my own way"\norder = ["trigger", "general"]')
    rows = {row.name: row for row in list_profiles(again(empty))}
    assert (rows["noobai"].place, rows["noobai"].summary) == ("vocab/profiles/noobai.toml", "my own way")
    assert rows["mine"].place == "vocab/profiles/mine.toml"
    undo(again(empty).dataset)  # the hand edit
    undo(again(empty).dataset)
    assert not (root / "vocab/profiles/mine.toml").exists()


def test_a_copy_overwrites_nothing_and_stays_inside(empty: Project) -> None:
    copy_profile(empty, "pony", "mine")
    with pytest.raises(StateError, match=r"vocab/profiles/mine.toml: there is one already"):
        copy_profile(again(empty), "kohaku", "mine")
    for name in ("", "../x", "a/b", ".x", "a\\b", "x" * 80, "a."):
        with pytest.raises(ConfigError):
            show_profile(empty, name)
    for name in ("../x", "a/b", "."):
        with pytest.raises(ConfigError, match="no name for a profile"):
            copy_profile(again(empty), "pony", name)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"order = [", "vocab/profiles/own.toml: not valid TOML"),
        (b"\xff", "vocab/profiles/own.toml: not UTF-8"),
        (b"order = ['tigger']", "no 'tigger'"),
        (b"#" * (1 << 21), "too large"),
    ],
)
def test_a_broken_profile_is_told_of(advanced: Project, dsk, data: bytes, message: str) -> None:
    write(advanced, "vocab/profiles/own.toml", "")
    (advanced.dataset.root / "vocab/profiles/own.toml").write_bytes(data)
    rows = {row.name: row for row in list_profiles(write(advanced, "dsk.toml", USES_OWN))}
    assert message in rows["own"].problem
    for command in (("advance",), ("advance", "--dry-run"), ("clean",), ("profile", "show", "own")):
        failed = dsk(advanced.dataset.root, *command)
        assert failed.returncode == 3
        assert message in failed.stderr


@pytest.mark.parametrize(
    ("path", "text", "settings", "message"),
    [
        ("vocab/profiles/own.toml", "order = [", USES_OWN, "vocab/profiles/own.toml: not valid TOML"),
        ("note", "", '[vocab]\ntags = ["none.csv"]\n', "dsk.toml [vocab] tags: none.csv: no such file"),
    ],
)
def test_what_needs_no_vocabulary_does_not_mind_a_broken_one(
    advanced: Project, dsk, path: str, text: str, settings: str, message: str
) -> None:
    write(advanced, path, text)
    write(advanced, "dsk.toml", settings)
    root = advanced.dataset.root
    assert stale(advanced)["cleaned"].startswith(message)
    assert message in dsk(root, "why", ITEM).stdout
    assert message in dsk(root, "export").stderr
    for command in ("status", "blame", "log", "undo", "redo"):
        done = dsk(root, command, *([ITEM] if command == "blame" else []))
        assert done.returncode == 0, done.stderr
    assert dsk(root, "advance").returncode == 3


def test_a_changed_profile_makes_cleaned_stale_and_a_comment_does_not(scored: Project) -> None:
    assert stale(scored) == {}
    write(scored, "vocab/profiles/own.toml", f"# mine\n{OWN}")
    assert stale(scored) == {}
    write(scored, "vocab/profiles/own.toml", OWN.replace("very aesthetic", "aesthetic"))
    assert stale(scored) == {"cleaned": "profile own changed"}
    done = advance(again(scored), "wip")
    assert [one.stage for one in done] == ["cleaned", "wip"]
    assert "sks, score_9, aesthetic, 1girl, |||" in read(scored, "wip")
    write(scored, "dsk.toml", '[cleaned]\ntrigger = "sks"\n')
    assert stale(scored) == {"cleaned": "[cleaned] in dsk.toml changed"}


def test_the_vocabulary_makes_cleaned_stale_and_status_does_not_compile_it(advanced: Project) -> None:
    write(advanced, "vocab/blacklist.txt", "1girl\n")
    assert read_status(again(advanced)).hand_edits_summary == "vocab: 1 file added"
    compiled = advanced.dataset.private / "vocabulary.bin"
    assert stale(advanced) == {"cleaned": "vocabulary changed"}
    assert not compiled.exists()
    advance(again(advanced), "wip")
    assert compiled.exists()
    assert "1girl" not in read(advanced, "wip")
    assert stale(advanced) == {}
    cause = next(row.cause for row in blame(again(advanced), ITEM, removed=True).removed if row.tag == "1girl")
    assert (cause.kind, cause.detail) == ("blacklist", "vocab/blacklist.txt")
    (advanced.dataset.root / "vocab/blacklist.txt").unlink()
    assert stale(advanced) == {"cleaned": "vocabulary changed"}


def test_one_new_score_moves_the_others(scored: Project) -> None:
    assert read(scored, "cleaned", "beth/danbooru_1").startswith("sks, 1girl, |||")
    note_facts(scored, "beth/danbooru_1", score=99)
    done = advance(again(scored), "cleaned")
    assert {one.stage: one.num_computed for one in done} == {
        "filtered": 1, "edited": 1, "captioned": 1, "cleaned": 5,
    }  # fmt: skip
    assert read(scored, "cleaned", "beth/danbooru_1").startswith("sks, score_9, very aesthetic, 1girl, |||")
    assert read(scored, "cleaned").startswith("sks, very aesthetic, 1girl, |||")


def test_hand_edits_survive_a_profile_change_and_a_refresh(scored: Project, git) -> None:
    before = "sks, score_9, very aesthetic, 1girl, |||, me, aria, blue hair, ^_^, year 2023, rating_safe"
    assert read(scored, "wip") == before
    for stage, edit in (("cleaned", ("blue hair", "light blue hair")), ("wip", ("^_^", "smile, my own tag"))):
        text = read(scored, stage).replace(*edit)
        write(scored, f"{stage}/{ITEM}.txt", text)
        commit_edits(scored)
    note_facts(scored, ITEM, rating="explicit", score=1, created_at="2020-01-02T00:00:00Z")
    advance(again(scored), "wip")
    after = "sks, 1girl, |||, me, aria, light blue hair, year 2020, nsfw, smile, my own tag"
    assert read(scored, "wip") == after
    other = OWN.replace('"separator", ', "").replace("nsfw", "rating_e")
    advance(write(scored, "vocab/profiles/own.toml", other), "wip")
    assert read(scored, "wip") == after.replace(", |||", "").replace("nsfw", "rating_e")
    advance(write(scored, "vocab/profiles/own.toml", OWN), "wip")
    assert set(read(scored, "wip").split(", ")) == {
        "sks", "1girl", "|||", "me", "aria", "light blue hair", "smile", "my own tag", "year 2020", "nsfw",
    }  # fmt: skip
    assert_clean(scored.dataset.root, git)


def test_a_word_that_a_person_took_out_stays_out(scored: Project) -> None:
    write(scored, f"wip/{ITEM}.txt", read(scored, "wip").replace(", very aesthetic", "").replace(", |||", ""))
    advance(write(scored, "dsk.toml", USES_OWN.replace("sks", "zzz")), "wip")
    assert read(scored, "wip") == "zzz, score_9, 1girl, me, aria, blue hair, ^_^, year 2023, rating_safe"


def test_blame_explains_the_words_as_the_run_had_them(scored: Project, dsk) -> None:
    causes = {row.tag: row.cause for row in blame(scored, ITEM).tags}
    assert {tag: (cause.stage, cause.kind, cause.detail) for tag, cause in causes.items() if cause.kind != "site"} == {
        "sks": ("cleaned", "trigger", "cleaned.trigger"),
        "score_9": ("cleaned", "profile", "own: quality, score above 80 % of 5 posts"),
        "very_aesthetic": ("cleaned", "profile", "own: quality, score above 80 % of 5 posts"),
        "|||": ("cleaned", "profile", "own: parts what never moves from the rest"),
        "year_2023": ("cleaned", "profile", "own: year, posted in 2023"),
        "rating_safe": ("cleaned", "profile", "own: rating sensitive"),
    }
    write(scored, "vocab/profiles/own.toml", 'order = ["trigger", "general"]\n')
    commit_edits(scored)
    later = {row.tag: row.cause for row in blame(again(scored), ITEM).tags}
    assert later == causes
    assert "profile: own: rating sensitive" in dsk(scored.dataset.root, "blame", ITEM).stdout


def test_blame_does_without_a_profile_that_is_gone(scored: Project) -> None:
    write(scored, "dsk.toml", USES_OWN.replace("own", "nobody"))
    (scored.dataset.root / "vocab/profiles/own.toml").unlink()
    causes = {row.tag: row.cause for row in blame(again(scored), ITEM).tags}
    assert causes["sks"].detail == "cleaned.trigger"
    assert causes["year_2023"].detail == "own: year, posted in 2023"


def test_blame_explains_emphasis_that_is_gone(advanced: Project) -> None:
    write(advanced, f"captioned/{ITEM}.txt", "(blue_hair:1.2), 1girl")
    advance(again(advanced), "wip")
    assert read(advanced, "wip") == "blue hair, 1girl"
    found = blame(again(advanced), ITEM, removed=True)
    hair = next(row.cause for row in found.tags if row.tag == "blue_hair")
    assert (hair.was, hair.operation.op if hair.operation else "") == ("(blue_hair:1.2)", "edit")
    gone = {row.tag: row.cause for row in found.removed}
    assert (gone["(blue_hair:1.2)"].stage, gone["(blue_hair:1.2)"].kind) == ("cleaned", "emphasis")


def test_too_few_posts_are_told_of(advanced: Project, dsk) -> None:
    write(advanced, "dsk.toml", '[cleaned]\nprofile = "kohaku"\n')
    done = dsk(advanced.dataset.root, "advance", "cleaned")
    assert "5 items without a word for quality: no favorites or score in the record (profile kohaku)" in (
        done.stdout + done.stderr
    )
    assert done.returncode == 0


def test_a_big_vocabulary_does_not_slow_status(advanced: Project, request: pytest.FixtureRequest) -> None:
    csv = Path(request.config.rootpath).parent / "shared" / "data" / "danbooru.csv"
    if not csv.exists():
        pytest.skip("there is no danbooru.csv beside the checkout")
    write(advanced, "dsk.toml", f'[vocab]\ntags = ["{csv}"]\n[cleaned]\nprofile = "illustrious"\n')
    compiled = advanced.dataset.private / "vocabulary.bin"
    assert stale(advanced) == {"cleaned": "[cleaned] in dsk.toml changed"}
    assert not compiled.exists()
    advance(again(advanced), "wip")
    assert compiled.exists()
    compiled.unlink()
    assert stale(advanced) == {}
    assert not compiled.exists()
    began = time.process_time()
    again(advanced).steps()
    assert time.process_time() - began < 0.3
