"""Vectors for words that no caption has: of the known ones' distribution, and nothing else of the base changes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from trainer import bases, embedded
from trainer.cli import cli
from trainer.contracts.model import BaseSource, Model, Prediction, SaveAs
from trainer.errors import BaseModelError, DatasetError, StateError, TrainerError
from trainer.registry import FAMILIES
from trainer.words import drawn, write

CAPTIONS = ("1girl, solo, long hair, red hair, smile", "1boy, solo, short hair, glasses, frown, hat", "")
KNOWN = ", ".join(CAPTIONS[:2])
FAMILY = FAMILIES.load("tiny", field="family")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "base"
    FAMILY.save(load(None), folder, SaveAs("diffusers", torch.float16, {}, Prediction("v_prediction", True)))
    return folder


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("captions")
    for number, text in enumerate(CAPTIONS):
        (folder / f"{number}.txt").write_text(text, "utf-8")
    return folder


def load(folder: Path | None) -> Model:
    return FAMILY.load(BaseSource(folder and bases.read_header(folder)))


def states(model: Model, prompt: str) -> torch.Tensor:
    return model.encode_text([prompt])[0]["states"]


def test_known_prompts_are_read_as_before_and_other_files_stay(base: Path, captions: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = CliRunner().invoke(cli, ["words", str(base), str(out), "--captions", str(captions)])
    assert done.exit_code == 0, done.output
    files = sorted(path.relative_to(base) for path in base.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(out) for path in out.rglob("*") if path.is_file())
    changed = [path for path in files if (base / path).read_bytes() != (out / path).read_bytes()]
    assert changed == [Path("text_encoder/model.safetensors")]
    before, after = (load_file(folder / changed[0]) for folder in (base, out))
    assert [name for name in before if not torch.equal(before[name], after[name])] == [
        name for name in before if name.endswith("token_embedding.weight")
    ]
    old, new = load(base), load(out)
    assert torch.equal(states(old, KNOWN), states(new, KNOWN))
    assert not torch.equal(states(old, "zebra, solo"), states(new, "zebra, solo"))
    assert old.token_ids("zebra, solo") == new.token_ids("zebra, solo")
    count = len(set(old.token_ids(KNOWN)) | set(old.token_ids(",")) | set(old.token_ids("\n"))) + 2
    assert f"{count} tokens kept, {49408 - count} drawn anew" in done.output


def test_new_vectors_have_the_mean_and_the_covariance_of_the_known_and_lie_among_them() -> None:
    generator = torch.Generator().manual_seed(1)
    table = torch.randn(40_000, 16, generator=generator) * 0.01
    table[:10] = torch.randn(10, 16, generator=generator) * torch.linspace(0.1, 2.0, 16) + 3.0
    made = drawn(table, known=range(10), kept=range(12), seed=5)
    assert torch.equal(made[:12], table[:12])
    known, new = table[:10].double(), made[12:].double()
    assert (new.mean(0) - known.mean(0)).abs().max() < 0.03
    wanted = torch.cov(known.T, correction=0)
    assert (torch.cov(new.T) - wanted).abs().max() < 0.05 * wanted.diagonal().max()
    # Ten vectors less their mean span nine directions of sixteen.
    span = torch.linalg.svd(known - known.mean(0), full_matrices=False).Vh[:9]
    away = (new - known.mean(0)) - (new - known.mean(0)) @ span.T @ span
    assert away.abs().max() < 1e-5
    assert torch.equal(made, drawn(table, known=range(10), kept=range(12), seed=5))
    assert not torch.equal(made, drawn(table, known=range(10), kept=range(12), seed=6))


def test_what_cannot_be_done_is_told_and_leaves_nothing(base: Path, captions: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    few = tmp_path / "few"
    few.mkdir()
    (few / "a.txt").write_text("1girl", "utf-8")
    out = tmp_path / "out"
    wrongs: tuple[tuple[Path, Path, Path, type[TrainerError], str], ...] = (
        (base, captions, captions, StateError, "is there already"),
        (base, out, empty, DatasetError, "no captions"),
        (base, out, tmp_path / "none", DatasetError, "no captions"),
        (base, out, few, DatasetError, "8 at least"),
        (tmp_path / "none", out, captions, BaseModelError, "none"),
    )
    for source, folder, told, error, words in wrongs:
        with pytest.raises(error, match=words):
            write(source, folder, captions=told, seed=0)
    assert not out.exists()


def test_the_base_that_comes_along_hears_a_trigger() -> None:
    folder = embedded.path_of("dsk-tiny")
    if folder is None:
        pytest.skip("the base dsk-tiny does not lie in trainer/families/assets: make dsk-tiny")
    model = load(folder)
    bare = states(model, "1girl, solo")

    def moved(word: str) -> float:
        return float((states(model, f"{word}, 1girl, solo") - bare).norm() / bare.norm())

    tags = [moved(word) for word in ("glasses", "smile", "red hair")]
    for trigger in ("aria_dsk", "lorelei_dsk", "mikudress"):
        assert moved(trigger) > 0.7 * min(tags), (trigger, moved(trigger), tags)
