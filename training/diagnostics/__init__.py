"""What is examined of a fitted model: assumptions, influence, the form of its effects."""
