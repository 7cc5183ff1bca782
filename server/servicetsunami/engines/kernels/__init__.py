"""Runs notebook cells in Jupyter kernels, each in a sandbox of its own."""
