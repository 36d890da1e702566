"""What is gone from a folder is found by comparing bytes, as by reading every line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from datakit.actions.project import Project
from datakit.repo.past.pastitems import _unlike
from datakit.store.objects import FILE_MODE, TREE_MODE, Entry, parse_tree

LINE = st.builds(Entry, st.sampled_from((FILE_MODE, TREE_MODE)), st.binary(min_size=20, max_size=20))
TREE = st.dictionaries(st.text("abc.1 ", min_size=1, max_size=4), LINE, max_size=12)


def encoded(lines: dict[str, Entry]) -> bytes:
    return b"".join(b"%s %s\0%s" % (line.mode, name.encode(), line.oid) for name, line in sorted(lines.items()))


@given(TREE, TREE, TREE)
def test_lines_that_differ_are_all_there(
    shared: dict[str, Entry], left: dict[str, Entry], right: dict[str, Entry]
) -> None:
    old, new = shared | left, shared | right
    before, after = _unlike(encoded(old), encoded(new))
    gone = {name for name, line in old.items() if new.get(name) != line}
    assert before.items() <= old.items()
    assert after.items() <= new.items()
    assert {name for name, line in before.items() if after.get(name) != line} == gone


def test_a_tree_is_read_as_it_was_written(empty: Project) -> None:
    objects = empty.dataset.objects
    lines = {f"{number}.png": Entry(FILE_MODE, objects.blob(b"%d" % number)) for number in range(50)}
    assert parse_tree(objects.read(objects.put_tree(lines))) == lines
