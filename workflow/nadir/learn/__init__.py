"""Training as such: loop, resume, seeds, devices, run card, model bundle. No geography."""
