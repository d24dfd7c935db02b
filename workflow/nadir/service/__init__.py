"""The service: capabilities over HTTP, each with a page of its own, behind common limits."""
