"""What speaks to Databricks: one client, and a list of small verbs for each noun."""
