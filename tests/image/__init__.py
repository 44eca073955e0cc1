"""The image and what is deployed with it."""
