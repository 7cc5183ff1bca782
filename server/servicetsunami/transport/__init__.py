"""How a call comes in."""
