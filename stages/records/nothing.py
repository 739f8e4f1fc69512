"""The words by which programs and people say that there is nothing: no id, no license, no name."""

# As an id one of them would join what has nothing in common, and as a name be a species of its own.
_NOTHING = frozenset({
    "", "nan", "none", "null", "nil", "nul", "undefined", "unknown", "na", "n/a", "n.a.", "#n/a", "#na", "nat", "<na>",
    "missing", "empty", "-", "--", "---", "?", ".", "-1", "false", "true", "inf", "-inf", "infinity", "-infinity",
    "desconocido", "desconocida", "ninguno", "ninguna", "nulo", "s/d", "s/n", "sin dato", "sin datos", "[]", "{}", "()",
})  # fmt: skip


def is_null_like(text: str) -> bool:
    """Say whether a text is what programs and people write for "nothing"; the case of its letters does not count."""
    return text.casefold() in _NOTHING
