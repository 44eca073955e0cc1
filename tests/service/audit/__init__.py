"""Tests of the audit store, on SQLite and PostgreSQL alike."""
