"""``python -m certunlearn``."""

import sys

from .cli import main

sys.exit(main())
