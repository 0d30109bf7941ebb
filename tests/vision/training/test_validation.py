from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from vitrine.errors import BadInput
from vitrine.vision.decode import fit
from vitrine.vision.training.loop import Trainer
from vitrine.vision.training.pack import Pack, centre_squares
from vitrine.vision.training.task import Task
from vitrine.vision.training.validation import QUERIES, _asked, embed, validate

MakeTrainer = Callable[..., Trainer]


@pytest.fixture
def trainer(make_trainer: MakeTrainer) -> Trainer:
    return make_trainer()


def by_hand(trainer: Trainer, column: str) -> dict[str, float]:
    """The same figures by sorting for one query after the other."""
    pack = trainer.tasks[0].pack
    vectors = embed(trainer.average, (fit(one, 32) for one in centre_squares(pack, range(len(pack)))))
    found: dict[str, list[float]] = {"recall@1": [], "recall@5": [], "recall@10": [], "map@r": []}
    for query in np.flatnonzero(pack.held_out):
        gallery = [i for i in range(len(pack)) if not pack.held_out[i]]
        ranked = sorted(gallery, key=lambda i: -float(vectors[i] @ vectors[query]))
        hits = [pack.labels[column][i] == pack.labels[column][query] for i in ranked]
        if not any(hits):
            continue
        for k in (1, 5, 10):
            found[f"recall@{k}"].append(float(any(hits[:k])))
        r = sum(hits)
        found["map@r"].append(sum(sum(hits[: i + 1]) / (i + 1) for i in range(r) if hits[i]) / r)
    return {name: float(np.mean(values)) for name, values in found.items()}


def test_figures_are_those_of_a_plain_search_among_other_products(trainer: Trainer) -> None:
    found = validate(trainer.average, trainer.tasks, 32)
    for column in ("category", "colour"):
        for metric, value in by_hand(trainer, column).items():
            assert found[f"drawn {column} {metric}"] == pytest.approx(value, abs=1e-6)


def test_a_validation_draws_the_same_each_time_and_leaves_torch_as_it_was(trainer: Trainer) -> None:
    before = torch.get_rng_state()
    first = validate(trainer.average, trainer.tasks, 32)
    assert torch.equal(torch.get_rng_state(), before)
    assert validate(trainer.average, trainer.tasks, 32) == first


def test_a_view_that_is_the_picture_finds_it(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    def plain(task: Task, rows: "np.ndarray", tasks: "list[Task]", size: int) -> torch.Tensor:
        return torch.stack([fit(one, size) for one in centre_squares(task.pack, rows)])

    monkeypatch.setattr("vitrine.vision.training.validation.met", plain)
    found = validate(trainer.average, trainer.tasks, 32)
    assert found["drawn view recall@1"] == 1.0


def test_products_find_their_other_pictures_but_never_a_picture_itself(trainer: Trainer) -> None:
    task = trainer.tasks[0]
    numbered = replace(task.pack, labels={"product_id": task.pack.products})
    alone = np.unique(numbered.products, return_index=True)[1]
    found = validate(trainer.average, [replace(task, pack=numbered)], 32)
    assert 0 <= found["drawn product_id recall@1"] <= found["drawn product_id recall@10"] <= 1
    single = replace(
        numbered,
        **{name: getattr(numbered, name)[alone] for name in ("pictures", "boxes", "products", "held_out")},
        labels={"product_id": numbered.products[alone]},
    )
    assert "drawn product_id recall@1" not in validate(trainer.average, [replace(task, pack=single)], 32)
    with pytest.raises(BadInput, match="none of the pictures held out has an answer"):
        validate(trainer.average, [replace(task, pack=single, packshots=False, same=0.0)], 32)


def test_products_with_several_pictures_are_asked_first_and_whole(labelled: Callable[..., Pack]) -> None:
    products = np.array([*range(QUERIES), 3, 3, *range(QUERIES, QUERIES + 50), QUERIES + 7])
    n = len(products)
    grey = replace(labelled([0] * n, tuple(range(n))), products=products)
    asked = _asked(replace(grey, labels={"product_id": products}), np.random.default_rng(0))
    assert len(asked) == QUERIES
    assert sorted(products[asked[:5]]) == [3, 3, 3, QUERIES + 7, QUERIES + 7]
    assert len(set(products[asked[5:]])) == QUERIES - 5
    plain = np.random.default_rng(0).permutation(n)
    alone = replace(grey, products=np.arange(n))
    assert _asked(alone, np.random.default_rng(0)).tolist() == plain[:QUERIES].tolist()


def test_a_catalogue_without_labels_is_judged_by_its_views(pack: Pack, make_trainer: MakeTrainer) -> None:
    bare = replace(pack, labels={}, classes={})
    trainer = make_trainer(pack=bare, objectives={}, packshots=False)
    names = {name.removeprefix("drawn ") for name in validate(trainer.average, trainer.tasks, 32)}
    assert names == {"view recall@1", "view recall@5", "view recall@10", "view map@r"}


def test_pictures_of_another_catalogue_stand_behind_packshots(make_trainer: MakeTrainer, pack: Pack) -> None:
    trainer = make_trainer()
    task = trainer.tasks[0]
    dark = replace(pack, name="dark", pictures=np.zeros_like(pack.pictures), labels={})
    behind = replace(task, pack=dark, backdrops=True, packshots=False, same=0.0, objectives={})
    plain, before = (validate(trainer.average, tasks, 32) for tasks in ([task], [task, behind]))
    assert plain["drawn category map@r"] == before["drawn category map@r"]
    assert {plain[name] == before[name] for name in plain if " view " in name} != {True}
