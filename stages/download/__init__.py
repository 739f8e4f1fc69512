"""The image cache and what fills and inspects it."""
