"""The name under which cells that the server makes reach what boot.py has laid out."""

from typing import Final

DESK: Final = "__servicetsunami__"
