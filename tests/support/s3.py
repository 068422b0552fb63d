"""An S3 server of one's own, by moto."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

BUCKET = "bucket"


@contextmanager
def serve_s3() -> Iterator[dict[str, str]]:
    """Serve an empty bucket, and yield the environment in which it is found at s3://bucket."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    application = _answer_in_turn(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    keys = {"AWS_ACCESS_KEY_ID": "us", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    try:
        client: Any = boto3.client(
            "s3",
            endpoint_url=address,
            aws_access_key_id="us",
            aws_secret_access_key="secret",
            region_name="us-east-1",
        )
        client.create_bucket(Bucket=BUCKET)
        yield {**keys, "AWS_ENDPOINT_URL": address, "FSSPEC_S3_ENDPOINT_URL": address}
    finally:
        server.shutdown()
        thread.join()


def _answer_in_turn(app: Any) -> Any:
    """Let one request be answered after the other: moto looks whether there is an object and writes it later."""
    turn = threading.Lock()

    def answer(environment: Any, start: Any) -> Iterable[bytes]:
        with turn:
            return [b"".join(app(environment, start))]

    return answer
