"""What remembers here: the metadata database, and the Delta tables beside it."""
