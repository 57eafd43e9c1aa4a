"""Is this a valid OpenAPI 3.1 document? And a validator for the JSON Schema that it uses.

The validator knows a subset of JSON Schema 2020-12. A keyword that it does not know is an error of the document, so that
nothing in a schema goes unchecked.
"""
import re

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict, "null": type(None)}
NOTES = {"description", "format", "title", "default", "examples", "example"}
KEYWORDS = NOTES | {"type", "enum", "const", "properties", "required", "additionalProperties", "items", "minItems", "maxItems",
                    "minLength", "maxLength", "pattern", "minimum", "maximum", "oneOf", "anyOf", "allOf", "$ref"}


def deref(document, schema):
    while isinstance(schema, dict) and "$ref" in schema:
        node = document
        if not schema["$ref"].startswith("#/"):
            raise ValueError(f"a reference to elsewhere: {schema['$ref']}")
        for name in schema["$ref"][2:].split("/"):
            if name not in node:
                raise ValueError(f"nothing is at {schema['$ref']}")
            node = node[name]
        schema = node
    return schema


def check_schema(document, schema, where):
    """The complaints about a schema itself."""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        yield f"{where}: a schema must be an object or a boolean"
        return
    for name in set(schema) - KEYWORDS:
        yield f"{where}: the keyword {name} is not one that is checked"
    kinds = schema.get("type", [])
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        if kind not in TYPES:
            yield f"{where}: there is no type {kind}"
    if "$ref" in schema:
        try:
            deref(document, schema)
        except ValueError as error:
            yield f"{where}: {error}"
    properties = schema.get("properties", {})
    for name, inner in properties.items():
        yield from check_schema(document, inner, f"{where}.{name}")
    for name in schema.get("required", []):
        if name not in properties and schema.get("additionalProperties") is not True:
            yield f"{where}: {name} is required, and no property"
    for name in ("items", "additionalProperties"):
        if name in schema:
            yield from check_schema(document, schema[name], f"{where}.{name}")
    for name in ("oneOf", "anyOf", "allOf"):
        for i, inner in enumerate(schema.get(name, [])):
            yield from check_schema(document, inner, f"{where}.{name}[{i}]")
    if "enum" in schema and not schema["enum"]:
        yield f"{where}: an empty enum"


def is_type(value, kind):
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, TYPES[kind])


def validate(document, schema, value, where="$"):
    """The complaints about a value."""
    schema = deref(document, schema)
    if isinstance(schema, bool):
        if not schema:
            yield f"{where}: nothing is allowed here"
        return
    kinds = schema.get("type")
    if kinds is not None and not any(is_type(value, k) for k in (kinds if isinstance(kinds, list) else [kinds])):
        yield f"{where}: {value!r:.60} is no {kinds}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r:.60} is none of {schema['enum']}"
    for name, inner in (schema.get("properties", {}) if isinstance(value, dict) else {}).items():
        if name in value:
            yield from validate(document, inner, value[name], f"{where}.{name}")
    if isinstance(value, dict):
        for name in schema.get("required", []):
            if name not in value:
                yield f"{where}: {name} is missing"
        for name in set(value) - set(schema.get("properties", {})):
            yield from validate(document, schema.get("additionalProperties", True), value[name], f"{where}.{name}")
    if isinstance(value, list):
        for i, item in enumerate(value):
            yield from validate(document, schema.get("items", True), item, f"{where}[{i}]")
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            yield f"{where}: {len(value)} items"
    if isinstance(value, str) and not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        yield f"{where}: {len(value)} characters"
    if isinstance(value, (int, float)) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{where}: {value} is out of range"
    if "oneOf" in schema and sum(not list(validate(document, s, value)) for s in schema["oneOf"]) != 1:
        yield f"{where}: not exactly one of oneOf holds"
    if "anyOf" in schema and all(list(validate(document, s, value)) for s in schema["anyOf"]):
        yield f"{where}: none of anyOf holds"
    for inner in schema.get("allOf", []):
        yield from validate(document, inner, value, where)


def check_content(document, content, where):
    if not content:
        yield f"{where}: content without a media type"
    for media, of in content.items():
        if not re.fullmatch(r"[\w.+-]+/[\w.+-]+", media):
            yield f"{where}: {media} is no media type"
        if "schema" in of:
            yield from check_schema(document, of["schema"], f"{where} {media}")
            if "example" in of:
                yield from (f"{where} {media}: the example: {c}" for c in validate(document, of["schema"], of["example"]))


def check_parameters(document, path, op, where):
    seen = set()
    for p in op.get("parameters", []):
        name, place = p.get("name"), p.get("in")
        if place not in ("path", "query", "header", "cookie") or not name:
            yield f"{where}: a parameter without name or place: {p}"
            continue
        if (name.lower(), place) in seen:
            yield f"{where}: {name} twice"
        seen.add((name.lower(), place))
        if place == "path" and p.get("required") is not True:
            yield f"{where}: {name} is in the path, and not required"
        if ("schema" in p) == ("content" in p):
            yield f"{where}: {name} needs one of schema and content"
        yield from check_schema(document, p.get("schema", True), f"{where} {name}")
        if "example" in p:
            yield from (f"{where} {name}: the example: {c}" for c in validate(document, p["schema"], p["example"]))
    named = {name for name, place in seen if place == "path"}
    template = {t.lower() for t in re.findall(r"\{([^}]+)\}", path)}
    if named != template:
        yield f"{where}: the path has {template}, its parameters are {named}"


def check(document):
    """The complaints about the document (OpenAPI Specification 3.1.0, chapter 4.8)."""
    if not re.fullmatch(r"3\.1\.\d+", document.get("openapi", "")):
        yield "openapi: is not 3.1"
    for name in ("title", "version"):
        if not isinstance(document.get("info", {}).get(name), str):
            yield f"info.{name}: is missing"
    for name in set(document) - {"openapi", "info", "servers", "paths", "components", "tags", "security", "externalDocs", "webhooks",
                                 "jsonSchemaDialect"}:
        yield f"{name}: there is no such member"
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
            yield f"the schema's name {name} is not allowed"
        yield from check_schema(document, schema, name)
    tags = [t["name"] for t in document.get("tags", [])]
    if len(tags) != len(set(tags)):
        yield "a tag is there twice"
    ids = set()
    shapes = {}
    for path, item in document.get("paths", {}).items():
        if not path.startswith("/"):
            yield f"{path}: must begin with a slash"
        shape = re.sub(r"\{[^}]+\}", "{}", path)
        if shape in shapes:
            yield f"{path} and {shapes[shape]} are the same path"
        shapes[shape] = path
        for method, op in item.items():
            where = f"{method.upper()} {path}"
            if method not in METHODS:
                yield f"{where}: there is no such method"
                continue
            if op.get("operationId") in ids or not op.get("operationId"):
                yield f"{where}: its operationId {op.get('operationId')} is missing or taken"
            ids.add(op.get("operationId"))
            if not set(op.get("tags", [])) <= set(tags):
                yield f"{where}: has a tag that is not declared"
            yield from check_parameters(document, path, op, where)
            if "requestBody" in op:
                yield from check_content(document, op["requestBody"].get("content", {}), where)
            if not any(re.fullmatch(r"2\d\d|2XX", s) for s in op.get("responses", {})):
                yield f"{where}: has no answer that is a success"
            for status, answer in op.get("responses", {}).items():
                if not re.fullmatch(r"[1-5](\d\d|XX)|default", status):
                    yield f"{where}: {status} is no status"
                if not isinstance(answer.get("description"), str):
                    yield f"{where}: {status} has no description"
                if "content" in answer:
                    yield from check_content(document, answer["content"], f"{where} {status}")
