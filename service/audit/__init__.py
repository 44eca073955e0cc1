"""The audit store: every prediction, durable before its answer leaves, and proof that it stayed."""
