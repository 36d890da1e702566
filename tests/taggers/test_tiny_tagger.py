"""The tagger that comes with dsk: it is found without a network, is what its spec says, and sees portraits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datakit.demo.portraits.drawing import draw, tags_of
from datakit.demo.portraits.lots import held_out, looks
from datakit.taggers.finding import BUNDLED, find_tagger
from datakit.taggers.preprocess import prepare
from datakit.taggers.session import Session
from datakit.taggers.thresholds import selector_for

NAME = "dsk-tiny-tagger"
MOST_BYTES = 3_000_000
COLOURS = ("blue_hair", "pink_hair", "white_hair", "blonde_hair")


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


def test_it_sees_the_hair_of_characters_it_never_saw() -> None:
    session = Session(find_tagger(NAME, root=Path("/nowhere")), provider="cpu", threads=1)
    spec = session.found.spec
    selector = selector_for(spec, session.labels)
    several = [look for look in looks(1500, seed=77) if held_out(look)][:24]
    shown = np.stack([prepare(draw(look, 128), spec.input, session.size_px) for look in several])
    taken = [selector.select(scores) for scores in session.run(shown)]
    pairs = [(tags_of(look), found, colour) for look, found in zip(several, taken, strict=True) for colour in COLOURS]
    right = sum(colour in truth for truth, _, colour in pairs)
    seen = sum(colour in found and colour in truth for truth, found, colour in pairs)
    wrong = sum(colour in found and colour not in truth for truth, found, colour in pairs)
    assert len(several) == right == 24
    assert seen >= 22
    assert wrong <= 1
