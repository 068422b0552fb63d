"""Which requests come in, and under which name."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from clipsim.web.middleware import Doors, SafeHeaders


async def tell(request: Request) -> JSONResponse:
    """Tell what came in."""
    return JSONResponse({"headers": dict(request.headers), "query": request.url.query, "path": request.url.path})


def client(behind_proxy: bool = False) -> TestClient:
    own = [Route("/own/{name}", tell)]
    app = Starlette(routes=[*own, Route("/{path:path}", tell, methods=["GET", "POST", "PUT"])])
    return TestClient(SafeHeaders(Doors(app, own, behind_proxy)), base_url="http://here")


@pytest.mark.parametrize(("behind_proxy", "name"), [(False, None), (True, "there")])
def test_a_forwarded_name_is_believed_of_a_proxy_alone(behind_proxy: bool, name: str | None) -> None:
    sent = {"X-Forwarded-Host": "there", "X-Gradio-Server": "http://there"}
    headers = client(behind_proxy).get("/config", headers=sent).json()["headers"]
    assert headers.get("x-forwarded-host") == name and "x-gradio-server" not in headers


def test_own_routes_are_open_and_unknown_ones_are_not() -> None:
    assert client().get("/own/x").status_code == 200
    assert client().get("/other/x").status_code == 404
    assert client().put("/config").status_code == 404
    assert client().get("/other/x").json()["code"] == "not_found"


def test_what_a_query_asks_of_gradio_itself_is_left_out() -> None:
    assert client().get("/?page=x&deep_link=y").json()["query"] == ""
    assert client().get("/gradio_api/info?serialize=False").json()["query"] == "page="
    assert client().get("/gradio_api/info?all_endpoints=True").json()["query"] == "page=&all_endpoints=true"
    assert client().get("/gradio_api/queue/data?session_hash=x").json()["query"] == "session_hash=x"


def test_files_are_served_in_a_sandbox_and_the_page_is_not() -> None:
    assert "sandbox" in client().get("/gradio_api/file=/x/a.svg").headers["content-security-policy"]
    assert "sandbox" not in client().get("/config").headers["content-security-policy"]
