"""Tags that no vocabulary knows, without those that people or models have a reason for."""

from __future__ import annotations

from datakit.lint.collection import Collection, once
from datakit.lint.facts.piecewise import is_tag, own_words
from datakit.lint.facts.sidecars import folders_with_images
from datakit.lint.facts.triggers import concept_words, is_model_word
from datakit.tags.emphasis import has_emphasis
from datakit.tags.names import to_canonical


@once
def unknown_tags(collection: Collection) -> dict[str, str]:
    """Canonical name of each unknown tag in use → as it is written; nothing where no vocabulary is in use.

    Left out are trigger words, names of folders, words of models, pieces of five words and more, and emphasis.
    """
    vocabulary = collection.context.vocabulary
    if not len(vocabulary):
        return {}
    own = own_words(collection) | concept_words(folders_with_images(collection))
    found: dict[str, str] = {}
    for piece in collection.pieces_in_use:
        tag = to_canonical(piece)
        if not tag or tag in vocabulary or tag in own or vocabulary.canonical(tag) != tag or is_model_word(tag):
            continue
        if is_tag(piece, vocabulary) and not has_emphasis(piece) and any(map(str.isalpha, tag)):
            found.setdefault(tag, piece)
    return found
