"""A program that writes prose, as `captioned.command` runs it; its first word says how it behaves."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def before_any_input(how: str) -> None:
    if how == "floods":
        for number in range(5000):
            print(json.dumps({"id": -1 - number, "caption": "x" * 100}), flush=True)
    if how == "wrong":
        while True:
            print(json.dumps({"id": "nobody", "caption": "x"}), flush=True)
            time.sleep(0.01)
    if how == "wide":
        sys.exit("x" * (9 << 20))


def main(how: str, log: str) -> None:
    waiting = []
    print("loading the model ...", flush=True)
    before_any_input(how)
    for number, line in enumerate(sys.stdin):
        row = json.loads(line)
        with Path(log).open("a") as file:
            file.write(f"{row['key']} {Path(row['image']).suffix} {len(Path(row['image']).read_bytes())}\n")
        answer = {
            "id": row["id"],
            "caption": f"A picture of {', '.join(row['tags']) or 'something'}. It is {row['key']}.",
        }
        if how == "errors" and number % 2:
            answer = {"id": row["id"], "error": "out of memory"}
        if how == "halves":
            answer = {"id": row["id"], "caption": "A cat \ud83d sits.\0"}
        if how == "dies" and number == 2:
            sys.exit("CUDA error: no kernel image")
        if how == "hangs" and number == 1:
            time.sleep(60)
        if how == "odd" and not number:
            print(json.dumps({"id": "nobody", "caption": "x"}), "[1]", "{", sep="\n", flush=True)
            answer = {"id": row["id"], "caption": 7}
        waiting.append(answer)
        if how != "backwards" or len(waiting) == 4:
            for one in reversed(waiting):
                print(json.dumps(one), flush=True)
            waiting.clear()
    for one in reversed(waiting):
        print(json.dumps(one), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
