"""How images are divided into train, val and test."""
