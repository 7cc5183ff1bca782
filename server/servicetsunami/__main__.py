"""`python -m servicetsunami` is the same as the command `servicetsunami`."""

from servicetsunami.cli import main

if __name__ == "__main__":
    main()
