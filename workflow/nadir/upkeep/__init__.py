"""What keeps a machine and a results folder in order: checks, explanations, cleaning."""
