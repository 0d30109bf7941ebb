"""The OpenAPI description: what FastAPI finds in the routes, and what it cannot see in them."""

from collections.abc import Callable, Iterable
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from vitrine.serve.forms import PICTURE, QUERY
from vitrine.serve.problems import MEDIA_TYPE

KEY_SCHEMES: dict[str, Any] = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}


class FieldProblem(BaseModel):
    """What is wrong with a field."""

    field: str
    problem: str


class ProblemTold(BaseModel):
    """An error: problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    """One sentence that helps."""
    instance: str
    code: str
    """Stays the same when the sentence changes."""
    request_id: str
    reason: str | None = None
    """Of a picture that cannot be used."""
    errors: list[FieldProblem] | None = None


_PROBLEM = {"schema": {"$ref": "#/components/schemas/ProblemTold"}}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": "A problem.", "content": {MEDIA_TYPE: _PROBLEM}} for status in ("422", "default")
}


def body_of(question: type[BaseModel], *, picture_needed: bool) -> dict[str, Any]:
    """The body of a route that reads it by `vitrine.serve.forms.asked`."""
    reference = {"$ref": f"#/components/schemas/{question.__name__}"}
    picture = {"type": "string", "contentMediaType": "application/octet-stream", "description": "The picture's file."}
    form = {"type": "object", "properties": {PICTURE: picture, QUERY: reference}, "additionalProperties": False}
    content: dict[str, Any] = {
        "multipart/form-data": {"schema": form, "encoding": {QUERY: {"contentType": "application/json"}}},
        "application/json": {"schema": reference},
    }
    if picture_needed:
        form["required"] = [PICTURE]
    return {"requestBody": {"required": True, "content": content}}


def described(
    app: FastAPI, questions: Iterable[type[BaseModel]], needs_key: Callable[[str], bool]
) -> Callable[[], dict[str, Any]]:
    """A function that gives the description of an application, with its questions and which addresses need a key."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = FastAPI.openapi(app)
            _add_models(found["components"]["schemas"], (*questions, ProblemTold))
            locked = [path for path in found["paths"] if needs_key(path)]
            if locked:
                found["components"]["securitySchemes"] = KEY_SCHEMES
            for operation in (one for path in locked for one in found["paths"][path].values()):
                operation["security"] = [{name: []} for name in KEY_SCHEMES]
        return app.openapi_schema or {}

    return openapi


def _add_models(schemas: dict[str, Any], models: Iterable[type[BaseModel]]) -> None:
    for model in models:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
