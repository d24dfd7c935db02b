"""`python -m nadir`: the command line."""

import sys

from nadir.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
