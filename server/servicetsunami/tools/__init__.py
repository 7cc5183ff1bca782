"""What a model sees: thin functions over services, whose docstrings are prompts."""
