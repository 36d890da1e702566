"""Which pictures a VAE is trained on, and what happens to those that do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from autoencoder_material import write_folder
from PIL import Image
from trainer_sets import picture

from trainer.autoencoder import pictures
from trainer.autoencoder.pictures import Pictures
from trainer.errors import DatasetError, InterruptedRun, OutOfMemoryError
from trainer.signals import never


def read(folder: Path, told: list[str], *, held_out: int = 2) -> Pictures:
    found = pictures.paths(folder)
    return pictures.read(folder, found, side_px=16, held_out=held_out, tell=told.append, stop=never)


def test_pictures_are_squares_in_the_order_of_their_paths(tmp_path: Path) -> None:
    write_folder(tmp_path, 3)
    write_folder(tmp_path / "below", 2)
    write_folder(tmp_path / ".hidden", 1)
    (tmp_path / "notes.txt").write_text("no picture")
    found = read(tmp_path, [])
    names = [path.relative_to(tmp_path).as_posix() for path in pictures.paths(tmp_path)]
    assert names == ["00.png", "01.png", "02.png", "below/00.png", "below/01.png"]
    assert (len(found.trained), len(found.held_out)) == (3, 2)
    assert np.array_equal(found.trained[1].permute(1, 2, 0).numpy(), np.asarray(picture((16, 16), 1)))
    assert np.array_equal(found.held_out[0].numpy(), found.trained[0].numpy())


def test_what_the_run_itself_makes_is_no_picture_of_its_own(tmp_path: Path) -> None:
    write_folder(tmp_path, 1)
    write_folder(tmp_path / "output", 1)
    assert [path.name for path in pictures.paths(tmp_path, but=tmp_path / "output")] == ["00.png"]


def test_more_than_any_memory_is_told(tmp_path: Path) -> None:
    write_folder(tmp_path, 1)
    found = pictures.paths(tmp_path)
    with pytest.raises(OutOfMemoryError, match="do not fit into memory"):
        pictures.read(tmp_path, found, side_px=1 << 31, held_out=1, tell=[].append, stop=never)


def test_the_middle_of_other_sizes_is_cut_out(tmp_path: Path) -> None:
    wide = Image.new("RGB", (64, 32), "red")
    wide.paste("blue", (16, 0, 48, 32))
    wide.save(tmp_path / "wide.png")
    assert pictures.square(tmp_path / "wide.png", 16).getcolors() == [(256, (0, 0, 255))]
    clear = Image.new("RGBA", (8, 24), (0, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    assert pictures.square(tmp_path / "clear.png", 16).getcolors() == [(256, (255, 255, 255))]


def test_a_corrupt_picture_is_named_and_skipped(tmp_path: Path) -> None:
    write_folder(tmp_path, 5)
    whole = read(tmp_path, [])
    (tmp_path / "00b.png").write_bytes((tmp_path / "00.png").read_bytes()[:60])
    (tmp_path / "00c.png").write_bytes(b"no picture")
    told: list[str] = []
    found = read(tmp_path, told)
    assert found.skipped == ("00b.png", "00c.png")
    complaints = [text for text in told if text]
    assert len(told) == 7
    assert "00b.png" in complaints[0]
    assert "00c.png" in complaints[1]
    assert found.digest == whole.digest


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there is no such folder"):
        pictures.paths(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(DatasetError, match="holds no picture"):
        pictures.paths(tmp_path)


def test_too_few_to_hold_some_out_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path, 4)
    with pytest.raises(DatasetError, match="holds 4 pictures that can be read, and 4 are held out"):
        read(tmp_path, [], held_out=4)


def test_reading_can_be_stopped(tmp_path: Path) -> None:
    write_folder(tmp_path, 1)
    with pytest.raises(InterruptedRun):
        pictures.read(
            tmp_path, pictures.paths(tmp_path), side_px=16, held_out=1, tell=lambda text: None, stop=lambda: True
        )
