"""dsk verify."""

import time
from pathlib import Path
from typing import Any

import click
import msgspec

from datakit.actions.project import Counted, open_project
from datakit.actions.verifying import verify_dataset
from datakit.cli.output import Bar, amount, say, say_json, table
from datakit.repo.care.healing import Verified

_SHOWN = 50


@click.command("verify")
@click.argument("stages", nargs=-1)
@click.option("--check", is_flag=True, help="Only look; repair nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(stages: tuple[str, ...], check: bool, as_json: bool) -> None:
    """Read every byte again, of everything or of STAGES, and repair what is damaged from a good copy.

    Images of the store and of the work tree, texts, git's objects, packs and index, locks and records are compared
    with their checksums. Damaged bytes are kept in .dsk/lost. What you edited by hand is no damage, and stays. Exits
    with 1 when something is left that could not be repaired.
    """
    began = time.monotonic()
    with Bar() as bar:
        verified = verify_dataset(open_project(Path.cwd()), stages, repair=not check, progress=bar)
    if as_json:
        say_json(_as_json(verified))
    else:
        _print(verified, time.monotonic() - began)
    if verified.num_left:
        raise click.exceptions.Exit(1)


def _as_json(verified: Verified) -> dict[str, Any]:
    return {**msgspec.structs.asdict(verified), "num_left": verified.num_left}


def _print(verified: Verified, seconds: float) -> None:
    say(
        f"read {amount(verified.num_bytes)} in {seconds:.1f} s: {Counted(verified.num_images, 'image')} in the store, "
        f"{Counted(verified.num_files, 'file')}, {Counted(verified.num_git_objects, 'git object')}"
    )
    if verified.damages:
        rows = [(one.kind, one.path, one.what, _outcome(one.repaired, one.cure)) for one in verified.damages]
        table(("kind", "path", "damage", "outcome"), rows[:_SHOWN])
        if len(rows) > _SHOWN:
            say(f"… and {len(rows) - _SHOWN:,} more (--json lists them)")
    if verified.missing:
        more = f" and {len(verified.missing) - 1:,} more" if len(verified.missing) > 1 else ""
        say(f"not in this clone: the image of {verified.missing[0]}{more}; dsk pull brings them")
    if verified.num_missing_before:
        number = Counted(verified.num_missing_before, "image")
        say(f"not in this clone: {number} of earlier commits only; git lfs fetch --all brings them")
    if verified.num_hand_edits:
        say(f"{Counted(verified.num_hand_edits, 'file')} edited or removed by hand, which is no damage")
    say(_verdict(verified))


def _verdict(verified: Verified) -> str:
    if not verified.damages:
        return "no damage"
    repaired = len(verified.damages) - verified.num_left
    parts = [f"{repaired:,} repaired"] if repaired else []
    parts += [f"{verified.num_left:,} left"] if verified.num_left else []
    kept = f"; the damaged bytes are in {verified.lost}" if verified.lost else ""
    return f"{Counted(len(verified.damages), 'damage')} found: {', '.join(parts)}{kept}"


def _outcome(repaired: str, cure: str) -> str:
    return f"repaired: {repaired}" if repaired else f"left; {cure}"
