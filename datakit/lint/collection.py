"""One folder of images with captions, as a rule sees it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping
from functools import cached_property, wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import msgspec

from datakit.errors import InputError
from datakit.images.looks import MEASURED
from datakit.images.measure import ImageFacts
from datakit.lint.captions import Caption, KnownPieces, lists_images, read_caption
from datakit.lint.context import Context
from datakit.model.item import CAPTION_EXTENSION, IMAGE_EXTENSIONS, split_path
from datakit.model.stage import Look
from datakit.tags.names import to_canonical
from datakit.tags.seeing import UNRELATED, Relations

T = TypeVar("T")
P = ParamSpec("P")

CONTENT: Final = Look(name="content", key="content:1")
"""Facts: `sha256` of the file."""
FOLDER: Final = ""
"""The stage of a folder that belongs to no dataset: it is linted as what a trainer would eat."""
CAPTION_STAGES: Final = ("captioned", "cleaned", "wip", FOLDER)
"""Where every image needs a caption."""
TRAINED_STAGES: Final = ("wip", FOLDER)
"""What a trainer eats."""
ALL_STAGES: Final = ("raw", "filtered", "edited", *CAPTION_STAGES)


class Collection(msgspec.Struct, frozen=True, kw_only=True, dict=True, eq=False):
    """One folder of images with captions. All paths are relative to it, with `/`."""

    stage: str
    """Name of the stage that the folder is; FOLDER for any other folder."""
    paths: tuple[str, ...]
    """Every file, sorted."""
    read: Callable[[str], bytes]
    """path → content."""
    looked: Callable[[str, Look], Mapping[str, Any]]
    """(image path, a look that the rule declares) → what it found; of an image that cannot be decoded `unreadable`."""
    context: Context = Context()
    is_last: bool = True
    """Whether it is the last stage that has items, or was asked for by name, or is no stage."""
    scores: Callable[[str], Mapping[str, float] | None] | None = None
    """image path → the tags that taggers see in it with a high score, with that score, but for those that its caption
    lacks on purpose; None for an image of which no score is remembered. None where no tagger is in use."""
    relations: Relations = UNRELATED
    """How the tags of `scores` and of captions hang together."""

    def facts(self, image: str) -> ImageFacts:
        """What an image is; of a rule that declares MEASURED among its looks."""
        found = self._facts.get(image)
        if found is None:
            known = self.looked(image, MEASURED)
            found = msgspec.convert({name: known[name] for name in _FACTS if name in known}, ImageFacts)
            self._facts[image] = found
        return found

    @cached_property
    def _facts(self) -> dict[str, ImageFacts]:
        return {}

    @cached_property
    def held(self) -> frozenset[str]:
        """The paths, for asking whether one is there."""
        return frozenset(self.paths)

    @cached_property
    def images_of(self) -> Mapping[str, tuple[str, ...]]:
        """Key (`concept/stem`) → its image files, more than one when images share a stem."""
        return self._by_key(IMAGE_EXTENSIONS)

    @cached_property
    def captions_of(self) -> Mapping[str, tuple[str, ...]]:
        """Key → its caption files; the extension may be in any case (`a.TXT`)."""
        return self._by_key(frozenset({CAPTION_EXTENSION}))

    @cached_property
    def images(self) -> tuple[str, ...]:
        """Every image file, sorted by key."""
        return tuple(path for paths in self.images_of.values() for path in paths)

    @cached_property
    def captions(self) -> tuple[str, ...]:
        """Every caption file, sorted by key."""
        return tuple(path for paths in self.captions_of.values() for path in paths)

    @cached_property
    def read_captions(self) -> Mapping[str, Caption]:
        """Caption path → the caption, taken apart; also of captions without an image, but not of those in `unread`."""
        found, known = {}, KnownPieces()
        for key, path in ((key, path) for key, paths in self.captions_of.items() for path in paths):
            try:
                caption = read_caption(path, self.read(path), known)
            except InputError as error:
                self.unread[path] = error.message.rpartition(": ")[2]
                continue
            if key in self.images_of or not lists_images(caption.text):
                found[path] = caption
        return found

    @cached_property
    def unread(self) -> dict[str, str]:
        """Caption path → why it cannot be read; filled as captions are read."""
        return {}

    @cached_property
    def pieces_in_use(self) -> Mapping[str, tuple[str, ...]]:
        """Piece as it is written → the captions that have it, each once."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for path, caption in self.read_captions.items():
            for piece in dict.fromkeys(caption.pieces):
                found[piece].append(path)
        return {piece: tuple(paths) for piece, paths in found.items()}

    @cached_property
    def tags_in_use(self) -> Mapping[str, tuple[str, ...]]:
        """Canonical name → the captions that have it, each once."""
        spellings: defaultdict[str, list[str]] = defaultdict(list)
        for piece in self.pieces_in_use:
            spellings[to_canonical(piece)].append(piece)
        return {tag: self._paths_of(pieces) for tag, pieces in spellings.items() if tag}

    def _paths_of(self, pieces: list[str]) -> tuple[str, ...]:
        """The captions that have any of the pieces, each once, in their order."""
        if len(pieces) == 1:
            return self.pieces_in_use[pieces[0]]
        return tuple(
            sorted({path for piece in pieces for path in self.pieces_in_use[piece]}, key=self._order.__getitem__)
        )

    @cached_property
    def _order(self) -> Mapping[str, int]:
        """Caption path → its place among all."""
        return {path: place for place, path in enumerate(self.read_captions)}

    @cached_property
    def remembered(self) -> dict[Hashable, Any]:
        """What functions under `once` have worked out."""
        return {}

    def captions_with(self, judge: Callable[[str], T | None]) -> Iterator[tuple[Caption, dict[str, T]]]:
        """The captions that have a piece of which `judge` says something, with those pieces in the caption's order.

        `judge` gets each piece as it is written, once however many captions have it: ten thousand captions are some
        thousand pieces.
        """
        verdicts = {piece: said for piece in self.pieces_in_use if (said := judge(piece)) is not None}
        yield from self._having(verdicts, self.pieces_in_use, lambda caption: caption.pieces)

    def captions_with_tag(self, judge: Callable[[str], T | None]) -> Iterator[tuple[Caption, dict[str, T]]]:
        """As `captions_with`, by canonical names."""
        verdicts = {tag: said for tag in self.tags_in_use if (said := judge(tag)) is not None}
        yield from self._having(verdicts, self.tags_in_use, lambda caption: caption.tags)

    def _having(
        self,
        verdicts: Mapping[str, T],
        places: Mapping[str, tuple[str, ...]],
        words: Callable[[Caption], tuple[str, ...]],
    ) -> Iterator[tuple[Caption, dict[str, T]]]:
        concerned = {path for word in verdicts for path in places[word]}
        for path in self.captions if concerned else ():
            if path in concerned:
                caption = self.read_captions[path]
                yield caption, {word: verdicts[word] for word in words(caption) if word in verdicts}

    @cached_property
    def _keys(self) -> tuple[tuple[str, str], ...]:
        """(key, lower-case extension) of each path, in the order of `paths`."""
        return tuple((key, extension.lower()) for key, extension in map(split_path, self.paths))

    def _by_key(self, extensions: frozenset[str]) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for path, (key, extension) in zip(self.paths, self._keys, strict=True):
            if extension in extensions:
                found[key] = (*found.get(key, ()), path)
        return found


_FACTS: Final = frozenset(ImageFacts.__struct_fields__)


def once(work: Callable[Concatenate[Collection, P], T]) -> Callable[Concatenate[Collection, P], T]:
    """Let rules share what one of them has worked out of a collection; what it gives back is only read."""

    @wraps(work)
    def asked(collection: Collection, /, *args: P.args, **named: P.kwargs) -> T:
        key = (work, args, *named.items())
        if key not in collection.remembered:
            collection.remembered[key] = work(collection, *args, **named)
        found: T = collection.remembered[key]
        return found

    return asked
