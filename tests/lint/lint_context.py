"""What a case of a lint rule says besides its files, as the context that the rule asks.

"context": {
  "targets": ["sd-scripts"],                       the trainers that are aimed at
  "training": {"batch_size": 2},                   fields of Training
  "vocabulary": {"tags": ["hat,0,900,\"cap\""],    rows of a tag list: name, category number, count, aliases
                 "aliases": ["grey_hat,hat"], "implications": ["cat_ears,animal_ears"]},
  "triggers": {"aria": ["ariadress"]},             concept → trigger words; absent: nobody said
  "blacklisted": ["absurdres"],
  "records": {"aria/x": {"sha256": …}},            fields of Record
  "tokens": true,                                  CLIP's tokenizer is there
  "state": {"stale": "filtered changed"},          fields of StageState; absent: no stage of a dataset
  "options": {"min_images": 3}                     of the rule's own [lint.rules.<name>]
}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from datakit.actions.linting.context import token_counter
from datakit.config import decode
from datakit.lint.context import Context, StageState, Training
from datakit.lint.model import Rule
from datakit.lint.targets.model import TARGETS
from datakit.model.record import Record
from datakit.tags.vocabulary.compiling import Source, compile_vocabulary
from datakit.tags.vocabulary.known import NONE, Vocabulary


def context_of(said: Mapping[str, Any], rule: Rule) -> Context:
    """The context that a case describes."""
    unknown = {*said} - {*KNOWN}
    assert not unknown, f"unknown in a context: {unknown}"
    records = {key: msgspec.convert(one, Record) for key, one in said.get("records", {}).items()}
    blacklist = frozenset(said.get("blacklisted", ()))
    triggers = said.get("triggers")
    options = {rule.options: decode(said["options"], rule.options, where=rule.name)} if "options" in said else {}
    return Context(
        targets=tuple(TARGETS.load(name.replace("-", "_")) for name in said.get("targets", ())),
        training=msgspec.convert(said.get("training", {}), Training),
        vocabulary=_vocabulary(said.get("vocabulary", {})),
        triggers=None if triggers is None else {concept: tuple(words) for concept, words in triggers.items()},
        blacklisted=blacklist.__contains__,
        record=records.get,
        tokens=token_counter() if said.get("tokens") else None,
        state=_state(said["state"]) if "state" in said else None,
        options=options,
    )


KNOWN = ("targets", "training", "vocabulary", "triggers", "blacklisted", "records", "tokens", "state", "options")


def _vocabulary(said: Mapping[str, list[str]]) -> Vocabulary:
    if not said:
        return NONE
    return compile_vocabulary(
        [
            Source(role=role, path=f"{role}.csv", is_own=True, data="\n".join(rows).encode())
            for role, rows in said.items()
        ]
    )


def _state(said: dict[str, Any]) -> StageState:
    given = dict(said)
    origins = given.pop("origins", None)
    state = msgspec.convert(given, StageState)
    return state if origins is None else msgspec.structs.replace(state, origins=lambda: frozenset(origins))
