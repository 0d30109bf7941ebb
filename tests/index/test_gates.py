import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrine.errors import GateFailed
from vitrine.index import gates, schema
from vitrine.index.load import finish, load_rows
from vitrine.index.store import connect
from vitrine.quality import exact_neighbours
from vitrine.settings import Milvus
from vitrine.testing import MemoryStore

DIM = 8


@pytest.fixture(params=["memory", "lite"])
def store(request):
    """What a gate decides does not hang on the server, where loading a collection takes seconds."""
    return MemoryStore() if request.param == "memory" else request.getfixturevalue(request.param)


@pytest.fixture
def loaded(store, stage):
    """Stage, load and finish: `loaded({image_id: vector}, ...)` gives the staged files."""

    def load(*parts):
        files = stage(*parts)
        store.create("shop__1", schema.pictures(DIM), description="")
        load_rows(store, "shop__1", files, insert_bytes=100_000)
        finish(store, "shop__1")
        return files

    return load


def shop(vectors):
    return {f"p{i}/0": vector for i, vector in enumerate(vectors)}


def failed(gate):
    return pytest.raises(GateFailed, match=f"^gate {gate} failed: ")


def test_rows_staged_once_are_unique(stage, unit):
    gates.unique(stage(shop(unit(3)), {"q/0": unit(1)[0]}))


def test_a_row_staged_twice_is_named(stage, unit):
    files = stage(shop(unit(3)), {"p1/0": unit(1)[0]})

    with failed("unique") as refusal:
        gates.unique(files)
    assert "1 image ids are staged more than once, such as p1/0" in str(refusal.value)


def test_nothing_staged_is_unique():
    gates.unique([])


def test_the_expected_number_of_rows_passes(store, loaded, unit):
    loaded(shop(unit(3)))

    gates.count(store, "shop__1", 3)


def test_too_many_rows_are_worth_another_load(store, loaded, unit):
    loaded(shop(unit(3)))
    with pytest.raises(gates.Surplus) as surplus:
        gates.count(store, "shop__1", 2)
    with pytest.raises(GateFailed) as deficit:
        gates.count(store, "shop__1", 4)
    assert (surplus.value.retriable, deficit.value.retriable) == (True, False)


@pytest.mark.parametrize("expected", [2, 4])
def test_a_row_too_few_or_too_many_fails_the_count(store, loaded, unit, expected):
    loaded(shop(unit(3)))

    with failed("count"):
        gates.count(store, "shop__1", expected)


def test_an_exact_search_has_full_recall(store, loaded, unit):
    files = loaded(shop(unit(40)), {"q/0": unit(1, seed=1)[0]})

    assert gates.recall(store, "shop__1", files, threshold=1.0, sample=41) == 1.0


def test_a_collection_on_a_real_server_passes_every_gate(server, stage, unit):
    vectors = unit(1_500)
    files = stage(shop(vectors))
    server.create("shop__1", schema.pictures(DIM), description="")
    load_rows(server, "shop__1", files, insert_bytes=100_000)
    finish(server, "shop__1")

    gates.count(server, "shop__1", 1_500)
    assert gates.recall(server, "shop__1", files, threshold=0.95, sample=100) >= 0.95
    gates.canaries(server, "shop__1", dict(list(shop(vectors).items())[:64]))


def test_a_shop_of_one_picture_has_full_recall(store, loaded, unit):
    assert gates.recall(store, "shop__1", loaded(shop(unit(1))), threshold=1.0, sample=5) == 1.0


def test_equal_scores_may_come_in_any_order(store, loaded, unit):
    """Thirty copies of each picture: which ten of twenty-nine equal ones are found does not matter."""
    copies = np.repeat(unit(3), 30, axis=0)

    assert gates.recall(store, "shop__1", loaded(shop(copies)), threshold=1.0, sample=20) == 1.0


def test_a_weak_graph_fails_for_its_recall_alone(tmp_path, stage, unit):
    vectors = unit(3_000, 64)
    files = stage(shop(vectors))
    weak = Milvus(uri=str(tmp_path / "weak.db"), index_params={"M": 2, "efConstruction": 4}, search_params={"ef": 10})
    with connect(weak) as store:
        store.create("shop__1", schema.pictures(64), description="")
        load_rows(store, "shop__1", files, insert_bytes=1_000_000)
        finish(store, "shop__1")

        with failed("recall"):
            gates.recall(store, "shop__1", files, threshold=0.95, sample=100)
        gates.unique(files)
        gates.count(store, "shop__1", 3_000)
        gates.canaries(store, "shop__1", dict(list(shop(vectors).items())[:64]))


class Forgetful(MemoryStore):
    """A store whose searches find only rows of even position."""

    def search(self, collection, vectors, limit, **how):
        found = super().search(collection, vectors, 16_384, **how)
        return [[hit for hit in hits if int(hit[1]["image_id"][-1]) % 2 == 0][:limit] for hits in found]


@settings(max_examples=30)
@given(st.integers(2, 30), st.integers(0, 99), st.integers(1, 12))
def test_recall_is_the_share_of_exact_neighbours_found(tmp_path_factory, n, seed, k):
    """Beside an oracle that holds all vectors at once; vectors on a small grid make many ties."""
    drawn = np.random.default_rng(seed).integers(-1, 2, (n, 3)).astype(np.float32)
    vectors = drawn + np.array([2, 0, 0], dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    store, files, ids = Forgetful(), [], [f"p{i}/{i % 10}" for i in range(n)]
    store.create("shop__1", schema.pictures(3), description="")
    files = write(tmp_path_factory.mktemp("staged"), store, dict(zip(ids, vectors, strict=True)))

    share = gates.recall(store, "shop__1", files, threshold=0, sample=n, k=k)

    assert share == pytest.approx(oracle(vectors, [i % 10 % 2 == 0 for i in range(n)], k))


def write(folder, store, part):
    blank = {f.name: "" for f in schema.PICTURE_FIELDS if f.kind == "VARCHAR"}
    numbers = {"position": 0, "version": 0, "price": 0.0, "in_stock": True, "event_us": 0, "indexed_us": 0}
    rows = [{**blank, **numbers, "attributes": "{}", "image_id": key, "vector": vector} for key, vector in part.items()]
    store.insert("shop__1", rows)
    files = [str(folder / name) for name in ("a.parquet", "b.parquet")]
    for file, some in zip(files, (rows[: len(rows) // 2], rows[len(rows) // 2 :]), strict=True):
        pq.write_table(pa.Table.from_pylist(some, schema=schema.ROW_SCHEMA(3)), file)
    return files


def oracle(vectors, findable, k):
    k = min(k, len(vectors) - 1)
    hits = 0
    for i, query in enumerate(vectors):
        others = np.array([j for j in range(len(vectors)) if j != i])
        least = (vectors[others] @ query)[exact_neighbours(query[None], vectors[others], k)[0]].min()
        good = [j for j in others if findable[j] and vectors[j] @ query >= least - 1e-6]
        hits += min(len(good), k)
    return hits / (len(vectors) * k)


def test_pictures_that_find_themselves_pass(store, loaded, unit):
    loaded(shop(unit(40)))

    gates.canaries(store, "shop__1", shop(unit(40)))


def test_two_vectors_exchanged_fail_the_canaries(store, loaded, unit):
    vectors = unit(40)
    exchanged = vectors.copy()
    exchanged[[3, 4]] = vectors[[4, 3]]
    files = loaded(shop(exchanged))

    with failed("canaries") as refusal:
        gates.canaries(store, "shop__1", shop(vectors))
    assert "p3/0" in str(refusal.value)
    assert gates.recall(store, "shop__1", files, threshold=0.95, sample=40) == 1.0


def test_a_near_exchange_fails_the_canaries(store, loaded):
    """Each row is close to the picture, but the other's row is closer."""
    a, b = np.eye(DIM, dtype=np.float32)[:2]
    b = (a + 0.1 * b) / np.linalg.norm(a + 0.1 * b)
    loaded({"a/0": b, "b/0": a})

    with failed("canaries") as refusal:
        gates.canaries(store, "shop__1", {"a/0": a})
    assert "a/0, embedded again, finds b/0 before itself" in str(refusal.value)


def test_the_same_picture_under_another_id_is_as_good_as_itself(store, loaded, unit):
    loaded({f"copy{i}/0": unit(1)[0] for i in range(5)})

    gates.canaries(store, "shop__1", {"copy4/0": unit(1)[0]})


def test_a_picture_without_a_row_fails_the_canaries(store, loaded, unit):
    loaded({"a/0": unit(1)[0]})

    with failed("canaries") as refusal:
        gates.canaries(store, "shop__1", {"b/0": unit(1)[0]})
    assert "b/0 has no row" in str(refusal.value)


def test_a_row_of_another_picture_fails_though_nothing_is_nearer(store, loaded, unit):
    loaded({"a/0": unit(2)[0]})

    with failed("canaries"):
        gates.canaries(store, "shop__1", {"a/0": unit(2)[1]})


def test_rounding_between_batches_passes(store, loaded, unit):
    vectors = unit(40)
    loaded(shop(vectors))
    noise = 1e-3 * np.random.default_rng(1).standard_normal(vectors.shape).astype(np.float32)

    gates.canaries(store, "shop__1", shop((vectors + noise) / np.linalg.norm(vectors + noise, axis=1, keepdims=True)))


def test_many_canaries_are_asked_in_several_calls(store, loaded, unit):
    loaded(shop(unit(250)))

    gates.canaries(store, "shop__1", shop(unit(250)))


class Noting(MemoryStore):
    """A store that notes what it is asked."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def search(self, collection, vectors, limit, **how):
        self.asked.extend(vectors)
        return super().search(collection, vectors, limit, **how)


def test_the_queries_are_distinct_rows_and_the_same_for_the_same_files(stage, unit):
    vectors = unit(60)
    files = stage(shop(vectors[:30]), {f"q{i}/0": vector for i, vector in enumerate(vectors[30:])})
    store = Noting()
    store.create("shop__1", schema.pictures(DIM), description="")
    load_rows(store, "shop__1", files, insert_bytes=100_000)

    for _ in range(2):
        gates.recall(store, "shop__1", files, threshold=1.0, sample=20)

    queries = [tuple(vector) for vector in store.asked]
    assert queries[:20] == queries[20:]
    assert len(set(queries)) == 20
    assert set(queries) <= {tuple(vector) for vector in vectors}
