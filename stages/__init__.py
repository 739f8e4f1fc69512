"""The stages of the pipeline, one file each, and the subpackages that they share."""
