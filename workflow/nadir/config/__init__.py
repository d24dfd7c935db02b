"""The configuration: pydantic models, named recipes, loading with every error shown at once."""
