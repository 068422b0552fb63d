"""The Space's entry: builds the page and serves it."""

from clipsim import ui

demo = ui.build()

if __name__ == "__main__":
    ui.preload()
    demo.launch(**ui.LAUNCH)
