"""What must still reach Databricks: the outbox, carried there item by item."""
