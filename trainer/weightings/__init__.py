"""How much each noise level counts in the loss; one module each, with a `WEIGHTING`."""
