"""What several processes share: the lock, the memo, and files written for good."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from datakit.errors import LockedError, WriteError
from datakit.store.durable import replace_file, sync_filesystem
from datakit.store.lock import exclusive
from datakit.store.memo import Memo

HOLD = """
import sys, time, pathlib
from datakit.store.lock import exclusive
with exclusive(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""
REMEMBER = """
import sys, pathlib
from datakit.store.memo import Memo
memo = Memo(pathlib.Path(sys.argv[1]))
for i in range(60):
    memo.put([(f"{sys.argv[2]}:{i}", b"v" * 50), ("both", sys.argv[2].encode())])
"""


def hold(lock: Path, seconds: float) -> subprocess.Popen[str]:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(lock), str(seconds)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def end(holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.communicate()


def test_the_second_process_waits_then_names_the_holder(tmp_path: Path) -> None:
    lock = tmp_path / "set/.dsk/lock"
    holder = hold(lock, 60)
    try:
        start = time.monotonic()
        with pytest.raises(LockedError, match=rf"process {holder.pid}\b") as caught, exclusive(lock, wait_s=0.3):
            pass
        assert time.monotonic() - start >= 0.3
        assert caught.value.exit_code == 5
    finally:
        end(holder)


def test_it_goes_on_as_soon_as_the_first_is_done(tmp_path: Path) -> None:
    holder = hold(tmp_path / "lock", 0.4)
    with exclusive(tmp_path / "lock", wait_s=20):
        assert holder.wait(10) == 0
        assert (tmp_path / "lock").read_text() == str(os.getpid())
    end(holder)


def test_the_lock_of_a_killed_holder_is_free_at_once(tmp_path: Path) -> None:
    holder = hold(tmp_path / "lock", 60)
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    with exclusive(tmp_path / "lock", wait_s=0):
        pass


def test_the_lock_is_let_go_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), exclusive(tmp_path / "lock"):
        raise ZeroDivisionError
    with exclusive(tmp_path / "lock", wait_s=0):
        pass


def test_a_lock_that_cannot_be_made_is_an_error_of_writing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteError, match=re.escape(str(tmp_path / "file"))), exclusive(tmp_path / "file/lock"):
        pass


def test_the_memo_remembers(tmp_path: Path) -> None:
    memo = Memo(tmp_path / "deep/cache.sqlite")
    assert memo.get(["a"]) == {}
    assert not (tmp_path / "deep").exists(), "looking makes nothing"
    memo.put((str(i), bytes([i % 256])) for i in range(1200))
    memo.put([("7", b"new"), ("odd\0key", b"")])
    assert Memo(tmp_path / "deep/cache.sqlite").get(map(str, range(2000))) == {
        str(i): b"new" if i == 7 else bytes([i % 256]) for i in range(1200)
    }
    assert memo.get(["odd\0key"]) == {"odd\0key": b""}


def damage(path: Path, at: int, count: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xa5" * count)


@pytest.mark.parametrize(("at", "count"), [(0, 64), (4096, 40_000), (100, 8000)])
@pytest.mark.parametrize("first", ["get", "put"])
def test_a_damaged_memo_is_begun_anew(tmp_path: Path, at: int, count: int, first: str) -> None:
    path = tmp_path / "cache.sqlite"
    memo = Memo(path)
    memo.put((f"key{i}", b"v" * 100) for i in range(1000))
    damage(path, at, count)
    if first == "get":
        assert all(value == b"v" * 100 for value in memo.get([f"key{i}" for i in range(1000)]).values())
    memo.put([("fresh", b"1")])
    assert memo.get(["fresh"]) == {"fresh": b"1"}


def test_a_memo_that_is_another_programs_file_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    path.write_bytes(b"not a database at all\n" * 100)
    Memo(path).put([("a", b"1")])
    assert Memo(path).get(["a"]) == {"a": b"1"}


def test_a_memo_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    memo = Memo(tmp_path / "file/cache.sqlite")
    memo.put([("a", b"1")])
    assert memo.get(["a"]) == {}


def test_two_processes_write_one_memo(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    writers = [subprocess.Popen([sys.executable, "-c", REMEMBER, str(path), name]) for name in ("x", "y")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    found = Memo(path).get([f"{name}:{i}" for name in ("x", "y") for i in range(60)])
    assert len(found) == 120


def test_a_small_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    replace_file(path, b"one")
    with path.open("rb") as reader:
        replace_file(path, b"two")
        assert reader.read() == b"one"
    assert path.read_bytes() == b"two"
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        replace_file(tmp_path / "folder", b"x")
    assert sorted(os.listdir(tmp_path)) == ["folder", "journal.json"]


def test_syncing_reaches_the_file_system_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    sync_filesystem(tmp_path)
    with pytest.raises(OSError, match="gone"):
        sync_filesystem(tmp_path / "gone")
