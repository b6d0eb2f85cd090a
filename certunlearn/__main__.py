"""``python -m certunlearn``."""

import sys

from .cli.main import main

sys.exit(main())
