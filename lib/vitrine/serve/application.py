"""The application: routes inside, and in front of them what is decided before a body is read."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from vitrine import __version__, client
from vitrine.client import Client
from vitrine.errors import VitrineError
from vitrine.serve.admission import Admission
from vitrine.serve.bodies import Bodies
from vitrine.serve.complaints import Complaints
from vitrine.serve.description import PROBLEMS, described
from vitrine.serve.forms import field_problem
from vitrine.serve.keys import KeyRing
from vitrine.serve.metrics import Metrics
from vitrine.serve.paths import Segments
from vitrine.serve.permission import Permission
from vitrine.serve.problems import Problem, fault, problem_of
from vitrine.serve.questions import PictureQuestion, Question
from vitrine.serve.record import Record
from vitrine.serve.routes import operation, page, pictures, products, searching
from vitrine.serve.rules import needs_key
from vitrine.serve.service import opened
from vitrine.settings import Settings

CODES = {404: "not_found", 405: "wrong_method"}
DETAILS = {404: "There is nothing at this address.", 405: "This address does not take that method."}


def application(settings: Settings, *, open_client: Callable[[], Client] | None = None) -> ASGIApp:
    """The service as an ASGI application; it opens the database when it starts, and closes it when it ends.

    `open_client` gives another client than the one of the settings; it is closed too.

    Raises:
        BadInput: the keys cannot be read.
    """
    asked, metrics = settings.serve, Metrics()
    keys = KeyRing(asked.keys_file) if asked.keys_file else None
    inside: ASGIApp = _routes(settings, metrics, open_client or (lambda: client_of(settings)))
    inside = Bodies(inside, asked)
    inside = Admission(inside, asked.places, metrics)
    inside = Permission(inside, asked, keys)
    if asked.origins:
        inside = CORSMiddleware(
            inside,
            allow_origins=asked.origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key"],
            expose_headers=["Retry-After", "X-Request-Id"],
        )
    return Segments(Record(inside, metrics, asked.image_origins))


def client_of(settings: Settings) -> Client:
    """The client of the settings.

    Raises:
        As `vitrine.client.connect`.
    """
    if settings.milvus.is_lite:
        from vitrine.vision.starting import start_threads

        start_threads()
    return client.connect(
        settings.milvus,
        model_store=settings.model_store_uri,
        pictures=settings.pictures,
        device=settings.model.device,
        precision=settings.model.precision,
        deadline_s=settings.serve.timeout_s,
    )


def _routes(settings: Settings, metrics: Metrics, open_client: Callable[[], Client]) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service = opened(settings, await asyncio.to_thread(open_client), metrics)
        app.state.service = service
        try:
            yield
        finally:
            await asyncio.to_thread(service.close)

    app = FastAPI(
        title="Vitrine",
        version=__version__,
        summary="Visual product search.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=PROBLEMS,
    )
    app.state.complaints = Complaints()
    for routes in (searching, products, pictures, operation):
        app.include_router(routes.router)
    page.add_page(app)
    for kind in (Problem, VitrineError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, _told)

    def locked(path: str) -> bool:
        return settings.serve.keys_file is not None and needs_key(path, open_metrics=settings.serve.open_metrics)

    app.openapi = described(app, [Question, PictureQuestion], locked)  # type: ignore[method-assign]  # FastAPI's own way
    return app


async def _told(request: Request, error: Exception) -> Response:
    match error:
        case Problem():
            problem = error
        case VitrineError():
            problem = problem_of(error)
        case RequestValidationError():
            problem = field_problem(error.errors())
        case HTTPException():
            code = CODES.get(error.status_code, "bad_body")
            detail = DETAILS.get(error.status_code, "The request cannot be read.")
            problem = Problem(error.status_code, code, detail, headers=error.headers)
        case _:
            problem = fault()
    reason = error.__cause__ if isinstance(error, Problem) else error
    if problem.status == 503 and reason is not None:
        request.app.state.complaints.hear(reason)
    return problem.response(request.scope)
