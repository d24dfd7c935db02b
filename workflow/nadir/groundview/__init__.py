"""Ground view: what an observer would see here, learnt from photos and the crops above them."""
