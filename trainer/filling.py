"""Fills the caches before a run: latents of views that stay the same, states of texts that do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from trainer import validation
from trainer.assembling import Assembled
from trainer.data import captions
from trainer.data.captions import DrawKey
from trainer.data.items import Item
from trainer.data.pixels import fixed_views
from trainer.loop import Oven
from trainer.memory.placing import text_parts
from trainer.plan import Plan
from trainer.processes import Processes
from trainer.progress import Reporter
from trainer.signals import StopWish

_GPU_BATCH = 4

T = TypeVar("T")


def fill(plan: Plan, parts: Assembled, *, reporter: Reporter, stop: StopWish) -> bool:
    """Encodes what is missing, each process its part; whether all is there. Raises DatasetError, WriteError."""
    oven = parts.oven
    is_done = _latents(plan, parts, reporter=reporter, stop=stop)
    if is_done and not oven.trains_text and oven.texts.folder is not None:
        is_done = _texts(plan, parts, reporter=reporter, stop=stop)
    return is_done


def needed(plan: Plan, oven: Oven) -> tuple[str, ...]:
    """The networks that training asks in every step, beside the one that learns."""
    stay = plan.staying()
    texts = text_parts(oven.model) if "text" in stay or oven.trains_text else ()
    return (*texts, *(("vae",) if "vae" in stay else ()))


def _latents(plan: Plan, parts: Assembled, *, reporter: Reporter, stop: StopWish) -> bool:
    oven = parts.oven
    latents, mine = oven.latents, oven.processes
    asked = validation.chosen(parts.dataset, plan.config.validation)
    wanted = [(item, view) for item in oven.items for view in fixed_views(item)]
    wanted += validation.looks(asked.held_out + asked.trained)
    todo = _share(mine, {latents.key(*look): look for look in wanted}, has=lambda look: latents.has(*look))
    size = plan.config.dataset.encode_batch or (1 if oven.model.device.type == "cpu" else _GPU_BATCH)
    is_done = _told(
        reporter, "encoding", len(todo), lambda tell: latents.fill(todo, batch_size=size, stop=stop, tell=tell)
    )
    is_everywhere = not mine.agree(not is_done)
    latents.store.refresh()
    return is_everywhere


def _texts(plan: Plan, parts: Assembled, *, reporter: Reporter, stop: StopWish) -> bool:
    oven = parts.oven
    texts, mine = oven.texts, oven.processes
    asked = validation.chosen(parts.dataset, plan.config.validation)
    known = dict.fromkeys(_known_prompts(oven) + validation.prompts(asked.held_out + asked.trained))
    todo = _share(mine, {prompt: prompt for prompt in known}, has=texts.has)
    is_done = _told(reporter, "reading", len(todo), lambda tell: texts.fill(todo, stop=stop, tell=tell))
    is_everywhere = not mine.agree(not is_done)
    if texts.store is not None:
        texts.store.refresh()
    return is_everywhere


def _share(mine: Processes, wanted: Mapping[str, T], *, has: Callable[[T], bool]) -> list[T]:
    """What of it falls to this process. The first one tells what is missing: a faster one may have begun to fill."""
    todo = list(wanted.values())
    missing = mine.first([number for number, one in enumerate(todo) if not has(one)] if mine.is_main else [])
    return [todo[number] for number in missing[mine.rank :: mine.count]]


def _told(reporter: Reporter, name: str, num: int, work: Callable[[Callable[[int], None]], bool]) -> bool:
    if not num:
        return True
    reporter.begin(name, done=0, total=num)
    is_done = work(reporter.advance)
    reporter.end()
    return is_done


def _known_prompts(oven: Oven) -> list[str]:
    """The texts of pictures that have one only, and the empty one, which short texts are filled up with."""
    found: dict[str, None] = {"": None}
    for item in oven.items:
        if not _varies(oven, item):
            key = DrawKey(oven.rules.seed, item.digest, 0, 0, oven.rules.total_steps)
            found[captions.draw(item.captions, item.subset.captions, tags=oven.tags, key=key)] = None
    return list(found)


def _varies(oven: Oven, item: Item) -> bool:
    return captions.varies(item.captions, item.subset.captions, oven.tags)
