"""The tagger that comes with dsk: it is found without a network, is what its spec says, and sees portraits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from datakit.demo.portraits.cast import CHARACTERS
from datakit.demo.portraits.contract import Look
from datakit.demo.portraits.drawing import draw, tags_of
from datakit.demo.portraits.lots import character_looks, held_out, looks
from datakit.taggers.finding import BUNDLED, find_tagger
from datakit.taggers.preprocess import prepare
from datakit.taggers.session import Session
from datakit.taggers.thresholds import selector_for

NAME = "dsk-tiny-tagger"
MOST_BYTES = 3_000_000


@pytest.fixture(autouse=True)
def no_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DSK_MODELS", raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))


def test_it_is_here_and_small() -> None:
    found = find_tagger(NAME, root=Path("/nowhere"))
    assert found.is_here
    assert found.digest
    assert sum(path.stat().st_size for path in (BUNDLED / NAME).iterdir()) < MOST_BYTES
    assert (BUNDLED / NAME / f"{NAME}.LICENSE").is_file()


def test_a_persons_own_files_of_its_name_go_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = tmp_path / NAME
    own.mkdir()
    for path in (BUNDLED / NAME).iterdir():
        (own / path.name).write_bytes(path.read_bytes())
    monkeypatch.setenv("DSK_MODELS", str(tmp_path))
    assert find_tagger(NAME, root=tmp_path).model == own / "model.onnx"


def test_its_files_are_what_the_spec_says() -> None:
    session = Session(find_tagger(NAME, root=Path("/nowhere")), provider="cpu", threads=1)
    labels = session.labels
    assert (session.size_px, session.fixed_batch) == (64, 0)
    assert len(labels.names) == session.found.spec.num_tags
    assert set(labels.categories) == {"general"}
    assert labels.thresholds is not None
    assert all(0.1 <= bar <= 0.9 for bar in labels.thresholds), "each tag has its own"
    empty = session.run(np.zeros((3, 64, 64, 3), np.float32))
    assert empty.shape == (3, len(labels.names))
    assert ((empty >= 0) & (empty <= 1)).all()


def seen_in(drawn: list[Look]) -> tuple[list[frozenset[str]], list[frozenset[str]]]:
    """What is true of looks, and what it says of them."""
    session = Session(find_tagger(NAME, root=Path("/nowhere")), provider="cpu", threads=1)
    selector = selector_for(session.found.spec, session.labels)
    shown = np.stack([prepare(draw(look, 128), session.found.spec.input, session.size_px) for look in drawn])
    known = frozenset(session.labels.names)
    truth = [frozenset(tags_of(look)) & known for look in drawn]
    return truth, [frozenset(selector.select(scores)) for scores in session.run(shown)]


def f1(tag: str, truth: list[frozenset[str]], said: list[frozenset[str]]) -> float:
    both = sum(tag in one and tag in other for one, other in zip(truth, said, strict=True))
    return 2 * both / max(1, sum(tag in one for one in truth) + sum(tag in one for one in said))


def test_it_sees_the_hair_of_characters_it_never_saw() -> None:
    several = [look for name in CHARACTERS for look in character_looks(name, 12, seed=77)]
    others = [look for look in looks(80, seed=78, styles={"adventurer": 1}) if not held_out(look)][:48]
    truth, said = seen_in([*several, *others])
    found = {tag: round(f1(tag, truth, said), 2) for character in CHARACTERS.values() for tag in character.traits}
    assert len(found) == 8
    assert min(found.values()) >= 0.7, found
    assert sum(found.values()) / len(found) >= 0.9, found


def test_it_tells_fresh_portraits_in_styles_that_the_base_never_saw() -> None:
    drawn = list(
        looks(160, seed=79, styles={"lorelei": 1, "pixel-art": 1}, grounds=("white_background", "blue_background"))
    )
    truth, said = seen_in(drawn)
    counts = Counter(tag for one in truth for tag in one)
    judged = {
        tag: f1(tag, truth, said) for tag, count in counts.items() if count >= 12 and not tag.endswith("_(style)")
    }
    assert len(judged) >= 25
    assert sum(judged.values()) / len(judged) >= 0.9, judged
