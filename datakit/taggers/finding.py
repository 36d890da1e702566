"""Where a tagger's files are on this computer.

By name: beneath `$DSK_MODELS/NAME`, among those that come with dsk, or in the Hugging Face hub's own cache, where other
programs may have put them. By path: a folder with an ONNX file and its labels, or the ONNX file; a `spec.toml` beside
them says what it is, otherwise the folder's name or the kind of label file does. Looking downloads nothing.
"""

from __future__ import annotations

import os
from pathlib import Path, PureWindowsPath
from typing import Final

import msgspec

from datakit.config import digest as digest_of
from datakit.errors import ConfigError, StateError
from datakit.taggers.filedigests import sha256_of
from datakit.taggers.spec import Spec, parse_spec
from datakit.taggers.specfiles import built_in_specs, load_spec, own_specs, read_spec_file

MODELS_VARIABLE: Final = "DSK_MODELS"
BUNDLED: Final = Path(__file__).with_name("assets")
"""Files of the taggers that come with dsk, each in a folder of its name."""
_SPEC_FILE: Final = "spec.toml"
_KINDS: Final = (
    ("selected_tags.csv", ""),
    ("tags-selected.csv", "z3d-e621-convnext"),
    ("tag_mapping.json", "cl-tagger-1.02"),
    ("top_tags.txt", "joytag"),
    ("camie-tagger-v2-metadata.json", "camie-tagger-v2"),
)
"""Label file → the tagger that writes it so, '' for the WD family, whose specs are the defaults."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A tagger that was asked for by name or path; its files need not be here."""

    name: str
    """As it was asked for."""
    spec: Spec
    model: Path | None
    """The ONNX file; None when it is not here."""
    labels: Path | None
    """The label file; None when it is not here."""
    more: tuple[Path, ...] = ()
    """The other files of the model."""
    is_path: bool = False
    """Whether it was asked for by path: then nothing is fetched."""
    digest: str = ""
    """Of all that scores depend on: the model's bytes, how images become its input, which output is read; '' when the
    files are not here. Scores are remembered by it, so a threshold is no part of it."""
    uses: str = ""
    """`digest`, the label file and the rest of the spec: when it changes, captions do. '' as for `digest`."""

    @property
    def is_here(self) -> bool:
        """Whether both files are."""
        return self.model is not None and self.labels is not None


def find_tagger(name_or_path: str, *, root: Path) -> Found:
    """A tagger by its spec's name, its repository on the hub, or a path (a relative one begins at `root`).

    Raises:
        ConfigError: nobody knows it, or its spec is wrong.
    """
    known = {*built_in_specs(), *own_specs(root)}
    if name_or_path in known:
        return find_named(name_or_path, load_spec(name_or_path, root))
    path = _path_of(name_or_path, root)
    if path is not None:
        return _by_path(name_or_path, path, root)
    for name in sorted(known) if "/" in name_or_path else ():
        spec = load_spec(name, root)
        if spec.repository.lower() == name_or_path.lower():
            return find_named(name, spec)
    if _looks_like_path(name_or_path):
        hint = "a folder with model.onnx and its labels, an .onnx file, or a name from dsk taggers"
        raise ConfigError(f"no tagger at {name_or_path}: there is no such file", hint=hint)
    load_spec(name_or_path, root)  # which says that there is none, and what is near
    raise ConfigError(f"there is no tagger '{name_or_path}'")


def find_named(name: str, spec: Spec, *, hashed: bool = True) -> Found:
    """A tagger whose spec is known; not `hashed`, without its digests, for a list of many."""
    model = _file_of(name, spec, spec.files.model)
    more = [_file_of(name, spec, one) for one in spec.files.more]
    labels = _file_of(name, spec, spec.files.labels, repository=spec.files.labels_repository)
    if None in more:
        model = None
    return _found(name, spec, (model, labels), [one for one in more if one is not None], hashed=hashed)


def require(found: Found) -> Found:
    """A tagger whose files are here, as it was given.

    Raises:
        StateError: they are not; the hint has the commands that bring them.
    """
    if found.is_here:
        return found
    lacking = [name for name, path in ((found.spec.files.model, found.model), (found.spec.files.labels, found.labels))]
    missing = " and ".join(
        name for name, path in zip(lacking, (found.model, found.labels), strict=True) if path is None
    )
    raise StateError(f"tagger {found.name}: {missing} is not on this computer", hint=how_to_get(found))


def how_to_get(found: Found) -> str:
    """The commands that bring a tagger's files here, on this computer or on one that reaches the hub."""
    spec, files = found.spec, found.spec.files
    if found.is_path or not spec.repository:
        names = ", ".join((files.model, *files.more, files.labels))
        return f"put {names} into its folder, or name the folder that has them"
    folder = f"{os.environ.get(MODELS_VARIABLE) or 'models'}/{found.name}"
    revision = "" if spec.revision == "main" else f" --revision {spec.revision}"
    wanted = {spec.repository: [files.model, *files.more]}
    wanted.setdefault(files.labels_repository or spec.repository, []).append(files.labels)
    commands = [
        f"hf download {place}{revision if place == spec.repository else ''} {' '.join(names)} --local-dir {folder}"
        for place, names in wanted.items()
    ]
    by_hand = " && ".join(commands)
    return (
        f"dsk taggers fetch {found.name}; without a network: {by_hand} on another computer, then set "
        f"{MODELS_VARIABLE} to the folder models, or name {folder} in the place of the tagger"
    )


def models_folder() -> Path | None:
    """The folder of `$DSK_MODELS`; None when it is not set."""
    text = os.environ.get(MODELS_VARIABLE, "")
    return Path(text).expanduser() if text else None


def hub_cache() -> Path:
    """Where `huggingface_hub` keeps its files, by its own variables."""
    for variable, below in (("HF_HUB_CACHE", ""), ("HUGGINGFACE_HUB_CACHE", ""), ("HF_HOME", "hub")):
        if os.environ.get(variable):
            return Path(os.environ[variable]).expanduser() / below
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "huggingface" / "hub"


def _file_of(name: str, spec: Spec, path: str, *, repository: str = "") -> Path | None:
    folder = models_folder()
    if folder is not None:
        for place in (folder / name / path, folder / name / Path(path).name):
            if place.is_file():
                return place
    bundled = BUNDLED / name / path
    if not spec.repository and bundled.is_file():
        return bundled
    return _in_hub_cache(repository or spec.repository, spec.revision if not repository else "main", path)


def _in_hub_cache(repository: str, revision: str, path: str) -> Path | None:
    """As `huggingface_hub.try_to_load_from_cache`, whose import takes longer than all of `dsk status`."""
    if not repository:
        return None
    folder = hub_cache() / f"models--{repository.replace('/', '--')}"
    try:
        commit = (folder / "refs" / revision).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        commit = revision
    if not commit or "/" in commit or commit.startswith("."):
        return None
    place = folder / "snapshots" / commit / path
    return place if place.is_file() else None


def _looks_like_path(text: str) -> bool:
    return text.endswith(".onnx") or "/" in text or "\\" in text or text.startswith((".", "~"))


def _path_of(text: str, root: Path) -> Path | None:
    """The path that somebody wrote; None where nothing is there."""
    try:
        path = root / Path(text).expanduser()
        return path if path.exists() else None
    except RuntimeError:  # the home of nobody
        return None
    except OSError as error:
        raise ConfigError(f"no tagger at {text}: {error.strerror}", hint="dsk taggers lists the names") from error


def _by_path(name: str, path: Path, root: Path) -> Found:
    folder = path if path.is_dir() else path.parent
    models = [path] if path.is_file() else _models_in(folder)
    if len(models) != 1:
        what = "no ONNX file" if not models else f"{len(models)} ONNX files"
        raise ConfigError(f"{name}: {what} in it", hint="name the file itself, or write files.model into its spec.toml")
    spec = _spec_beside(models[0], folder, root)
    more = [folder / one for one in spec.files.more]
    labels = next((one for one in _label_places(models[0], folder, spec) if one.is_file()), None)
    complete = all(one.is_file() for one in more)
    found = _found(name, spec, (models[0] if complete else None, labels), more if complete else [])
    return msgspec.structs.replace(found, is_path=True)


def _models_in(folder: Path) -> list[Path]:
    own = folder / _SPEC_FILE
    if own.is_file():
        declared = folder / parse_spec(read_spec_file(own, str(own)), str(own)).files.model
        return [declared] if declared.is_file() else []
    usual = [folder / name for name in ("model.onnx", "model_optimized.onnx")]
    return [one for one in usual if one.is_file()][:1] or sorted(folder.glob("*.onnx"))


def _spec_beside(model: Path, folder: Path, root: Path) -> Spec:
    """What a file beside the model says, or a spec of its name, or one that fits the label file."""
    for own in (model.with_suffix(".toml"), folder / _SPEC_FILE):
        if own.is_file():
            return parse_spec(read_spec_file(own, str(own)), str(own))
    for name in (model.stem, folder.name):
        if name in own_specs(root) or name in built_in_specs():
            return load_spec(name, root)
    for labels, name in _KINDS:
        if any((folder / f"{prefix}{labels}").is_file() for prefix in ("", f"{model.stem}_")):
            files = {"model": model.name, "labels": labels}
            spec = load_spec(name, root) if name else Spec()
            return msgspec.structs.replace(spec, files=msgspec.structs.replace(spec.files, **files))
    known = ", ".join(labels for labels, _ in _KINDS)
    hint = f"known label files: {known}; for any other write a {_SPEC_FILE} beside the model"
    raise ConfigError(f"{model}: no labels beside it, and no {_SPEC_FILE}", hint=hint)


def _label_places(model: Path, folder: Path, spec: Spec) -> list[Path]:
    base = PureWindowsPath(spec.files.labels).name
    return [folder / spec.files.labels, folder / base, folder / f"{model.stem}_{base}"]


def _found(
    name: str, spec: Spec, files: tuple[Path | None, Path | None], more: list[Path], *, hashed: bool = True
) -> Found:
    model, labels = files
    scores = uses = ""
    if hashed and model is not None and labels is not None:
        contents = [sha256_of(one) for one in (model, *more)]
        scores = digest_of((contents, spec.input, spec.output))
        uses = digest_of((scores, sha256_of(labels), spec.labels, spec.thresholds, spec.inclusive, spec.rating))
    return Found(name=name, spec=spec, model=model, labels=labels, more=tuple(more), digest=scores, uses=uses)
