"""Scenes from elsewhere: catalogues, which of their images to take, and files loaded in parts."""
