"""`python -m spikedistill.cli`."""

import sys

from spikedistill.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
