"""The sampler's laws: nothing lost, repeats honoured, order a function of seed and epoch alone."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from trainer.data.sampler import Entry, batches, num_batches, steps_of

groups = st.sampled_from([(0, 64, 64), (0, 96, 48), (1, 64, 64)])


@st.composite
def entry_lists(draw: st.DrawFn) -> list[Entry]:
    size = draw(st.integers(1, 5))
    picked = draw(st.lists(st.tuples(groups, st.integers(1, 4)), min_size=1, max_size=20))
    return [Entry(f"item{number}", group, repeats, size) for number, (group, repeats) in enumerate(picked)]


@given(entries=entry_lists(), seed=st.integers(0, 99), epoch=st.integers(0, 5))
def test_every_repeat_comes_once_and_batches_hold_one_group(entries: list[Entry], seed: int, epoch: int) -> None:
    made = batches(entries, seed=seed, epoch=epoch)
    drawn = Counter((draw.index, draw.repeat) for batch in made for draw in batch)
    assert drawn == Counter(
        (index, repeat) for index, entry in enumerate(entries) for repeat in range(entry.num_repeats)
    )
    for batch in made:
        assert len({entries[draw.index].group for draw in batch}) == 1
        assert 1 <= len(batch) <= entries[0].batch_size
    assert len(made) == num_batches(entries)


@given(entries=entry_lists(), seed=st.integers(0, 99), data=st.data())
def test_order_does_not_depend_on_listing(entries: list[Entry], seed: int, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(entries))

    def names(given_entries: list[Entry]) -> list[list[tuple[str, int]]]:
        made = batches(given_entries, seed=seed, epoch=3)
        return [[(given_entries[draw.index].item, draw.repeat) for draw in batch] for batch in made]

    assert names(entries) == names(list(shuffled))


def test_epochs_and_seeds_differ() -> None:
    entries = [Entry(f"item{number}", (0, 64, 64), 2, 2) for number in range(12)]
    orders = {str(batches(entries, seed=seed, epoch=epoch)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


@given(num=st.integers(0, 30), accumulation=st.integers(1, 7))
def test_steps_take_every_batch_in_order(num: int, accumulation: int) -> None:
    made = batches([Entry(f"i{n}", (0, 8, 8), 1, 1) for n in range(num)], seed=0, epoch=0)
    steps = steps_of(made, accumulation)
    assert [batch for step in steps for batch in step] == made
    assert len(steps) == -(-num // accumulation)
