"""`python -m datakit.demo.page DIR`: makes the page of a demonstration again."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from datakit.demo.page.writing import write_page
from datakit.demo.terminal import say
from datakit.errors import DskError


@click.command()
@click.argument("folder", metavar="DIR", default="demo", type=click.Path(path_type=Path))
def main(folder: Path) -> None:
    """Write the page of the demonstration in DIR, over the one that is there."""
    try:
        written = write_page(folder)
    except DskError as error:
        click.echo(f"error: {error.message}", err=True)
        if error.hint:
            click.echo(f"  {error.hint}", err=True)
        sys.exit(error.exit_code)
    say(f"page      {written.path} ({written.size_bytes / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
