"""Colours as vectors, against a count of pixels one by one."""

import colorsys
import io

import numpy as np
import pytest
from PIL import Image

from tests.retrieval.builders import picture
from vitrine.embedding import Vectors
from vitrine.product import Reason
from vitrine.retrieval.histogram import BINS, HistogramEmbedder


def vectors(embedder: HistogramEmbedder, *pictures: bytes) -> Vectors:
    return np.concatenate([batch.vectors for batch in embedder.embed(enumerate(pictures))])


def plain(colours: list[tuple[int, int, int]]) -> np.ndarray:
    counts = np.zeros(BINS)
    for red, green, blue in colours:
        values = colorsys.rgb_to_hsv(red / 255, green / 255, blue / 255)
        counts[tuple(min(int(value * n), n - 1) for value, n in zip(values, BINS, strict=True))] += 1
    return np.sqrt(counts / len(colours)).reshape(-1)


def picture_of(colour: tuple[int, int, int], n: int) -> bytes:
    """Eight pixels, `n` of them of that colour and the others green."""
    shown = Image.new("RGB", (8, 1), (0, 200, 0))
    shown.paste(colour, (0, 0, n, 1))
    stream = io.BytesIO()
    shown.save(stream, "PNG")
    return stream.getvalue()


def test_vectors_are_roots_of_the_shares_of_colours(histogram: HistogramEmbedder) -> None:
    colours = [(250, 10, 10), (250, 10, 10), (10, 10, 240), (40, 200, 60)]
    shown = Image.new("RGB", (4, 1))
    shown.putdata(colours)
    stream = io.BytesIO()
    shown.save(stream, "PNG")
    assert vectors(histogram, stream.getvalue())[0] == pytest.approx(plain(colours), abs=1e-6)


def test_every_key_comes_once_and_in_order_with_the_reason_of_what_is_broken(histogram: HistogramEmbedder) -> None:
    pictures = [(n, picture(n % 5) if n % 7 else b"no picture") for n in range(150)]
    batches = list(histogram.embed(pictures))
    keys = [key for batch in batches for key in batch.keys]
    rejects = {
        key: reject for batch in batches for key, reject in zip(batch.keys, batch.rejects, strict=True) if reject
    }
    assert keys == list(range(150))
    assert {key: reject.reason for key, reject in rejects.items()} == dict.fromkeys(
        range(0, 150, 7), Reason.UNSUPPORTED_FORMAT
    )
    found = np.concatenate([batch.vectors for batch in batches])
    assert found.shape == (150 - len(rejects), histogram.dim)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1)


def test_more_of_the_same_colours_is_nearer(histogram: HistogramEmbedder) -> None:
    red, reddish, blue = (picture_of((200, 0, 0), 8), picture_of((200, 0, 0), 6), picture_of((0, 0, 200), 8))
    found = vectors(histogram, red, reddish, blue)
    assert found[0] @ found[1] == pytest.approx(np.sqrt(6 / 8))
    assert found[0] @ found[2] == pytest.approx(0)


def test_isolated_it_is_itself(histogram: HistogramEmbedder) -> None:
    with histogram.isolated() as same:
        assert same is histogram
