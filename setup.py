"""What pyproject.toml cannot say: the page's examples lie beside the package here, and in it where it is installed."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["clipsim", "clipsim.*"]), "clipsim.examples"],
    package_dir={"clipsim.examples": "examples"},
)
