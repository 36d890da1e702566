"""Rules `near-duplicate` and `variant`: who stays, who goes, and who is only told."""

from __future__ import annotations

from typing import Any

import msgspec
from PIL import Image

from datakit.images.hashes import Hashes, hashes_of, to_facts
from datakit.model.item import ImageRef
from datakit.model.record import Record
from datakit.model.stage import Subject
from stages.filters import near_duplicate, variant

FLAT, CLEAR = 2, 40


def subject(key: str, bits: int, *, detail: int = CLEAR, **facts: Any) -> Subject:
    """An image whose hashes have that many bits of their own, and whose mirrored ones are far away."""
    size = facts.pop("size_px", (100, 100))
    tags = {"general": facts.pop("tags", ("hat",))}
    own = (1 << bits) - 1
    mirrored = 0xAAAAAAAAAAAAAAAA
    hashes = Hashes(phash=own, dhash=own, phash_mirrored=mirrored, dhash_mirrored=mirrored, detail=detail)
    record = Record(sha256="0" * 64, size_bytes=1, original=key, imported_at="2024-01-01T00:00:00Z", tags=tags, **facts)
    return Subject(
        key=key,
        image=ImageRef("0" * 64, 1, "png"),
        record=record,
        facts={"hashed": to_facts(hashes), "measured": {"oriented_size_px": list(size), "format": "png"}},
    )


def dropped(*subjects: Subject, **settings: Any) -> dict[str, str]:
    found = near_duplicate.compare(subjects, near_duplicate.Settings(action="drop", **settings))
    return {key: verdict.evidence["keeper"] for key, verdict in found.items()}


def test_the_larger_one_stays_and_the_evidence_names_it() -> None:
    pair = subject("a", 0), subject("b", 3, size_px=(200, 200))
    found = near_duplicate.compare(pair, near_duplicate.Settings())
    assert found["a"].evidence == {"keeper": "b", "distance": 3, "dhash_distance": 3, "mirrored": False}
    assert found["a"].reason == "looks like b: 3 of 64 bits differ"


def test_what_is_kept_is_a_setting() -> None:
    pair = subject("a", 0, score=1, size_px=(200, 200)), subject("b", 1, score=9)
    assert dropped(*pair) == {"b": "a"}
    assert dropped(*pair, keep=("score",)) == {"a": "b"}
    assert dropped(*pair, keep=()) == {"b": "a"}


def test_distance_is_a_setting_and_far_images_stay() -> None:
    pair = subject("a", 0), subject("b", 6)
    assert dropped(*pair) == {"b": "a"}
    assert dropped(*pair, distance=5) == {}
    assert dropped(subject("a", 0), subject("b", 20)) == {}


def test_no_chains() -> None:
    assert dropped(subject("a", 0), subject("b", 8), subject("c", 16)) == {"b": "a"}


def test_flat_images_are_not_compared() -> None:
    assert dropped(subject("a", 0, detail=FLAT), subject("b", 0, detail=FLAT)) == {}


def test_variants_stay_and_are_told() -> None:
    other_tags = subject("a", 0), subject("b", 2, tags=("coat",))
    family = subject("a", 0, site="s", post_id="1"), subject("b", 6, site="s", post_id="2", parent_id="1")
    pages = subject("a", 0, site="s", post_id="1", page=0), subject("b", 0, site="s", post_id="1", page=1)
    for pair, why in ((other_tags, "tags"), (family, "posts"), (pages, "posts")):
        assert dropped(*pair) == {}
        found = variant.compare(pair, variant.Settings(action="flag"))
        assert found["b"].evidence["variant"] == why
        assert found["b"].evidence["keeper"] == "a"
    assert dropped(*other_tags, same_tags=0.0) == {"b": "a"}
    assert dropped(subject("a", 0), subject("b", 6, tags=("coat",))) == {"b": "a"}


def test_a_duplicate_of_a_variant_goes_with_the_variant() -> None:
    variants = subject("a", 0), subject("b", 2, tags=("coat",)), subject("c", 3, tags=("coat",))
    assert dropped(*variants) == {"c": "b"}


def test_no_two_pictures_of_a_set_go_for_a_copy_of_one_of_them() -> None:
    """The copy comes from a site that knows nothing of the set, or has no tags."""
    copy = subject("a", 0, size_px=(200, 200), site="t", post_id="9")
    family = subject("b", 1, site="s", post_id="1"), subject("c", 5, site="s", post_id="2", parent_id="1")
    assert dropped(copy, *family) == {"b": "a"}
    assert variant.compare((copy, *family), variant.Settings(action="flag"))["c"].evidence["variant"] == "posts"
    untagged = subject("a", 0, size_px=(200, 200), tags=())
    tagged = subject("b", 1), subject("c", 2, tags=("coat",)), subject("d", 3)
    assert dropped(untagged, *tagged) == {"b": "a", "d": "a"}


def test_what_only_hashes_take_for_the_same_stays() -> None:
    """Two flags of three stripes: light, middle, dark and light, dark, middle."""
    stripes = [Image.new("L", (300, 200), 255) for _ in range(2)]
    for image, (middle, low) in zip(stripes, ((150, 0), (0, 150)), strict=True):
        image.paste(middle, (0, 67, 300, 134))
        image.paste(low, (0, 134, 300, 200))
    one, other = (hashes_of(image) for image in stripes)
    pair = [with_hashes(key, hashes) for key, hashes in (("a", one), ("b", other))]
    assert dropped(*pair) == {}
    assert dropped(pair[0], with_hashes("c", one)) == {"c": "a"}
    assert (one.dhash ^ other.dhash).bit_count() <= 4, "the dHash sees stripes as nothing"


def with_hashes(key: str, hashes: Hashes) -> Subject:
    made = subject(key, 0)
    return msgspec.structs.replace(made, facts={**made.facts, "hashed": to_facts(hashes)})
