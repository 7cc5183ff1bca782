"""Child processes that can be killed: forked from one warm template, spoken to in bounded JSON."""
