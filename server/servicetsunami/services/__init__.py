"""What we do: tenancy, limits, and the decision between here and Databricks."""
