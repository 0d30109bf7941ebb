"""Decoding apart what may have ended a process before."""

from contextlib import contextmanager

import pytest

from streaming.careful import Careful
from vitrine.errors import Unavailable
from vitrine.rendering import draw, jpeg, look
from vitrine.testing import FakeEmbedder

PICTURE = jpeg(draw(look(1), size=64))


class Fragile(FakeEmbedder):
    """A FakeEmbedder whose process apart ends at the first picture, so often."""

    def __init__(self, ends: int = 0) -> None:
        super().__init__()
        self.ends, self.opened, self.closed = ends, 0, 0

    @contextmanager
    def isolated(self):
        """See `Embedder.isolated`."""
        self.opened += 1
        try:
            yield self
        finally:
            self.closed += 1

    def embed(self, pictures):
        """See `Embedder.embed`."""
        if self.opened > self.closed and self.ends:
            self.ends -= 1
            raise Unavailable("the process that decodes pictures has ended")
        return super().embed(pictures)


def embedded(careful: Careful) -> int:
    return sum(len(batch.vectors) for batch in careful.embed([("a", PICTURE)]))


def test_the_process_apart_lives_as_long_as_it_is_needed():
    fragile = Fragile()
    careful = Careful(fragile)
    assert embedded(careful) == 1
    assert fragile.opened == 0
    careful.apart = True
    assert [embedded(careful), embedded(careful)] == [1, 1]
    assert (fragile.opened, fragile.closed) == (1, 0)
    careful.apart = False
    assert embedded(careful) == 1
    assert fragile.closed == 1


def test_a_process_apart_that_has_ended_is_started_again():
    fragile = Fragile(ends=1)
    careful = Careful(fragile)
    careful.apart = True
    with pytest.raises(Unavailable):
        embedded(careful)
    assert embedded(careful) == 1
    assert (fragile.opened, fragile.closed) == (2, 1)
    careful.close()


def test_it_says_of_itself_what_the_embedder_says():
    fragile = Fragile()
    careful = Careful(fragile)
    said = careful.model_id, careful.dim, careful.runs_on, careful.forward_passes
    assert said == (fragile.model_id, fragile.dim, fragile.runs_on, fragile.forward_passes)
