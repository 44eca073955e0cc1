"""The ways to get a prediction: HTTP and the command line."""
