"""Embeds texts, and finds documents by vectors and by words."""
