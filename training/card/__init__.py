"""`MODEL_CARD.md` and its machine-readable twin."""
