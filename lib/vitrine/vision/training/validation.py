"""How well a network in training finds what it should, on products that it was not trained with."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitrine.embedding import Vectors
from vitrine.errors import BadInput
from vitrine.matching import Sides, judge
from vitrine.vision.decode import fit
from vitrine.vision.training.network import TrainedNetwork
from vitrine.vision.training.pack import Pack, centre_squares
from vitrine.vision.training.sampling import Indices
from vitrine.vision.training.task import Task
from vitrine.vision.training.views import Look, Squares, views

QUERIES, GALLERY, BATCH = 800, 4_000, 128
KS = (1, 5, 10)
SHOWN = (*(f"recall@{k}" for k in KS), "map@r")
SEED = 7
PACKSHOT_MET = Look(area=(0.6, 1.6), turn_share=0.7, background_share=1.0, cover_share=0.3)
"""A packshot as it might be met: before something else, turned, tilted, part covered, in other light."""
PHOTO_MET = Look(area=(0.5, 1.0), turn_share=0.7, cover_share=0.3)


def validate(network: TrainedNetwork, tasks: Sequence[Task], size: int) -> dict[str, float]:
    """Shares from 0 to 1, by pack, what is looked for, and metric: `catalog category recall@1`.

    Queries are pictures of products held out, at most 800; the gallery is drawn from the training pictures, at most
    4,000. Where views are learned, `view` asks whether each query, met in the wild, finds itself among those and all
    of the other queries; so does the label `product_id` with other pictures of its product. Always the same draw.

    Raises:
        BadInput: none of the queries has an answer.
    """
    dice = np.random.default_rng(SEED)
    found: dict[str, float] = {}
    for task in tasks:
        asked = _asked(task.pack, dice)
        gallery = dice.permutation(np.flatnonzero(~task.pack.held_out))[:GALLERY]
        for what, metrics in _judged(network, task, (asked, gallery), tasks=tasks, size=size):
            found |= {f"{task.pack.name} {what} {name}": metrics[name] for name in SHOWN if name in metrics}
    if not any(name.endswith("recall@1") for name in found):
        raise BadInput("none of the pictures held out has an answer among those learned from: hold out more of them")
    return found


def _asked(pack: Pack, dice: np.random.Generator) -> Indices:
    """Pictures of products held out, at most 800, those of a product together.

    Where products are to find their other pictures, those that have several come first.
    """
    rows = dice.permutation(np.flatnonzero(pack.held_out))
    _, first, product, counts = np.unique(
        pack.products[rows], return_index=True, return_inverse=True, return_counts=True
    )
    alone = (counts == 1)[product] if "product_id" in pack.labels else np.zeros(len(rows), dtype=bool)
    asked: Indices = rows[np.lexsort((first[product], alone))][:QUERIES]
    return asked


def embed(network: TrainedNetwork, pictures: Iterable[Tensor]) -> Vectors:
    """(n, dim) unit vectors of n > 0 pictures, (3, size, size) uint8."""
    network.eval()
    device, waiting, found = network.mean.device, iter(pictures), []
    with torch.no_grad():
        while batch := list(islice(waiting, BATCH)):
            found.append(network(torch.stack(batch).to(device)).cpu().numpy())
    return np.concatenate(found)


def _judged(
    network: TrainedNetwork, task: Task, sides: Sides, *, tasks: Sequence[Task], size: int
) -> Iterator[tuple[str, dict[str, float]]]:
    pack, (asked, gallery), every = task.pack, sides, np.concatenate(sides)
    vectors = embed(network, (fit(one, size) for one in centre_squares(pack, every)))
    queries = vectors[: len(asked)]
    others = {name: (labels[asked], labels[gallery]) for name, labels in pack.labels.items() if name != "product_id"}
    for name, one in judge(queries, vectors[len(asked) :], others, ks=KS).items():
        yield name, one.means()
    if "product_id" in pack.labels:
        same = {"product_id": (pack.products[asked], pack.products[every])}
        yield "product_id", judge(queries, vectors, same, ks=KS, own=(asked, every))["product_id"].means()
    if task.packshots or task.same:
        found = embed(network, met(task, asked, tasks, size))
        yield "view", judge(found, vectors, {"view": (asked, every)}, ks=KS)["view"].means()


def met(task: Task, rows: NDArray[np.int64], tasks: Sequence[Task], size: int) -> Tensor:
    """(n, 3, size, size) uint8 views of held-out pictures, as customers might meet them: always the same.

    Packshots stand before held-out pictures of the catalogues that may be behind them.
    """
    look = PACKSHOT_MET if task.packshots else PHOTO_MET
    behind = [torch.empty(0, 3, size, size, dtype=torch.uint8)]
    behind += [_held_out(other, size) for other in tasks if other.backdrops]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        seen = [views(some, torch.cat(behind), size, look) for some in _parts(task, rows)]
    return torch.cat(seen)


def _parts(task: Task, rows: Indices) -> Iterator[Squares]:
    """A batch at a time: large squares take room."""
    for some in np.split(rows, range(BATCH, len(rows), BATCH)):
        pictures, boxes = torch.from_numpy(task.pack.pictures[some]), torch.from_numpy(task.pack.boxes[some])
        yield Squares(pictures, boxes, packshots=task.packshots)


def _held_out(task: Task, size: int) -> Tensor:
    rows: Indices = np.flatnonzero(task.pack.held_out)[:QUERIES]
    return torch.stack([fit(one, size) for one in centre_squares(task.pack, rows)])
