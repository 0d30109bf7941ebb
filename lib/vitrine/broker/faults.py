"""From the library's errors to ours."""

from collections.abc import Iterator
from contextlib import contextmanager

from kafka import errors

from vitrine.errors import BadInput, Unavailable, VitrineError

OF_THE_GROUP = (
    errors.CommitFailedError,
    errors.FencedInstanceIdError,
    errors.IllegalGenerationError,
    errors.RebalanceInProgressError,
    errors.UnknownMemberIdError,
)
"""What says that a member is no longer one: its loop answers that."""


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise the library's errors as ours; `doing` completes "cannot ...". Those of `OF_THE_GROUP` pass as they are.

    Raises:
        Unavailable: the same may pass later.
        BadInput: no permission, no such topic, or anything else that a repetition does not cure.
    """
    try:
        yield
    except OF_THE_GROUP:
        raise
    except errors.KafkaError as error:
        raise translation(error, doing) from error


def translation(error: BaseException, doing: str) -> VitrineError:
    """Our error for one of the library's; see `translated`."""
    text = f"cannot {doing}: {_said(error)}"
    if "AuthorizationFailed" in f"{type(error).__name__} {error}":
        return BadInput(f"{text}: the user lacks permission")
    if isinstance(error, errors.SaslAuthenticationFailedError):
        return BadInput(f"{text}: check kafka.username and its password")
    if isinstance(error, errors.UnknownTopicOrPartitionError):
        return BadInput(f"{text}: make the topic, or name another")
    if isinstance(error, errors.KafkaError) and not error.retriable:
        return BadInput(text)
    return Unavailable(text)


def _said(error: BaseException) -> str:
    said = " ".join(str(error).split()).removesuffix(": None")  # the library's word for nothing more to say
    name = type(error).__name__
    return said if name in said else f"{name}: {said}" if said else name
