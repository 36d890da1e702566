"""`python -m datakit.demo`: the whole way from a scrape to a LoRA, on pictures that are drawn on the spot."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from datakit.demo.run import run
from datakit.errors import DskError


@click.command()
@click.option("--dir", "folder", default="demo", show_default=True, type=click.Path(path_type=Path))
@click.option("--quick", is_flag=True, help="Bake a tenth of the steps.")
def main(folder: Path, quick: bool) -> None:
    """Make a small scrape with known faults in DIR and run the user's commands on it."""
    try:
        sys.exit(run(folder, quick=quick))
    except DskError as error:
        click.echo(f"error: {error.message}", err=True)
        if error.hint:
            click.echo(f"  {error.hint}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
