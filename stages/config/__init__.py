"""The parameters of params.yaml: what they may be, and how a stage gets its own."""
