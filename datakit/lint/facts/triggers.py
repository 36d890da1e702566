"""Which words call a concept: as the dataset says, else as its captions, and kohya's names of folders, let one see."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from datakit.lint.captions import Caption
from datakit.lint.collection import Collection, once
from datakit.model.item import concept_of, stem_of
from datakit.tags.emphasis import strip_emphasis
from datakit.tags.names import to_canonical, to_prompt
from datakit.tags.profiles.profile import PEOPLE

LEAST_CAPTIONS: Final = 3
LEAST_SHARE: Final = 0.6
_MODEL_WORD: Final = re.compile(
    r"score_\d(_up)?|(masterpiece|newest|oldest|late|mid|early|modern|recent|old|very_aesthetic|aesthetic|displeasing"
    r"|very_displeasing)|\w+_(quality|score)|(rating|source)[_:]\w+|(year_)?(19|20)\d\d|general|sensitive|questionable|explicit"
    r"|safe|nsfw|sfw|absurdres|highres|lowres|very_awa|worst_aesthetic"
)
_REPEATED: Final = re.compile(r"\d+_(.+)")
_COMMON: Final = frozenset((*PEOPLE, "solo", "no_humans", "solo_focus"))
_NO_WORD: Final = re.compile(r"\W+")
_ARTICLES: Final = frozenset(
    [
        "a",
        "an",
        "the",
        "this",
        "that",
        "there",
        "in",
        "on",
        "at",
        "it",
        "its",
        "his",
        "her",
        "their",
        "he",
        "she",
        "they",
        "two",
        "three",
        "four",
        "several",
        "some",
        "photo",
        "image",
        "picture",
        "illustration",
        "drawing",
        "painting",
        "portrait",
        "screenshot",
        "close-up",
        "digital",
        "anime",
    ]
)
"""Words that sentences begin with."""
_SPLIT: Final = re.compile(r"[\s_-]+")


class Trigger(NamedTuple):
    """What calls a concept."""

    words: tuple[str, ...]
    """Canonical names; each caption of the concept should have all."""
    is_first: bool
    """Whether captions begin with it: most do."""
    num_with: int
    """Captions of the concept that begin with it, or have it."""
    num_captions: int


def is_model_word(tag: str) -> bool:
    """Whether a canonical name is a word that base models were taught beside tags: `masterpiece`, `score_9`."""
    return _MODEL_WORD.fullmatch(tag) is not None


@once
def captions_by_concept(collection: Collection) -> Mapping[str, list[Caption]]:
    """Concept → its captions that belong to an image and say something."""
    found: dict[str, list[Caption]] = defaultdict(list)
    for key, paths in collection.captions_of.items():
        if key in collection.images_of:
            found[concept_of(key)] += [
                caption
                for path in paths
                if (caption := collection.read_captions.get(path)) is not None and caption.text.strip()
            ]
    return dict(found)


@once
def triggers_of(collection: Collection, *, share: float = LEAST_SHARE) -> Mapping[str, Trigger]:
    """Concept → its trigger, of concepts that have one.

    Args:
        share: of a concept's captions that begin with a word, for it to be inferred.
    """
    captions = captions_by_concept(collection)
    said = collection.context.triggers
    if said is not None:
        return {concept: _trigger(words, captions[concept]) for concept, words in said.items() if captions.get(concept)}
    found = {}
    for concept, own in captions.items():
        word = _opening(collection, own, concept, share=share) or _in_folder_name(concept, own)
        if word:
            found[concept] = _trigger((word,), own)
    everywhere = _opening(collection, [one for own in captions.values() for one in own], "", share=share)
    if everywhere:
        for concept, own in captions.items():
            if concept not in found and any(says(caption, everywhere) for caption in own):
                found[concept] = _trigger((everywhere,), own)
    return found


def says(caption: Caption, word: str) -> bool:
    """Whether a caption has a trigger word: as a tag, emphasised, as the first word of a tag, or in its prose."""
    if word in caption.tags:
        return True
    wanted = to_prompt(word)
    text = caption.text.lower()
    if wanted not in text and word not in text:
        return False
    if _in_words(wanted) in _in_words(caption.prose):
        return True
    bare = [to_canonical(strip_emphasis(piece)) for piece in caption.pieces]
    return any(tag == word or (tag.startswith(f"{word}_") and tag[len(word) + 1] != "(") for tag in bare)


def opens(caption: Caption, word: str) -> bool:
    """Whether a caption begins with a trigger word."""
    first = _first(caption)
    return first == word or first.startswith(f"{word}_")


def concept_words(concepts: Iterable[str]) -> frozenset[str]:
    """The names of folders and their single words, without repeats: a person chose them."""
    found: set[str] = set()
    for concept in concepts:
        name = stem_of(concept)
        named = _REPEATED.fullmatch(name)
        bare = to_canonical(named[1] if named else name)
        found |= {bare, *(word for word in _SPLIT.split(bare) if len(word) > 2)}
    return frozenset(found - {""})


def _trigger(words: tuple[str, ...], captions: list[Caption]) -> Trigger:
    num_first = sum(opens(caption, words[0]) for caption in captions)
    num_with = sum(words[0] in caption.tags or says(caption, words[0]) for caption in captions)
    is_first = len(captions) >= LEAST_CAPTIONS and num_first >= LEAST_SHARE * len(captions)
    return Trigger(words, is_first, num_first if is_first else num_with, len(captions))


def _in_words(text: str) -> str:
    """Its words in lower case between single blanks, one at both ends."""
    return f" {_NO_WORD.sub(' ', text.lower()).strip()} "


def _first(caption: Caption) -> str:
    """What a caption begins with: its first tag, or the first word of its prose."""
    if caption.tags:
        return caption.tags[0]
    words = caption.prose.split(None, 1)
    return to_canonical(words[0].strip(".,;:!?()\"'")) if words else ""


def _opening(collection: Collection, captions: list[Caption], concept: str, *, share: float) -> str:
    """What most captions begin with and is nowhere else, and no common tag; '' where there is none."""
    if len(captions) < LEAST_CAPTIONS:
        return ""
    (word, number), *_ = Counter(map(_first, captions)).most_common(1)
    if not word or number < share * len(captions) or word in _COMMON or is_model_word(word):
        return ""
    is_named = word in concept_words([concept])
    if not is_named and (word in _ARTICLES or collection.context.vocabulary.category(word) in ("general", "meta")):
        return ""
    num_elsewhere = sum(word in caption.tags[1:] for caption in captions)
    return word if is_named or num_elsewhere * 4 <= number else ""


def _in_folder_name(concept: str, captions: list[Caption]) -> str:
    """The first word of kohya's `10_sks girl`, where half of the captions have it; ''."""
    named = _REPEATED.fullmatch(stem_of(concept))
    word = to_canonical(_SPLIT.split(named[1].strip())[0]) if named else ""
    if not word or len(captions) < LEAST_CAPTIONS:
        return ""
    num_with = sum(says(caption, word) for caption in captions)
    return word if 2 * num_with >= len(captions) else ""
