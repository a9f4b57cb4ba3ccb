"""Run the command line: `python -m mlpcore`."""

import sys

from mlpcore.cli.main import main

sys.exit(main())
