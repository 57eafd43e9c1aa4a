"""One request by hand: kcat cannot create a topic, and its scenarios need some with many partitions."""

import socket
import struct


def string(text):
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def create_topic(bootstrap, name, partitions, config):
    """CreateTopics version 2; raises when the broker refuses."""
    host, port = bootstrap.rsplit(":", 1)
    entries = b"".join(string(key) + string(value) for key, value in config.items())
    body = (struct.pack(">i", 1) + string(name) + struct.pack(">ihi", partitions, 1, 0)
            + struct.pack(">i", len(config)) + entries + struct.pack(">i?", 30000, False))
    request = struct.pack(">hhi", 19, 2, 1) + string("compat") + body
    with socket.create_connection((host, int(port)), 30) as link:
        link.sendall(struct.pack(">i", len(request)) + request)
        size = struct.unpack(">i", exactly(link, 4))[0]
        answer = exactly(link, size)
    # correlation id, throttle time, array length, topic name, error code
    length = struct.unpack(">h", answer[12:14])[0]
    code = struct.unpack(">h", answer[14 + length:16 + length])[0]
    if code:
        raise RuntimeError("CreateTopics of %s: error %d" % (name, code))


def exactly(link, count):
    data = b""
    while len(data) < count:
        chunk = link.recv(count - len(data))
        if not chunk:
            raise ConnectionError("the broker closed the connection")
        data += chunk
    return data
