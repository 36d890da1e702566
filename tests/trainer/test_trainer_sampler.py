"""The sampler's laws: nothing lost, repeats honoured, order a function of seed and epoch alone; the turns of
regularization pictures."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.data.sampler import Entry, batches, num_batches, reg_quotas, steps_of

groups = st.sampled_from([(0, 64, 64), (0, 96, 48), (0, 48, 96), (1, 64, 64)])


@st.composite
def entry_lists(draw: st.DrawFn, *, reg: bool = True) -> list[Entry]:
    size = draw(st.integers(1, 5))
    kinds = st.booleans() if reg else st.just(False)
    picked = draw(st.lists(st.tuples(groups, st.integers(1, 4), kinds), min_size=1, max_size=20))
    return [
        Entry(f"item{number}", group, repeats, size, is_reg)
        for number, (group, repeats, is_reg) in enumerate(picked)
    ]  # fmt: skip


def drawn(entries: list[Entry], *, seed: int, epoch: int, reg: bool) -> Counter[tuple[int, int]]:
    made = batches(entries, seed=seed, epoch=epoch)
    return Counter(
        (draw.index, draw.repeat) for batch in made for draw in batch if entries[draw.index].is_reg == reg
    )  # fmt: skip


@given(entries=entry_lists(), seed=st.integers(0, 99), epoch=st.integers(0, 5))
def test_every_repeat_comes_once_and_batches_hold_one_group(entries: list[Entry], seed: int, epoch: int) -> None:
    made = batches(entries, seed=seed, epoch=epoch)
    assert drawn(entries, seed=seed, epoch=epoch, reg=False) == Counter(
        (index, repeat)
        for index, entry in enumerate(entries)
        if not entry.is_reg
        for repeat in range(entry.num_repeats)
    )
    for batch in made:
        assert len({entries[draw.index].group for draw in batch}) == 1
        assert 1 <= len(batch) <= entries[0].batch_size
    assert len(made) == num_batches(entries), "the same in every epoch"


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


@given(entries=entry_lists(), seed=st.integers(0, 9), epoch=st.integers(0, 4))
def test_as_many_reg_pictures_as_training_draws_in_each_set(entries: list[Entry], seed: int, epoch: int) -> None:
    made = drawn(entries, seed=seed, epoch=epoch, reg=True)
    assert set(made.values()) <= {1}, "each draw of a picture has a number of its own"
    for number in (0, 1):
        own = [entry for entry in entries if entry.group[0] == number]
        trained = sum(entry.num_repeats for entry in own if not entry.is_reg)
        taken = sum(1 for index, _ in made if entries[index].group[0] == number)
        assert taken == (trained if any(entry.is_reg for entry in own) else 0)


@given(entries=entry_lists())
def test_each_bucket_gives_its_share_rounded(entries: list[Entry]) -> None:
    held: Counter[tuple[int, int, int]] = Counter()
    for entry in entries:
        held[entry.group] += entry.num_repeats * entry.is_reg
    for group, num in reg_quotas(entries).items():
        whole = sum(count for other, count in held.items() if other[0] == group[0])
        trained = sum(e.num_repeats for e in entries if e.group[0] == group[0] and not e.is_reg)
        assert abs(num - Fraction(trained * held[group], whole)) < 1


@settings(deadline=None)
@given(entries=entry_lists(), seed=st.integers(0, 9), epochs=st.integers(1, 7))
def test_reg_pictures_of_a_bucket_take_turns(entries: list[Entry], seed: int, epochs: int) -> None:
    once = [replace(entry, num_repeats=1) if entry.is_reg else entry for entry in entries]
    times: Counter[int] = Counter()
    for epoch in range(epochs):
        times.update(index for index, _ in drawn(once, seed=seed, epoch=epoch, reg=True).elements())
    for group in {entry.group for entry in once}:
        counts = [times[index] for index, entry in enumerate(once) if entry.is_reg and entry.group == group]
        assert max(counts, default=0) - min(counts, default=0) <= 1


def test_repeats_of_reg_pictures_are_weights() -> None:
    train = [Entry("t", (0, 64, 64), 8, 2)]
    reg = [Entry("once", (0, 64, 64), 1, 2, True), Entry("thrice", (0, 64, 64), 3, 2, True)]
    for epoch in range(3):
        made = drawn([*train, *reg], seed=0, epoch=epoch, reg=True)
        assert Counter(index for index, _ in made) == {1: 2, 2: 6}


def test_a_surplus_of_reg_pictures_is_all_used_in_the_end() -> None:
    entries = [Entry("t", (0, 64, 64), 3, 1), *(Entry(f"r{n}", (0, 64, 64), 1, 1, True) for n in range(12))]
    seen = [{index for index, _ in drawn(entries, seed=5, epoch=epoch, reg=True)} for epoch in range(4)]
    assert set().union(*seen) == set(range(1, 13))
    assert all(len(indices) == 3 for indices in seen)
    orders = {
        tuple(sorted(index for index, _ in drawn(entries, seed=seed, epoch=0, reg=True)))
        for seed in range(8)
    }  # fmt: skip
    assert len(orders) > 4, "seeded"


def test_reg_and_training_pictures_share_batches() -> None:
    entries = [Entry(f"t{n}", (0, 64, 64), 1, 4) for n in range(20)]
    entries += [Entry(f"r{n}", (0, 64, 64), 1, 4, True) for n in range(20)]
    made = batches(entries, seed=0, epoch=0)
    assert len(made) == 10
    assert any(len({entries[draw.index].is_reg for draw in batch}) == 2 for batch in made)
