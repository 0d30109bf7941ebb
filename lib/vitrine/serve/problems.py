"""Errors as every caller gets them: problem details (RFC 9457), one sentence that helps, and a code that stays."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from vitrine.client import StaleCursor, UnknownProduct
from vitrine.errors import BadInput, BadRecord, BadSettings, Unavailable, VitrineError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 2
"""When to come again after the catalogue did not answer: its server needs seconds, not milliseconds."""


class Problem(Exception):
    """An answer that is an error; `extra` are further members of it, `headers` go with it."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        extra: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.detail = detail
        self.extra = dict(extra or {})
        self.headers = dict(headers or {})

    def response(self, scope: Mapping[str, Any]) -> Response:
        """The answer to the request of that scope."""
        told = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "instance": scope["path"],
            "code": self.code,
            "request_id": scope.get("state", {}).get("request_id", ""),
            **self.extra,
        }
        headers = {"Cache-Control": "no-store", **self.headers}
        # As ASCII, since half a surrogate pair in an address has no UTF-8.
        return Response(json.dumps(told), self.status, headers, MEDIA_TYPE)


def again(status: int, code: str, detail: str, after_s: int) -> Problem:
    """A problem that passes; callers may try again after so many seconds."""
    return Problem(status, code, f"{detail}: try again in {after_s} s.", headers={"Retry-After": str(after_s)})


def fault() -> Problem:
    """A mistake of the service."""
    return Problem(500, "fault", "The service made a mistake; its log knows the request id.")


def problem_of(error: VitrineError) -> Problem:
    """What a caller is told of an error of the library; the texts of servers and files stay here."""
    match error:
        case BadRecord():
            detail = f"This picture cannot be used ({error.reason}): {error.detail or 'send another one'}"
            return Problem(422, "bad_picture", detail, extra={"reason": str(error.reason)})
        case BadSettings():
            return Problem(422, "bad_request", str(error))
        case UnknownProduct():
            return Problem(404, "no_such_product", "The catalogue has no such product.")
        case StaleCursor():
            detail = "The cursor belongs to another search or to a catalogue that was replaced: search from the start."
            return Problem(410, "cursor_expired", detail)
        case Unavailable():
            return again(503, "unavailable", "The catalogue does not answer just now", RETRY_AFTER_S)
        case BadInput():
            return again(503, "not_ready", "The service has no catalogue to search, or not its model", RETRY_AFTER_S)
        case _:
            return fault()
