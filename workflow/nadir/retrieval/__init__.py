"""Retrieval: the same place seen from a drone, a satellite or the street, found in a gallery."""
