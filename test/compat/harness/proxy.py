"""A small TCP proxy that understands just enough Kafka to cut a connection at the worst moment.

A client says in its client id what shall happen to it, so no control channel is needed:

  cut.KEY.N.REST   after the N-th request with api key KEY was answered by the broker, the answer is
                   thrown away and the connection is closed, once. The broker has done the work, the
                   client cannot know it: the case that an idempotent producer exists for.
  die.KEY.N.REST   after the N-th such answer every connection of this client id is closed and no new
                   one is served: for the broker, the process is dead without a goodbye.

Any other client id passes through. The broker must advertise the proxy's address to clients that
come through it, else they leave for the direct address after the first Metadata.
"""

import asyncio
import struct
import threading

FRAME_LIMIT = 128 * 1024 * 1024


def parse_rule(client_id):
    """Returns (verb, api key, n) or None for a client id without a rule."""
    parts = client_id.split(".")
    if len(parts) >= 4 and parts[0] in ("cut", "die") and parts[1].isdigit() and parts[2].isdigit():
        return parts[0], int(parts[1]), int(parts[2])
    return None


async def read_frame(reader):
    head = await reader.readexactly(4)
    size = struct.unpack(">i", head)[0]
    if size < 0 or size > FRAME_LIMIT:
        raise ConnectionError("frame of %d bytes" % size)
    return head, await reader.readexactly(size)


class Proxy:
    """Runs in a thread of its own. `port` is where clients connect; set_target() names the broker."""

    def __init__(self):
        self.port = None
        self._target = None
        self._counts = {}
        self._dead = set()
        self._writers = {}
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the proxy did not start")

    def set_target(self, host, port):
        self._target = (host, port)

    def close(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._ready.set()
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))

    async def _listen(self):
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20)
        self.port = server.sockets[0].getsockname()[1]

    async def _serve(self, reader, writer):
        try:
            up_reader, up_writer = await asyncio.open_connection(*self._target, limit=1 << 20)
        except OSError:
            writer.close()
            return
        state = {"pending": {}, "client": None}
        tasks = [asyncio.ensure_future(self._requests(reader, up_writer, writer, state)),
                 asyncio.ensure_future(self._answers(up_reader, writer, state))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._writers.get(state["client"], set()).discard(writer)
            writer.close()
            up_writer.close()

    async def _requests(self, reader, up_writer, writer, state):
        while True:
            head, body = await read_frame(reader)
            key, _version, correlation, length = struct.unpack(">hhih", body[:10])
            client = body[10:10 + length].decode("utf-8", "replace") if length > 0 else ""
            rule = parse_rule(client)
            if client in self._dead:
                return
            if rule:
                state["client"] = client
                self._writers.setdefault(client, set()).add(writer)
                if rule[1] == key:
                    state["pending"][correlation] = (client, rule)
            up_writer.write(head + body)
            await up_writer.drain()

    async def _answers(self, up_reader, writer, state):
        while True:
            head, body = await read_frame(up_reader)
            asked = state["pending"].pop(struct.unpack(">i", body[:4])[0], None)
            if asked:
                client, (verb, _key, nth) = asked
                self._counts[client] = self._counts.get(client, 0) + 1
                if self._counts[client] == nth:
                    if verb == "die":
                        self._dead.add(client)
                        for other in list(self._writers.get(client, ())):
                            other.transport.abort()
                    writer.transport.abort()
                    return
            writer.write(head + body)
            await writer.drain()
