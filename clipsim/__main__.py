"""`python -m clipsim`."""

from clipsim.cli.main import main

raise SystemExit(main())
