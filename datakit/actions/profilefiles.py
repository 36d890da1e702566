"""Where prompt profiles lie: those of the dataset in `vocab/profiles/`, which win, and those that come with dsk."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Final

from datakit.errors import ConfigError
from datakit.registry import nearest
from datakit.repo.dataset import Dataset
from datakit.store.objects import find

OWN_PROFILES: Final = "vocab/profiles"
_EXTENSION: Final = ".toml"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_MOST_BYTES: Final = 1 << 20


def own_path(name: str) -> str:
    """Path of a dataset's own profile inside of it.

    Raises:
        ConfigError: no name for a file.
    """
    if not _NAME.fullmatch(name) or name.endswith("."):
        hint = "letters, digits, '-', '_', '+' and '.', beginning with a letter or digit"
        raise ConfigError(f"'{name}' is no name for a profile", hint=hint)
    return f"{OWN_PROFILES}/{name}{_EXTENSION}"


def built_in_profiles() -> list[str]:
    """Names of the profiles that come with dsk."""
    found = (entry.name for entry in files("datakit.tags").joinpath("profiles").iterdir())
    return sorted(name.removesuffix(_EXTENSION) for name in found if name.endswith(_EXTENSION))


def own_profiles(root: Path) -> list[str]:
    """Names of the profiles in `vocab/profiles/`."""
    folder = root / OWN_PROFILES
    found = sorted(folder.glob(f"*{_EXTENSION}")) if folder.is_dir() else []
    return [path.stem for path in found if _NAME.fullmatch(path.stem)]


def profile_text(root: Path, name: str) -> str:
    """A profile's TOML, as it stands in the work tree.

    Raises:
        ConfigError: there is none (the nearest is named), or it cannot be read.
    """
    path = root / own_path(name)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigError(f"{own_path(name)}: too large for a profile", hint="dsk profile copy begins a new one")
        return _text(path.read_bytes(), name)
    except FileNotFoundError:
        return built_in_text(name, own_profiles(root))
    except OSError as error:
        raise ConfigError(f"{own_path(name)}: {error.strerror}", hint="check the file's permissions") from error


def profile_text_in(dataset: Dataset, tree: bytes | None, name: str) -> str:
    """A profile's TOML, as it stands in a tree of the dataset.

    Raises:
        ConfigError: there is none, or it is no text.
    """
    entry = find(dataset.objects, tree, own_path(name)) if tree else None
    return _text(dataset.objects.read(entry.oid), name) if entry else built_in_text(name, [])


def built_in_text(name: str, others: list[str]) -> str:
    """TOML of a profile that comes with dsk; `others` are names that exist beside, for the message.

    Raises:
        ConfigError: there is none.
    """
    known = sorted({*built_in_profiles(), *others})
    if name not in built_in_profiles():
        like = nearest(name, known)
        hint = f"did you mean '{like}'?" if like else f"there are: {', '.join(known)}"
        raise ConfigError(f"there is no prompt profile '{name}'", hint=hint)
    return files("datakit.tags").joinpath("profiles", f"{name}{_EXTENSION}").read_text("utf-8")


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{own_path(name)}: not UTF-8 (byte {error.start})", hint="save it as UTF-8") from error
