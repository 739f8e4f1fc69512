"""The polite download: whom it asks, when, and what it lets in."""
