"""Image and text pairs as a pure function: folders or one flat folder, a caption file for each image."""

from __future__ import annotations

import pytest
from exports.export_material import item, material, subset

from datakit.errors import ConfigError
from datakit.exports.formats.txt_pairs import EXPORT


def test_each_subset_has_a_folder_and_each_image_a_caption_file() -> None:
    made = EXPORT.plan(
        material(
            subset("aria", item("aria/x", "1girl, solo"), item("aria/y", "", extension="webp"), class_tokens="aria"),
            subset("beth", item("beth/x", "")),
            export=EXPORT,
        )
    )
    assert sorted(made.images) == ["aria/x.png", "aria/y.webp", "beth/x.png"]
    assert made.texts == {"aria/x.txt": b"1girl, solo", "aria/y.txt": b"aria", "beth/x.txt": b""}
    assert made.items["aria/y"] == "aria/y.webp"


def test_in_one_flat_folder_no_two_names_clash() -> None:
    made = EXPORT.plan(
        material(
            subset("aria", item("aria/x", "one"), item("aria/y")),
            subset("beth", item("beth/X", "two"), item("beth/y", extension="jpg")),
            export=EXPORT,
            own={"layout": "flat"},
        )
    )
    stems = [path.rpartition(".")[0].casefold() for path in made.images]
    assert len(set(stems)) == 4
    assert {"x.png", "y.png"} <= made.images.keys()
    assert {path.rpartition(".")[0] for path in made.texts} == {path.rpartition(".")[0] for path in made.images}
    assert made.texts[made.items["beth/X"].rpartition(".")[0] + ".txt"] == b"two"


@pytest.mark.parametrize(
    ("separator", "caption"), [("\n", b"1girl\nsolo"), (" ", b"1girl solo"), (", ", b"1girl, solo")]
)
def test_what_stands_between_tags(separator: str, caption: bytes) -> None:
    given = material(subset("aria", item("aria/x")), export=EXPORT, own={"tag_separator": separator})
    assert EXPORT.plan(given).texts == {"aria/x.txt": caption}


def test_the_separator_of_fixed_tags_goes() -> None:
    given = material(subset("aria", item("aria/x", "aria ||| 1girl, solo")), export=EXPORT)
    assert EXPORT.plan(given).texts["aria/x.txt"] == b"aria, 1girl, solo"


def test_flat_tells_what_cannot_be_told_apart() -> None:
    subsets = [
        subset("aria", item("aria/x")),
        subset("beth", item("beth/x"), is_validation=True),
        subset("girl", item("girl/x"), is_reg=True),
    ]
    made = EXPORT.plan(material(*subsets, export=EXPORT, own={"layout": "flat"}))
    assert [warning.partition(": ")[2] for warning in made.warnings] == [
        "held back: beth",
        "regularization images: girl",
    ]
    assert EXPORT.plan(material(*subsets, export=EXPORT)).warnings == ()


def test_a_layout_that_there_is_not() -> None:
    with pytest.raises(ConfigError, match="layout"):
        material(subset("aria", item("aria/x")), export=EXPORT, own={"layout": "flatt"})
