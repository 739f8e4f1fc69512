"""How a stage runs, never what it writes: errors, progress, signals, atomic outputs, parallel work, provenance."""
