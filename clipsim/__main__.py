"""`python -m clipsim`."""

from clipsim.cli import main

raise SystemExit(main())
