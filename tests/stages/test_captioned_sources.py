"""Tags, prose and taggers as one caption: the policies, what is left out, and where each tag is from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from datakit.config import decode
from datakit.errors import ConfigError
from datakit.model.item import ImageRef
from datakit.model.record import Record
from datakit.model.stage import Keep, Prepared, Resources, Stage, Subject
from datakit.registry import Family
from datakit.taggers.finding import Found
from datakit.taggers.scores import pack
from datakit.taggers.spec import Spec
from datakit.tags.captions import join_prose, looks_like_prose, split_prose

CAPTIONED = Family("stages", Stage, "STAGE", word="stage").load("captioned")
CSV = (
    "tag_id,name,category,count\n0,general,9,1\n0,explicit,9,1\n1,1girl,0,1\n2,hat,0,1\n3,miku,4,1\n4,some_artist,1,1\n"
)
SCORES = {"general": 0.1, "explicit": 0.9, "1girl": 0.99, "hat": 0.5, "miku": 0.9, "some_artist": 0.9}
NAMES = list(SCORES)
TAGS = Record(
    sha256="a" * 64, size_bytes=3, original="a.png", imported_at="2024-01-01T00:00:00Z", site="danbooru",
    tags={"general": ("hat", "solo")},
)  # fmt: skip


def tagger(folder: Path, name: str) -> Found:
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes(b"")
    (folder / "selected_tags.csv").write_text(CSV)
    files = {"model": folder / "model.onnx", "labels": folder / "selected_tags.csv"}
    return Found(name=name, spec=Spec(), digest=f"of {name}", uses=f"uses of {name}", **files)


def prepared(tmp_path: Path, table: dict[str, Any]) -> Prepared:
    resources = Resources(
        vocabulary=lambda: pytest.fail("asked for"),
        vocabulary_digest=lambda: "",
        profile_text=lambda name: pytest.fail(name),
        tagger=lambda name: tagger(tmp_path / name, name),
    )
    assert CAPTIONED.prepare is not None
    return CAPTIONED.prepare(decode(table, CAPTIONED.settings, where="captioned"), resources)


def facts(**scores: float) -> dict[str, Any]:
    return {"scores": pack(np.array([{**SCORES, **scores}[name] for name in NAMES], np.float32))}


def subject(**fields: Any) -> Subject:
    image = ImageRef(sha256="a" * 64, size_bytes=3, extension="png")
    return Subject(**{"key": "c/a", "image": image, "record": TAGS, "facts": {"tagger:one": facts()}, **fields})


def caption(tmp_path: Path, table: dict[str, Any], item: Subject) -> str | None:
    (outcome,) = CAPTIONED.decide([item], prepared(tmp_path, {"taggers": ["one"], **table}).given)
    assert isinstance(outcome, Keep)
    return outcome.caption


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({}, "hat, solo, blue_sky, 1girl, miku"),
        ({"policy": "booru"}, "hat, solo"),
        ({"policy": "caption"}, "hat, blue_sky"),
        ({"policy": "tagger"}, "1girl, miku, hat"),
        ({"policy": "tagger", "thresholds": {"general": 0.6}}, "1girl, miku"),
        ({"policy": "tagger", "thresholds": {"character": 1.0}}, "1girl, hat"),
        ({"policy": "tagger", "categories": ["general"]}, "1girl, hat"),
        ({"policy": "tagger", "mcut": ["general"]}, "1girl, miku"),
        ({"policy": "tagger", "mcut": ["character"], "categories": ["general"]}, "1girl, hat"),
        ({"policy": "tagger", "thresholds": {"artist": 0.3}}, "1girl, miku, some_artist, hat"),
        ({"policy": "fill-missing", "fill_below": 4}, "hat, solo, blue_sky, 1girl, miku"),
    ],
)
def test_policies(tmp_path: Path, table: dict[str, Any], expected: str) -> None:
    item = subject(scraped_caption="hat, blue sky")
    assert caption(tmp_path, table, item) == expected


@pytest.mark.parametrize(("below", "asked"), [(2, 0), (3, 1)])
def test_only_items_with_few_tags_are_filled(tmp_path: Path, below: int, asked: int) -> None:
    given = prepared(tmp_path, {"policy": "fill-missing", "fill_below": below, "taggers": ["one"]}).given
    assert CAPTIONED.looks is not None
    assert len(CAPTIONED.looks(subject(facts={}), given)) == asked


def test_looks_depend_on_the_model_and_not_on_thresholds(tmp_path: Path) -> None:
    assert CAPTIONED.looks is not None
    keys = set()
    for table in ({}, {"thresholds": {"general": 0.6}}, {"mcut": ["general"]}, {"votes": "mean"}):
        made = prepared(tmp_path, {"taggers": ["one", "two", "one"], **table})
        assert made.uses == {"tagger one": "uses of one", "tagger two": "uses of two"}
        keys.add(tuple(look.key for look in CAPTIONED.looks(subject(facts={}), made.given)))
    assert len(keys) == 1
    assert all(key.startswith("tagger:of ") for key in keys.pop())


@pytest.mark.parametrize("policy", ["booru", "caption"])
def test_policies_without_taggers_ask_none(tmp_path: Path, policy: str) -> None:
    made = prepared(tmp_path, {"policy": policy, "taggers": ["one"]})
    assert CAPTIONED.looks is not None
    assert (made.uses, list(CAPTIONED.looks(subject(), made.given))) == ({}, [])


def test_a_series_is_a_copyright(tmp_path: Path) -> None:
    given = prepared(tmp_path, {"taggers": ["one"], "categories": ["general", "character"]}).given
    labels = tmp_path / "one/selected_tags.csv"
    told = CSV.replace("count\n", "count,ips\n").replace("miku,4,1", 'miku,4,1,"[""vocaloid""]"')
    labels.write_text(told)
    (outcome,) = CAPTIONED.decide([subject(record=None)], given)
    assert isinstance(outcome, Keep)
    assert outcome.caption == "1girl, miku, hat"
    again = prepared(tmp_path, {"taggers": ["one"]}).given
    labels.write_text(told)
    (outcome,) = CAPTIONED.decide([subject(record=None)], again)
    assert isinstance(outcome, Keep)
    assert outcome.caption == "1girl, miku, vocaloid, hat"


def test_several_taggers_vote(tmp_path: Path) -> None:
    item = subject(record=None, facts={"tagger:one": facts(), "tagger:two": facts(hat=0.1, miku=0.95)})
    table = {"taggers": ["one", "two"]}
    assert caption(tmp_path, table, item) == "1girl, miku, hat"
    assert caption(tmp_path, {**table, "votes": "at-least"}, item) == "1girl, miku"
    assert caption(tmp_path, {**table, "votes": "mean"}, item) == "1girl, miku"


def test_origins_tell_the_tagger_and_its_score(tmp_path: Path) -> None:
    item = subject(scraped_caption="blue sky", facts={"tagger:one": facts(), "tagger:two": facts(miku=0.1)})
    assert CAPTIONED.origins is not None
    found = CAPTIONED.origins(item, prepared(tmp_path, {"taggers": ["one", "two"]}).given)
    told = {tag: (one.kind, one.detail, one.score) for tag, one in found.items()}
    assert told == {
        "hat": ("site", "danbooru, general", None),
        "solo": ("site", "danbooru, general", None),
        "blue_sky": ("caption", "raw/c/a.txt", None),
        "1girl": ("tagger", "one and two", 0.99),
        "miku": ("tagger", "one", 0.9),
    }
    alone = CAPTIONED.origins(item, prepared(tmp_path, {"policy": "tagger", "taggers": ["one"]}).given)
    assert (alone["solo"].kind, alone["solo"].removed, alone["hat"].kind) == ("not-taken", True, "tagger")


def test_what_could_not_be_seen_is_flagged(tmp_path: Path) -> None:
    given = prepared(tmp_path, {"taggers": ["one"]}).given
    item = subject(facts={"tagger:one": {"unreadable": "truncated png"}})
    (outcome,) = CAPTIONED.decide([item], given)
    assert isinstance(outcome, Keep)
    assert (outcome.caption, [flag.reason for flag in outcome.flags]) == ("hat, solo", ["one: truncated png"])
    assert CAPTIONED.summarise([item], [outcome]) == "1 caption (1 image not seen)"


@pytest.mark.parametrize(
    "table",
    [{"policy": "tagger"}, {"fill_below": -1}, {"thresholds": {"rating": 0.4}}, {"thresholds": {"general": 2}}],
)
def test_refused(tmp_path: Path, table: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="captioned"):
        prepared(tmp_path, table)


PROSE = [
    "A girl with long blue hair stands in a field, holding a sword.",
    "a photo of a dog",
    "Two women are talking. One has a red hat, the other a blue one.",
    "青い空の下に立つ少女。",
]
LISTS = [
    "1girl, solo, long hair, looking at viewer, hand on own hip",
    "hat", "", " \n", "kono_subarashii_sekai_ni_shukufuku_wo!, megumin", "hatsune miku, the legend of zelda, link",
    "1girl\nlong_hair\n\nsolo\n", "masterpiece, best quality, 1girl with hat, blue sky",
]  # fmt: skip


def test_prose_is_told_from_tags() -> None:
    assert [looks_like_prose(text) for text in (*PROSE, *LISTS)] == [True] * len(PROSE) + [False] * len(LISTS)


@pytest.mark.parametrize(
    ("table", "scraped", "expected"),
    [
        ({}, PROSE[0], f"hat, solo\n\n{PROSE[0]}"),
        ({}, f"a b, c\n\n{PROSE[0]}\n", f"hat, solo, a_b, c\n\n{PROSE[0]}"),
        ({}, "one\n\ntwo", "hat, solo, one, two"),
        ({"scraped": "tags"}, "A dog, that runs.", "hat, solo, a_dog, that_runs."),
        ({"scraped": "prose"}, "Hund mit Hut", "hat, solo\n\nHund mit Hut"),
        ({"policy": "caption"}, PROSE[1], f"\n\n{PROSE[1]}"),
        ({"policy": "booru"}, PROSE[1], "hat, solo"),
    ],
)
def test_scraped_prose(tmp_path: Path, table: dict[str, Any], scraped: str, expected: str) -> None:
    item = subject(scraped_caption=scraped, facts={})
    assert caption(tmp_path, {"taggers": [], **table}, item) == expected


def test_the_command_writes_prose(tmp_path: Path) -> None:
    table = {"taggers": [], "command": "x"}
    wrote, failed = {"command": {"caption": "A dog."}}, {"command": {"error": "out of memory"}}
    assert caption(tmp_path, table, subject(facts=wrote)) == "hat, solo\n\nA dog."
    assert caption(tmp_path, table, subject(facts=failed, scraped_caption=PROSE[1])) == f"hat, solo\n\n{PROSE[1]}"
    assert CAPTIONED.looks is not None
    keys = [
        CAPTIONED.looks(subject(), prepared(tmp_path, {**table, **more}).given)[0].key
        for more in ({}, {"command_timeout_s": 9}, {"command_version": "2"})
    ]
    assert keys[0] == keys[1] != keys[2]


@for_all(
    st.lists(st.from_regex(r"[a-z_]{1,6}", fullmatch=True)), st.from_regex(r"[A-Z][a-z]* [a-z ,\n]*\.", fullmatch=True)
)
def test_prose_comes_back(tags: list[str], prose: str) -> None:
    assert split_prose(join_prose(", ".join(tags), prose)) == (", ".join(tags), prose)
    assert split_prose(", ".join(tags)) == (", ".join(tags), "")
