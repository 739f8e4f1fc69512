"""What a frozen network sees: features of packed images, probes on them, and what these say of labels and photos."""
