"""`python -m datakit` is `dsk`."""

from datakit.cli.main import main

if __name__ == "__main__":
    main()
