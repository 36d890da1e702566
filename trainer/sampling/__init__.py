"""Pictures from a model: a plain sampler, and the sheet that shows them side by side."""
