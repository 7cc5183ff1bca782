"""The REST surface: routers by noun over the services, the same for both of its prefixes."""
