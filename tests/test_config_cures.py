"""A wrong value in dsk.toml: the error says what to write."""

from typing import Any

import pytest

from datakit.config import decode
from datakit.errors import ConfigError
from stages import cleaned, filtered


@pytest.mark.parametrize(
    ("stage", "table", "cure"),
    [
        (cleaned, {"implications": "dropp"}, "did you mean 'drop'?"),
        (cleaned, {"implications": "never"}, "there are: keep, drop, add"),
        (cleaned, {"blacklist_categories": ["general", "metas"]}, "did you mean 'meta'?"),
        (cleaned, {"blacklist": "tagme"}, 'a list: blacklist = ["tagme"]'),
        (cleaned, {"prune": {"aria": ["hat"], "beth": "wings"}}, 'a list: beth = ["wings"]'),
        (cleaned, {"max_tags": "3"}, "a number stands without quotation marks"),
        (cleaned, {"aliases": "yes"}, "true or false, without quotation marks"),
        (filtered, {"too-small": {"action": "dorp"}}, "did you mean 'drop'?"),
        (filtered, {"blurry": {"min_sharpness": "0.3"}}, "a number stands without quotation marks"),
        (cleaned, {"max_tags": -1}, ""),
        (cleaned, {"triggers": ["aria"]}, ""),
    ],
    ids=str,
)
def test_the_hint_of_a_wrong_value_says_what_to_write(stage: Any, table: dict[str, Any], cure: str) -> None:
    with pytest.raises(ConfigError) as caught:
        decode(table, stage.STAGE.settings, where="dsk.toml [stage]")
    assert caught.value.hint == cure
