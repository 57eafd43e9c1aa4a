"""Every route of the OpenAPI document: with what it says is good, with what it says is not, and with random changes of both."""
import copy
import http.client
import json
import pathlib
import random
import re
import time
import urllib.parse

import document as doc

ORDER = ["put", "post", "get", "patch", "delete"]
# These succeed only while something is going on: a version that is built, a key that is parked, a snapshot that no redaction has voided.
OF_THE_MOMENT = {"getSnapshot", "switchProjection", "rollbackProjection", "cancelProjection", "rebuildProjection", "retryParkedKey", "skipParkedEvent",
                 "retryParked", "skipParked", "dropProjectionVersion"}
FOLLOWED = {"subscribe", "watchView"}  # an answer without end, but for a long poll
BAD = {"integer": "x1", "boolean": "maybe", "duration": "soon", "date-time": "yesterday"}
ACCEPTS = ["", "*/*", "text/plain", "application/*;q=0.1", "application/json;q=0", "application/x-ndjson;q=0.5, application/json", "image/png, */*;q=0",
           "application/json;q=2", ";;;", "application", "/", ",,,", "a/" + "b" * 3000, "application/json;profile=\"x,y\""]
# What is no JSON, and what YAML and lines of JSON have of their own.
SCRAPS = ["\n", "\n\n", "\r\n", "\t", "\x00", "\ufeff", "é", "#", ": ", "- ", "? ", "&a ", "*a", "!!int ", "|\n", ">-\n", "---\n", "...\n", "<<: *a\n", "{", "]", "'", '"', "%YAML 9\n", "{}\n"]
ODD = [None, True, False, 0, -1, 2**63, 1.5, 1e300, "", "x", "\u0000", "\ud7ff", "a" * 5000, [], {}, [[[]]], {"a": {"b": [1]}}, "null"]


class Walk:
    def __init__(self, count, client, document, problems):
        self.count, self.client, self.document = count, client, document
        self.problems = {p["code"]: p for p in problems}
        self.wrong, self.made = [], 0

    def operations(self):
        all_of = [(method, path, op) for path, item in self.document["paths"].items() for method, op in item.items()]
        return sorted(all_of, key=lambda o: ORDER.index(o[0]))

    def request(self, path, op, changed=None):
        """Path with its query, and headers, from the examples; changed: {(place, name): value} instead."""
        changed = changed or {}
        query, headers = [], {}
        for p in op.get("parameters", []):
            value = changed.get((p["in"], p["name"]), p.get("example"))
            values = [str(v).lower() if isinstance(v, bool) else str(v) for v in (value if isinstance(value, list) else [value])]
            if value is None:
                continue
            if p["in"] == "path":
                path = path.replace("{%s}" % p["name"], urllib.parse.quote(values[0], safe=""))
            elif p["in"] == "query":
                query += [(p["name"], v) for v in values]
            else:
                headers[p["name"]] = values[0]
        return path + ("?" + urllib.parse.urlencode(query) if query else ""), headers

    def body_of(self, op):
        return copy.deepcopy(op.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example"))

    def forms(self, op):
        """The media types that the body may have; none: there is no body."""
        content = op.get("requestBody", {}).get("content", {})
        return sorted(content) if "example" in content.get("application/json", {}) else [None]

    def form_of(self, op, media):
        """The good body as it is in a form of that media type."""
        body = self.body_of(op)
        if media == "application/x-ndjson":
            body = next(v for v in body.values() if isinstance(v, list))
        elif "cloudevents" in (media or ""):
            self.made += 1
            body = [{"specversion": "1.0", "id": f"ce-{self.made}-{n}", "source": "/walk", "time": "2026-02-11T14:00:00Z", **e} for n, e in enumerate(body["events"])]
            body = body if media == "application/cloudevents-batch+json" else body[0]
        return body

    def head(self, method, path, body, headers):
        """As raw, but of an answer that may be without end no more than its head."""
        host, port = self.client.server.http.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=self.client.timeout)
        try:
            connection.request(method.upper(), path, body, headers)
            answer = connection.getresponse()
            got = {k.lower(): v for k, v in answer.getheaders()}
            ends = got.get("content-type", "").startswith(("application/json", "application/problem+json"))
            return answer.status, got, answer.read() if ends else b""
        finally:
            connection.close()

    def call(self, method, path, body, headers):
        """The answer, which must be one that the document describes, or a problem that has a page."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers = {"Content-Type": "application/json", **headers}
        return self.client.raw(method.upper(), path, body, headers)

    def note(self, what):
        if len(self.wrong) < 20:
            self.wrong.append(what)

    def check(self, method, path, op, got, expected=None):
        """expected: None (a success or the client's fault), or a set of statuses."""
        status, headers, data = got
        where = f"{method.upper()} {path}: {status} {data[:300]!r}"
        if expected is not None and status not in expected:
            self.note(f"{where}: expected one of {sorted(expected)}")
        if expected is None and status >= 500 and status != 503 and (status != 504 or "504" not in op["responses"]):
            self.note(where)
        media = headers.get("content-type", "").split(";")[0]
        if status >= 400:
            self.check_problem(where, status, media, headers, data)
            return
        answer = op["responses"].get(str(status))
        if answer is None:
            self.note(f"{where}: the document does not have this status")
        elif "content" not in answer:
            if data:
                self.note(f"{where}: a body where the document has none")
        elif media not in answer["content"]:
            self.note(f"{where}: {media} is not one of {list(answer['content'])}")
        elif media == "application/x-ndjson":
            for line in data.splitlines():
                json.loads(line)
        elif media == "application/json":
            for complaint in list(doc.validate(self.document, answer["content"][media]["schema"], json.loads(data)))[:3]:
                self.note(f"{where}: {complaint}")

    def check_problem(self, where, status, media, headers, data):
        if media != "application/problem+json":
            self.note(f"{where}: {media} is no problem")
            return
        problem = json.loads(data)
        for complaint in doc.validate(self.document, {"$ref": "#/components/schemas/Problem"}, problem):
            self.note(f"{where}: {complaint}")
        known = self.problems.get(problem["code"])
        if known is None:
            self.note(f"{where}: the code has no page")
        elif known["status"] != status and (known["code"], status) != ("revision-conflict", 412):
            self.note(f"{where}: the status of {known['code']} is {known['status']}")
        if problem["status"] != status or problem["type"] != "/problems/" + problem["code"] or not problem["title"]:
            self.note(f"{where}: status, type and code differ")
        if ("retry-after" in headers) != ("retry_after_ms" in problem):
            self.note(f"{where}: Retry-After and retry_after_ms are not the same")

    def show(self, name):
        self.count.show(name, not self.wrong, "; ".join(self.wrong[:6]))
        self.wrong = []


def yaml(value, indent=""):
    """The value in YAML's own way: names and dashes, a line each."""
    if not isinstance(value, (dict, list)) or not value:
        return " " + json.dumps(value)
    names = [json.dumps(k) if k != str(k).strip() or not k or not k.replace("_", "").isalnum() else k for k in value] if isinstance(value, dict) else []
    lines = [f"{n}:{yaml(v, indent + '  ')}" for n, v in zip(names, value.values())] if names else [f"-{yaml(v, indent + '  ')}" for v in value]
    return "".join(f"\n{indent}{line}" for line in lines)


def written(media, body):
    """The body as text, in the form of its media type."""
    if media == "application/x-ndjson" and isinstance(body, list):
        return "".join(json.dumps(line) + "\n" for line in body)
    return yaml(body) if media == "application/yaml" else json.dumps(body)


def good(walk):
    for method, path, op in walk.operations():  # so that what others need is there
        if method in ("put", "post"):
            url, headers = walk.request(path, op)
            walk.call(method, url, walk.body_of(op), headers)
    for method, path, op in walk.operations():
        url, headers = walk.request(path, op)
        successes = {int(s) for s in op["responses"] if s.startswith("2")}
        media = {m for s in op["responses"] if s.startswith("2") for m in op["responses"][s].get("content", {})}
        for accept in sorted(media) or ["*/*"]:
            if accept == "text/event-stream" or (accept == "application/x-ndjson" and "wait=" in url and op["operationId"] in FOLLOWED):
                continue  # these do not end; records.py has them
            got = walk.call(method, url, walk.body_of(op), {**headers, "Accept": accept})
            walk.check(method, url, op, got, successes | ({404, 409, 503, 504} if op["operationId"] in OF_THE_MOMENT else set()))
            if accept != "*/*" and got[0] in successes and got[2] and method == "get" and got[1]["content-type"].split(";")[0] != accept:
                walk.note(f"{url}: {accept} was asked for, {got[1]['content-type']} came")
        for form in walk.forms(op):
            if form not in (None, "application/json"):  # that was before
                body = written(form, walk.form_of(op, form)).encode()
                bare = {"Content-Type": form, **{k: v for k, v in headers.items() if k != "Idempotency-Key"}}
                another = {409} if op["operationId"] == "putProjection" else set()  # the same version with another text
                walk.check(method, url, op, walk.call(method, url, body, bare), successes | another)
        walk.show(f"{op['operationId']}: what its document says is good")


def twice(walk, method, path, op, p, body):
    """A query parameter that is given twice is refused by its name, unless the document says that it is a list."""
    legal = {"integer": 1, "boolean": True, "duration": "1ms", "date-time": "2026-02-11T14:00:00Z"}
    value = "1ms" if p["name"] == "wait" else p.get("example", legal.get(p["schema"].get("format"), legal.get(p["schema"]["type"], "x")))
    url, headers = walk.request(path, op, {("query", "wait"): "1ms", ("query", p["name"]): [value] * 2})
    got = walk.call(method, url, body, headers)
    refused = got[0] == 400 and got[2].decode().find(f'"detail":"{p["name"]}: is given more than once"') >= 0
    if refused != (p["schema"]["type"] != "array"):
        walk.note(f"{method.upper()} {url}: {got[0]} {got[2][:200]}: is a list, or is refused by its name")


def bad(walk):
    """What a route says of its parameters holds: each of them with a value of another type."""
    for method, path, op in walk.operations():
        url, headers = walk.request(path, op)
        body = walk.body_of(op)
        for p in op.get("parameters", []):
            kind = p["schema"].get("format") if p["schema"].get("format") in BAD else p["schema"].get("type")
            if kind in BAD and p["in"] != "header":
                wrong_url, wrong_headers = walk.request(path, op, {(p["in"], p["name"]): BAD[kind]})
                got = walk.call(method, wrong_url, body, wrong_headers)
                walk.check(method, wrong_url, op, got, {400})
                if p["name"].encode() not in got[2] and BAD[kind].encode() not in got[2]:
                    walk.note(f"{wrong_url}: the answer does not name {p['name']}: {got[2][:200]}")
            if p["schema"].get("minimum", 0) > 0:  # a page of nothing tells nothing
                wrong_url, wrong_headers = walk.request(path, op, {(p["in"], p["name"]): p["schema"]["minimum"] - 1})
                walk.check(method, wrong_url, op, walk.call(method, wrong_url, body, wrong_headers), {400})
            if p["in"] == "query":
                twice(walk, method, path, op, p, body)
        more = url + ("&" if "?" in url else "?") + "no_such_parameter=1"
        walk.check(method, more, op, walk.call(method, more, body, headers), {400})
        walk.check(method, url, op, walk.call("TRACE", url, None, {}), {405})
        if method != "get":
            walk.check(method, url, op, walk.call(method, url, body, {**headers, "Origin": "http://evil.example"}), {403})
        if "requestBody" in op and op["requestBody"]["required"]:
            for text in (b"", b"{", b"[]", b"null", b"\xff", b'{"a":1,"a":2}', b"[" * 5000, b'"' + b"x" * 70000):
                got = walk.call(method, url, text, {"Content-Type": "application/json", **headers})
                walk.check(method, url, op, got, {400, 413, 422})
            got = walk.call(method, url, json.dumps(body).encode(), {**headers, "Content-Type": "text/plain"})
            walk.check(method, url, op, got, {415})
        walk.show(f"{op['operationId']}: what its document says is not good")


def places(value, path=()):
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []:
        yield from places(inner, path + (key,))


def change(rng, value):
    """One place of it holds something else, is gone, or has a neighbour."""
    path = rng.choice(list(places(value)))
    if not path:
        return rng.choice(ODD)
    value = copy.deepcopy(value)
    node = value
    for key in path[:-1]:
        node = node[key]
    what = rng.randrange(4)
    if what == 0:
        del node[path[-1]]
    elif what == 1 and isinstance(node, dict):
        node[rng.choice(["x", "", "id", "type", "$ref"])] = rng.choice(ODD)
    elif what == 2 and isinstance(node, list):
        node.extend(copy.deepcopy(node) * rng.choice([1, 50]))
    else:
        node[path[-1]] = rng.choice(ODD)
    return value


def spoilt(rng, text):
    """Now and then with something in it that is of no form."""
    at = rng.randrange(len(text) + 1)
    return text if rng.random() < 0.8 else text[:at] + rng.choice(SCRAPS) + text[at + rng.choice([0, 0, 1, 20]):]


def fuzz(walk, rng, times):
    """Random changes of bodies, parameters and headers, in each form that the document has: an answer that it describes, and never a failure."""
    for method, path, op in walk.operations():
        for _ in range(times):
            changed, often = {}, rng.choice([0, 0.1, 0.3])
            answers = sorted({m for s in op["responses"] if s.startswith("2") for m in op["responses"][s].get("content", {})}) or ["*/*"]
            accept = rng.choice(rng.choice([answers, answers, ACCEPTS]))
            endless = "text/event-stream" in answers  # or may be
            for p in op.get("parameters", []):
                if rng.random() < often and p["name"] not in ("wait", "timeout"):
                    changed[(p["in"], p["name"])] = rng.choice(["", "0", "-1", "99999999999999999999", "é", "a/b", "..", "%00", "x" * 300, "p:00", "r5", "*", "any"])
                elif p["name"] in ("wait", "timeout"):
                    # It is the answer that is of interest, not the time until it comes; who asks for a stream of them does not wait.
                    changed[(p["in"], p["name"])] = None if endless and accept in answers and accept != "application/json" else "1ms"
            url, headers = walk.request(path, op, changed)
            headers = {k: re.sub(r"[^ -~]", "?", v) for k, v in headers.items()}
            media = rng.choice(walk.forms(op))
            body = walk.form_of(op, media)
            if media is not None:
                for _ in range(rng.randrange(4)):
                    body = change(rng, body)
                body = spoilt(rng, written(media, body)).encode()
                headers["Content-Type"] = media
            walk.check(method, url, op, (walk.head if endless else walk.call)(method, url, body, {**headers, "Accept": accept}))
        walk.show(f"{op['operationId']}: {times} random changes of a good request")


def well(walk):
    """After all that, each route still answers a good request: 503 is the answer of a while."""
    for _ in range(2):  # what others need is there in the second
        for method, path, op in walk.operations():
            url, headers = walk.request(path, op)
            got, ends = (503,), time.monotonic() + 30
            while got[0] == 503 and time.monotonic() < ends:
                got = walk.call(method, url, walk.body_of(op), headers)
            walk.check(method, url, op, got)
            if got[0] == 503:
                walk.note(f"{method.upper()} {url}: is 503 for good: {got[2][:300]}")
    walk.show("each route answers a good request after the random ones")


def run(count, client, seed, times):
    status, document, headers = client.call("GET", "/api/v1/openapi.json")
    count.show("the OpenAPI document is served", status == 200 and headers["content-type"] == "application/json", f"{status}")
    complaints = list(doc.check(document))
    count.show(f"it is a valid OpenAPI 3.1 document, of {len(document['paths'])} paths", not complaints, "; ".join(complaints[:8]))
    again = client.raw("GET", "/api/v1/openapi.json", None, {"If-None-Match": headers["etag"]})
    count.show("it is not sent again to who has it", again[0] == 304 and not again[2], f"{again[0]}")
    problems = client.call("GET", "/problems")[1]["problems"]
    pages = [client.raw("GET", "/problems/" + p["code"]) for p in problems]
    count.show(f"each of {len(problems)} problems has a page", all(p[0] == 200 and len(p[2]) > 100 for p in pages))
    used = {code for file in pathlib.Path("src/api").glob("*.c")
            for code in re.findall(r'api_problem(?:_with)?\([^;]*?"([a-z]+(?:-[a-z]+)+)"', file.read_text(encoding="utf-8"))}
    count.show("each problem of the sources has one", len(used) > 5 and used <= {p["code"] for p in problems}, used - {p["code"] for p in problems})
    named = {c for _, _, op in Walk(count, client, document, problems).operations() for s, a in op["responses"].items()
             if s not in ("default",) and not s.startswith("2") for c in a["description"].split(", ")}
    count.show("each problem that the document names has one", named <= {p["code"] for p in problems}, named - {p["code"] for p in problems})
    walk = Walk(count, client, document, problems)
    good(walk)
    bad(walk)
    fuzz(walk, random.Random(seed), times)
    well(walk)
