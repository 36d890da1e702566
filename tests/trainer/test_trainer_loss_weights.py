"""What a picture weighs in training: its own weight, its folder's, that of regularization, its mask."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from trainer_sets import write_config, write_pictures, write_set

from trainer import assembling, loop, plan
from trainer.data.sampler import Draw

SIZES = [(64, 64), (64, 64)]


def losses(root: Path, *, subset: str = "", rest: str = "") -> torch.Tensor:
    """Of the two pictures, by name, from the same noise whatever their weights."""
    write_set(root, sizes=SIZES, repeats=1, subset=subset)
    oven = assembling.assemble(plan.make(write_config(root, rest=rest))).oven
    order = sorted(range(2), key=lambda number: oven.items[number].path.name)
    batch = loop.make_batch(oven, [Draw(number, 0) for number in order], epoch=0, step=0)
    with torch.no_grad():
        return loop.losses(oven, batch)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> torch.Tensor:
    return losses(tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize(
    ("subset", "rest", "factors"),
    [
        ("custom_attributes = { loss_weight = 0.5 }", "", (0.5, 0.5)),
        ('custom_attributes = { loss_weight = 0.5, loss_weights = { "01.png" = 3.0 } }', "", (0.5, 3.0)),
        ("", "[loss]\nprior_loss_weight = 0.25", (1.0, 1.0)),
    ],
    ids=["a folder's", "a picture's, instead of it", "of regularization, where there is none"],
)
def test_weights_multiply(
    subset: str, rest: str, factors: tuple[float, float], plain: torch.Tensor, tmp_path: Path
) -> None:
    torch.testing.assert_close(losses(tmp_path, subset=subset, rest=rest), plain * torch.tensor(factors))


def test_regularization_weighs_what_is_asked(tmp_path: Path) -> None:
    found = []
    for weight in ("1.0", "0.25"):
        root = tmp_path / weight
        text = write_set(root, sizes=SIZES, repeats=1).read_text()
        write_pictures(root / "class", SIZES)
        more = '[[datasets.subsets]]\nimage_dir = "class"\nis_reg = true\n'
        (root / "dataset.toml").write_text(text + more)
        made = plan.make(write_config(root, rest=f"[loss]\nprior_loss_weight = {weight}"))
        oven = assembling.assemble(made).oven
        batch = loop.make_batch(oven, [Draw(number, 0) for number in range(4)], epoch=0, step=0)
        with torch.no_grad():
            found.append(loop.losses(oven, batch))
        is_reg = torch.tensor([item.subset.is_reg for item in oven.items])
    assert is_reg.tolist() == [False, False, True, True]
    torch.testing.assert_close(found[1], torch.where(is_reg, found[0] * 0.25, found[0]))


@pytest.mark.parametrize("is_asked", [True, False])
def test_a_black_mask_leaves_nothing_and_a_white_one_all(plain: torch.Tensor, tmp_path: Path, is_asked: bool) -> None:
    (tmp_path / "masks").mkdir()
    Image.new("L", (64, 64), 0).save(tmp_path / "masks" / "00.png")
    Image.new("L", (64, 64), 255).save(tmp_path / "masks" / "01.png")
    rest = "" if is_asked else "[loss]\nmasked = false"
    found = losses(tmp_path, subset='conditioning_data_dir = "masks"', rest=rest)
    torch.testing.assert_close(found, plain * torch.tensor([0.0 if is_asked else 1.0, 1.0]))


def test_a_mask_edited_between_two_runs_is_seen(plain: torch.Tensor, tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    rest = '[dataset]\ncache = "cache"\n'
    for shade, factor in ((255, 1.0), (0, 0.0)):
        for name in ("00.png", "01.png"):
            Image.new("L", (64, 64), shade).save(tmp_path / "masks" / name)
        write_set(tmp_path, sizes=SIZES, repeats=1, subset='conditioning_data_dir = "masks"')
        config = write_config(tmp_path)
        config.write_text(config.read_text().replace("[dataset]\n", rest, 1))
        oven = assembling.assemble(plan.make(config)).oven
        batch = loop.make_batch(oven, [Draw(0, 0), Draw(1, 0)], epoch=0, step=0)
        oven.latents.close()
        with torch.no_grad():
            torch.testing.assert_close(loop.losses(oven, batch).sum(), plain.sum() * factor)
