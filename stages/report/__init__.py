"""Pictures for people; drawing only."""
