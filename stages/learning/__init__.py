"""Model, data, training loop, checkpoints and scores."""
