"""The JSON Schema of what is answered: made from the records, and the committed one is that."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from support import ROOT, ByMean, paint

import clipsim
from clipsim.encoders import MODELS
from clipsim.options import Options
from clipsim.scoring import CaptionTable, Comparison, Record, Result, score_captions
from clipsim.web.pair_records import PairTable, describe_pairs
from clipsim.web.records import CollectionList, CollectionRow, ErrorAnswer
from clipsim.web.schema import ANSWERS, describe_answer, describe_answers, write_schema

COMMITTED = ROOT / "docs" / "api-schema.json"
ENVELOPE = {"api_version": "1", "request_id": "abc"}


def result() -> Result:
    return clipsim.score_images([paint(40, 40)], "a cat", ByMean(), words=True, heatmap=True, thumbnails=True)


def table() -> CaptionTable:
    return score_captions([paint(40, 40)], ["a cat", "a dog"], ByMean())


def comparison() -> Comparison:
    return Comparison((result(), result()), ("image",), None)


def pairs() -> PairTable:
    encoder = ByMean()
    scores = list(clipsim.score_pairs([(paint(40, 40), "a cat"), (paint(40, 40, 1), "a dog"), (b"", "x")], encoder))
    return describe_pairs(scores, encoder, Options(), 0.1)


RECORDS = {"similarity": result, "captions": table, "compare": comparison, "pairs": pairs}


def test_the_committed_schema_is_what_the_records_give() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == write_schema(), "run python -m tools.schema"


@pytest.mark.parametrize("endpoint", RECORDS)
def test_a_record_is_sent_as_its_schema_says(endpoint: str) -> None:
    record: Record = RECORDS[endpoint]()
    plain, schema = record.to_dict() | ENVELOPE, describe_answer(endpoint)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(plain, schema)
    assert list(schema["properties"]) == list(plain) == schema["required"]


def test_an_answer_that_lacks_a_field_or_has_another_type_is_told_from_its_schema() -> None:
    plain, schema = result().to_dict() | ENVELOPE, describe_answer("similarity")
    for wrong in ({**plain, "seconds": "long"}, {**plain, "framing": "round"}, {**plain, "api_version": "2"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({name: one for name, one in plain.items() if name != "scores"}, schema)


def test_every_endpoint_has_a_schema_and_every_field_of_a_list_says_what_it_is() -> None:
    schemas = describe_answers("#/components/schemas/{model}")
    assert {f"{endpoint.capitalize()}Answer" for endpoint in ANSWERS} < set(schemas)
    assert schemas["SearchAnswer"]["properties"]["scores"]["items"] == {"$ref": "#/components/schemas/FoundPicture"}
    rows: dict[str, Any] = schemas["ModelRow"]["properties"]
    assert list(rows) == [*(field.name for field in fields(MODELS[0])), "loaded"]
    assert all(row["description"] for row in rows.values())


def test_an_error_is_sent_as_its_schema_says() -> None:
    schema = describe_answers()["ErrorAnswer"]
    jsonschema.validate(ErrorAnswer("It is empty.", "no_caption", "abc").to_dict(), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"error": "It is empty.", "code": "nonsense", **ENVELOPE}, schema)


def test_lists_are_plain_data() -> None:
    assert CollectionList((CollectionRow("a", 3, "stand-in"),)).to_dict() == {
        "collections": [{"name": "a", "pictures": 3, "model": "stand-in"}]
    }
    assert Path(COMMITTED).stat().st_size < 100_000
