"""docs/api.md: every snippet runs as it stands against a running server, and what the page states holds."""

import asyncio
import base64
import functools
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent, Tool
from support import EXAMPLES, ROOT, Server, call

import clipsim
from clipsim import ClipsimError
from clipsim.embedding import Rejected
from clipsim.encoders import MODELS, Encoder
from clipsim.errors import CODES
from clipsim.judges import JUDGES
from clipsim.options import FRAMINGS
from clipsim.scoring import Result
from clipsim.settings import Limits
from clipsim.web.schema import ANSWERS, describe_answer

LIMITS = Limits()
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:7860"  # in the snippets; they are run with the server's own
CAPTION = "a golden retriever standing in the snow"
CAT, RETRIEVER = ROOT / "examples" / "cat-in-rucksack.jpg", ROOT / "examples" / "hiking-golden-retriever.jpg"
REFERENCE = ROOT / "examples" / "golden-retriever-in-snow.jpg"
META = {"_type": "gradio.FileData"}

Ranking = list[tuple[int, float, str]]  # rank, cosine, name


@dataclass(frozen=True)
class Snippet:
    section: str
    language: str
    code: str


def snippets() -> list[Snippet]:
    """Every fenced block, with the heading above it."""
    found = []
    section = ""
    for heading, language, code in re.findall(r"^##+ ([^\n]+)$|^```(\S*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        section = heading or section
        if not heading:
            found.append(Snippet(section, language, code))
    return found


def tables() -> list[list[list[str]]]:
    """The page's tables: rows of cells, the head first."""
    blocks = re.findall(r"(?:^\|.*\|\n)+", PAGE, re.MULTILINE)
    rows = [[[cell.strip() for cell in line.split("|")[1:-1]] for line in block.splitlines()] for block in blocks]
    return [[head, *body] for head, _, *body in rows]


def table(head: str) -> dict[str, list[str]]:
    """The table whose first column has that head: each row's first cell, without its code marks, and the others."""
    (rows,) = [rows[1:] for rows in tables() if rows[0][0] == head]
    return {first.strip("`"): rest for first, *rest in rows}


ASIDE = (
    "Models",
    "Several captions",
    "Long captions",
    "Two models",
    "Pairs",
)  # sections whose snippets print no ranking
RUN = [snippet for snippet in snippets() if snippet.language in ("python", "javascript", "bash")]
SHOWN = [snippet for snippet in snippets() if snippet.language == "text"]
SETTINGS = [snippet for snippet in snippets() if snippet.language == "json"]


@pytest.fixture(scope="session")
def server(search_server: Server) -> Server:
    """One with a collection, which some snippets search."""
    return search_server


@pytest.fixture
def run(server: Server, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str, str], str]:
    """Run a snippet against the server, as a user in the root of the clone does, and give what it prints."""

    def run(language: str, code: str) -> str:
        if language == "javascript":
            folder: Path = request.getfixturevalue("npm_folder")
            path, command = folder / "snippet.mjs", ["node"]
        else:
            path = tmp_path / "snippet"
            command = {"python": [sys.executable], "bash": ["bash", "-euo", "pipefail"]}[language]
        path.write_text(code.replace(ADDRESS, server.url), encoding="utf-8")
        done = subprocess.run([*command, str(path)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=90)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="module")
def client(server: Server) -> Client:
    return Client(server.url, verbose=False)


def ranking(result: Result) -> Ranking:
    return [(score.rank, score.cosine, score.name) for score in result.scores]


def expected(section: str, stand_in: Encoder) -> Ranking:
    """What Python gives for the question that the section's snippets ask."""
    if section == "With a reference image":
        return ranking(clipsim.score_images([CAT, RETRIEVER], None, stand_in, reference=REFERENCE))
    if section == "Search":
        return ranking(clipsim.score_images(EXAMPLES, CAPTION, stand_in))[:3]
    pictures = [(CAT, "picture"), (RETRIEVER, "picture (2)")] if section == "MCP" else [CAT, RETRIEVER]
    return ranking(clipsim.score_images(pictures, CAPTION, stand_in))


def printed(output: str) -> Ranking:
    """A ranking from a snippet's output: lines of rank, cosine and name, a `Result` in JSON, or curl's event."""
    if output.startswith(("{", "event: ")):
        result = json.loads(output) if output.startswith("{") else completed(output)
        return [(score["rank"], score["cosine"], score["name"]) for score in result["scores"]]
    lines = [line.split(maxsplit=2) for line in output.splitlines()]
    return [(int(rank), float(cosine), name) for rank, cosine, name in lines]


def completed(events: str) -> Any:
    """The first output in what `/call/.../EVENT_ID` answers."""
    kind, data = events.strip().splitlines()[-2:]
    assert kind == "event: complete", events
    return json.loads(data.removeprefix("data: "))[0]


def assert_same(found: Ranking, wanted: Ranking, tolerance: float) -> None:
    assert [(rank, name) for rank, _, name in found] == [(rank, name) for rank, _, name in wanted]
    assert [cosine for _, cosine, _ in found] == pytest.approx([cosine for _, cosine, _ in wanted], abs=tolerance)


def test_no_snippet_is_in_a_language_that_is_not_run() -> None:
    assert len(RUN) + len(SHOWN) + len(SETTINGS) == len(snippets()) == PAGE.count("```") // 2
    for section in ("Several captions", "Two models", "Pairs", "Search", "Models", "Score"):
        assert [snippet.language for snippet in RUN if snippet.section == section] == ["python", "javascript", "bash"]
    assert {"Python", "JavaScript", "curl"} <= {snippet.section for snippet in RUN}


@pytest.mark.parametrize(
    "snippet",
    [snippet for snippet in RUN if snippet.section not in ASIDE],
    ids=lambda snippet: f"{snippet.section}-{snippet.language}",
)
def test_a_snippet_gives_the_numbers_that_python_gives(
    snippet: Snippet, run: Callable[[str, str], str], stand_in: Encoder
) -> None:
    wanted = expected(snippet.section, stand_in)
    assert_same(printed(run(snippet.language, snippet.code)), wanted, 1e-6)
    assert wanted[0][2] == {"MCP": "picture (2)", "Search": REFERENCE.name}.get(snippet.section, RETRIEVER.name)


@pytest.mark.parametrize(
    "snippet", [snippet for snippet in RUN if snippet.section == "Models"], ids=lambda snippet: snippet.language
)
def test_a_snippet_lists_every_model(snippet: Snippet, run: Callable[[str, str], str]) -> None:
    output = run(snippet.language, snippet.code)
    if snippet.language == "bash":
        answer = completed(output)
        assert [model["name"] for model in answer["models"]] == [model.name for model in MODELS]
        assert answer["auto"] == "stand-in"
    else:
        *lines, last = output.splitlines()
        assert [line.split()[0] for line in lines] == [model.name for model in MODELS]
        assert {line.split()[1].lower() for line in lines} <= {"true", "false"}
        assert last == "auto is stand-in"


@pytest.mark.parametrize(
    "snippet", [snippet for snippet in RUN if snippet.section == "Pairs"], ids=lambda snippet: snippet.language
)
def test_a_snippet_for_pairs_has_a_verdict_for_each(snippet: Snippet, run: Callable[[str, str], str]) -> None:
    output = run(snippet.language, snippet.code)
    if snippet.language == "bash":
        scores = completed(output)["scores"]
        output = "\n".join(f"{one['name']}: {one['caption']}: {one['verdict']}" for one in scores)
    first, second = output.splitlines()
    assert first == "cat-in-rucksack.jpg: a cat in a rucksack: match"
    assert second.startswith("hiking-golden-retriever.jpg: a street at night: no")


@pytest.mark.parametrize(
    "snippet",
    [snippet for snippet in RUN if snippet.section == "Several captions"],
    ids=lambda snippet: snippet.language,
)
def test_a_snippet_for_several_captions_has_an_answer_for_each(
    snippet: Snippet, run: Callable[[str, str], str]
) -> None:
    output = run(snippet.language, snippet.code)
    if snippet.language == "bash":
        table = completed(output)
        rows = zip(table["captions"], table["answers"], table["best_pictures"], strict=True)
        output = "\n".join(f"{caption}: {answer}, best {picture}" for caption, answer, picture in rows)
    assert output.splitlines() == [
        "a cat in a rucksack: match, best cat-in-rucksack.jpg",
        "a golden retriever on a hike: not sure, best hiking-golden-retriever.jpg",
        "a red tractor: nothing here matches, best hiking-golden-retriever.jpg",
    ]


@pytest.mark.parametrize(
    "snippet", [snippet for snippet in RUN if snippet.section == "Long captions"], ids=lambda snippet: snippet.language
)
def test_a_snippet_for_a_long_caption_has_a_verdict_on_each_statement(
    snippet: Snippet, run: Callable[[str, str], str]
) -> None:
    output = run(snippet.language, snippet.code)
    if snippet.language == "bash":
        checked = completed(output)
        found = [one["verdict"] for one in checked["pictures"][0]["statements"]]
        output = "\n".join(f"{text}: {one}," for text, one in zip(checked["statements"], found, strict=True))
    assert [line.split(",")[0] for line in output.splitlines()] == [
        "A cat sits in a rucksack: match",
        "A red tractor drives past: no match",
        "There are no dogs: match",
    ]


@pytest.mark.parametrize(
    "snippet", [snippet for snippet in RUN if snippet.section == "Two models"], ids=lambda snippet: snippet.language
)
def test_a_snippet_for_two_models_says_that_one_cannot_be_had_here(
    snippet: Snippet, run: Callable[[str, str], str]
) -> None:
    output = run(snippet.language, snippet.code)
    if snippet.language == "bash":
        assert error_of(output)["title"] == "model_unavailable" and "could not be had" in error_of(output)["error"]
    else:
        assert output.startswith("model_unavailable ") and "could not be had" in output


@pytest.mark.parametrize("snippet", SHOWN, ids=lambda snippet: snippet.section)
def test_the_output_that_is_shown_is_what_comes_out(snippet: Snippet, stand_in: Encoder) -> None:
    assert_same(printed(snippet.code), expected(snippet.section, stand_in), 1e-3)  # another torch, another last digit


def test_the_endpoints_are_those_that_the_server_lists(client: Client) -> None:
    listed = client.view_api(return_format="dict", print_info=False)
    documented = table("endpoint")
    assert listed["unnamed_endpoints"] == {}
    assert set(documented) == set(listed["named_endpoints"])
    for name, (parameters, _) in documented.items():
        taken = [parameter["parameter_name"] for parameter in listed["named_endpoints"][name]["parameters"]]
        assert re.findall(r"`(\w+)`", parameters) == taken


@pytest.mark.parametrize(("endpoint", "head"), [("/similarity", "parameter"), ("/search", "parameter of a search")])
def test_the_parameters_have_the_defaults_that_are_documented(client: Client, endpoint: str, head: str) -> None:
    listed = client.view_api(return_format="dict", print_info=False)["named_endpoints"][endpoint]["parameters"]
    defaults = {
        parameter["parameter_name"]: json.dumps(parameter["parameter_default"])
        if parameter["parameter_has_default"]
        else "needed"
        for parameter in listed
    }
    assert {name: default.strip("`") for name, (_, default, _) in table(head).items()} == defaults


def test_the_outputs_of_score_are_those_that_are_documented(client: Client) -> None:
    listed = client.view_api(return_format="dict", print_info=False)["named_endpoints"]["/score"]["returns"]
    assert [label for label, _ in table("place").values()] == [output["label"] for output in listed]


def test_the_fields_are_those_of_the_program(stand_in: Encoder) -> None:
    result = clipsim.score_images([CAT], CAPTION, stand_in).to_dict()
    assert list(table("field of `Result`")) == list(result)
    assert list(table("field of `Score`")) == list(result["scores"][0])


def test_every_field_has_the_type_and_range_that_is_documented(client: Client, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(CAT.read_bytes()[:5000])
    files = [handle_file(path) for path in (CAT, RETRIEVER, broken)]
    questions: list[dict[str, Any]] = [
        {"pictures": files, "caption": f" {CAPTION} "},
        {"pictures": files[:1], "caption": CAPTION, "words": True, "heatmap": True, "thumbnails": True},
        {"pictures": files[:2], "reference": handle_file(REFERENCE)},
    ]
    for question in questions:
        result = client.predict(**question, api_name="/similarity")
        assert_typed(result, table("field of `Result`"))
        for score in result["scores"]:
            assert_typed(score, table("field of `Score`"))
            assert -1 <= score["cosine"] <= 1 and score["rank"] >= 1
        assert all(list(refused) == [field.name for field in fields(Rejected)] for refused in result["rejected"])
        assert result["scores"] and result["seconds"] > 0
        assert (result["caption"] is None) != (result["reference"] is None)
        assert len(result["rejected"]) == len(question["pictures"]) - len(result["scores"])
        share = [score["share"] for score in result["scores"]]
        assert share == [None] if len(share) == 1 else sum(share) == pytest.approx(1)


def assert_typed(values: dict[str, Any], documented: dict[str, list[str]]) -> None:
    types = {"string": str, "integer": int, "number": float, "boolean": bool}
    types |= {"null": type(None), "list": list, "object": dict}
    for name, (words, _) in documented.items():
        assert isinstance(values[name], tuple(types[word.split()[0]] for word in words.split(" or "))), name


def test_what_lies_behind_a_score_is_sent_where_it_is_asked_for(client: Client) -> None:
    pictures = [handle_file(CAT), handle_file(RETRIEVER)]
    plain = client.predict(pictures=pictures, caption=CAPTION, api_name="/similarity")
    choices = {"framing": "pad", "contrast": "auto", "prompt": "photo"}
    more = client.predict(
        pictures=pictures, caption=CAPTION, words=True, heatmap=True, thumbnails=True, **choices, api_name="/similarity"
    )
    assert {name: more[name] for name in choices} == choices
    assert plain["words"] is None and more["words"] == CAPTION.split()
    for score in more["scores"]:
        assert len(score["words"]) == len(more["words"])
        assert score["thumbnail"].startswith("data:image/jpeg;base64,")
        assert score["seen"] == 1 and all(0 <= heat <= 1 for row in score["heatmap"]["values"] for heat in row)
    assert plain["scores"][0]["heatmap"] is plain["scores"][0]["thumbnail"] is None


def test_two_models_that_are_one_are_refused_with_a_sentence(server: Server) -> None:
    pictures = [{"path": inline(CAT)}]
    assert "two different ones" in refusal(call(server, "compare", [pictures, "a cat", "stand-in", "auto"]))
    assert "not known" in refusal(call(server, "compare", [pictures, "a cat", "stand-in", "/etc"]))


def test_captions_by_pictures_are_those_of_python(client: Client, stand_in: Encoder) -> None:
    captions = [CAPTION, "a cat"]
    table = client.predict(pictures=[handle_file(CAT), handle_file(RETRIEVER)], captions=captions, api_name="/captions")
    wanted = clipsim.score_captions([CAT, RETRIEVER], captions, stand_in).to_dict()
    assert table["cosines"] == [pytest.approx(row, abs=1e-6) for row in wanted["cosines"]]
    assert (table["best_captions"], table["answers"]) == (wanted["best_captions"], wanted["answers"])


def test_the_fields_of_a_model_are_documented(client: Client) -> None:
    answer = client.predict(api_name="/models")
    assert set(answer) == {"models", "auto", "judges", "api_version", "request_id"}
    section = PAGE.split("\n## Models\n")[1].split("```")[0]
    names = [*(field.name for field in fields(MODELS[0])), "loaded"]
    assert [list(model) for model in answer["models"]] == [names] * len(MODELS)
    of_judges = [field.name for field in fields(JUDGES[0])]
    assert [list(judge) for judge in answer["judges"]] == [of_judges] * len(JUDGES)
    assert [name for name in [*names, *of_judges] if f"`{name}`" not in section] == []


def test_links_lead_to_files_and_headings_that_are_there() -> None:
    links = re.findall(r"\]\((?!http)([^)#]*)#?([^)]*)\)", PAGE)
    assert len(links) > 3
    for file, anchor in links:
        text = (ROOT / "docs" / file).read_text(encoding="utf-8") if file else PAGE
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        assert not anchor or anchor in {
            re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings
        }


def mcp_call(server: Server, tool: str, arguments: dict[str, Any]) -> CallToolResult:
    async def ask(session: ClientSession) -> CallToolResult:
        return await session.call_tool(tool, arguments)

    result: CallToolResult = mcp_session(f"{server.url}/gradio_api/mcp/", ask)
    return result


def mcp_session(url: str, ask: Callable[[ClientSession], Any]) -> Any:
    async def session() -> Any:
        async with streamable_http_client(url) as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            return await ask(session)

    return asyncio.run(session())


def text(answer: CallToolResult) -> str:
    (content,) = answer.content
    assert isinstance(content, TextContent)
    return content.text


def told(answer: CallToolResult) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(text(answer))
    return plain


def inline(path: Path) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(path.read_bytes()).decode()


@pytest.mark.parametrize("snippet", SETTINGS, ids=lambda snippet: snippet.section)
def test_an_agent_finds_tools_that_explain_themselves(snippet: Snippet, server: Server) -> None:
    (entry,) = json.loads(snippet.code)["mcpServers"].values()

    async def listing(session: ClientSession) -> list[Tool]:
        return (await session.list_tools()).tools

    tools = {tool.name: tool for tool in mcp_session(entry["url"].replace(ADDRESS, server.url), listing)}
    assert set(tools) == set(ANSWERS)
    assert all(tool.annotations and tool.annotations.readOnlyHint for tool in tools.values())
    assert {name: tool.outputSchema for name, tool in tools.items()} == {
        name: describe_answer(name) for name in ANSWERS
    }
    similarity, models = tools["similarity"], tools["models"]
    assert "caption" in str(similarity.description) and "it is not a percentage" in str(similarity.description)
    assert "models" in str(models.description)
    assert list(similarity.inputSchema["properties"]) == list(table("parameter"))
    assert all(given["description"] for given in similarity.inputSchema["properties"].values())
    picture, reference = (similarity.inputSchema["properties"][name] for name in ("pictures", "reference"))
    assert picture["items"] in reference["oneOf"] and "data:image/jpeg;base64," in picture["items"]["description"]
    assert similarity.inputSchema["properties"]["framing"]["enum"] == list(FRAMINGS)
    assert similarity.inputSchema["required"] == ["pictures"] and models.inputSchema["properties"] == {}


def test_an_agent_compares_with_a_reference_image(server: Server, stand_in: Encoder) -> None:
    pictures = {"pictures": [inline(CAT), inline(RETRIEVER)], "reference": inline(REFERENCE)}
    answer = json.loads(text(mcp_call(server, "similarity", pictures)))
    wanted = expected("With a reference image", stand_in)
    assert [score["cosine"] for score in answer["scores"]] == pytest.approx([row[1] for row in wanted], abs=1e-6)
    assert answer["caption"] is None


def test_an_agent_reads_objects_and_the_same_as_json(server: Server) -> None:
    for tool, arguments in (
        ("models", {}),
        ("collections", {}),
        ("search", {"collection": "paintings", "caption": CAPTION}),
        ("captions", {"pictures": [inline(CAT)], "captions": ["a cat"]}),
    ):
        answer = mcp_call(server, tool, arguments)  # which checks it by the output schema
        assert not answer.isError and answer.structuredContent == told(answer), tool


def test_an_agent_that_calls_in_the_wrong_way_is_told_a_code(server: Server) -> None:
    mistakes: list[tuple[str, dict[str, Any], str]] = [
        ("similarity", {}, "bad_value"),
        ("similarity", {"pictures": [inline(CAT)], "colour": "red"}, "bad_value"),
        ("similarity", {"pictures": [inline(CAT)], "caption": "x", "model": "resnet"}, "unknown_model"),
        ("search", {"collection": "/etc", "caption": "x"}, "unknown_collection"),
        ("compare", {"pictures": [inline(CAT)], "caption": "x", "model": "auto", "other": "stand-in"}, "same_model"),
        ("score", {"pictures": []}, "not_found"),
    ]
    for tool, arguments, code in mistakes:
        answer = mcp_call(server, tool, arguments)
        assert answer.isError and told(answer) == answer.structuredContent, tool
        assert told(answer)["code"] == code and told(answer)["error"], tool
    assert "needs pictures" in told(mcp_call(server, "similarity", {"caption": "x"}))["error"]


def events(server: Server, pictures: Any, caption: Any = "x", reference: Any = None, model: Any = "auto") -> str:
    """What `/similarity` answers to raw values, as text."""
    return call(server, "similarity", [pictures, caption, reference, model])


def refusal(answer: str) -> str:
    """The sentence in the error event."""
    return str(error_of(answer)["error"])


def error_of(answer: str) -> dict[str, Any]:
    """What the error event holds."""
    kind, data = answer.strip().splitlines()[-2:]
    assert kind == "event: error", answer
    error: dict[str, Any] = json.loads(data.removeprefix("data: "))
    return error


def test_a_picture_takes_the_name_that_is_sent_with_it(server: Server) -> None:
    pictures = [
        {"path": sent(server, CAT), "orig_name": "my cat.jpg"},
        {"path": inline(RETRIEVER), "orig_name": "my dog.jpg"},
    ]
    result = completed(events(server, pictures, CAPTION))
    assert [score["name"] for score in result["scores"]] == ["my dog.jpg", "my cat.jpg"]


@functools.cache
def sent(server: Server, path: Path) -> str:
    """Upload a file as curl does; its path on the server."""
    command = ["curl", "-sS", f"{server.url}/gradio_api/upload", "-F", f"files=@{path}"]
    (uploaded,) = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return str(uploaded)


WEB = "https://example.org/cat.jpg"
MISTAKES: dict[str, Callable[[Server], str]] = {  # by how the documented sentence begins
    "There are no pictures": lambda server: events(server, []),
    "The caption is empty": lambda server: events(server, [sent(server, CAT)], " "),
    "There are both": lambda server: events(server, [sent(server, CAT)], "x", sent(server, CAT)),
    "<name> was not uploaded": lambda server: events(server, [str(CAT)]),
    "<name> is a web address": lambda server: events(server, [WEB]),
    "Nothing could be scored": lambda server: events(server, [sent(server, ROOT / "app.py")]),
    "model '<name>'": lambda server: events(server, [sent(server, CAT)], model="resnet"),
}


def test_every_sentence_that_is_documented_is_provoked_here() -> None:
    sentences = list(table("sentence"))
    assert len(sentences) == len(MISTAKES)
    assert all(sentence.startswith(begin) for sentence, begin in zip(sentences, MISTAKES, strict=True))


@pytest.mark.parametrize(
    ("sentence", "mistake"), list(zip(table("sentence"), MISTAKES.values(), strict=False)), ids=list(MISTAKES)
)
def test_a_mistake_is_answered_with_the_documented_sentence(
    server: Server, sentence: str, mistake: Callable[[Server], str]
) -> None:
    pattern = re.escape(sentence).replace("<name>", ".+").replace(re.escape("..."), ".+")
    error = error_of(mistake(server))
    assert re.fullmatch(pattern, error["error"])
    assert f"`{error['title']}`" == table("sentence")[sentence][0]


def test_every_code_is_documented_with_its_status() -> None:
    assert {code: status for code, (status, _) in table("code").items()} == {
        code: str(ClipsimError(code=code).http_status) for code in CODES
    }


SENTENCE = "There are no pictures to score: add at least one."


def test_an_error_reaches_python_as_the_sentence(client: Client) -> None:
    with pytest.raises(AppError) as error:
        client.predict(pictures=[], caption=CAPTION, api_name="/similarity")
    assert (str(error.value), error.value.title) == (SENTENCE, "no_pictures")


def test_an_error_reaches_javascript_as_the_sentence(run: Callable[[str, str], str]) -> None:
    code = f"""
        import {{ Client }} from "@gradio/client";
        const client = await Client.connect("{ADDRESS}");
        await client.predict("/similarity", {{ pictures: [], caption: "x" }}).catch((error) => {{
          console.log(error instanceof Error, error.message, error.title);
        }});
    """
    assert run("javascript", code) == f"true {SENTENCE} no_pictures\n"


def test_an_error_reaches_curl_as_the_sentence(run: Callable[[str, str], str]) -> None:
    (snippet,) = [snippet for snippet in RUN if snippet.section == "curl"]
    error = error_of(run("bash", snippet.code.replace("$pictures,", "[],")))
    assert (error["error"], error["title"]) == (SENTENCE, "no_pictures")


def test_an_error_reaches_an_agent_as_the_sentence(server: Server) -> None:
    answer = mcp_call(server, "similarity", {"pictures": [], "caption": "x"})
    assert answer.isError and told(answer) == answer.structuredContent
    assert told(answer)["error"] == SENTENCE and told(answer)["code"] == "no_pictures"


def test_a_file_over_the_limit_is_refused_at_upload(server: Server, tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    large.write_bytes(bytes(LIMITS.file_bytes + 1))
    command = ["curl", "-sS", "-w", "%{http_code}", f"{server.url}/gradio_api/upload", "-F", f"files=@{large}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.endswith("413")


FOREIGN = ["/etc/passwd", "app.py", str(ROOT / "app.py"), "../../etc/passwd", str(CAT), "file:///etc/passwd"]


def with_picture(server: Server, place: str, value: Any) -> str:
    if place == "pictures":
        return events(server, [sent(server, CAT), value])
    return events(server, [sent(server, CAT)], "", value)


@pytest.mark.parametrize("path", FOREIGN)
@pytest.mark.parametrize("place", ["pictures", "reference"])
@pytest.mark.parametrize("form", ["a bare path", "no meta"])
def test_a_path_that_was_not_uploaded_is_refused_by_name(server: Server, path: str, place: str, form: str) -> None:
    sentence = refusal(with_picture(server, place, path if form == "a bare path" else {"path": path}))
    assert sentence == f"{Path(path).name} was not uploaded: upload it first, then score it."


@pytest.mark.parametrize("path", FOREIGN)
@pytest.mark.parametrize("place", ["pictures", "reference"])
def test_a_path_that_is_dressed_as_an_upload_is_refused_by_name(server: Server, path: str, place: str) -> None:
    sentence = refusal(with_picture(server, place, {"path": path, "meta": META, "orig_name": "cat.jpg"}))
    assert sentence == f"{Path(path).name} was not uploaded: upload it first, then score it."


@pytest.mark.parametrize("place", ["pictures", "reference"])
def test_a_web_address_that_is_dressed_as_an_upload_is_not_fetched(server: Server, place: str) -> None:
    assert refusal(with_picture(server, place, {"path": WEB, "meta": META})).startswith(f"{WEB} is a web address")


def test_a_request_in_the_wrong_form_is_answered_with_a_sentence(server: Server) -> None:
    assert "form" in refusal(call(server, "score", [["x"], "caption", "x", [], "auto"]))
    assert "was not uploaded" in refusal(
        call(server, "score", [[{"image": {"path": "/etc/passwd", "meta": META}}], "caption", "x", [], "auto"])
    )


def test_values_that_are_left_out_at_the_end_are_the_defaults(server: Server) -> None:
    result = completed(call(server, "similarity", [[{"path": inline(CAT)}], "a cat"]))
    assert (result["model"], result["framing"], result["words"]) == ("stand-in", "crop", None)
    assert "at least one" in refusal(call(server, "similarity", [[]]))


def test_values_are_labelled_and_typed(client: Client) -> None:
    listed = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    values = [value for one in listed.values() for value in (*one["parameters"], *one["returns"])]
    assert not [value["label"] for value in values if value["label"][0].isdigit()]
    (result,) = listed["/similarity"]["returns"]
    documented = [*table("field of `Result`"), *table("field of `Score`")]
    assert [name for name in documented if f"{name}: " not in result["python_type"]["type"]] == []
    assert "options: " not in result["python_type"]["type"] and "pictures: " not in result["python_type"]["type"]


def test_a_way_out_of_the_upload_folder_is_refused(server: Server) -> None:
    outside = server.uploads / ".." / "outside.jpg"
    shutil.copy(CAT, outside)
    assert refusal(events(server, [str(outside)])).startswith("outside.jpg was not uploaded")


def test_a_link_out_of_the_upload_folder_is_refused(server: Server) -> None:
    link = server.uploads / "link-to-cat.jpg"
    link.unlink(missing_ok=True)
    link.symlink_to(CAT)
    assert refusal(events(server, [str(link)])).startswith("link-to-cat.jpg was not uploaded")


def test_an_agent_is_refused_files_and_web_addresses_by_name(server: Server) -> None:
    for path in FOREIGN:
        answer = mcp_call(server, "similarity", {"pictures": [path], "caption": "x"})
        assert told(answer)["error"].startswith(f"{Path(path).name} was not uploaded")
    answer = mcp_call(server, "similarity", {"pictures": [WEB], "caption": "x"})
    assert told(answer)["error"].startswith(f"{WEB} is a web address, which is not fetched")
    assert answer.isError


def test_an_upload_stays_in_the_upload_folder_whatever_it_is_called(server: Server) -> None:
    for name in ("../../outside.jpg", "/etc/passwd", "..", "a/../../b.jpg"):
        command = ["curl", "-sS", f"{server.url}/gradio_api/upload", "-F", f"files=@{CAT};filename={name}"]
        answer = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for path in answer if isinstance(answer, list) else []:
            assert Path(path).resolve().is_relative_to(server.uploads.resolve())
