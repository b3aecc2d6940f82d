"""How well numbers of epochs are predicted: docs/epochs.md."""
