"""The Space's entry: builds the page and serves it."""

from contextlib import suppress

with suppress(ImportError):
    import spaces  # noqa: F401  # ZeroGPU Spaces bring it, and it must come before torch

from clipsim.web.page import build, launch

demo = build()  # by this name a Space looks for it

if __name__ == "__main__":
    launch(demo)
