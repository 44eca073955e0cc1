"""Clients that others generate from `openapi.yaml`, each made by `make client` and run."""
