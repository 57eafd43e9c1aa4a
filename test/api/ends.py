"""Replies in parts that end early: HEAD of them, and peers that go before the first part is there. The server lives."""
import json
import socket
import struct

from server import Client

DEFINITION = """
projection: ends
version: 1
source: { category: ends }
target: sqlite:ends.db
tables:
  ends_view:
    columns: { id: text, n: integer }
    key: id
maps:
  - type: Put
    upsert: { table: ends_view, key: { id: $stream_id }, set: { n: /data/n } }
"""
ROUTES = ("/api/v1/streams/ends-1/events", "/api/v1/events", "/api/v1/topics/ends/records", "/api/v1/topics/ends-empty/records",
          "/api/v1/subscriptions/live", "/api/v1/views/ends_view/changes")
MEDIA = ("application/x-ndjson", "text/event-stream")


def asks(method, version="1.1", more=""):
    for path in ROUTES:
        for media in MEDIA:
            for query in ("", "?limit=1"):
                yield f"{method} {path}{query} HTTP/{version}\r\nHost: localhost\r\nAccept: {media}\r\n{more}\r\n".encode()


def dial(server):
    host, port = server.http.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=10)


def head(s):
    """One answer without a body; empty: the connection has ended."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        more = s.recv(1)
        if not more:
            break
        data += more
    return data


def heads(count, server):
    """All on one connection: each has its head, and nothing else comes between them."""
    bad = []
    with dial(server) as s:
        for ask in asks("HEAD"):
            s.sendall(ask)
            got = head(s)
            if not got.startswith(b"HTTP/1.1 200 "):
                bad.append((ask, got))
    count.show("HEAD of what is sent in parts is its head", not bad, bad[:3])


def gone(count, server):
    """A peer that goes as soon as it has asked, with an end or a reset."""
    for n, ask in enumerate(list(asks("GET")) * 4):
        with dial(server) as s:
            if n % 2:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.sendall(ask)
    status = Client(server).call("GET", "/api/v1/categories")[0]
    count.show("a peer that goes before the first part is there costs nothing", status == 200 and server.process.poll() is None, server.log_tail())


def run(count, server):
    client = Client(server)
    for topic in ("ends", "ends-empty"):
        client.call("PUT", f"/api/v1/topics/{topic}", {"partitions": 1})
    client.call("POST", "/api/v1/topics/ends/records", {"records": [{"value": n} for n in range(3)]})
    at = client.append("ends-1", [{"type": "Put", "data": {"n": n, "long": "x" * 500}} for n in range(1000)])[1]["position"]
    client.raw("PUT", "/api/v1/projections/ends", DEFINITION.encode(), {"Content-Type": "application/yaml"})
    told = client.call("GET", f"/api/v1/views/ends_view?at_least={at}&timeout=20s")
    count.show("what is read in parts is there", told[0] == 200, json.dumps(told[1])[:300])
    heads(count, server)
    gone(count, server)
    client.call("DELETE", "/api/v1/projections/ends")
