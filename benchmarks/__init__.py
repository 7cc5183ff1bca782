"""How fast and how heavy the server is, measured as a client meets it: over stdio."""
