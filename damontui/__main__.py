"""``python -m damontui``."""

import sys

from damontui.cli import main

if __name__ == "__main__":
    sys.exit(main())
