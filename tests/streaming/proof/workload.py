"""Random lives of products, and the disorder in which their events reach the topic; equal seeds, equal records."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from tests.streaming.proof import poison
from tests.streaming.proof.pictures import Draw, tiny
from tests.streaming.proof.wire import Sent, delete, named_only, read, upsert

IMMORTAL = "always"
MOST_PICTURES = 4
FIRST_VERSION = 100


@dataclass(frozen=True, slots=True)
class Shape:
    """How much of what there is, shares from 0 to 1."""

    products: int = 100
    immortal: float = 0.2
    steps: int = 8
    twice: float = 0.1
    swapped: float = 0.15
    replayed: float = 0.04
    equal: float = 0.05
    bursts: float = 0.35
    poison: float = 0.02


def workload(seed: int, shape: Shape = Shape(), *, draw: Draw = tiny) -> list[Sent]:
    """All records, in the order in which they are produced."""
    random = Random(seed)
    queues = [_disorder(random, shape, list(_life(random, shape, number, draw))) for number in range(shape.products)]
    replayed = [sent for queue in queues for sent in queue if random.random() < shape.replayed]
    sent = _merged(random, shape, queues)
    for old in replayed:
        sent.insert(random.randrange(len(sent) // 2, len(sent) + 1), old)
    return _poisoned(random, shape, sent)


def immortals(shape: Shape = Shape()) -> frozenset[str]:
    """Products that are never deleted, and come with all their pictures in each event."""
    return frozenset(_name(shape, number) for number in range(shape.products) if _is_immortal(shape, number))


@dataclass(frozen=True, slots=True)
class _State:
    product_id: str
    version: int
    images: tuple[bytes, ...]


def _life(random: Random, shape: Shape, number: int, draw: Draw) -> Iterator[Sent]:
    """The events of one product, in the order of their versions."""
    immortal = _is_immortal(shape, number)
    fresh = (draw(1_000 * number + n) for n in range(1_000))
    state = _State(_name(shape, number), random.randrange(FIRST_VERSION), ())
    if not immortal and random.random() < 0.1:
        state = _later(random, state)
        yield delete(state.product_id, state.version, tombstone=random.random() < 0.5)
    state = replace(_later(random, state), images=tuple(next(fresh) for _ in range(random.randint(1, MOST_PICTURES))))
    yield upsert(state.product_id, state.version, state.images)
    for _ in range(random.randrange(shape.steps + 1)):
        if not immortal and random.random() < 0.15:
            state = _later(random, state)
            yield delete(state.product_id, state.version, tombstone=random.random() < 0.5)
            if random.random() < 0.6:
                state = _later(random, state)
                yield upsert(state.product_id, state.version, state.images, without=_some(random, state.images))
        else:
            state, without = random.choice(_CHANGES)(random, _later(random, state), fresh)
            # An immortal product must never wait for a picture, in whatever order its events come.
            yield upsert(state.product_id, state.version, state.images, without=() if immortal else without)


def _price(random: Random, state: _State, fresh: Iterator[bytes]) -> tuple[_State, Sequence[int]]:
    return state, range(len(state.images))


def _all_again(random: Random, state: _State, fresh: Iterator[bytes]) -> tuple[_State, Sequence[int]]:
    return state, ()


def _changed(random: Random, state: _State, fresh: Iterator[bytes]) -> tuple[_State, Sequence[int]]:
    """Another picture in the place of one."""
    at = random.randrange(len(state.images))
    images = (*state.images[:at], next(fresh), *state.images[at + 1 :])
    return replace(state, images=images), [i for i in range(len(images)) if i != at]


def _added(random: Random, state: _State, fresh: Iterator[bytes]) -> tuple[_State, Sequence[int]]:
    if len(state.images) == MOST_PICTURES:
        return _fewer(random, state, fresh)
    return replace(state, images=(*state.images, next(fresh))), range(len(state.images))


def _fewer(random: Random, state: _State, fresh: Iterator[bytes]) -> tuple[_State, Sequence[int]]:
    at = random.randrange(len(state.images))
    images = (*state.images[:at], *state.images[at + 1 :]) or state.images
    return replace(state, images=images), range(len(images))


def _exchanged(random: Random, state: _State, fresh: Iterator[bytes]) -> tuple[_State, Sequence[int]]:
    """The same pictures at other positions, without their bytes."""
    return replace(state, images=tuple(random.sample(state.images, len(state.images)))), range(len(state.images))


def _doubled(random: Random, state: _State, fresh: Iterator[bytes]) -> tuple[_State, Sequence[int]]:
    """One picture at two positions, its bytes once."""
    images = (*state.images[: MOST_PICTURES - 2], added := next(fresh), added)
    return replace(state, images=images), [*range(len(images) - 2), len(images) - 1]


_CHANGES = (_price, _price, _price, _all_again, _changed, _changed, _added, _fewer, _exchanged, _exchanged, _doubled)


def _later(random: Random, state: _State) -> _State:
    return replace(state, version=state.version + random.randint(1, 3))


def _some(random: Random, images: Sequence[bytes]) -> Sequence[int]:
    return random.choice(([], [], range(len(images)), [0]))


def _disorder(random: Random, shape: Shape, events: list[Sent]) -> list[Sent]:
    """Events twice, neighbours exchanged, and others of an equal version: without bytes, or a delete, which wins."""
    immortal = read(events[0]).product_id.startswith(IMMORTAL)
    spread: list[Sent] = []
    for event in events:
        spread.append(event)
        if random.random() < shape.twice:
            spread.append(event)
        if not immortal and random.random() < shape.equal and (equal := _equal(random, event)):
            spread.insert(len(spread) - random.randrange(2), equal)
    for i in range(len(spread) - 1):
        if random.random() < shape.swapped:
            spread[i], spread[i + 1] = spread[i + 1], spread[i]
    return spread


def _equal(random: Random, event: Sent) -> Sent | None:
    """Another event of the same version: a delete, or the same state without the pictures' bytes."""
    listing = read(event)
    if listing.deleted:
        return None
    if random.random() < 0.5:
        return delete(listing.product_id, listing.version)
    return named_only(event)


def _merged(random: Random, shape: Shape, queues: list[list[Sent]]) -> list[Sent]:
    """Products beside each other; in a burst the next event is of the same product, beside its own in flight."""
    waiting = [list(reversed(queue)) for queue in queues]
    merged: list[Sent] = []
    while waiting:
        at = random.randrange(len(waiting))
        merged.append(waiting[at].pop())
        while waiting[at] and random.random() < shape.bursts:
            merged.append(waiting[at].pop())
        if not waiting[at]:
            waiting[at] = waiting[-1]
            waiting.pop()
    return merged


def _poisoned(random: Random, shape: Shape, sent: list[Sent]) -> list[Sent]:
    """Bad records between the good ones, every kind once at least."""
    kinds = list(poison.KINDS.values())
    for number in range(max(len(kinds), round(shape.poison * len(sent)))):
        sent.insert(random.randrange(len(sent)), kinds[number % len(kinds)](number))
    return sent


def _name(shape: Shape, number: int) -> str:
    return f"{IMMORTAL}-{number}" if _is_immortal(shape, number) else f"product/{number}"


def _is_immortal(shape: Shape, number: int) -> bool:
    return number < shape.immortal * shape.products
