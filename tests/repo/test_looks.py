"""Looks: each answered once for each content, remembered while the work goes on, and told apart by their keys."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import msgspec
import pytest

from datakit.actions.project import Project
from datakit.errors import StateError
from datakit.model.lock import Lock, changed_uses
from datakit.model.stage import Job, Keep, Look, Product, Stage, Subject
from datakit.repo.stagetree import read_items, stage_tree
from datakit.repo.transitions.inspecting import inspected, recalled
from datakit.repo.transitions.subjects import read_subjects


def quiet(what: str, done: int, total: int) -> None:
    """A progress that nobody sees."""


class Watcher:
    """A stage that counts what it is asked."""

    def __init__(self, *names: str, fails_at: int = 0) -> None:
        self.names = names
        self.asked: list[str] = []
        self.fails_at = fails_at
        self.was_closed = False

    def looks(self, subject: Subject, given: Any) -> list[Look]:
        return [Look(name=name, key=f"{name}:1", options=name) for name in self.names]

    def inspect(self, data: bytes, looks: Sequence[Look]) -> list[Product]:
        self.asked += [look.name for look in looks]
        return [Product(facts={"bytes": len(data), "is": look.options}) for look in looks]

    def inspect_many(self, jobs: Sequence[Job], given: Any) -> Generator[tuple[int, Sequence[Product]], None, None]:
        try:
            for number in reversed(range(len(jobs))):
                if self.fails_at and len(jobs) - number > self.fails_at:
                    raise KeyboardInterrupt
                yield number, self.inspect(jobs[number].read(), jobs[number].looks)
        finally:
            self.was_closed = True

    def stage(self, *, many: bool = False) -> Stage:
        return Stage(
            name="filtered",
            version=1,
            settings=msgspec.Struct,
            decide=lambda subjects, given: [Keep(key=one.key, image=one.image) for one in subjects],
            looks=self.looks,
            inspect=None if many else self.inspect,
            inspect_many=self.inspect_many if many else None,
            summarise=lambda subjects, outcomes: "",
        )


@pytest.fixture
def subjects(advanced: Project) -> list[Subject]:
    dataset = advanced.dataset
    items = read_items(dataset, stage_tree(dataset, dataset.head_tree, "raw"))
    return read_subjects(dataset, items, items, is_raw=True)[0]


@pytest.mark.parametrize("many", [False, True])
def test_what_is_remembered_is_not_asked_again(advanced: Project, subjects: list[Subject], many: bool) -> None:
    first, second = Watcher("a"), Watcher("a", "b")
    inspected(advanced.dataset, first.stage(many=many), None, subjects, quiet)
    found = inspected(advanced.dataset, second.stage(many=many), None, subjects, quiet)
    contents = {one.image.sha256 for one in subjects}
    assert (len(first.asked), set(first.asked)) == (len(contents), {"a"})
    assert (len(second.asked), set(second.asked)) == (len(contents), {"b"})
    for one in found:
        assert one.facts == {name: {"bytes": one.image.size_bytes, "is": name} for name in ("a", "b")}


def test_images_with_the_same_content_are_looked_at_once(advanced: Project, subjects: list[Subject]) -> None:
    twin = msgspec.structs.replace(subjects[0], key="aria/twin")
    watcher = Watcher("a", "b")
    inspected(advanced.dataset, watcher.stage(), None, [subjects[0], twin], quiet)
    assert sorted(watcher.asked) == ["a", "b"]


def test_items_with_one_image_and_different_looks(advanced: Project, subjects: list[Subject]) -> None:
    twin = msgspec.structs.replace(subjects[0], key="aria/twin")
    watcher = Watcher("a")
    stage = msgspec.structs.replace(
        watcher.stage(),
        looks=lambda subject, given: [Look(name="it", key=f"it:{subject.key}", options=subject.key)],
    )
    one, two = inspected(advanced.dataset, stage, None, [subjects[0], twin], quiet)
    assert (one.facts["it"]["is"], two.facts["it"]["is"]) == (one.key, "aria/twin")


def test_who_stops_keeps_what_was_found(advanced: Project, subjects: list[Subject]) -> None:
    stopped, again = Watcher("a", fails_at=2), Watcher("a")
    with pytest.raises(KeyboardInterrupt):
        inspected(advanced.dataset, stopped.stage(many=True), None, subjects, quiet)
    assert stopped.was_closed
    inspected(advanced.dataset, again.stage(many=True), None, subjects, quiet)
    contents = {one.image.sha256 for one in subjects}
    assert len(again.asked) == len(contents) - len(stopped.asked) > 0


def test_recalling_asks_nobody(advanced: Project, subjects: list[Subject]) -> None:
    watcher = Watcher("a", "b")
    inspected(advanced.dataset, Watcher("a").stage(), None, subjects[:1], quiet)
    found = recalled(advanced.dataset, watcher.stage(), None, subjects[0])
    assert (list(found.facts), watcher.asked) == (["a"], [])


def test_an_image_that_is_not_here_is_named(advanced: Project, subjects: list[Subject]) -> None:
    dataset = advanced.dataset
    path = dataset.lfs.path(subjects[0].image.sha256)
    path.chmod(0o644)
    path.unlink()
    with pytest.raises(StateError, match=subjects[0].key):
        inspected(dataset, Watcher("a").stage(), None, subjects, quiet)


def test_what_is_not_here_to_be_told_is_as_it_was() -> None:
    lock = Lock(stage="captioned", version=1, config="", inputs={}, auto="", uses={"tagger a": "1", "tagger b": "2"})
    assert changed_uses(lock, {"tagger a": "", "tagger b": "2"}) == []
    assert changed_uses(lock, {"tagger a": "9", "tagger b": "2"}) == ["tagger a"]
    assert changed_uses(lock, {"tagger a": "1"}) == ["tagger b"]
    assert changed_uses(lock, {"tagger a": "1", "tagger b": "2", "tagger c": ""}) == []
