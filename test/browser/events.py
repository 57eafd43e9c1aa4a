"""Server-sent events as a page in a browser takes them: followed across a kill and a stop of the server, each event once;
what pages of other sites may do, and what not."""
import http.server
import json
import pathlib
import re
import threading
import time

import chromium
from server import Client, Server, event

FOLLOW = """
self.frames = []; self.opened = 0;
self.source = new EventSource(%s);
for (const kind of ['record', 'checkpoint', 'caught_up', 'fell_behind', 'closed'])
    source.addEventListener(kind, e => frames.push([e.lastEventId, kind, JSON.parse(e.data)]));
source.onopen = () => { opened++; frames.push(['', 'open', null]); };
source.onerror = () => frames.push(['', source.readyState === EventSource.CLOSED ? 'given_up' : 'lost', null]);
"""


class Site:
    """Another site: one empty page, from a port of its own."""

    def __init__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # pylint: disable=invalid-name
                body = b"<!doctype html><title>a page</title>"
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *unused):  # pylint: disable=arguments-differ
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def follow(page, url):
    page.run(FOLLOW % json.dumps(url))


def kinds(page):
    return page.run("frames.map(f => f[1])")


def ids(page):
    """Of the events that came, in their order."""
    return page.run("frames.filter(f => f[1] === 'record').map(f => f[2].id ?? f[2].value.id)")


def at_least(kind, number):
    return f"frames.filter(f => f[1] === '{kind}').length >= {number}"


def produce(client, name):
    return client.call("POST", "/api/v1/topics/page/records", {"records": [{"value": {"id": name}}]})[0]


def restarted(count, server, page, topic_page):
    """Two restarts: one by a kill, one by a clean stop. Nobody tells the page; it comes back by itself."""
    for round_, (what, end) in enumerate((("a kill", server.kill), ("a clean stop", server.stop)), 1):
        end()
        lost = page.wait(at_least("lost", round_)) and topic_page.wait(at_least("lost", round_))
        count.show(f"{what}: the page notices", lost, kinds(page))
        server.start()
        client = Client(server)
        name = f"after-{round_}"
        count.show(f"{what}: the next event is stored", client.append("page-1", [event(name)])[0] == 201 and produce(client, name) == 201)
        for who, where in (("subscription", page), ("topic", topic_page)):
            back = where.wait(f"opened > {round_} && {at_least('caught_up', round_ + 1)}", 30)
            where.wait(f"frames.some(f => f[1] === 'record' && JSON.stringify(f[2]).includes('{name}'))", 5)
            wanted = ["first", "second", *(f"after-{n}" for n in range(1, round_ + 1))]
            count.show(f"{what}: the {who} goes on by itself, each event once", back and ids(where) == wanted, (kinds(where), ids(where)))
        client.close()


def same_site(count, server, browser):
    """A page of the server itself."""
    client = Client(server)
    client.call("PUT", "/api/v1/topics/page", {"partitions": 1})
    client.append("page-1", [event("first"), event("second")])
    for name in ("first", "second"):
        produce(client, name)
    page, topic_page = (browser.page(f"http://{server.http}/api/v1/openapi.json") for _ in range(2))
    follow(page, "/api/v1/subscriptions/live?category=page&type=Happened")
    follow(topic_page, "/api/v1/topics/page/records?partition=0")
    caught = page.wait(at_least("caught_up", 1)) and topic_page.wait(at_least("caught_up", 1))
    count.show("a page catches up and is told so", caught and kinds(page) == ["open", "record", "record", "caught_up"] and
               kinds(topic_page) == kinds(page), (kinds(page), kinds(topic_page)))
    client.append("page-1", [event("other", "SomethingElse")])
    told = page.wait(at_least("checkpoint", 1))
    last = page.run("frames[frames.length - 1]")
    count.show("and how far it is while nothing for it comes", told and last[1] == "checkpoint" and last[0] == last[2]["position"], last)
    client.close()
    restarted(count, server, page, topic_page)
    count.show("the page never gave up", "given_up" not in kinds(page) + kinds(topic_page), kinds(page))


def of_the_page(count, server, browser):
    """The program of docs/http-api.md, as a reader takes it over."""
    programs = re.findall(r"^```js\n(.*?)^```", pathlib.Path("docs/http-api.md").read_text(), re.M | re.S)
    client = Client(server)
    client.append("order-9", [event("before")])
    page = browser.page(f"http://{server.http}/api/v1/openapi.json")
    page.run("self.shown = []; self.caughtUp = 0; show = e => shown.push(e.id); ready = () => caughtUp++; tryAgainLater = () => shown.push('?')")
    page.run(programs[0])
    page.wait("caughtUp > 0")
    client.append("order-9", [event("shown")])
    page.wait("shown.length > 0")
    client.close()
    count.show("the JavaScript of docs/http-api.md follows", len(programs) == 1 and page.run("shown") == ["shown"], page.run("[caughtUp, shown]"))


APPEND = """fetch(%s, {method: 'POST', headers: %s, body: JSON.stringify({events: [{id: %s, type: 'Happened', data: {}}]})})
    .then(async a => ({status: a.status, etag: a.headers.get('ETag'), body: await a.json()}), () => ({status: 0}))"""
KEYED = {"Content-Type": "application/json", "Idempotency-Key": "from-a-page"}


def append(page, url, headers, name):
    return page.run(APPEND % (json.dumps(url), json.dumps(headers), json.dumps(name)))


def other_sites(count, server, browser, named, stranger):
    """A page of a site that the operator has named, and one of any other."""
    base = f"http://{server.http}/api/v1"
    page = browser.page(f"{named.origin}/")
    answer = append(page, f"{base}/streams/shop-1/events", KEYED, "by-page")
    count.show("a page of a named site appends, and reads the answer with its headers",
               answer["status"] == 201 and answer["etag"] == '"r0"' and answer["body"]["last_revision"] == 0, answer)
    follow(page, f"{base}/subscriptions/live?category=shop")
    count.show("and follows", page.wait(at_least("caught_up", 1)) and ids(page) == ["by-page"], kinds(page))
    page = browser.page(f"{stranger.origin}/")
    read = page.run(f"fetch({json.dumps(base + '/streams/shop-1/events')}).then(a => a.status, () => 0)")
    answer = append(page, f"{base}/streams/shop-1/events", KEYED, "asked-first")
    simple = append(page, f"{base}/streams/shop-1/events", {"Content-Type": "text/plain"}, "not-asked")
    follow(page, f"{base}/subscriptions/live?category=shop")
    refused = page.wait(at_least("given_up", 1))
    client = Client(server)
    there = [e["id"] for e in client.events("shop-1")]
    client.close()
    count.show("a page of any other site reads nothing", read == 0 and refused and ids(page) == [], (read, kinds(page)))
    count.show("and changes nothing, whether its browser asks first or not",
               answer["status"] == 0 and simple["status"] == 0 and there == ["by-page"], (answer, simple, there))


def run(count, binary, work):
    if chromium.find() is None:
        count.show("a browser", False, "there is no chromium: tools/deps.sh test")
        return
    named, stranger = Site(), Site()
    server = browser = None
    try:
        begun = time.monotonic()
        server = Server(binary, work, "--set", f"leat.http.cors.origins={named.origin}")
        server.options += ("--http", server.http)  # the next starts are where the page looks for it
        browser = chromium.Browser()
        same_site(count, server, browser)
        of_the_page(count, server, browser)
        other_sites(count, server, browser, named, stranger)
        count.show("a clean stop with pages that follow", server.stop() == 0, server.log_tail())
        print(f"browser: {time.monotonic() - begun:.1f} s")
    finally:
        for what in (browser, named, stranger):
            if what is not None:
                what.close()
        if server is not None:
            server.end()
