"""The TOML that trains a VAE: strict, documented, and read without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from autoencoder_material import NETWORK, write_folder, write_vae_config

from trainer.autoencoder.config import VaeConfig, check_sides, load, settings
from trainer.errors import ConfigError

PAGE = Path(__file__).parents[2] / "docs" / "autoencoder.md"
WRONG = {
    "[nets]\n": r"unknown section \[nets\]",
    "network = 3\n": "network must be a section",
    '[data]\nfolder = "p"\nsise = 3\n': "unknown key 'sise' in",
    '[data]\nfolder = "p"\nresolution = "64"\n': "data.resolution: expected `?int",
    '[data]\nfolder = "p"\n[optimizer]\nlearning_rate = inf\n': "optimizer.learning_rate is inf",
    "": "data.folder is not set",
    '[data]\nfolder = "p"\n[train]\ncrop = 128\n': "train.crop 128 is larger",
    '[data]\nfolder = "p"\n[network]\nbase = "b"\nlatent_channels = 4\n': "network.base and network.latent_channels",
    '[data]\nfolder = "p"\n[network]\nblock_out_channels = [24, 30]\n': "no multiple of network.norm_num_groups",
    '[data]\nfolder = "p"\n[network]\nblock_out_channels = []\n': "is empty",
    '[data]\nfolder = "p"\n[network]\ntrained = "decoder"\n': "without network.base",
    '[data]\nfolder = "p"\n[output]\nscaling = "kept"\n': "without network.base",
    '[data]\nfolder = "p"\n[output]\ndir = "./p/"\n': "output.dir is data.folder",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_told(text: str, tmp_path: Path) -> None:
    path = tmp_path / "vae.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=WRONG[text]) as told:
        load(path)
    assert str(path) in told.value.message
    assert told.value.hint


def test_sides_are_whole_latents(tmp_path: Path) -> None:
    path = write_vae_config(tmp_path)
    check_sides(load(path), 2)
    with pytest.raises(ConfigError, match=r"data\.resolution 18 is no multiple of 4"):
        check_sides(load(path, sets=("data.resolution=18",)), 4)
    with pytest.raises(ConfigError, match=r"train\.crop 6 is no multiple of 4"):
        check_sides(load(path, sets=("train.crop=6",)), 4)


def test_paths_are_of_the_file_and_sets_win(tmp_path: Path) -> None:
    config = load(write_vae_config(tmp_path), sets=("train.steps=3", "output.dir=2026"))
    assert config.data.folder == str(tmp_path / "pictures")
    assert (config.train.steps, config.output.dir) == (3, str(tmp_path / "2026"))


def test_a_run_may_go_on_elsewhere_and_with_other_threads(tmp_path: Path) -> None:
    path = write_vae_config(tmp_path)
    known = settings(load(path))
    assert known == settings(load(path, sets=("train.threads=2", "output.dir=x", "train.save_every_minutes=1")))
    assert known != settings(load(path, sets=("loss.kl=1e-4",)))
    assert known["network.block_out_channels"] == [8, 8]
    assert NETWORK in path.read_text()


def test_the_page_names_every_field_with_its_default() -> None:
    page = PAGE.read_text("utf-8")
    for section in msgspec.structs.fields(VaeConfig):
        assert f"[{section.name}]" in page
        for field in msgspec.structs.fields(section.type):
            default = msgspec.json.encode(field.default).decode()
            if isinstance(field.default, tuple):
                default = str(list(field.default))
            elif isinstance(field.default, float):
                default = f"{field.default:g}".replace("e-0", "e-")
            assert f"| `{field.name}` | `{default}` |" in page, field.name


@pytest.mark.parametrize("arguments", [["vae", "--help"], ["blank", "--help"], ["vae", "CONFIG"]])
def test_no_torch_for_help_and_mistakes(arguments: list[str], tmp_path: Path) -> None:
    path = tmp_path / "vae.toml"
    path.write_text("[data]\n")
    words = [str(path) if word == "CONFIG" else word for word in arguments]
    code = f"import sys\nsys.argv[1:] = {words!r}\nfrom trainer.cli import main\ntry:\n    main()\nfinally:\n"
    code += "    print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == (0 if "--help" in arguments else ConfigError.exit_code)
    assert "torch" not in done.stderr.split()


@pytest.mark.slow
def test_the_command_says_what_it_does(tmp_path: Path) -> None:
    write_folder(tmp_path / "pictures")
    (tmp_path / "pictures" / "bad.png").write_bytes(b"")
    path = write_vae_config(tmp_path, train="save_every_minutes = 0.0")
    words = ["vae", str(path), "--set", "train.steps=2"]
    done = subprocess.run(
        [sys.executable, "-m", "trainer", *words], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    for line in ("skipped: ", "bad.png", "training 2/2, loss ", "saved ", "trained 2 steps in "):
        assert line in done.stdout
