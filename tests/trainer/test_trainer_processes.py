"""Several processes come to what one would have come to; this file is also the program that those processes run."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer import launching, processes
from trainer.errors import LostProcessError
from trainer.processes import Processes

COUNT = 2


@given(num=st.integers(1, 20), count=st.integers(1, 5), even=st.booleans())
def test_each_batch_is_taken_once_and_counts_once(num: int, count: int, even: bool) -> None:
    shares = [Processes(rank, count).share(range(num), even=even) for rank in range(count)]
    counted = [part.place for share in shares for part in share if part.counts]
    assert sorted(counted) == list(range(num))
    assert all(part.batch == part.place for share in shares for part in share)
    if even:
        assert len({len(share) for share in shares}) == 1


def test_alone_everything_is_as_it_was() -> None:
    alone = processes.start()
    assert (alone.rank, alone.count, alone.is_main) == (0, 1, True)
    assert alone.sum_numbers([1.5, 2.0]) == [1.5, 2.0]
    assert [alone.agree(True), alone.agree(False)] == [True, False]
    assert [alone.first({"a": 1}), *alone.every([1])] == [{"a": 1}, [1]]
    alone.wait()
    alone.end()


def test_what_torch_says_of_lost_processes_is_told_apart() -> None:
    with pytest.raises(LostProcessError), processes.exchanging():
        raise RuntimeError("[/build/third_party/gloo/gloo/transport/tcp/pair.cc:537] Read error: Connection reset")
    with pytest.raises(RuntimeError, match="shapes"), processes.exchanging():
        raise RuntimeError("shapes do not fit")


def test_the_launcher_sees_no_settings_of_the_person(tmp_path: Path) -> None:
    own = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "1", "HOME": "/home/ann", "OMP_NUM_THREADS": "3"}
    seen = launching.environment(own, tmp_path, count=2)
    assert {"HOME": "/home/ann", "OMP_NUM_THREADS": "3"}.items() <= seen.items()
    assert not [name for name in seen if name.startswith(("ACCELERATE_", "FSDP_"))]
    words = launching.command(["run", "a.toml"], tmp_path / "own.json")
    assert words[words.index("--config_file") + 1] == str(tmp_path / "own.json")
    assert words[-3:] == ["trainer.launching", "run", "a.toml"]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[Any]]:
    """What each of two gloo processes came to, by the name of the function that they ran."""
    folder = tmp_path_factory.mktemp("processes")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, __file__, str(folder)], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return lambda name: [json.loads((folder / f"{rank}.json").read_text())[name] for rank in range(COUNT)]


def test_numbers_flags_and_words_reach_all(told: Callable[[str], list[Any]]) -> None:
    for rank, found in enumerate(told("exchange")):
        assert found == {
            "me": [rank, COUNT, "cpu"],
            "sum": [1.0, 3.0],
            "agree": [False, True, True],
            "first": {"who": 0, "word": "x"},
            "every": [{"who": 0, "word": "x"}, {"who": 1, "word": "xx"}],
        }


def test_gradients_are_summed(told: Callable[[str], list[Any]]) -> None:
    for found in told("gradients"):
        assert found == {
            "both": [3.0, 3.0],
            "one": [2.0],
            "nobody": None,
            "half": [3.0, "torch.bfloat16"],
            "large": [3.0, 3.0],
            "last": [[3.0, 6.0], [9.0, 12.0]],
        }


def test_pieces_learn_what_the_whole_learns(told: Callable[[str], list[Any]]) -> None:
    assert told("sharded")[0]["compared"] > 10
    for found in told("sharded"):
        assert found["pieces"] > 10
        assert found["difference"] < 1e-6
        assert found["norms"] == pytest.approx(found["expected_norms"], rel=1e-5)


def test_a_sharded_run_goes_on_to_the_same_bits(told: Callable[[str], list[Any]]) -> None:
    first, other = told("resumed")
    assert first == {"same": True, "names": True, "restored": True}
    assert other == {"same": True, "names": True, "restored": True}


# What follows runs in the processes.


def exchange(own: Processes) -> dict[str, Any]:
    word = {"who": own.rank, "word": "x" * (own.rank + 1)}
    return {
        "me": [own.rank, own.count, own.device],
        "sum": own.sum_numbers([float(own.rank), own.rank + 1.0]),
        "agree": [own.agree(False), own.agree(own.rank == 1), own.agree(True)],
        "first": own.first(word),
        "every": own.every(word),
    }


def gradients(own: Processes) -> dict[str, Any]:
    """Rank 0 has ones and rank 1 twos; the large one fills a bucket alone."""
    import torch

    sizes = {"both": (2,), "one": (1,), "nobody": (3,), "half": (1,), "large": (9_000_000,), "last": (2, 2)}
    parameters = {name: torch.nn.Parameter(torch.zeros(size)) for name, size in sizes.items()}
    parameters["half"] = torch.nn.Parameter(torch.zeros(1, dtype=torch.bfloat16))
    for name, parameter in parameters.items():
        if name != "nobody" and (name != "one" or own.rank == 1):
            parameter.grad = torch.full_like(parameter, own.rank + 1.0)
    # Not in the order of its memory, as convolutions are on GPUs.
    parameters["last"].grad = torch.tensor([[1.0, 3.0], [2.0, 4.0]]).mul(own.rank + 1).T
    own.sum_gradients(parameters.values())
    found = {name: parameter.grad for name, parameter in parameters.items()}
    half, large = cast(torch.Tensor, found["half"]), cast(torch.Tensor, found["large"])
    return {
        "nobody": found["nobody"],
        "half": [half.item(), str(half.dtype)],
        "large": [large.min().item(), large.max().item()],
        **{name: cast(torch.Tensor, found[name]).tolist() for name in ("both", "one", "last")},
    }


def sharded(own: Processes) -> dict[str, Any]:
    """Three steps of three batches, in pieces by two processes and whole by one."""
    from trainer import sharding

    model, alone = _toy(), _toy()
    sharding.shard(model, own)
    hung, updater = _attached(model)
    norms = [_step(model, updater, own, number=number) for number in range(3)]
    found = sharding.whole(hung.state(), own)
    expected, plain = _attached(alone)
    expected_norms = [_step(alone, plain, Processes(), number=number) for number in range(3)]
    pairs = [(found[name], tensor) for name, tensor in expected.state().items()] if own.is_main else []
    return {
        "pieces": sum(processes.is_sharded(tensor) for tensor in hung.state().values()),
        "compared": len(pairs),
        "difference": max((float((one - other).abs().max()) for one, other in pairs), default=0.0),
        "norms": norms,
        "expected_norms": expected_norms,
    }


def resumed(own: Processes) -> dict[str, Any]:
    """Four steps are two, saved, read by all, and two more."""
    import torch

    from trainer import sharding
    from trainer.updates.updater import Saved

    model = _toy()
    sharding.shard(model, own)
    hung, updater = _attached(model)
    for number in range(2):
        _step(model, updater, own, number=number)
    weights = _as_read(own, sharding.whole(hung.state(), own))
    memory = updater.state()
    remembered = _as_read(own, sharding.whole(memory.tensors, own))
    with sharding.gathered(model, own):  # type: ignore[arg-type]
        written = dict(model.parts["unet"].state_dict())
        names = set(written) == set(_toy().parts["unet"].state_dict())
        as_saved = not own.is_main or all(torch.equal(written[name], weights[f"unet.{name}"]) for name in written)
    restored = all(processes.is_sharded(weight) for weight in model.parts["unet"].parameters())
    other = _toy()
    sharding.shard(other, own)
    again, second = _attached(other)
    again.load(sharding.spread(weights, again.state()))
    parameters = [parameter for group in again.groups() for parameter in group.parameters]
    second.load(Saved(sharding.spread_state(remembered, parameters), memory.numbers))
    for number in range(2, 4):
        _step(model, updater, own, number=number)
        _step(other, second, own, number=number)
    one, two = sharding.whole(hung.state(), own), sharding.whole(again.state(), own)
    same = all(torch.equal(one[name], two[name]) for name in one)
    return {"same": same and as_saved, "names": names, "restored": restored}


def _as_read(own: Processes, tensors: dict[str, Any]) -> dict[str, Any]:
    """What the first process has, for all of them, as a file would give it."""
    import safetensors.torch

    data = own.first(safetensors.torch.save(tensors).hex() if own.is_main else "")
    return safetensors.torch.load(bytes.fromhex(data))


def _toy() -> Any:
    from adapter_material import Block, toy

    # Under this name it is taken for a block of its own.
    Block.__name__ = "BasicTransformerBlock"
    return toy()


def _attached(model: Any) -> tuple[Any, Any]:
    from adapter_material import attach, sites

    from trainer.registry import ADAPTERS
    from trainer.run_sections import OptimizerConfig, ScheduleConfig
    from trainer.updates.updater import Rounding, make

    full = ADAPTERS.load("full", field="adapter.name")
    hung = attach(full, model, [site for site in sites(model, full) if site.path.startswith("unet")])
    parameters = [parameter for group in hung.groups() for parameter in group.parameters]
    groups = [{"params": parameters, "lr": 1e-3, "weight_decay": 0.01, "name": "unet"}]
    optimizer = OptimizerConfig(name="adamw", max_grad_norm=0.5)
    return hung, make(groups, optimizer, schedule=ScheduleConfig(), total=4, rounding=Rounding(fused=False, seed=0))


def _step(model: Any, updater: Any, own: Processes, *, number: int) -> float:
    """One of three batches, so that two processes have unequal shares; the gradient's length."""
    updater.begin(number)
    for part in own.share([f"a hat {number}{place}" for place in range(3)], even=True):
        loss = model.paint(part.batch).sub(0.5).square().mean()
        (loss * float(part.counts)).backward()
    parameters = list(model.parts["unet"].parameters())
    own.sum_gradients(parameters)
    return float(updater.update())


def _become(rank: int, folder: Path, port: int) -> int:
    """One of the processes; its exit code."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(COUNT), "MASTER_PORT": str(port)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "LOCAL_WORLD_SIZE": str(COUNT)}
    try:
        own = processes.start("cpu")
        found = {run.__name__: run(own) for run in (exchange, gradients, sharded, resumed)}
        (folder / f"{rank}.json").write_text(json.dumps(found))
        own.end()
    except BaseException:  # noqa: BLE001 - or the child would go on as its parent does
        traceback.print_exc()
        return 1
    return 0


def _main(folder: Path) -> int:
    """Forks the processes, so that torch is loaded once."""
    import torch

    torch.set_num_threads(1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(COUNT):
        child = os.fork()
        if not child:
            code = _become(rank, folder, port)
            sys.stderr.flush()
            os._exit(code)
        children.append(child)
    return max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1])))
