"""A strict stand-in for a Confluent Schema Registry: the two calls that Andon makes, as its API reference has them.

A registry itself needs a Java service and cannot run here; everything in front of the socket is the product's own way.
"""

from __future__ import annotations

import base64
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

ACCEPT = "application/vnd.schemaregistry.v1+json"


class Stub:
    """schemas: id -> {"schemaType", "schema", "serialized"?, "references"?}; subjects: (subject, version) -> id.

    status: answered to everything instead, when set. auth: the Authorization header wanted.
    """

    def __init__(self):
        self.schemas, self.subjects, self.asked = {}, {}, []
        self.status, self.auth, self.body, self.url = None, None, None, ""

    def answer(self, path, headers):
        """(status, JSON) of a GET."""
        url = urlsplit(path)
        self.asked.append(path)
        query = {name: found[0] for name, found in parse_qs(url.query, strict_parsing=bool(url.query)).items()}
        assert ACCEPT in headers["Accept"]
        assert set(query) <= {"format", "deleted"}
        if self.auth is not None and headers.get("Authorization") != self.auth:
            return 401, {"error_code": 401, "message": "Unauthorized"}
        if self.status is not None:
            return self.status, {"error_code": self.status, "message": "out of order"}
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        if parts[:2] == ["schemas", "ids"] and len(parts) == 3 and parts[2].isdecimal():
            found = self.schemas.get(int(parts[2]))
            return (200, self.shown(found, query)) if found else (404, _error(40403, "Schema not found"))
        if parts[0] == "subjects" and parts[2] == "versions" and len(parts) == 4:
            number = self.subjects.get((parts[1], int(parts[3])))
            if number is None:
                return 404, _error(40402, "Version not found")
            about = {"subject": parts[1], "id": number, "version": int(parts[3])}
            return 200, about | self.shown(self.schemas[number], query)
        return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}

    @staticmethod
    def shown(found, query):
        form = query.get("format")
        content = {"schema": found["serialized"] if form == "serialized" else found["schema"]}
        if found.get("schemaType", "AVRO") != "AVRO":  # a registry leaves it out for Avro
            content["schemaType"] = found["schemaType"]
        if found.get("references"):
            content["references"] = found["references"]
        return content


def _error(code, message):
    return {"error_code": code, "message": message}


@contextmanager
def running(stub=None):
    """The stub behind a port of 127.0.0.1; `url` is where."""
    stub = stub or Stub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, content = stub.answer(self.path, self.headers)
            body = stub.body if stub.body is not None else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", ACCEPT)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    stub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
