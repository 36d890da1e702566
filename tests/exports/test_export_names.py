"""A concept that is called as a file of a format gets another folder."""

from __future__ import annotations

import pytest
from export_material import item

from datakit.exports.arranging import arrange, treat
from datakit.exports.settings import Common


@pytest.mark.parametrize("concept", ["concepts.json", "MANIFEST.JSON", "dataset.toml", "README.md"])
def test_a_concept_called_as_a_file_is_no_such_folder(concept: str) -> None:
    items = [item(f"{concept}/x")]
    treatments = treat([one.key for one in items], Common(), repeats={}, weights={}, held_back=frozenset())
    (subset,) = arrange(items, treatments, Common())
    assert subset.name == concept.replace(".", "_")
    assert subset.concept == concept
