"""The page on which people ask a model about their photos."""
