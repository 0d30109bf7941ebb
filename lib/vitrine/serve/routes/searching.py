"""Searches and guesses."""

from typing import Any

from fastapi import APIRouter, Request

from vitrine.client import Example, Query
from vitrine.serve import answers
from vitrine.serve.answers import GuessedTold, SearchTold, TookTold
from vitrine.serve.description import body_of
from vitrine.serve.forms import asked
from vitrine.serve.problems import Problem
from vitrine.serve.questions import PictureQuestion, Question
from vitrine.serve.service import Present, Service

router = APIRouter()


@router.post("/search", response_model=SearchTold, openapi_extra=body_of(Question, picture_needed=False))
async def search(request: Request, service: Present) -> Any:
    """Products that look like a picture or like stored products, best first."""
    question, picture = await asked(request, Question)
    picture = await _fetched(service, picture, question.picture_uri)
    if question.box is not None and picture is None:
        raise Problem(422, "bad_request", "box: it cuts a part out of a picture: send the picture.")
    if picture is None and not any(one.weight > 0 for one in question.examples):
        raise Problem(422, "nothing_asked", "Send a picture, or name a product with a weight above 0 to start from.")
    answer, embed_ms, search_ms = await service.desk.find(question.query(picture))
    return answers.search_told(answer, service.showing, TookTold(embed=embed_ms, search=search_ms))


@router.post("/categorise", response_model=GuessedTold, openapi_extra=body_of(PictureQuestion, picture_needed=True))
async def categorise(request: Request, service: Present) -> Any:
    """The category and the brand that a picture seems to show."""
    question, picture = await asked(request, PictureQuestion)
    picture = await _fetched(service, picture, question.picture_uri)
    if picture is None:
        raise Problem(422, "nothing_asked", "Send a picture.")
    box = question.box.box() if question.box else None
    query = Query(examples=(Example(picture=picture, box=box),), k=1)
    answer, embed_ms, search_ms = await service.desk.find(query)
    return GuessedTold(
        guess=answers.guess_told(answer.guess),
        collection=answer.collection,
        model_id=answer.model_id,
        took_ms=TookTold(embed=embed_ms, search=search_ms),
    )


async def _fetched(service: Service, picture: bytes | None, uri: str | None) -> bytes | None:
    """The picture that was sent, or the one at the address where the service takes addresses."""
    if uri is None:
        return picture
    if picture is not None:
        raise Problem(422, "bad_request", "picture_uri: send a picture or its address, not both.")
    if service.fetcher is None:
        raise Problem(422, "addresses_off", "This service takes no addresses of pictures: send the picture itself.")
    fetcher = service.fetcher
    fetched, _ = await service.desk.ask(lambda _: fetcher.read(uri), stage="fetch")
    return fetched
