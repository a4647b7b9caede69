"""`python -m robustseg` is the command line."""

import sys

from robustseg.cli import main

if __name__ == "__main__":
    sys.exit(main())
