"""The Space's entry: builds the page and serves it."""

from clipsim import service, ui

demo = ui.build()

if __name__ == "__main__":
    service.preload()
    demo.launch(**ui.LAUNCH)
