"""How well a model predicts: in its own cohort, resampled, and in others."""
