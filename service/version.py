"""The version of the service, as `pyproject.toml` states it."""

SERVICE_VERSION = "0.1.0"
