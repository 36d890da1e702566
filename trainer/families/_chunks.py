"""Prompts of any length in rows of 77 ids, which is what CLIP reads at once: 75 tokens between two marks.

Two ways. `tags`: as viewers do, each row a prompt of its own, cut between tags, states laid end to end (77 a
row). `sd-scripts`: as that trainer does, cut every 75 tokens wherever that is, filled up to a fixed length,
and of the states only the first mark and the last are kept (75 a row, and 2).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch

from trainer.contracts.model import TextRule
from trainer.families._clip_text import BEGIN, END, Word, commas, pieces, wide_comma

CHUNK = 75
"""Tokens of a row, without its marks."""
_SD_SCRIPTS_LONGEST = 225
_BREAK = re.compile(r"\s*\bBREAK\b\s*")

Piece = tuple[int, ...]


def rows(prompt: str, rule: TextRule, *, pad: int, words: Sequence[Word] = ()) -> list[list[int]]:
    """Rows of 77 ids, at least one; `pad` is the id that fills a row up behind its end mark."""
    if rule.split == "sd-scripts":
        return _blind(pieces(prompt, words), rule.max_tokens or _SD_SCRIPTS_LONGEST, pad=pad)
    found = _by_tags(prompt, words)
    # A limit is one of rows, so that no prompt takes more room than it says.
    kept = found[: rule.max_tokens // CHUNK] if rule.max_tokens else found
    return [[BEGIN, *row, END, *[pad] * (CHUNK - len(row))] for row in kept]


def join(states: torch.Tensor, rule: TextRule) -> torch.Tensor:
    """States [R, 77, D] of a prompt's rows as one text [S, D]."""
    if rule.split == "sd-scripts":
        return torch.cat([states[0, :1], states[:, 1:-1].flatten(0, 1), states[-1, -1:]])
    return states.flatten(0, 1)


def _by_tags(prompt: str, words: Sequence[Word]) -> list[list[int]]:
    """Ids of each row. The word BREAK, in capitals, ends a row and is not read itself.

    AUTOMATIC1111/stable-diffusion-webui:modules/sd_hijack_clip.py: a BREAK ends the row even when it is empty, and
    nothing behind the last one adds no row.
    """
    parts = _BREAK.split(prompt)
    if len(parts) > 1 and not parts[-1]:
        parts.pop()
    return [row for part in parts for row in _rows_of_tags(pieces(part, words))]


def _rows_of_tags(found: Sequence[Piece]) -> list[list[int]]:
    """A tag is not torn apart, unless it is longer than a row; a word of several ids never is."""
    result: list[list[int]] = [[]]
    for tag in _tags(found):
        if result[-1] and len(result[-1]) + sum(map(len, tag)) > CHUNK:
            result.append([])
        for piece in tag:
            if len(result[-1]) + len(piece) > CHUNK:
                result.append([])
            result[-1].extend(piece)
    return result


def _tags(found: Sequence[Piece]) -> list[list[Piece]]:
    """The pieces cut behind each comma."""
    tags: list[list[Piece]] = [[]]
    for piece in found:
        tags[-1].append(piece)
        if _ends(tags[-1]):
            tags.append([])
    return [tag for tag in tags if tag]


def _ends(tag: Sequence[Piece]) -> bool:
    wide = wide_comma()
    last = [number for piece in tag[-len(wide) :] for number in piece]
    return last[-1] in commas() or tuple(last[-len(wide) :]) == wide


def _blind(found: Sequence[Piece], limit: int, *, pad: int) -> list[list[int]]:
    """kohya-ss/sd-scripts:library/strategy_base.py, TokenizeStrategy._get_input_ids.

    There a word of several ids is cut like any other; here it goes on to the next row, and the row ends before it.
    """
    ids: list[int] = []
    for piece in found:
        room = CHUNK - len(ids) % CHUNK
        if len(piece) > room:
            ids += [END, *[pad] * (room - 1)]
        if len(ids) + len(piece) > limit:
            break
        ids += piece
    whole = [BEGIN, *ids[:limit], END, *[pad] * (limit - len(ids))]
    if limit == CHUNK:
        return [whole]
    return [_slice(whole, start, pad=pad) for start in range(1, limit, CHUNK)]


def _slice(whole: Sequence[int], start: int, *, pad: int) -> list[int]:
    row = [whole[0], *whole[start : start + CHUNK], whole[-1]]
    if pad != END:
        # A full row gets its end mark, and an empty one has it right at the start. Token 0 is also the mark `!`,
        # which sd-scripts takes for padding here; so do we.
        if row[-2] not in {END, pad}:
            row[-1] = END
        if row[1] == pad:
            row[1] = END
    return row
