"""What an export is: a pure function from subsets of items to the files that one trainer reads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Final

import msgspec

from datakit.exports.recipes.model import Recipe
from datakit.exports.settings import Common, Flags
from datakit.model.item import ImageRef
from datakit.model.record import Record, encode_json
from datakit.registry import Family

MANIFEST_NAME: Final = "manifest.json"
EXTENSIONS: Final = frozenset({"png", "jpg", "webp", "bmp"})
"""What most trainers read; see `Export.extensions`."""


class ExportItem(msgspec.Struct, frozen=True, kw_only=True):
    """One image with its caption, ready for a trainer."""

    key: str
    """`concept/stem` in the dataset."""
    name: str
    """A stem that no other image of its subset has, in any case, and that every file system holds."""
    image: ImageRef
    """Upright, opaque, one frame, 8-bit RGB; its extension, in lower case, says what it is."""
    size_px: tuple[int, int]
    """(width, height) of that image; (0, 0) where it is not known, which `Export.needs_sizes` rules out."""
    caption: str
    """One line: tags without escapes joined by `, `, then prose; '' where there is none. It may hold the separator."""
    mask: ImageRef | None = None
    """A greyscale PNG of the image's size, white where the loss counts."""
    record: Record | None = None
    """Only for formats that ask for it (`Export.needs_records`)."""

    @property
    def file(self) -> str:
        """Name of the image's file."""
        return f"{self.name}.{self.image.extension}"


class Subset(msgspec.Struct, frozen=True, kw_only=True):
    """Items that are trained alike: one folder, in most formats."""

    name: str
    """A folder's name that no other subset has, in any case."""
    concept: str
    """'' for items directly in the stage's folder."""
    items: tuple[ExportItem, ...]
    """Sorted by key; never empty."""
    repeats: int = 1
    """How often an epoch shows each image: 1 is once."""
    class_tokens: str = ""
    loss_weight: float = 1.0
    is_reg: bool = False
    is_validation: bool = False
    """Held back from training."""


class Material(msgspec.Struct, frozen=True, kw_only=True):
    """What a format is given."""

    subsets: tuple[Subset, ...]
    """Sorted by name."""
    common: Common
    settings: Any
    """The format's own, of the type `Export.settings`."""
    folder: str = ""
    """Absolute path of the export's folder; '' where nobody knows where it will be unpacked."""
    recipe: Recipe | None = None
    """What a starter config is to be written for; None for no config."""

    def place(self, name: str, *, absolute: bool = True) -> str:
        """A path as the trainer's config names it; relative to the export where its folder is not known."""
        return f"{self.folder}/{name}" if absolute and self.folder else name


Read = Callable[[ImageRef], bytes]


class Pack(msgspec.Struct, frozen=True, kw_only=True):
    """A file that holds images, such as a tar: written in one go, and never held in memory."""

    digest: str
    """Changes when its bytes would."""
    write: Callable[[BinaryIO, Read], None]
    """(a file open for writing, a reader of images) → the same bytes each time."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The files of an export, relative to its folder."""

    images: dict[str, ImageRef] = {}
    texts: dict[str, bytes] = {}
    packs: dict[str, Pack] = {}
    items: dict[str, str]
    """Item key → path of its image, or of the pack that holds it."""
    warnings: tuple[str, ...] = ()
    """What the format cannot hold, beside what `Export.can` leaves out; what a person must still do."""
    left_out: dict[str, str] = {}
    """Item key → why the format has no place for it."""


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """One dataset format."""

    name: str
    target: str = ""
    """The trainer that it is for, as lint names it: what that one stumbles over in wip is refused first. '' where
    nobody knows who reads it."""
    mends: frozenset[str] = frozenset()
    """Names of the lint rules whose findings in wip its files do not have."""
    version: int
    """Raised whenever the same material would make other files."""
    extensions: frozenset[str] = EXTENSIONS
    """Images of other kinds are written as PNG."""
    can: frozenset[str] = frozenset()
    """Which of `expressing.FEATURES` the format holds; of the others that are asked for, a warning tells."""
    is_bound: Callable[[Any], bool] = lambda settings: False
    """Whether, with these settings, the files depend on the folder that they lie in."""
    needs_records: Callable[[Any], bool] = lambda settings: False
    """Whether, with these settings, its files say what sites say of the images."""
    needs_sizes: Callable[[Any], bool] = lambda settings: False
    """Whether, with these settings, it must know the size of every image, which a clone without images does not."""
    settings: type[msgspec.Struct]
    """Section `[export.<name>]` of dsk.toml; the settings of `Common` may stand there too."""
    plan: Callable[[Material], Plan]
    """Material → its files.

    Raises:
        ConfigError: settings that the trainer would refuse."""
    configure: Callable[[Material, Recipe], dict[str, bytes]] | None = None
    """(material, recipe) → a starter config, and what must lie beside it; None for a format of no one trainer."""


EXPORTS: Family[Export] = Family("datakit.exports.formats", Export, "EXPORT", word="export format", hyphens=True)


class Ignored(msgspec.Struct, frozen=True, kw_only=True):
    """An error that lint found in wip, and that was gone past on request."""

    code: str
    name: str
    """Of the rule."""
    path: str
    """From the dataset's root."""
    message: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What was exported from what: `manifest.json` beside the trainer's files."""

    dsk: str
    """Version of dsk."""
    format: str
    commit: str
    """The dataset's commit that was exported."""
    input: str
    """Id of the stage's tree."""
    config: str
    """Digest of the export's settings and version."""
    context: str = ""
    """Digest of what else decided: records, masks."""
    settings: dict[str, Any]
    flags: Flags = Flags()
    """What was asked for on the command line."""
    items: dict[str, str]
    left_out: dict[str, str] = {}
    """Item key → why it is not in the export."""
    files: dict[str, str]
    """Path → sha256 of every file but this one."""
    packs: dict[str, str] = {}
    """Path → digest of what a pack was made of, so that an equal one is not written again."""
    tree: str = ""
    """Id of the git tree of those files: whether somebody changed them since; '' outside the dataset."""
    warnings: tuple[str, ...] = ()
    """What the format could not hold."""
    ignored: tuple[Ignored, ...] = ()
    """What `--force` went past; it says nothing about whether the export is up to date."""


def file_hashes(plan: Plan, packs: Mapping[str, ImageRef]) -> dict[str, str]:
    """Path → sha256 of every file of a plan, its packs written."""
    hashes = {path: ref.sha256 for path, ref in (plan.images | dict(packs)).items()}
    hashes.update((path, hashlib.sha256(data).hexdigest()) for path, data in plan.texts.items())
    return dict(sorted(hashes.items()))


def encode_manifest(manifest: Manifest) -> bytes:
    """Canonical JSON."""
    return encode_json(manifest)
