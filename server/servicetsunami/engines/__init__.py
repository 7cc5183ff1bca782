"""What computes here: SQL in sandboxed children, and the reading of files."""
