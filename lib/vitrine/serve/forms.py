"""Bodies read: JSON, or a picture with JSON beside it. What was sent stays in memory and is never told back."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from vitrine.serve.problems import Problem

Q = TypeVar("Q", bound=BaseModel)

PICTURE, QUERY = "picture", "query"
MOST_QUERY_BYTES = 200_000
MOST_ERRORS = 20


async def asked(request: Request, question: type[Q]) -> tuple[Q, bytes | None]:
    """The question of a request, and the picture that came with it.

    Raises:
        Problem: the body is neither JSON nor a form, cannot be read, or asks for what there is not.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return _parsed(question, await request.body()), None
    if kind == "multipart/form-data":
        form = await _form(request)
        try:
            _check_parts(form)
            query = await _part(form, QUERY)
            return _parsed(question, query or b"{}"), await _part(form, PICTURE)
        finally:
            await form.close()
    raise Problem(415, "unsupported_body", "Send multipart/form-data with a picture, or application/json.")


def field_problem(problems: Sequence[Mapping[str, Any]]) -> Problem:
    """What is wrong with which field, from what pydantic found; never what was sent."""
    found = [{"field": ".".join(map(str, one["loc"])), "problem": one["msg"]} for one in problems[:MOST_ERRORS]]
    first = found[0]
    detail = f"{first['field'] or 'the query'}: {first['problem']}."
    return Problem(422, "bad_request", detail, extra={"errors": found})


class _InMemory(MultiPartParser):
    spool_max_size = 1 << 40  # a body is bounded before it comes here, and no picture of a caller goes to a disk


async def _form(request: Request) -> FormData:
    try:
        parser = _InMemory(request.headers, request.stream(), max_files=2, max_fields=1, max_part_size=MOST_QUERY_BYTES)
        return await parser.parse()
    except (MultiPartException, ValueError) as error:
        raise Problem(400, "bad_body", "The form cannot be read: send one picture and one query.") from error


def _check_parts(form: FormData) -> None:
    names = [name for name, _ in form.multi_items()]
    if len(names) > len(set(names)) or not set(names) <= {PICTURE, QUERY}:
        raise Problem(400, "bad_body", "A form holds one part named picture and one named query, and no other.")


async def _part(form: FormData, name: str) -> bytes | None:
    part = form.get(name)
    return await part.read() if isinstance(part, UploadFile) else None if part is None else part.encode()


def _parsed(question: type[Q], text: bytes) -> Q:
    try:
        return question.model_validate_json(text)
    except ValidationError as error:
        raise field_problem(list(_without_input(error))) from error


def _without_input(error: ValidationError) -> Iterator[ErrorDetails]:
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        if one["type"] == "json_invalid":
            raise Problem(400, "bad_body", "The query is not JSON.") from error
        yield one
