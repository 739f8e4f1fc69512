"""Figures of what a stage has made: from tables, without a network."""
