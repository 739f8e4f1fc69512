"""A small server for the browser of one person, on this machine alone."""
