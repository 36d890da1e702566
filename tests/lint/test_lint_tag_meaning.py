"""What the rules about the meaning of tags rest on: tokens counted by words, renamed tags, inferred triggers."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from lint_cases import collection_of
from lint_pictures import picture

from datakit.actions.linting.context import token_counter
from datakit.actions.tokenizing import load_tokenizer
from datakit.lint.captions import read_caption
from datakit.lint.context import Context, Training
from datakit.lint.facts.renaming import renamed, spelled_like
from datakit.lint.facts.tokencounts import WordCounts, words_of
from datakit.lint.facts.triggers import triggers_of
from datakit.lint.model import Write
from datakit.lint.rules import (
    concept_imbalance,
    cut_tag,
    few_images,
    missing_trigger,
    misspelt_tag,
    repeated_caption,
)
from datakit.tags.vocabulary.compiling import Source, compile_vocabulary

PLAIN = {".txt": b"1girl", ".png": picture("rgb")}
COUNTER = token_counter()
COUNTS = WordCounts(COUNTER)
PIECES = st.sampled_from(
    ["long hair", "hat", ":)", "kaname \\(art\\)", "1girl", "s'more", "Ωmega ΟΔΟΣ", "x3", ">_<", "é"]
)
TAGS = st.lists(st.sampled_from(["hat", "long_hair", "cap", "grey_hat", "sun"]), min_size=1, max_size=6)


@settings(max_examples=120, deadline=None)
@given(st.text(max_size=60))
def test_the_tokens_of_a_text_are_those_of_its_words(text: str) -> None:
    assert COUNTS.of(text) == COUNTER.count(text)


@settings(max_examples=100, deadline=None)
@given(st.lists(PIECES, max_size=60), st.sampled_from([", ", ",", "\n", " ,  "]))
def test_so_are_those_of_captions(pieces: list[str], separator: str) -> None:
    text = separator.join(pieces)
    assert COUNTS.of(text) == COUNTER.count(text)
    assert len(COUNTS.ends(text)) == len(words_of(text))


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES.filter(lambda piece: piece[-1].isascii() and piece[-1].isalnum()), min_size=20, max_size=120))
def test_the_cut_tags_are_those_of_the_chunks(pieces: list[str]) -> None:
    text = ", ".join(pieces)
    collection = collection_of("", {"a.txt": text.encode(), "a.png": picture("rgb")}, context=Context(tokens=COUNTER))
    told = [tag for finding in cut_tag.check(collection) for tag in finding.evidence["tags"]]
    expected = []
    chunks = load_tokenizer().chunks(text)[:3]
    for before, after in pairwise(chunks):
        last, first = before.pieces[-1], after.pieces[0]
        if last.cut and first.cut and not (first.num_tokens == 1 and first.text.endswith(",")):
            expected.append(last.text.rstrip(","))
    assert told == expected


@given(TAGS)
def test_renamed_tags_come_once_and_in_their_places(tags: list[str]) -> None:
    names = {"cap": "grey_hat", "sun": "hat"}
    caption = read_caption("a.txt", ", ".join(tags).encode())
    data = next((change.data for change in renamed(caption, names) if isinstance(change, Write)), b"")
    written = read_caption("a.txt", data or caption.text.encode()).tags
    meant = [names.get(tag, tag) for tag in tags]
    assert list(dict.fromkeys(written)) == list(dict.fromkeys(meant))
    assert all(written.count(name) == 1 for name in names.values() if name in meant)


def test_a_name_is_spelled_as_the_caption_spells() -> None:
    escaped = read_caption("a.txt", b"kaname \\(art\\), long hair")
    assert spelled_like(escaped, "miku_(cosplay)") == "miku \\(cosplay\\)"
    assert spelled_like(read_caption("a.txt", b"hat,long_hair,>_<"), "cat_ears") == "cat_ears"
    assert spelled_like(read_caption("a.txt", b"hat, >_<"), "cat_ears") == "cat ears"


def test_every_caption_with_another_first_word_is_told() -> None:
    """What lora-audit's W003 rightly finds: three captions and more, six of ten alike."""
    first = ["sksgirl"] * 6 + ["1girl, sksgirl", "sksgrl", "1girl", "hat"]
    tree = {f"{number}.txt": f"{one}, sun, tag{number}".encode() for number, one in enumerate(first)}
    tree |= {f"{number}.png": picture("rgb") for number in range(len(first))}
    found = missing_trigger.check(collection_of("", tree))
    assert [finding.path for finding in found] == ["6.txt", "7.txt", "8.txt", "9.txt"]


def test_subfolders_of_one_concept_share_its_trigger() -> None:
    tree = {f"{folder}/{n}.txt": f"sksgirl, {folder}{n}".encode() for folder in ("close", "far") for n in (1, 2)}
    tree["far/3.txt"] = b"hat"
    tree |= {path.replace(".txt", ".png"): picture("rgb") for path in tree}
    collection = collection_of("", tree)
    assert [finding.path for finding in missing_trigger.check(collection)] == ["far/3.txt"]
    assert {trigger.words for trigger in triggers_of(collection).values()} == {("sksgirl",)}


def test_every_image_of_a_repeated_caption_is_named() -> None:
    tree = {f"{number}.txt": b" SKS \n girl" if number % 2 else b"sks girl" for number in range(5)}
    tree |= {f"{number}.png": picture("rgb") for number in range(5)}
    (finding,) = repeated_caption.check(collection_of("", tree))
    assert finding.evidence["captions"] == [f"{number}.txt" for number in range(5)]


def test_images_for_regularization_may_say_the_same_and_be_few() -> None:
    tree = {f"people/{number}{ending}": data for number in range(4) for ending, data in PLAIN.items()}
    tree |= {f"aria/{number}.png": PLAIN[".png"] for number in range(16)}
    known = Context(training=Training(regularization=frozenset({"people"})))
    for rule, told in ((repeated_caption, 1), (concept_imbalance, 1), (few_images, 1)):
        assert len(list(rule.check(collection_of("", tree)))) == told
        assert list(rule.check(collection_of("", tree, context=known))) == []


def test_the_nearest_name_of_most_posts_is_meant() -> None:
    rows = b"\n".join([b"1girl,0,9000,", b"red_hat,0,5000,", b"red_cat,0,7000,", b"red_mat,0,90,"])
    vocabulary = compile_vocabulary([Source(role="tags", path="tags.csv", is_own=True, data=rows)])
    tree = {"a.txt": b"1girl, red at, red bat", "a.png": picture("rgb")}
    (finding,) = misspelt_tag.check(collection_of("", tree, context=Context(vocabulary=vocabulary)))
    assert finding.evidence["names"] == {"red_at": "red_cat", "red_bat": "red_cat"}
