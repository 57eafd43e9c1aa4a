#!/usr/bin/env python3
"""Makes src/wire/gen from src/wire/schema: C structs and constant tables of Kafka's messages.

  tools/gen_wire.py            write what changed, remove what has no schema any more
  tools/gen_wire.py --check    write nothing; exit 1 and name the files that are not fresh

The schema format is described in src/wire/schema/README.md. Only the Python standard library is used.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = ROOT / "src" / "wire" / "schema"
GEN = ROOT / "src" / "wire" / "gen"

# schema type -> (C type, table constant)
SCALARS = {
    "bool": ("bool", "WIRE_BOOL"),
    "int8": ("int8_t", "WIRE_INT8"),
    "int16": ("int16_t", "WIRE_INT16"),
    "uint16": ("uint16_t", "WIRE_UINT16"),
    "int32": ("int32_t", "WIRE_INT32"),
    "uint32": ("uint32_t", "WIRE_UINT32"),
    "int64": ("int64_t", "WIRE_INT64"),
    "float64": ("double", "WIRE_FLOAT64"),
    "uuid": ("struct uuid", "WIRE_UUID"),
    "string": ("struct str", "WIRE_STRING"),
    "bytes": ("struct str", "WIRE_BYTES"),
    "records": ("struct wire_records", "WIRE_RECORDS"),
}
INTEGER_BITS = {"int8": 8, "int16": 16, "uint16": 16, "int32": 32, "uint32": 32, "int64": 64}
NEVER = (1, 0)
FOREVER = 255


class SchemaError(Exception):
    pass


def snake(name):
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name).lower()


def version_range(text):
    """"3+" -> (3, 255); "3-7" -> (3, 7); "3" -> (3, 3); "none" -> NEVER."""
    if text == "none":
        return NEVER
    match = re.fullmatch(r"(\d+)(\+|-(\d+))?", text)
    if not match:
        raise SchemaError(f"'{text}' is not a version range")
    low = int(match[1])
    high = FOREVER if match[2] == "+" else int(match[3]) if match[3] else low
    if low > high or high > FOREVER:
        raise SchemaError(f"'{text}' is not a version range")
    return (low, high)


def show_range(versions):
    low, high = versions
    return f"{low}+" if high == FOREVER else f"{low}-{high}" if low != high else f"{low}"


class Field:
    """One line of a schema."""

    def __init__(self, name, kind, versions, attributes, comment):
        self.name, self.versions, self.comment = name, versions, comment
        self.array = kind.startswith("[]")
        self.base = kind[2:] if self.array else kind
        self.nullable, self.tagged = NEVER, NEVER
        self.tag, self.default = 0, None
        self.ignorable = self.classic = False
        self.struct = None  # Struct, if the base type is not a scalar
        self.read_attributes(attributes)

    def read_attributes(self, attributes):
        for attribute in attributes:
            key, _, value = attribute.partition("=")
            if key == "null":
                self.nullable = version_range(value)
            elif key == "tag":
                self.tag = int(value)
                if self.tagged == NEVER:
                    self.tagged = self.versions
            elif key == "tagged":
                self.tagged = version_range(value)
            elif key == "default":
                self.default = value
            elif attribute == "ignorable":
                self.ignorable = True
            elif attribute == "classic":
                self.classic = True
            else:
                raise SchemaError(f"unknown attribute '{attribute}' of {self.name}")

    @property
    def pointer(self):
        return self.struct is not None and not self.array and self.nullable != NEVER

    def check(self):
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise SchemaError(f"'{self.name}' is not a field name")
        if self.struct is None and self.base not in SCALARS:
            raise SchemaError(f"{self.name}: type '{self.base}' is unknown and no fields follow")
        if self.base == "records" and (self.array or self.tagged != NEVER):
            raise SchemaError(f"{self.name}: records cannot be tagged or in an array")
        if self.tagged != NEVER and self.struct is not None and self.struct.has_records():
            raise SchemaError(f"{self.name}: a tagged struct cannot hold records")
        if self.pointer and self.default != "null":
            raise SchemaError(f"{self.name}: a struct that may be null must have default=null")
        if self.tag > 254:
            raise SchemaError(f"{self.name}: tag {self.tag} does not fit the table")
        self.check_default()

    def check_default(self):
        if self.default is None:
            return
        if self.default == "null":
            if self.nullable == NEVER:
                raise SchemaError(f"{self.name}: default=null but it is never null")
        elif self.array or self.struct is not None:
            raise SchemaError(f"{self.name}: only null can be the default of this type")
        elif self.base in INTEGER_BITS:
            bits, value = INTEGER_BITS[self.base], int(self.default)
            low = 0 if self.base.startswith("u") else -(1 << (bits - 1))
            if not low <= value < low + (1 << bits):
                raise SchemaError(f"{self.name}: default {value} does not fit {self.base}")
        elif self.base == "bool":
            if self.default not in ("true", "false"):
                raise SchemaError(f"{self.name}: default of a bool is true or false")
        elif self.base != "string":
            raise SchemaError(f"{self.name}: no default possible for {self.base}")

    def initializer(self):
        """The C expressions of the default: one for each member of the struct."""
        if self.array:
            return [(self.name, "NULL"), (self.name + "_count", "-1" if self.default == "null" else "0")]
        if self.pointer:
            return [(self.name, "NULL")]
        if self.struct is not None:
            return [(self.name, self.struct.initializer())]
        if self.base == "records":
            return [(self.name, "{NULL, -1, NULL, 0}")]
        if self.base in ("string", "bytes"):
            text = self.default or ""
            return [(self.name, "{NULL, 0}" if text == "null" else f'{{"{text}", {len(text)}}}')]
        if self.base == "uuid":
            return [(self.name, "{{0}}")]
        value = self.default or ("false" if self.base == "bool" else "0")
        if self.base == "int64":
            value = "INT64_MIN" if int(value) == -(1 << 63) else f"INT64_C({value})"
        elif self.base == "int32" and int(value) == -(1 << 31):
            value = "INT32_MIN"
        return [(self.name, value)]


class Struct:
    """A message or a struct inside one. c_name has no prefix: produce_request_topic."""

    def __init__(self, name, c_name):
        self.name, self.c_name, self.fields = name, c_name, []

    def inner(self):
        """Structs inside this one, the innermost first, without this one."""
        for field in self.fields:
            if field.struct is not None:
                yield from field.struct.inner()
                yield field.struct

    def tags(self):
        return [f.tag for f in self.fields if f.tagged != NEVER]

    def has_records(self):
        return any(f.base == "records" or (f.struct and f.struct.has_records()) for f in self.fields)

    def initializer(self):
        if not self.fields:
            return "{0}"
        parts = [f".{member} = {value}" for f in self.fields for member, value in f.initializer()]
        return "{" + ", ".join(parts) + "}"


class Schema:
    """One .msg file."""

    def __init__(self, path):
        self.file = path.name
        self.stem = path.stem
        self.head = {}
        self.messages = []  # Struct; of an API the request and the response
        self.path, self.line = path, 0
        try:
            self.parse(path.read_text(encoding="utf-8"))
            self.check()
        except (SchemaError, ValueError, IndexError) as error:
            raise SchemaError(f"{path}:{self.line}: {error}") from error

    def parse(self, text):
        stack = []
        for self.line, raw in enumerate(text.split("\n"), 1):
            code, _, comment = raw.partition("#")
            if not code.strip():
                continue
            words = code.split()
            indent = len(code) - len(code.lstrip(" "))
            if indent == 0:
                if len(words) == 2:
                    self.head[words[0]] = words[1]
                    continue
                name = {"request": "Request", "response": "Response", "fields": ""}[words[0]]
                name = self.name + name
                self.messages.append(Struct(name, snake(name)))
                stack = [self.messages[-1]]
                self.used = set()
                continue
            depth, rest = divmod(indent, 4)
            if rest or depth > len(stack) or not stack:
                raise SchemaError("wrong indentation")
            stack = self.add_field(stack[:depth], words, comment.strip())
        self.line = 0

    def add_field(self, stack, words, comment):
        if len(words) < 3:
            raise SchemaError("a field is: name type versions [attributes]")
        field = Field(words[0], words[1], version_range(words[2]), words[3:], comment)
        if any(f.name == field.name for f in stack[-1].fields):
            raise SchemaError(f"field {field.name} appears twice")
        stack[-1].fields.append(field)
        if field.base in SCALARS:
            return stack
        if field.base in self.used:
            raise SchemaError(f"struct {field.base} appears twice")
        self.used.add(field.base)
        field.struct = Struct(field.base, f"{self.messages[-1].c_name}_{field.base}")
        return stack + [field.struct]

    @property
    def name(self):
        return self.head.get("api") or self.head["message"]

    @property
    def is_api(self):
        return "api" in self.head

    def check(self):
        want = 2 if self.is_api else 1
        if len(self.messages) != want:
            raise SchemaError("an api has request and response, a message has fields")
        if snake(self.name) != self.stem:
            raise SchemaError(f"the file of {self.name} must be {snake(self.name)}.msg")
        if self.is_api:
            self.advertised = version_range(self.head["advertised"])
            self.versions = version_range(self.head.get("served", self.head["advertised"]))
            self.key = int(self.head["key"])
        else:
            self.versions = version_range(self.head["versions"])
        self.flexible = version_range(self.head["flexible"])
        for message in self.messages:
            for struct in [*message.inner(), message]:
                tags = struct.tags()
                if tags != sorted(set(tags)):
                    raise SchemaError(f"tags of {struct.name} must ascend: they are sent in this order")
                if struct is not message and not struct.fields:
                    raise SchemaError(f"struct {struct.name} has no fields")
                for field in struct.fields:
                    field.check()


NOTE = """/* Made by tools/gen_wire.py from src/wire/schema{}.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */
"""


def note_of(field):
    parts = [f"v{show_range(field.versions)}"]
    if field.nullable != NEVER:
        parts.append(f"null v{show_range(field.nullable)}")
    if field.tagged != NEVER:
        parts.append(f"tag {field.tag}")
    if field.default is not None:
        parts.append(f"default {field.default}")
    text = ", ".join(parts)
    return f"{text}. {field.comment}" if field.comment else text


def members_of(field):
    if field.struct is not None:
        kind = f"struct wire_{field.struct.c_name}"
    else:
        kind = SCALARS[field.base][0]
    if field.array or field.pointer:
        yield f"{kind} *{field.name};"
    else:
        yield f"{kind} {field.name};"
    if field.array:
        yield f"int32_t {field.name}_count;"


def struct_text(struct):
    lines = [f"struct wire_{struct.c_name} {{"]
    rows = []
    for field in struct.fields:
        members = list(members_of(field))
        rows.append((members[0], note_of(field)))
        rows += [(member, "") for member in members[1:]]
    if not rows:
        rows = [("char empty;", "the message has no fields")]
    width = max(len(member) for member, _ in rows)
    for member, comment in rows:
        lines.append(f"    {member.ljust(width)} /* {comment} */" if comment else f"    {member}")
    return "\n".join(lines + ["};", ""])


def header_text(schema):
    guard = f"LEAT_WIRE_GEN_{schema.stem.upper()}_H"
    out = [NOTE.format("/" + schema.file), f"#ifndef {guard}", f"#define {guard}", "", '#include "wire/wire.h"', ""]
    for message in schema.messages:
        structs = [*message.inner(), message]
        if schema.is_api:
            what = f"{message.name}: key {schema.key}, versions {show_range(schema.versions)}"
        else:
            what = f"{message.name}: versions {show_range(schema.versions)}"
        flexible = "never flexible" if schema.flexible == NEVER else f"flexible {show_range(schema.flexible)}"
        out.append(f"/* {what}, {flexible}. */")
        out += [struct_text(s) for s in structs]
        out += [f"extern const struct wire_message wire_{s.c_name}_type;" for s in reversed(structs)]
        out.append("")
    return "\n".join(out + ["#endif", ""])


def field_row(struct, field):
    def pair(versions):
        return f"{{{versions[0]}, {versions[1]}}}"

    message = f"&wire_{field.struct.c_name}_type" if field.struct is not None else "NULL"
    kind = "WIRE_STRUCT" if field.struct is not None else SCALARS[field.base][1]
    flags = ["WIRE_ARRAY"] * field.array + ["WIRE_POINTER"] * field.pointer
    flags += ["WIRE_IGNORABLE"] * field.ignorable + ["WIRE_CLASSIC"] * field.classic
    count = f"AT({field.name}_count)" if field.array else "0"
    return (
        f'    {{"{field.name}", {message},\n     AT({field.name}), {count}, '
        f"{kind}, {' | '.join(flags) or '0'}, {field.tag}, "
        f"{pair(field.versions)}, {pair(field.nullable)}, {pair(field.tagged)}}},"
    )


def source_text(schema):
    out = [NOTE.format("/" + schema.file), f'#include "wire/gen/{schema.stem}.h"', ""]
    flexible = "INT16_MAX" if schema.flexible == NEVER else str(schema.flexible[0])
    for message in schema.messages:
        for struct in [*message.inner(), message]:
            if struct.fields:
                out.append(f"#define AT(member) offsetof(struct wire_{struct.c_name}, member)")
                out.append(f"static const struct wire_field {struct.c_name}_fields[] = {{")
                out += [field_row(struct, f) for f in struct.fields]
                out += ["};", "#undef AT"]
            out += [f"static const struct wire_{struct.c_name}", f"    {struct.c_name}_default = {{"]
            parts = [(m, v) for f in struct.fields for m, v in f.initializer()] or [("empty", "0")]
            out += [f"    .{member} = {value}," for member, value in parts]
            out.append("};")
            fields = f"{struct.c_name}_fields" if struct.fields else "NULL"
            out += [
                f"const struct wire_message wire_{struct.c_name}_type = {{",
                f'    "{struct.name}", {fields}, &{struct.c_name}_default,',
                f"    {len(struct.fields)}, sizeof(struct wire_{struct.c_name}), {schema.versions[0]}, {schema.versions[1]}, {flexible},"
                f" {'true' if struct.tags() else 'false'}}};",
                "",
            ]
    return "\n".join(out)


def all_header(schemas):
    guard = "LEAT_WIRE_GEN_ALL_H"
    out = [NOTE.format(""), f"#ifndef {guard}", f"#define {guard}", ""]
    out += [f'#include "wire/gen/{s.stem}.h"' for s in schemas]
    out += ["", "/* The keys of the APIs that the table knows. */", "enum wire_key {"]
    keys = sorted((s.key, s.stem) for s in schemas if s.is_api)
    out += [f"    WIRE_{stem.upper()} = {key}," for key, stem in keys]
    return "\n".join(out + ["};", "", "#endif", ""])


def apis_source(schemas):
    apis = sorted((s for s in schemas if s.is_api), key=lambda s: s.key)
    out = [NOTE.format(""), '#include "wire/gen/all.h"', '#include "wire/wire.h"', ""]
    out.append("static const struct wire_api apis[] = {")
    for s in apis:
        flexible = "INT16_MAX" if s.flexible == NEVER else str(s.flexible[0])
        request, response = (f"&wire_{m.c_name}_type" for m in s.messages)
        out.append(
            f'    {{{s.key}, "{s.name}", {s.advertised[0]}, {s.advertised[1]}, {s.versions[0]}, {flexible},\n'
            f"     {request}, {response}}},"
        )
    out += ["};", "", "/* key -> 1 + index in apis; 0: unknown */", "static const uint8_t index_of_key[] = {"]
    out += [f"    [{s.key}] = {i}," for i, s in enumerate(apis, 1)]
    out += [
        "};",
        "",
        "const struct wire_api *wire_api_find(int16_t key)",
        "{",
        "    if (key < 0 || (size_t)key >= ARRAY_LEN(index_of_key) || index_of_key[key] == 0) {",
        "        return NULL;",
        "    }",
        "    return &apis[index_of_key[key] - 1];",
        "}",
        "",
        "size_t wire_api_count(void)",
        "{",
        "    return ARRAY_LEN(apis);",
        "}",
        "",
        "const struct wire_api *wire_api_at(size_t i)",
        "{",
        "    return i < ARRAY_LEN(apis) ? &apis[i] : NULL;",
        "}",
        "",
    ]
    return "\n".join(out)


def generate():
    schemas = [Schema(path) for path in sorted(SCHEMA.glob("*.msg"))]
    keys = [s.key for s in schemas if s.is_api]
    if len(set(keys)) != len(keys):
        raise SchemaError("two schemas have the same key")
    files = {}
    for schema in schemas:
        files[f"{schema.stem}.h"] = header_text(schema)
        files[f"{schema.stem}.c"] = source_text(schema)
    files["all.h"] = all_header(schemas)
    files["apis.c"] = apis_source(schemas)
    return files


def main(arguments):
    check = arguments == ["--check"]
    if arguments and not check:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        files = generate()
    except SchemaError as error:
        print(error, file=sys.stderr)
        return 1
    GEN.mkdir(parents=True, exist_ok=True)
    old = {path.name: path.read_text(encoding="utf-8") for path in GEN.iterdir() if path.is_file()}
    stale = sorted(name for name in files if old.get(name) != files[name]) + sorted(set(old) - set(files))
    for name in stale:
        if check:
            print(f"src/wire/gen/{name} does not match src/wire/schema: run make gen", file=sys.stderr)
        elif name in files:
            (GEN / name).write_text(files[name], encoding="utf-8")
        else:
            (GEN / name).unlink()
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
