"""The tables between the stages: how they are read and written, and the columns of each, by what writes it."""
