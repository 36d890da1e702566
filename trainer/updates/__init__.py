"""What a step does to the weights: optimizers, the rate's schedule, rounding, the moving average."""
