import grpc
import pytest
from pymilvus import MilvusException

from vitrine.errors import BadInput, Unavailable
from vitrine.index.faults import translated
from vitrine.index.store import NotThere


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MilvusException(100, "collection not found"), NotThere),
        (MilvusException(1, "no idea"), BadInput),
        (MilvusException(1, "try again", retriable=True), Unavailable),
        (MilvusException(2, "no connection"), Unavailable),
        (MilvusException(8, "rate limit"), Unavailable),
        (MilvusException(grpc.StatusCode.UNAVAILABLE, "gone"), Unavailable),
        (MilvusException(grpc.StatusCode.DEADLINE_EXCEEDED, "slow"), Unavailable),
        (MilvusException(101, "collection not loaded"), Unavailable),
        (MilvusException(65_535, "proxy TaskCondition context Done"), Unavailable),
        (MilvusException(65_535, "attempt #1: rpc error: code = Unknown desc = node not match"), Unavailable),
        (MilvusException(1, "wait for flush timeout, collection: shop"), Unavailable),
        (MilvusException(1, "service not ready: Abnormal"), Unavailable),
        (MilvusException(65_535, "cannot parse expression"), BadInput),
        (MilvusException(grpc.StatusCode.UNAUTHENTICATED, "who"), BadInput),
    ],
)
def test_errors_say_who_must_act(error, told):
    with pytest.raises(told) as caught, translated("reading shop"):
        raise error

    assert caught.value.__cause__ is error


def test_an_error_is_one_line_that_names_what_was_done():
    with pytest.raises(BadInput, match=r"^reading shop: first second$"), translated("reading shop"):
        raise MilvusException(1, "first\n  second")


def test_a_refused_token_names_the_setting():
    refused = MilvusException(grpc.StatusCode.PERMISSION_DENIED, "no")

    with pytest.raises(BadInput, match=r"check milvus\.token or milvus\.token_file$"), translated("connecting"):
        raise refused


def test_errors_of_our_own_pass_unchanged():
    with pytest.raises(ZeroDivisionError), translated("counting"):
        raise ZeroDivisionError
