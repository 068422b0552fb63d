"""Write docs/api-schema.json, the JSON Schema of every answer of the API: `python -m tools.schema`."""

from pathlib import Path

from clipsim.web.schema import write_schema

PATH = Path(__file__).parents[1] / "docs" / "api-schema.json"

if __name__ == "__main__":
    PATH.write_text(write_schema(), encoding="utf-8")
