"""Where results come from: digests, code fingerprints, manifests, atomic writing, kept results."""
