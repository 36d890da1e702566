"""The parts of the page, one module each; a part that has nothing to show is left out."""
