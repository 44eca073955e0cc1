"""From a cohort file to a fitted, reported artifact."""
