"""What a served task takes and gives, in JSON: for its page, and as OpenAPI for programs."""

from pathlib import Path
from typing import Any

from swiftrnn import __version__
from swiftrnn.deploy import options
from swiftrnn.deploy.trained import Trained
from swiftrnn.tasks import Task, Value

MOST_INPUTS = 64  # of a request
MOST_WORK = 20_000  # of a request, in the units of `Task.cost`
PIECES = "application/x-ndjson"


def page(trained: Trained) -> dict[str, Any]:
    """What the page needs to know."""
    task = trained.task
    return {
        "run": trained.folder.name,
        "recipe": trained.recipe.name,
        "about": trained.recipe.about.splitlines()[0],
        "verb": task.verb,
        "takes": _value(task.takes),
        "gives": _value(task.gives),
        "shows": [_value(each) for each in task.shows],
        "options": options.described(task.options),
        "stream": task.stream is not None,
        "version": __version__,
    }


def _value(value: Value[Any]) -> dict[str, Any]:
    return {"name": value.name, "widget": widget(value), "schema": value.schema()}


def widget(value: Value[Any]) -> str:
    """The address of the script that shows a value, as the page finds it."""
    own = isinstance(value.widget, Path)
    return f"widget/{value.name}.js" if own else f"page/{value.widget}.js"


def widgets(task: Task[Any, Any]) -> dict[str, Path]:
    """The user's own scripts, by their address.

    Raises:
        ValueError: two values of one name have different ones, or one cannot be read.
    """
    found: dict[str, Path] = {}
    for value in (task.takes, task.gives, *task.shows):
        if not isinstance(value.widget, Path):
            continue
        if not value.widget.is_file():
            raise ValueError(
                f"the value {value.name} needs a widget that is a file; got {value.widget}; "
                "give the path of a script"
            )
        if found.setdefault(widget(value), value.widget) != value.widget:
            raise ValueError(
                f"values of one name need one widget; got two for {value.name}; "
                "let one script export both input and output"
            )
    return found


def example(schema: dict[str, Any]) -> Any:
    """Some JSON that a simple schema allows; the first of its `examples`, where it has any.

    Examples:
        >>> example({"type": "array", "items": {"type": "string"}})
        ['An example.']
    """
    if found := schema.get("examples", schema.get("enum")):
        return found[0]
    kind = schema.get("type")
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: example(properties[name]) for name in schema.get("required", ())}
    if kind == "array":
        return [example(schema.get("items", {}))] * max(1, schema.get("minItems", 1))
    if kind in ("integer", "number"):
        return schema.get("minimum", 0)
    return {"boolean": False, "string": "An example."}.get(str(kind))


def openapi(trained: Trained, body: int, seconds: float) -> dict[str, Any]:
    """The interface, with the schemas of the task's own values and options.

    Args:
        trained: what is served.
        body: most bytes of a request.
        seconds: to answer one.
    """
    task = trained.task
    paths = {
        "/predict": {"post": _predict(task)},
        "/stream": {"post": _stream(task)},
        "/task": {"get": _get("What the page needs to know", {"type": "object"})},
        "/health": {"get": _get("Whether it answers, and what runs here", HEALTH)},
    }
    if task.stream is None:
        del paths["/stream"]
    limits = (
        f"A request has at most {MOST_INPUTS} inputs, {body:,} bytes and {MOST_WORK:,} units of "
        f"work; it is answered within {seconds:g} seconds or refused."
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"swiftrnn {trained.folder.name}",
            "summary": trained.recipe.about.splitlines()[0],
            "description": limits,
            "version": __version__,
        },
        "paths": paths,
        "components": {"schemas": {"Refused": REFUSED}},
    }


HEALTH = {
    "type": "object",
    "properties": {
        "status": {"const": "ok"},
        "run": {"type": "string", "description": "the name of the run folder"},
        "recipe": {"type": "string"},
        "version": {"type": "string", "description": "of swiftrnn"},
    },
}
REFUSED = {
    "type": "object",
    "properties": {"detail": {"type": "string", "description": "what is wrong"}},
    "required": ["detail"],
}
REFUSALS = {
    "400": "the body cannot be read, or the request names another host",
    "403": "the request comes from a page of another site",
    "408": "the request took too long to come",
    "413": "the request has too many bytes",
    "415": "the content type is not application/json",
    "422": "an input or an option does not fit, or they are too much work",
    "500": "it could not be answered; the server's log says why",
    "503": "too many requests at a time, or this one took too long; try again",
}


def _predict(task: Task[Any, Any]) -> dict[str, Any]:
    values = (task.gives, *task.shows)
    answer: dict[str, Any] = {
        "type": "object",
        "properties": {each.name: each.schema() for each in values},
        "required": [task.gives.name],
    }
    answer["description"] = "the answer to an input"
    request = _request(task, MOST_INPUTS, "each is answered by itself")
    about = f"{task.verb}: an answer for each input, in their order"
    return _post(about, request, "application/json", {"type": "array", "items": answer})


def _stream(task: Task[Any, Any]) -> dict[str, Any]:
    line = {
        "type": "object",
        "description": "a line of JSON for each piece, then one with done or with error",
        "properties": {
            "piece": {**task.gives.schema(), "description": "all together make the answer"},
            "done": {"const": True},
            "error": {"type": "string", "description": "why there is no more"},
        },
    }
    request = _request(task, 1, "one alone; who closes the connection ends the work")
    about = f"{task.verb}: the answer to one input, in pieces, as they are made"
    return _post(about, request, PIECES, line)


def _request(task: Task[Any, Any], most: int, about: str) -> dict[str, Any]:
    inputs = {"type": "array", "items": task.takes.schema(), "minItems": 1, "maxItems": most}
    properties = {"inputs": {**inputs, "description": about}}
    known = options.schema(task.options)
    if known["properties"]:
        properties["options"] = {**known, "description": "some of these, or none"}
    return {
        "type": "object",
        "properties": properties,
        "required": ["inputs"],
        "additionalProperties": False,
    }


def _post(summary: str, request: Any, media: str, answer: Any) -> dict[str, Any]:
    refused = {"$ref": "#/components/schemas/Refused"}
    refusals = {status: _holds(why, refused) for status, why in REFUSALS.items()}
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": {"application/json": {"schema": request}}},
        "responses": {"200": _holds("the answer", answer, media), **refusals},
    }


def _get(summary: str, answer: Any) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": _holds(summary, answer)}}


def _holds(about: str, schema: Any, media: str = "application/json") -> dict[str, Any]:
    return {"description": about, "content": {media: {"schema": schema}}}
