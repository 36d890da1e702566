"""Items and commits, however a person names them."""

from __future__ import annotations

import subprocess

import pytest

from datakit.actions.project import Project
from datakit.actions.renaming import rename
from datakit.errors import UsageError
from datakit.repo.items import Address, item_files, known_keys, resolve, resolve_one, typed
from datakit.repo.revisions import resolve_revision


@pytest.mark.parametrize(
    ("word", "key", "stage"),
    [
        ("aria/danbooru_0", "aria/danbooru_0", ""),
        ("wip/aria/danbooru_0.png", "aria/danbooru_0", "wip"),
        ("wip/aria/danbooru_0.txt", "aria/danbooru_0", "wip"),
        ("filtered/aria/danbooru_0", "aria/danbooru_0", "filtered"),
        ("aria/danbooru_0.png", "aria/danbooru_0", ""),
        ("danbooru_2", "aria/danbooru_2", ""),
        ("./raw/aria/danbooru_0.json", "aria/danbooru_0", "raw"),
    ],
)
def test_one_item_has_many_names(advanced: Project, word: str, key: str, stage: str) -> None:
    assert resolve_one(advanced.dataset, advanced.dataset.head_tree, word) == Address(key, stage)


def test_paths_from_the_current_folder_and_absolute_ones(advanced: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    root = advanced.dataset.root
    monkeypatch.chdir(root / "wip/aria")
    assert resolve_one(advanced.dataset, advanced.dataset.head_tree, "danbooru_0.png").stage == "wip"
    absolute = str(root / "raw/beth/danbooru_1.png")
    assert resolve_one(advanced.dataset, advanced.dataset.head_tree, absolute) == Address("beth/danbooru_1", "raw")


def test_patterns_name_several(advanced: Project) -> None:
    found = resolve(advanced.dataset, advanced.dataset.head_tree, ["beth/*", "beth/danbooru_0"])
    assert found == [Address("beth/danbooru_0", ""), Address("beth/danbooru_1", "")]
    with pytest.raises(UsageError, match="names 2 items"):
        resolve_one(advanced.dataset, advanced.dataset.head_tree, "beth/*")


@pytest.mark.parametrize(
    ("word", "message"),
    [("danbooru_0", "could be aria/danbooru_0 or beth"), ("aria/danboru_0", "no item"), ("nobody/*", "no item")],
)
def test_what_names_none_or_many_is_refused(advanced: Project, word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve(advanced.dataset, advanced.dataset.head_tree, [word])


def test_a_hint_names_only_what_is_very_like_or_what_it_is_called_now(advanced: Project) -> None:
    def hint(word: str) -> tuple[str, str]:
        with pytest.raises(UsageError) as caught:
            resolve(advanced.dataset, advanced.dataset.head_tree, [word])
        return caught.value.message, caught.value.hint

    assert hint("aria/nosuch") == ("no item 'aria/nosuch'", "")
    assert hint("aria/danboru_0")[1] == "did you mean 'aria/danbooru_0'?"
    rename(advanced, ["aria/danbooru_0"], "aria/a smile")
    rename(advanced, ["aria/a smile"], "beth/a smile")
    assert hint("aria/danbooru_0") == (
        "no item 'aria/danbooru_0': it was renamed beth/a smile",
        "write 'beth/a smile'",
    )


@pytest.mark.parametrize("words", [["a/b"], ["a b/it's"], ["-neg/x"], ["x", "-y"], ["a\nb'\\\x1b"], ["ü/数"]])
def test_names_in_hints_can_be_typed(words: list[str]) -> None:
    command = f"printf '%s\\0' {typed(*words)}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    found = done.stdout.split("\0")[:-1]
    assert found == ["--", *words] if any(word.startswith("-") for word in words) else found == words
    assert typed(*words).isprintable()


def test_the_files_of_an_item(advanced: Project) -> None:
    dataset = advanced.dataset
    raw = item_files(dataset, dataset.head_tree, "raw", "aria/danbooru_0")
    assert list(raw.images) == ["aria/danbooru_0.png"]
    assert raw.record is not None
    wip = item_files(dataset, dataset.head_tree, "wip", "aria/danbooru_0")
    assert wip.caption is not None
    assert wip.record is None
    assert not item_files(dataset, dataset.head_tree, "wip", "aria/nobody").images
    assert len(known_keys(dataset, dataset.head_tree)) == 5


def test_revisions(advanced: Project) -> None:
    dataset = advanced.dataset
    head = dataset.head
    assert head is not None
    assert resolve_revision(dataset, "main") == resolve_revision(dataset, head.hex()[:10]) == head
    assert resolve_revision(dataset, "HEAD~1") != head
    for word in ("mian", "HEAD~99", "..", "a b"):
        with pytest.raises(UsageError):
            resolve_revision(dataset, word)
