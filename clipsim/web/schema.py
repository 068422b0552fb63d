"""The JSON Schema of every answer, made from the records that are answered: for programs, agents and documentation."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, make_dataclass
from functools import cache, reduce
from inspect import cleandoc
from operator import or_
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from pydantic import Field, TypeAdapter
from pydantic.json_schema import DEFAULT_REF_TEMPLATE, GenerateJsonSchema

from clipsim.options import Options
from clipsim.scoring import CaptionTable, CheckList, Comparison, Result
from clipsim.web.pair_records import PairTable
from clipsim.web.records import ApiVersion, CollectionList, ErrorAnswer, Found, ModelList

ANSWERS: Mapping[str, Any] = {  # by endpoint
    "similarity": Result,
    "captions": CaptionTable,
    "check": CheckList,
    "compare": Comparison,
    "pairs": PairTable,
    "models": ModelList,
    "search": Found,
    "collections": CollectionList,
}
DIALECT = "https://json-schema.org/draft/2020-12/schema"
# What each answer has beside the fields of its record
ENVELOPE = {
    "api_version": Annotated[ApiVersion, Field(description="of the answers; fields are added without another one")],
    "request_id": Annotated[str, Field(description="the name of the request, to be quoted where something went wrong")],
}


class _Plain(GenerateJsonSchema):
    """Schemas without a title for each field, which only repeats its name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # pydantic's
        return False


def describe_answer(endpoint: str) -> dict[str, Any]:
    """Return the schema of what an endpoint answers, whole in itself."""
    return TypeAdapter(_answer_type(endpoint)).json_schema(mode="serialization", schema_generator=_Plain)


def describe_answers(ref_template: str = DEFAULT_REF_TEMPLATE) -> dict[str, dict[str, Any]]:
    """Return the schemas of all answers by name, in which each refers to others by `ref_template`.

    "SimilarityAnswer" is that of /similarity, and so on; "ErrorAnswer" is what went wrong.
    """
    kinds = [*map(_answer_type, ANSWERS), _as_sent(ErrorAnswer)]
    named = [(kind.__name__, "serialization", TypeAdapter(kind)) for kind in kinds]
    _, found = TypeAdapter.json_schemas(named, ref_template=ref_template, schema_generator=_Plain)  # type: ignore[arg-type]
    schemas: dict[str, dict[str, Any]] = found["$defs"]
    return schemas


def write_schema() -> str:
    """Return the schemas of all answers as one JSON document."""
    return json.dumps({"$schema": DIALECT, "$defs": describe_answers()}, indent=2, ensure_ascii=False) + "\n"


@cache
def _answer_type(endpoint: str) -> type:
    """Return the record of an endpoint as it is sent, with what each answer has beside."""
    kind = _as_sent(ANSWERS[endpoint])
    members = {one.name: one.type for one in fields(kind)} | ENVELOPE
    answer = make_dataclass(f"{endpoint.capitalize()}Answer", members.items())
    answer.__doc__ = kind.__doc__
    return answer


@cache
def _as_sent(kind: Any) -> Any:
    """Return a dataclass with the fields that its `to_dict` gives, none of which is ever left out.

    The options are among a record's own fields, and what it does not tell of itself is not sent.
    """
    hints, told = get_type_hints(kind), _read_attributes(kind)
    members: dict[str, Any] = {}
    for one in fields(kind):
        if one.name == "options":
            members |= get_type_hints(Options)
        elif one.repr:
            described = _replace(hints[one.name])
            members[one.name] = (
                Annotated[described, Field(description=told[one.name])] if one.name in told else described
            )
    sent = make_dataclass(kind.__name__, members.items())
    sent.__doc__ = cleandoc(kind.__doc__ or "").split("\n")[0]
    return sent


def _replace(hint: Any) -> Any:
    """Return a type with every dataclass in it as it is sent."""
    if isinstance(hint, type) and is_dataclass(hint):
        return _as_sent(hint)
    inner = tuple(map(_replace, get_args(hint))) if get_origin(hint) is not Literal else ()
    if not inner:
        return hint
    return reduce(or_, inner) if isinstance(hint, UnionType) else get_origin(hint)[inner]


def _read_attributes(kind: type) -> dict[str, str]:
    """Return what a docstring says of each attribute."""
    sections = [cleandoc(one.__doc__ or "").partition("Attributes:\n")[2] for one in reversed(kind.__mro__)]
    entries = re.findall(r"^ {4}(\w[\w, ]*): (.+(?:\n {5,}.+)*)", "\n".join(sections), re.MULTILINE)
    told = {name: " ".join(text.split()) for names, text in entries for name in names.split(", ")}
    return {name: re.sub(r"\bNone\b", "null", text) for name, text in told.items()}
