"""Many patients at once: over HTTP as a stream, and from files on disk."""
