"""``python -m hostcollector``."""

import sys

from hostcollector.app.cli import main

if __name__ == "__main__":
    sys.exit(main())
