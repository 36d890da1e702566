"""Where specs lie: those of the dataset in `vocab/taggers/`, which win, and those that come with dsk."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from datakit.errors import ConfigError
from datakit.registry import nearest
from datakit.taggers.spec import Spec, parse_spec

OWN_SPECS: Final = "vocab/taggers"
_EXTENSION: Final = ".toml"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_MOST_BYTES: Final = 1 << 20


def own_spec_path(name: str) -> str:
    """Path of a dataset's own spec inside of it."""
    return f"{OWN_SPECS}/{name}{_EXTENSION}"


@lru_cache(maxsize=1)
def built_in_specs() -> tuple[str, ...]:
    """Names of the specs that come with dsk, sorted."""
    found = (entry.name for entry in files("datakit.taggers").joinpath("specs").iterdir())
    return tuple(sorted(name.removesuffix(_EXTENSION) for name in found if name.endswith(_EXTENSION)))


def own_specs(root: Path) -> list[str]:
    """Names of the specs in `vocab/taggers/`."""
    folder = root / OWN_SPECS
    found = sorted(folder.glob(f"*{_EXTENSION}")) if folder.is_dir() else []
    return [path.stem for path in found if _NAME.fullmatch(path.stem)]


def load_spec(name: str, root: Path) -> Spec:
    """The spec of a tagger's name.

    Raises:
        ConfigError: there is none (the nearest is named), or its file is wrong.
    """
    return parse_spec(spec_text(name, root), own_spec_path(name) if name in own_specs(root) else name)


def spec_text(name: str, root: Path) -> str:
    """A spec's TOML.

    Raises:
        ConfigError: there is none (the nearest is named), or it cannot be read.
    """
    if name in own_specs(root):
        return read_spec_file(root / own_spec_path(name), own_spec_path(name))
    if name not in built_in_specs():
        known = sorted({*built_in_specs(), *own_specs(root)})
        like = nearest(name, known)
        hint = f"did you mean '{like}'?" if like else "dsk taggers lists them; a path to a folder is fine too"
        raise ConfigError(f"there is no tagger '{name}'", hint=hint)
    return files("datakit.taggers").joinpath("specs", f"{name}{_EXTENSION}").read_text("utf-8")


def read_spec_file(path: Path, where: str) -> str:
    """A spec's TOML, from a file that anybody may have written; `where` names it in messages.

    Raises:
        ConfigError: unreadable, too large, or no text.
    """
    try:
        if not path.is_file():  # a link to a device never ends
            raise ConfigError(f"{where}: not a file", hint="write the spec into it")
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigError(f"{where}: too large for a tagger's spec", hint=f"dsk taggers show {path.stem}")
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{where}: {error.strerror}", hint="check the file's permissions") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where}: not UTF-8 (byte {error.start})", hint="save it as UTF-8") from error
