"""Queries drawn at random, and what they mean said once more, in the plainest way: shared by tests."""

from __future__ import annotations

import math
import re

from hypothesis import strategies as st

from datakit.repo.finding.facts import Facts
from datakit.tags.names import to_prompt
from datakit.tags.query.parsing import And, Between, Compare, Flag, Match, Near, Node, Not, Or, Pattern
from datakit.tags.query.words import HAS, RATINGS, WORDS, bounds, seconds_of

TAGS = (
    "1girl",
    "solo",
    "blue_hair",
    "blue_hat",
    "^_^",
    "hat_(aria)",
    "re:zero",
    "<o>_<o>",
    "a\\b",
    "|_|",
    "none",
    "-_-",
)
CONCEPTS = ("aria", "aria/day", "beth", "")
NUMBERS = ("width", "height", "score", "favorites", "num-tags", "mp", "ratio", "size")
DATES = ("2022-12-31", "2023", "2023-05", "2023-05-06")
SITES = ("danbooru", "e621")


def nodes(*, late: bool = False) -> st.SearchStrategy[Node]:
    """Trees of every word; with `late`, also the words that ask for more than the index."""
    simple = st.one_of(_matches(), _choices(late), _compared(), st.just(Flag("untagged")))
    if late:
        near = st.builds(Near, st.text("ab c~*/\"'", min_size=1), st.integers(0, 32))
        stages = st.builds(Match, st.just("in"), _lists(_exact(("raw", "wip"))))
        simple = st.one_of(simple, near, stages)
    return st.recursive(simple, _joined, max_leaves=8)


def _joined(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    many = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(st.builds(Not, inner), st.builds(And, many), st.builds(Or, many))


def _exact(texts: tuple[str, ...]) -> st.SearchStrategy[Pattern]:
    return st.sampled_from(texts).map(lambda text: Pattern("is", text))


def _patterns(texts: tuple[str, ...]) -> st.SearchStrategy[Pattern]:
    like = st.sampled_from(("*", "blue_*", "*_h*", "a*", "(*)")).map(lambda text: Pattern("like", text))
    regex = st.builds(
        Pattern, st.just("regex"), st.sampled_from(("^b", "_", "a|B", "[(]", "h.t", "\\/")), st.booleans()
    )
    return st.one_of(_exact(texts), like, regex)


def _lists(one: st.SearchStrategy[Pattern]) -> st.SearchStrategy[tuple[Pattern, ...]]:
    return st.lists(one, min_size=1, max_size=2).map(tuple)


def _matches() -> st.SearchStrategy[Node]:
    words = {
        **dict.fromkeys(("tag", "artist", "general"), TAGS),
        "concept": CONCEPTS[:3],
        "site": SITES,
        "format": ("png", "jpg"),
        "item": ("aria/x0", "x1"),
        "name": ("x0", "x1"),
        "id": ("0", "1"),
        "caption": ("blue", "Hat (", ", "),
    }
    return st.one_of(
        *(st.builds(Match, st.just(word), _lists(_patterns(tuple(texts)))) for word, texts in words.items())
    )


def _choices(late: bool) -> st.SearchStrategy[Node]:
    has = tuple(name for name in HAS if late or name != "conflict")
    return st.one_of(
        st.builds(Match, st.just("rating"), _lists(_exact(RATINGS))),
        st.builds(Match, st.just("has"), _lists(_exact(has))),
    )


def _compared() -> st.SearchStrategy[Node]:
    signs = st.sampled_from(("=", "!=", "<", "<=", ">", ">="))
    values = st.sampled_from(("0", "1", "2", "1.5", "100", "-3"))
    words = st.sampled_from([word for word in NUMBERS if word != "size"])
    dates = st.sampled_from(DATES)
    return st.one_of(
        st.builds(Compare, words, signs, values),
        st.builds(Compare, st.just("date"), signs, dates),
        st.builds(Compare, st.just("size"), signs, st.sampled_from(("100", "1kb", "1.5kib"))),
        st.builds(Between, words, values, values),
        st.builds(Between, st.just("date"), dates, st.just("")),
    )


@st.composite
def facts(draw: st.DrawFn, key: str) -> Facts:
    """What the index may hold of an item."""
    tags = draw(st.lists(st.sampled_from(TAGS), max_size=4, unique=True))
    spelled = [to_prompt(tag) if draw(st.booleans()) else tag for tag in tags]
    values = {
        "concept": (key.rpartition("/")[0],),
        "site": draw(st.sampled_from([(), *((site,) for site in SITES)])),
        "rating": draw(st.sampled_from([(), *((rating,) for rating in RATINGS)])),
        "format": draw(st.sampled_from([("png",), ("jpeg",)])),
        "has": tuple(draw(st.lists(st.sampled_from(("record", "image", "parent")), unique=True))),
        "artist": tuple(draw(st.lists(st.sampled_from(TAGS), max_size=2, unique=True))),
    }
    names = ("width", "height", "score", "favorites", "size")
    numbers = {name: float(draw(st.sampled_from((0, 1, 2, 100, 1000)))) for name in names if draw(st.booleans())}
    if draw(st.booleans()):
        numbers["date"] = seconds_of(draw(st.sampled_from(("2023-05-06T10:00:00Z", "2022-12-31T23:59:59Z"))))
    row = Facts(key, values=values, numbers=numbers, columns={"id": draw(st.sampled_from(("", "0", "1")))})
    return row.with_caption(draw(st.sampled_from([None, ", ".join(spelled)])))


def finds(node: Node, row: Facts) -> bool:
    """Whether a query finds an item: every word looked at for itself, without any index."""
    match node:
        case And(parts):
            return all(finds(part, row) for part in parts)
        case Or(parts):
            return any(finds(part, row) for part in parts)
        case Not(part):
            return not finds(part, row)
        case Flag():
            return not row.values.get("tag")
        case Match(word, patterns):
            return any(_fits(word, pattern, row) for pattern in patterns)
        case Compare() | Between():
            return _holds(node, _number(node.word, row))
    raise TypeError(node)


def _fits(word: str, pattern: Pattern, row: Facts) -> bool:
    if word == "caption":
        return _search(pattern, row.caption or "")
    if word in ("item", "name", "id"):
        text = {"item": row.key, "name": row.key.rpartition("/")[2]}.get(word, row.columns.get(word, ""))
        return _whole(pattern, text)
    found = row.values.get(word, ())
    if WORDS[word].kind == "tag" and word != "tag" and pattern == Pattern("is", "none"):
        return not found
    if word == "concept":
        parts = found[0].split("/")
        found = tuple("/".join(parts[: end + 1]) for end in range(len(parts)))
    if word == "format" and pattern == Pattern("is", "jpg"):
        pattern = Pattern("is", "jpeg")
    return any(_whole(pattern, one) for one in found)


def _whole(pattern: Pattern, text: str) -> bool:
    if pattern.kind == "regex":
        return re.search(pattern.text, text, re.IGNORECASE if pattern.ignores_case else 0) is not None
    if pattern.kind == "like":
        return re.fullmatch(re.escape(pattern.text).replace(r"\*", "(?s:.*)"), text) is not None
    return pattern.text == text


def _search(pattern: Pattern, text: str) -> bool:
    if pattern.kind == "like":
        return re.search(re.escape(pattern.text).replace(r"\*", ".*"), text, re.IGNORECASE) is not None
    return _whole(pattern, text) if pattern.kind == "regex" else pattern.text.lower() in text.lower()


def _number(word: str, row: Facts) -> float:
    width, height = row.numbers.get("width", math.nan), row.numbers.get("height", math.nan)
    if word == "mp":
        return width * height / 1e6
    if word == "ratio":
        return width / height if height else math.nan
    return row.numbers.get(word, math.nan)


def _holds(node: Compare | Between, number: float) -> bool:
    word = WORDS[node.word]
    if isinstance(node, Between):
        low = bounds(word, node.low) if node.low else None
        high = bounds(word, node.high) if node.high else None
        return (low is None or number >= low[0]) and (high is None or number <= high[1]) and not math.isnan(number)
    first, last = bounds(word, node.text) or (math.nan, math.nan)
    match node.operator:
        case "=":
            return first <= number <= last
        case "!=":
            return number < first or number > last
        case "<":
            return number < first
        case "<=":
            return number <= last
        case ">":
            return number > last
    return number >= first
