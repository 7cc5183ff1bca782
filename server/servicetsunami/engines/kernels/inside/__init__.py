"""What runs inside the sandbox, beside the notebook's own code: it is trusted with nothing."""
