"""Models that answer on this machine: what they take, how they are run, what they give."""
