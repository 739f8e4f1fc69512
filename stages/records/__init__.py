"""From documents of any shape to the typed table of records."""
