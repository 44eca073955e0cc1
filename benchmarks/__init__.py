"""What this project does next to what others take for the same, on the same machine."""
