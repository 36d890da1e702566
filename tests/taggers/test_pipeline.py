"""The pipeline: the same scores as one image at a time, bad images as facts, bounded work ahead, and a clean end."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from onnx_graphs import probe_names, write_wd
from PIL import Image

from datakit.errors import InputError
from datakit.images.decode import open_bounded
from datakit.taggers.finding import find_tagger
from datakit.taggers.pipeline import tag
from datakit.taggers.preprocess import prepare
from datakit.taggers.scores import LEAST, unpack
from datakit.taggers.session import Session


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = write_wd(tmp_path_factory.mktemp("models") / "wd")
    return Session(find_tagger(str(folder), root=folder))


def picture(number: int) -> bytes:
    colours = np.random.default_rng(number).integers(0, 256, (6, 4 + number % 5, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(colours).resize((60 + number, 90), Image.Resampling.BICUBIC).save(stream, "PNG")
    return stream.getvalue()


def threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith(("prepare", "model"))]


@pytest.mark.parametrize(("batch", "workers"), [(1, 1), (3, 2), (64, 4), (0, 0)])
def test_scores_are_those_of_one_image_at_a_time(session: Session, batch: int, workers: int) -> None:
    data = [picture(number) for number in range(10)]
    found = dict(tag([lambda one=one: one for one in data], session, batch=batch, workers=workers))
    assert sorted(found) == list(range(10))
    for number, one in enumerate(data):
        alone = session.run(prepare(open_bounded(one), session.found.spec.input, 448)[None])[0]
        got = unpack(found[number]["scores"], len(alone))
        assert np.allclose(got, np.where(alone >= LEAST, alone, 0), atol=1e-5)
    assert threads() == []


def test_red_is_seen_as_red(session: Session) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (400, 300), "red").save(stream, "PNG")
    ((_, facts),) = tag([stream.getvalue], session)
    scores = unpack(facts["scores"], len(session.labels.names))
    by_probe = {probe: float(scores[session.labels.names.index(name)]) for probe, name in probe_names().items()}
    assert by_probe["red"] > 0.5 > max(by_probe["green"], by_probe["blue"])


def test_unreadable_images_are_facts(session: Session) -> None:
    data = [picture(1), b"", picture(2)[:200], b"<html>", picture(3)]
    found = dict(tag([lambda one=one: one for one in data], session, batch=2))
    assert sorted(found) == [0, 1, 2, 3, 4]
    assert [number for number, facts in found.items() if "scores" in facts] == [0, 4]
    assert found[1] == {"unreadable": "the file is empty"}


def reading(log: list[int], number: int) -> Iterator[Callable[[], bytes]]:
    data = picture(1)

    def read(at: int) -> bytes:
        log.append(at)
        return data

    return (lambda at=at: read(at) for at in range(number))


def test_no_more_is_prepared_than_a_few_batches(session: Session) -> None:
    log: list[int] = []
    answers = tag(list(reading(log, 200)), session, batch=2, workers=2)
    for _ in range(10):
        next(answers)
    assert len(log) <= 10 + 2 * 2 + 2 + 2
    answers.close()
    assert threads() == []
    assert len(log) < 30


def test_an_error_ends_all_threads(session: Session) -> None:
    def broken() -> bytes:
        raise OSError("the disk went")

    reads = [*reading([], 5), broken, *reading([], 50)]
    with pytest.raises(OSError, match="the disk went"):
        list(tag(reads, session, batch=2, workers=2))
    assert threads() == []


def test_an_error_of_the_model_and_an_early_end_leave_no_threads(session: Session) -> None:
    class Broken(Session):
        def run(self, images: np.ndarray) -> np.ndarray:
            raise InputError("the model failed")

    broken = Broken(session.found)
    with pytest.raises(InputError, match="the model failed") as caught:
        list(tag([*reading([], 50)], broken, batch=2, workers=2))
    assert threads() == []
    assert caught.value.__traceback__ is not None
    some = tag([*reading([], 50)], session, batch=2, workers=2)
    next(some)
    some.close()
    assert threads() == []


def test_a_fixed_batch(tmp_path: Path, session: Session) -> None:
    fixed = Session(find_tagger(str(write_wd(tmp_path / "v2", batch=1)), root=tmp_path))
    reads = [lambda number=number: picture(number) for number in range(5)]
    one, other = dict(tag(reads, fixed)), dict(tag(reads, session))
    for number in range(5):
        pair = [unpack(found[number]["scores"], len(fixed.labels.names)) for found in (one, other)]
        assert np.allclose(*pair, atol=1e-5)
