"""Speed side by side: each module of rows measures nadir and what people would use instead."""
