"""From a configuration of sd-scripts to one of ours, and a table of what became of each option."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer import bases
from trainer.errors import BaseModelError, ConfigError
from trainer.migration import fates, learning, network, rates, reading, running
from trainer.migration.desk import Desk, Row, Script
from trainer.migration.reading import Given
from trainer.registry import FAMILIES

_INPUTS = ("pretrained_model_name_or_path", "vae", "train_data_dir", "reg_data_dir", "in_json", "dataset_config")
_PATHS = (*_INPUTS, "sample_prompts")
DATASET = "dataset.toml"
"""Name of a dataset TOML that is written, where there is one."""


@dataclass(frozen=True)
class Converted:
    """A run of ours."""

    config: dict[str, dict[str, Any]]
    """Tables of a run's TOML."""
    dataset: dict[str, Any] | None
    """Tables of a dataset TOML that the run needs, and that lay in the configuration itself."""
    rows: tuple[Row, ...]


def convert(path: Path, *, dataset: Path | None = None, beside: Path | None = None) -> Converted:
    """What the file asks for, in our words. `dataset` is a dataset TOML to use in place of its own.

    `beside` is where our TOML will lie, which a dataset TOML of our own is written next to. Raises ConfigError.
    """
    given = reading.read(path)
    if not given.options:
        raise ConfigError(f"{path}: holds no option of sd-scripts", hint="give the file of its --config_file")
    return of_options(_located(given, path), dataset=dataset, beside=beside)


def of_options(given: Given, *, dataset: Path | None = None, beside: Path | None = None) -> Converted:
    """The same of options that have been read."""
    options = dict(given.options)
    if dataset is not None:
        options["dataset_config"] = str(dataset.absolute())
    script = given.script or _script(options)
    desk = Desk(options, script, _is_sdxl(given, options))
    for each in (running.apply, fates.apply, learning.apply, rates.apply, network.apply):
        each(desk)
    tables = _dataset(desk, given) if dataset is None else None
    if tables is not None:
        place = (beside.parent if beside else Path()) / _name(beside)
        desk.config.setdefault("dataset", {}).pop("train_dir", None)
        desk.config["dataset"].pop("reg_dir", None)
        desk.config["dataset"]["config"] = place.name
    for option in desk.unsaid():
        desk.note(option, "not taken", _unsaid(desk, option))
        if option not in desk:
            desk.add(option, str(options[option])[:60], "not taken", remark="cannot be understood")
    return Converted(_ordered(desk.config), tables, (*desk.rows, *given.rows))


def _name(beside: Path | None) -> str:
    return f"{beside.stem}-{DATASET}" if beside else DATASET


def _unsaid(desk: Desk, option: str) -> str:
    kinds = {"word": "words", "network": "networks", "finetune": "finetunes", "dreambooth": "finetunes"}
    return f"cannot be understood, or is not for {kinds[desk.script]}"


def _script(options: dict[str, Any]) -> Script:
    if options.get("network_module") or options.get("network_dim"):
        return "network"
    return "word" if options.get("token_string") else "finetune"


def _is_sdxl(given: Given, options: dict[str, Any]) -> bool | None:
    """Told by the script or GUI, else the base, else options that one of the two has alone."""
    if given.is_sdxl is not None:
        return given.is_sdxl
    base = options.get("pretrained_model_name_or_path")
    if isinstance(base, str) and base and Path(base).exists():
        known = {name: FAMILIES.load(name, field="model.family") for name in FAMILIES.names()}
        try:
            return bases.identify(bases.read_header(Path(base)), known)[0] == "sdxl"
        except BaseModelError:
            return None
    only = ("learning_rate_te1", "learning_rate_te2", "block_lr", "cache_text_encoder_outputs", "no_half_vae")
    return True if any(options.get(name) for name in only) else None


def _dataset(desk: Desk, given: Given) -> dict[str, Any] | None:
    if given.dataset is not None and "dataset_config" not in desk:
        desk.add("subsets", str(len(given.dataset["datasets"][0]["subsets"])), "taken", ours="dataset.config")
        return given.dataset
    if "in_json" not in desk or "train_data_dir" not in desk or "dataset_config" in desk:
        return None
    subset = {
        "image_dir": desk.get("train_data_dir"),
        "metadata_file": desk.get("in_json"),
        "num_repeats": max(1, desk.get("dataset_repeats", 1)),
    }
    return {"datasets": [{"subsets": [subset]}]}


def _located(given: Given, path: Path) -> Given:
    """With inputs that are there by their whole path: a relative one counts from here, or from the file."""
    options = dict(given.options)
    for name in _PATHS:
        value = options.get(name)
        if not isinstance(value, str) or not value:
            continue
        found = next((place / value for place in (Path.cwd(), path.absolute().parent) if _exists(place / value)), None)
        if found is not None:
            options[name] = str(found.resolve())
    return Given(options, given.script, given.is_sdxl, given.dataset, given.rows)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _ordered(config: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    from msgspec.structs import fields

    from trainer.config import Config

    return {section.name: config[section.name] for section in fields(Config) if config.get(section.name)}
