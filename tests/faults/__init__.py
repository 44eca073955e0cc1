"""Faults thrown at the real service process, and what must not be lost to them."""
