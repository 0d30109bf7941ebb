from collections import Counter
from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vitrine.vision.training.pack import Pack
from vitrine.vision.training.sampling import Sampler

MakePack = Callable[..., Pack]


def plain_pack(classes: list[int], held_out: list[int]) -> Pack:
    held, numbers = np.isin(np.arange(len(classes)), held_out), np.array(classes, np.int64)
    nothing = np.empty((len(classes), 0), np.int16)
    return Pack("", nothing.astype(np.uint8), nothing, np.arange(len(classes)), held, {"kind": numbers}, {}, {})


def test_a_batch_has_k_pictures_of_each_of_p_classes(labelled: MakePack) -> None:
    pack = labelled([kind for kind in range(12) for _ in range(5)])
    drawn = Sampler(pack, per_class=3).draw(24, (1, 2))
    assert sorted(Counter(pack.labels["kind"][drawn].tolist()).values()) == [3] * 8
    assert len(set(drawn.tolist())) == 24


def test_a_draw_depends_on_its_seed_alone(labelled: MakePack) -> None:
    sampler = Sampler(labelled([0, 0, 1, 1, 2, 2]), per_class=2)
    first = sampler.draw(6, (5, 0)).tolist()
    others = {tuple(sampler.draw(6, (5, step)).tolist()) for step in range(1, 20)}
    assert sampler.draw(6, (5, 0)).tolist() == first
    assert len(others) > 5


@given(
    classes=st.lists(st.integers(-1, 6), min_size=2, max_size=40),
    held=st.sets(st.integers(0, 39)),
    per_class=st.integers(1, 4),
    n=st.integers(1, 50),
)
def test_only_what_is_learned_from_is_drawn_and_as_much_as_was_asked_for(
    classes: list[int], held: set[int], per_class: int, n: int
) -> None:
    pack = plain_pack(classes, [0, *held] if {*range(len(classes))} - {0, *held} else [])
    drawn = Sampler(pack, per_class=per_class).draw(n, (3,))
    assert len(drawn) == n
    assert not pack.held_out[drawn].any()


def test_a_class_of_one_picture_is_drawn_again_and_again(labelled: MakePack) -> None:
    drawn = Sampler(labelled([0, 1]), per_class=3).draw(6, (0,))
    assert Counter(drawn.tolist()) == {0: 3, 1: 3}


def test_classes_are_drawn_by_the_root_of_their_size(labelled: MakePack) -> None:
    pack = labelled([0] * 90 + [1] * 10)
    sampler = Sampler(pack, per_class=1)
    drawn = np.concatenate([sampler.draw(1, (step,)) for step in range(4_000)])
    assert abs(np.mean(pack.labels["kind"][drawn] == 0) - 0.75) < 0.03  # sqrt(90) : sqrt(10) = 3 : 1


def test_without_labels_no_picture_is_drawn_twice(labelled: MakePack) -> None:
    pack = labelled([0] * 30)
    pack.labels.clear()
    assert len(set(Sampler(pack, per_class=2).draw(20, (0,)).tolist())) == 20
