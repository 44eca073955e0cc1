"""The migrations, each from one revision to the next."""
