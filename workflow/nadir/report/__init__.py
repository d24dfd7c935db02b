"""Tables and pictures that gather several results."""
