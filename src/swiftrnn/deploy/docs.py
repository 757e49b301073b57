"""The description of a served task as a page for people, made from its OpenAPI document."""

import html
import json
from collections.abc import Iterator
from typing import Any

from swiftrnn.deploy import describe

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>API of {title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="page/page.css">
</head>
<body class="docs">
<header><h1>API of {title}</h1><p>{summary}</p></header>
<main>
<p>{description} Below, <code>inputs[]</code> is each item of <code>inputs</code>, and
<code>options.name</code> a field of <code>options</code>.</p>
{endpoints}
{refusals}
</main>
<footer><a href="./">The page</a> <a href="openapi.json">openapi.json</a></footer>
</body>
</html>
"""
ENDPOINT = """<section>
<h2><code>{method} {path}</code></h2>
<p>{summary}</p>
{body}
</section>
"""
REFUSALS = """<section>
<h2>Refusals</h2>
<p>What is refused gets an object with the reason as <code>detail</code>.</p>
{body}
</section>
"""
HEADS = ("field", "type", "default", "what it is")


def page(described: dict[str, Any]) -> str:
    """The page, of what `describe.openapi` gives; it needs nothing but the style sheet."""
    endpoints = "".join(
        ENDPOINT.format(
            method=method.upper(),
            path=html.escape(path),
            summary=html.escape(each["summary"]),
            body=_endpoint(path, method, each),
        )
        for path, methods in described["paths"].items()
        for method, each in methods.items()
    )
    info = {name: html.escape(text) for name, text in described["info"].items()}
    return PAGE.format(**info, endpoints=endpoints, refusals=_refusals(described["paths"]))


def _refusals(paths: dict[str, Any]) -> str:
    answers = paths["/predict"]["post"]["responses"].items()
    rows = [
        [f"<code>{status}</code>", html.escape(each["description"])]
        for status, each in answers
        if status != "200"
    ]
    return REFUSALS.format(body=_table(("status", "when"), rows))


def _endpoint(path: str, method: str, each: dict[str, Any]) -> str:
    parts = []
    if method == "post":
        takes = each["requestBody"]["content"]["application/json"]["schema"]
        parts.append(_fields("Request, application/json", takes))
    media, gives = next(iter(each["responses"]["200"]["content"].items()))
    parts.append(_fields(f"Answer, {media}", gives["schema"]))
    parts.append(f"<h3>Example</h3><pre>{html.escape(_curl(path, method, each))}</pre>")
    return "\n".join(parts)


def _curl(path: str, method: str, each: dict[str, Any]) -> str:
    """A command that asks, with some input that is allowed."""
    if method == "get":
        return f"curl -s localhost:8000{path}"
    takes = each["requestBody"]["content"]["application/json"]["schema"]
    body: dict[str, Any] = {"inputs": [describe.example(takes["properties"]["inputs"]["items"])]}
    known = takes["properties"].get("options", {"properties": {}})["properties"]
    first = {name: field["default"] for name, field in [*known.items()][:1]}
    text = json.dumps(body | ({"options": first} if first else {}), ensure_ascii=False)
    text = text.replace("'", "'\\''")
    flags = "-sN" if path == "/stream" else "-s"
    return (
        f"curl {flags} localhost:8000{path} -H 'content-type: application/json' \\\n    -d '{text}'"
    )


def _fields(title: str, schema: dict[str, Any]) -> str:
    rows = [[html.escape(each) for each in row] for row in _rows(schema, "")]
    rows = [[f"<code>{name}</code>", *rest] for name, *rest in rows]
    return f"<h3>{html.escape(title)}</h3>\n{_table(HEADS, rows)}" if rows else ""


def _rows(schema: dict[str, Any], name: str) -> Iterator[tuple[str, str, str, str]]:
    """A row for a schema and for each that is in it, unless its name says all there is to say."""
    nested = schema.get("type") in ("array", "object")
    if name and ("description" in schema or not nested):
        default = json.dumps(schema["default"]) if "default" in schema else ""
        yield name, _type(schema), default, schema.get("description", "")
    if schema.get("type") == "array":
        inner = schema.get("items", {})
        yield from _rows(inner, f"{name}[]")
    for key, each in schema.get("properties", {}).items():
        yield from _rows(each, f"{name}.{key}" if name else key)


def _type(schema: dict[str, Any]) -> str:
    """A kind and its range, in words: "integer from 1 to 10", "array of 1 to 64"."""
    if "enum" in schema:
        return " or ".join(json.dumps(each) for each in schema["enum"])
    if "const" in schema:
        return json.dumps(schema["const"])
    kind = schema.get("type", "any")
    kind = kind if isinstance(kind, str) else " or ".join(kind)
    bounds = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to",
              "exclusiveMaximum": "below", "minItems": "of", "maxItems": "to"}  # fmt: skip
    ends = [f"{word} {schema[key]:,.10g}" for key, word in bounds.items() if key in schema]
    return " ".join([kind, *ends])


def _table(heads: tuple[str, ...], rows: list[list[str]]) -> str:
    """A table whose cells are HTML already."""
    head = "".join(f'<th scope="col">{each}</th>' for each in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>\n" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>"
