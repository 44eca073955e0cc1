"""The study that the product is built on: its figures, and its route on any cohort."""
