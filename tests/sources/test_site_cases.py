"""What each site's metadata says, as data: tests/cases/sources/<site>/<case>.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from datakit.model.record import CATEGORIES, RATINGS, Scraped, encode_json
from datakit.sources.reading.moments import moment
from datakit.sources.reading.site import SITES, Facts, all_sites, read_facts, shapes_of, site_called, site_name
from datakit.tags.names import to_canonical

CASES = sorted((Path(__file__).parents[1] / "cases" / "sources").glob("*/*.json"))


def load(path: Path) -> dict[str, Any]:
    case: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return case


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def facts_of(case: dict[str, Any]) -> Facts:
    facts = read_facts(case["post"], site=case["site"])
    assert facts is not None
    return facts


@pytest.mark.parametrize("path", CASES, ids=name_of)
def test_a_post_reads_as_its_case_says(path: Path) -> None:
    case = load(path)
    facts = facts_of(case)
    assert msgspec.json.decode(encode_json(msgspec.structs.replace(facts.scraped, upstream=None))) == case["expected"]
    assert list(facts.problems) == case["problems"]
    assert facts.scraped.upstream == case["post"]


@pytest.mark.parametrize("path", CASES, ids=name_of)
def test_facts_are_in_our_words_and_can_be_stored(path: Path) -> None:
    scraped = facts_of(load(path)).scraped
    assert scraped.rating in {*RATINGS, ""}
    assert set(scraped.tags) <= set(CATEGORIES)
    every = [tag for tags in scraped.tags.values() for tag in tags]
    assert [to_canonical(tag) for tag in every] == every
    assert len(set(every)) == len(every)
    assert msgspec.json.decode(encode_json(scraped), type=Scraped) == scraped


@pytest.mark.parametrize("path", CASES, ids=name_of)
def test_one_site_at_most_knows_a_posts_shape(path: Path) -> None:
    case = load(path)
    assert [site.name for site in shapes_of(case["post"])] == ([case["shape"]] if case["shape"] else [])


def test_every_site_has_cases_and_one_with_broken_fields() -> None:
    named = {name_of(path) for path in CASES}
    for site in SITES.names():
        odd = "odd_types" if site == "generic" else "broken_fields"
        assert f"{site}/{odd}" in named


def test_a_name_means_one_site_but_for_safebooru() -> None:
    names = [(name, site.name) for site in all_sites() for name in {site.name, *site.names, *site.aliases}]
    twice = {name for name, site in names if any(name == other and site != kind for other, kind in names)}
    assert twice == {"safebooru"}
    for site in all_sites():
        assert {site_name(target) for target in site.aliases.values()} <= set(site.names)


def test_sites_have_the_names_that_programs_give_them() -> None:
    assert [site_name(name) for name in ("Yande.re", "yande", "www.konachan.com", "e926", "x.com", "nobody")] == [
        "yandere", "yandere", "konachan", "e621", "twitter", ""]  # fmt: skip
    known = site_called("rule34.xxx")
    assert known is not None
    assert known.name == "gelbooru_v02"


def test_a_site_that_nobody_knows_is_read_only_where_it_is_named() -> None:
    post = {"id": 3, "tags": "1girl solo", "rating": "s"}
    assert read_facts(post) is None
    named = read_facts(post, site="MyBooru")
    assert named is not None
    assert (named.scraped.site, named.scraped.post_id, named.scraped.rating) == ("mybooru", "3", "")


def test_an_instance_of_known_software_under_a_name_of_its_own_keeps_that_name() -> None:
    post = {"id": 3, "tag_string": "1girl", "tag_string_general": "1girl", "rating": "s"}
    facts = read_facts(post, site="mybooru")
    assert facts is not None
    assert (facts.scraped.site, facts.scraped.rating) == ("mybooru", "sensitive")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2015-04-13T20:25:01.123-05:00", "2015-04-14T01:25:01Z"),
        ("2015-04-14T01:25:01Z", "2015-04-14T01:25:01Z"),
        ("2015-04-14 01:25:01", "2015-04-14T01:25:01Z"),
        ("2015-04-14 01:25:01 UTC", "2015-04-14T01:25:01Z"),
        ("Mon Apr 13 20:25:01 -0500 2015", "2015-04-14T01:25:01Z"),
        ("2015-04-14", "2015-04-14T00:00:00Z"),
        (1428974701, "2015-04-14T01:25:01Z"),
        ("1428974701", "2015-04-14T01:25:01Z"),
        (1428974701000, "2015-04-14T01:25:01Z"),
        (-1, "1969-12-31T23:59:59Z"),
        ("0001-01-01T00:00:00+00:00", ""),
        ("9999-12-31T23:59:59-14:00", ""),
        ("Mon Apr 99 20:25:01 -0500 2015", ""),
        (1e300, ""),
        (float("nan"), ""),
        (True, ""),
        (None, ""),
        ("", ""),
        ("soon", ""),
    ],
)  # fmt: skip
def test_a_moment_however_it_is_written(written: object, meant: str) -> None:
    assert moment(written) == meant
