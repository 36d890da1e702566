from __future__ import annotations

from typing import Any

import pytest

from datakit.config import decode, digest
from datakit.errors import ConfigError
from datakit.model.item import ImageRef
from datakit.model.record import Record
from datakit.model.stage import Drop, Keep, Outcome, Stage, Subject
from datakit.registry import Family
from stages.order import ORDER

STAGES: Family[Stage] = Family("stages", Stage, "STAGE", word="stage")


def ref(content: str = "a", extension: str = "png") -> ImageRef:
    return ImageRef(sha256=content * 64, size_bytes=3, extension=extension)


def subject(key: str = "c/a", content: str = "a", **fields: Any) -> Subject:
    return Subject(key=key, image=ref(content), **fields)


def record(**tags: tuple[str, ...]) -> Record:
    return Record(sha256="a" * 64, size_bytes=3, original="a.png", imported_at="2024-01-01T00:00:00Z", tags=tags)


def run(name: str, subjects: list[Subject], table: dict[str, Any] | None = None) -> list[Outcome]:
    stage = STAGES.load(name)
    outcomes = list(stage.decide(subjects, decode(table or {}, stage.settings, where=name)))
    assert [outcome.key for outcome in outcomes] == [item.key for item in subjects]
    return outcomes


def caption(name: str, item: Subject, table: dict[str, Any] | None = None) -> str | None:
    (outcome,) = run(name, [item], table)
    assert isinstance(outcome, Keep)
    assert outcome.image == item.image
    return outcome.caption


def summary(name: str, subjects: list[Subject], table: dict[str, Any] | None = None) -> str:
    summarise = STAGES.load(name).summarise
    assert summarise is not None
    return summarise(subjects, run(name, subjects, table))


def check(name: str, concepts: list[str], table: dict[str, Any]) -> None:
    stage = STAGES.load(name)
    assert stage.check is not None
    stage.check(concepts, decode(table, stage.settings, where=name))


def test_the_stages_are_the_order() -> None:
    assert set(STAGES.names()) == set(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_contract(name: str) -> None:
    stage = STAGES.load(name)
    assert stage.name == name
    assert len(STAGES.summary(name)) > 20
    settings = stage.settings()
    assert stage.settings.__struct_config__.frozen
    assert decode({}, stage.settings, where=name) == settings
    assert digest(settings) == digest(decode({}, stage.settings, where=name))
    assert list(stage.decide([], settings)) == []
    assert stage.summarise is not None
    assert stage.summarise([], []).startswith("0 ")
    with pytest.raises(ConfigError, match="unknown key"):
        decode({"no_such_key": 1}, stage.settings, where=name)


@pytest.mark.parametrize("name", ["wip", "export"])
def test_stages_that_change_nothing(name: str) -> None:
    assert caption(name, subject(caption="sks, a b")) == "sks, a b"
    assert caption(name, subject()) is None
    assert summary(name, [subject()]) == "1 item"


def test_raw_keeps_the_caption_that_came_along() -> None:
    assert caption("raw", subject(scraped_caption="a b\n")) == "a b\n"
    assert summary("raw", [subject(), subject("c/b")]) == "2 images"


SCRAPED = record(general=("hat", "long_hair"), artist=("kaname_(art)",), character=("miku",), meta=("highres",))
CAPTIONED = [
    (SCRAPED, None, {}, "miku, kaname_(art), hat, long_hair"),
    (SCRAPED, "Long Hair, solo", {}, "miku, kaname_(art), hat, long_hair, solo"),
    (SCRAPED, "miku\nhat\n", {}, "miku, kaname_(art), hat, long_hair"),
    (SCRAPED, "long hair, solo", {"policy": "booru"}, "miku, kaname_(art), hat, long_hair"),
    (SCRAPED, "solo, Long Hair", {"policy": "caption"}, "solo, long_hair"),
    (SCRAPED, None, {"policy": "caption"}, None),
    (SCRAPED, None, {"categories": ["general", "meta"]}, "hat, long_hair, highres"),
    (SCRAPED, None, {"categories": []}, None),
    (record(general=("&gt;_&lt;", "A B")), None, {}, ">_<, a_b"),
    (None, "a b,,c", {}, "a_b, c"),
    (None, " \n", {}, None),
    (None, None, {}, None),
]


@pytest.mark.parametrize(("known", "scraped", "table", "expected"), CAPTIONED)
def test_captioned(known: Record | None, scraped: str | None, table: dict[str, Any], expected: str | None) -> None:
    assert caption("captioned", subject(record=known, scraped_caption=scraped), table) == expected


def test_captioned_summary() -> None:
    tagged = subject("c/a", record=SCRAPED)
    assert summary("captioned", [tagged]) == "1 caption"
    assert summary("captioned", [tagged, subject("c/b")]) == "1 caption (1 item without tags)"


@pytest.mark.parametrize("table", [{"policy": "unions"}, {"categories": ["artists"]}])
def test_captioned_refuses(table: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"unions|artists"):
        run("captioned", [], table)


CLEANED = [
    ("long_hair, ^_^, long_hair", {}, "long hair, ^_^"),
    ("long_hair, hat", {"trigger": "SKS"}, "SKS, long hair, hat"),
    ("hat", {"trigger": "sks", "triggers": {"c": "Miku Dress"}}, "Miku Dress, hat"),
    ("hat", {"trigger": "sks", "triggers": {"c": ""}}, "hat"),
    ("long_hair, hat", {"blacklist": ["Long Hair"]}, "hat"),
    ("long_hair", {"keep_underscores": True}, "long_hair"),
    ("kaname_(art)", {}, "kaname (art)"),
    ("hat", {"blacklist": ["hat"]}, None),
    (None, {"trigger": "sks"}, "sks"),
    (None, {}, None),
]


@pytest.mark.parametrize(("text", "table", "expected"), CLEANED)
def test_cleaned(text: str | None, table: dict[str, Any], expected: str | None) -> None:
    assert caption("cleaned", subject(caption=text), table) == expected


def test_cleaned_names_the_concept_that_was_meant() -> None:
    with pytest.raises(ConfigError, match="no concept 'mikku'") as caught:
        check("cleaned", ["miku", "rin"], {"triggers": {"mikku": "x"}})
    assert caught.value.hint == "did you mean 'miku'?"


def test_cleaned_takes_triggers_of_its_concepts_and_of_an_empty_dataset() -> None:
    check("cleaned", ["miku", "rin"], {"triggers": {"miku": "x"}})
    check("cleaned", [], {"triggers": {"miku": "x"}})


def test_cleaned_summary() -> None:
    assert summary("cleaned", [subject("c/a", caption="hat"), subject("c/b", caption="x")]) == "2 prompts"
    words = summary("cleaned", [subject("c/a", caption="hat"), subject("c/b")])
    assert words == "1 prompt (1 item without a caption)"


def test_drops_that_other_rules_made_are_told_too() -> None:
    summarise = STAGES.load("captioned").summarise
    assert summarise is not None
    drop = Drop(key="c/b", rule="shared-caption", reason="two images")
    assert summarise([subject()], [Keep(key="c/a", image=ref(), caption="x"), drop]) == "1 caption (1 shared-caption)"
