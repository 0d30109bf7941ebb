import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import fs

from vitrine.embedding import Vectors
from vitrine.errors import Unavailable
from vitrine.features import BUCKETS, FeatureStore, KnownHashes, lookup, vector_column, vector_matrix
from vitrine.storage import Directory, directory

DIM = 4
Pairs = tuple[pa.Array, Vectors]
HASHES = st.sets(st.binary(min_size=1, max_size=3), max_size=40).map(lambda seeds: sorted(map(hashed, seeds)))


def hashed(seed: bytes) -> str:
    return hashlib.sha256(seed).hexdigest()


def features(hashes: list[str], seed: int = 0) -> Pairs:
    """Those hashes with unit vectors."""
    drawn = np.random.default_rng(seed).standard_normal((len(hashes), DIM)).astype(np.float32)
    return pa.array(hashes, pa.string()), drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def contents(store: FeatureStore) -> dict[str, tuple[float, ...]]:
    """Everything in the store; each hash must come once, in the bucket it belongs to, in order."""
    found: dict[str, tuple[float, ...]] = {}
    for bucket in BUCKETS:
        hashes, vectors = store.bucket(bucket)
        assert vectors.shape == (len(hashes), DIM)
        assert hashes == sorted(set(hashes))
        assert {sha256[:2] for sha256 in hashes} <= {bucket}
        found |= {sha256: tuple(vector.tolist()) for sha256, vector in zip(hashes, vectors, strict=True)}
    return found


def as_dict(*pairs: Pairs) -> dict[str, tuple[float, ...]]:
    return {
        sha256: tuple(vector.tolist())
        for hashes, vectors in pairs
        for sha256, vector in zip(hashes.to_pylist(), vectors, strict=True)
    }


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(str(tmp_path / "features"), "m1", DIM)


@pytest.fixture
def plant(tmp_path: Path) -> Callable[..., Path]:
    """Write a part of bucket 00 by hand: a table, or bytes that are none."""

    def write(part: pa.Table | bytes, name: str = "part-x.parquet") -> Path:
        path = tmp_path / "features" / "model=m1" / "bucket=00" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(part, bytes):
            path.write_bytes(part)
        else:
            pq.write_table(part, path)
        return path

    return write


@settings(max_examples=20)
@given(parts=st.lists(HASHES, max_size=3))
def test_what_is_appended_comes_back_exactly_and_once(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[str]]
) -> None:
    store = FeatureStore(str(tmp_path_factory.mktemp("store")), "m1", DIM)
    pairs = [features(hashes, seed) for seed, hashes in enumerate(parts)]
    assert store.append(pairs) == len({sha256 for hashes in parts for sha256 in hashes})
    found = contents(store)
    assert found.keys() == as_dict(*pairs).keys()
    assert all(found[sha256] in [as_dict(pair).get(sha256) for pair in pairs] for sha256 in found)


def test_a_hash_appended_again_later_comes_back_once(store: FeatureStore) -> None:
    hashes = [hashed(b"a"), hashed(b"b")]
    for seed in range(3):
        store.append([features(hashes, seed)])
    assert contents(store).keys() == set(hashes)


def test_a_model_sees_its_own_vectors_only(tmp_path: Path, store: FeatureStore) -> None:
    store.append([features([hashed(b"a")])])
    assert contents(FeatureStore(str(tmp_path / "features"), "m2", DIM)) == {}


def test_a_store_that_is_not_there_is_empty(store: FeatureStore) -> None:
    assert contents(store) == {}
    assert store.append([]) == 0


SOUND = "00" + "1" * 62
FOUND = "00" + "2" * 62


@pytest.mark.parametrize(
    "vector",
    [
        [np.nan, 0, 0, 1],
        [np.inf, 0, 0, 0],
        [0, 0, 0, 0],
        [2, 0, 0, 0],
        [1e38, 1e38, 0, 0],
        [0.99, 0, 0, 0],
        [1, 0, 0],
        [1, 0, 0, 0, 0],
        [],
        None,
        [1, None, 0, 0],
    ],
)
def test_a_vector_that_is_no_unit_vector_of_the_dimension_never_comes_back(
    store: FeatureStore, plant: Callable[..., Path], vector: list[float] | None
) -> None:
    kind = pa.list_(pa.float32())
    plant(pa.table({"sha256": [SOUND, FOUND], "vector": pa.array([vector, [0, 1, 0, 0]], kind)}))
    assert contents(store) == {FOUND: (0, 1, 0, 0)}
    assert store.set_aside == ["bucket=00/part-x.parquet"]


def test_a_hash_whose_vector_proves_unusable_is_not_listed_again(
    store: FeatureStore, plant: Callable[..., Path], tmp_path: Path
) -> None:
    vectors = pa.array([[0, 0, 0, 2], [0, 1, 0, 0]], pa.list_(pa.float32()))
    planted = plant(pa.table({"sha256": [SOUND, FOUND], "vector": vectors}))
    place = directory(str(tmp_path))
    assert store.write_known_hashes(place, "known") == 2
    assert store.bucket("00")[0] == [FOUND]
    assert store.write_known_hashes(place, "known") == 1
    assert bytes.fromhex(FOUND) in KnownHashes(place, "known")
    assert planted.with_name("part-x.parquet.unreadable").exists()


@pytest.mark.parametrize("column", [0, 1])
def test_one_flipped_bit_sets_a_part_aside(store: FeatureStore, tmp_path: Path, column: int) -> None:
    store.append([features([SOUND, FOUND])])
    (part,) = tmp_path.rglob("part-*.parquet")
    chunk = pq.ParquetFile(part).metadata.row_group(0).column(column)
    data = bytearray(part.read_bytes())
    data[chunk.data_page_offset + chunk.total_compressed_size - 1] ^= 1  # the last byte of the column
    part.write_bytes(data)
    if column == 0:
        assert store.write_known_hashes(directory(str(tmp_path)), "known") == 0
    assert contents(store) == {}
    assert store.set_aside == [str(part.relative_to(tmp_path / "features" / "model=m1"))]


def test_vectors_are_not_read_to_list_hashes(store: FeatureStore, tmp_path: Path) -> None:
    store.append([features([SOUND, FOUND])])
    (part,) = tmp_path.rglob("part-*.parquet")
    chunk = pq.ParquetFile(part).metadata.row_group(0).column(1)
    with part.open("r+b") as file:
        file.seek(chunk.data_page_offset)
        file.write(b"\xff" * chunk.total_compressed_size)
    assert store.write_known_hashes(directory(str(tmp_path)), "known") == 2
    assert store.bucket("00")[0] == []


def test_a_sound_vector_is_found_behind_a_bad_one_of_the_same_hash(
    store: FeatureStore, plant: Callable[..., Path]
) -> None:
    vectors = pa.array([[1, 0, 0, 0], [np.nan] * 4, [1, 0, 0, 0], [1, 0, 0, 0]], pa.list_(pa.float32()))
    plant(pa.table({"sha256": [SOUND] * 4, "vector": vectors}))
    assert contents(store) == {SOUND: (1, 0, 0, 0)}


@pytest.mark.parametrize("sha256", [None, "", "00", "01" + "1" * 62, "00" + "G" * 62, SOUND.upper() + "A", SOUND + "1"])
def test_a_hash_of_another_bucket_or_form_never_comes_back(
    store: FeatureStore, plant: Callable[..., Path], tmp_path: Path, sha256: str | None
) -> None:
    vectors = pa.array([[1, 0, 0, 0]] * 2, pa.list_(pa.float32()))
    plant(pa.table({"sha256": pa.array([sha256, FOUND], pa.string()), "vector": vectors}))
    assert store.bucket("00")[0] == [FOUND]
    assert store.write_known_hashes(directory(str(tmp_path)), "known") == 1


@pytest.mark.parametrize(
    "part",
    [
        b"",
        b"PAR1 no parquet",
        pa.table({"sha256": [SOUND]}),
        pa.table({"sha256": [SOUND], "vector": [1.0]}),
        pa.table({"sha256": [[SOUND]], "vector": [[1.0, 0, 0, 0]]}),
    ],
)
def test_a_part_that_cannot_be_read_is_set_aside_and_counted(
    store: FeatureStore, plant: Callable[..., Path], part: pa.Table | bytes
) -> None:
    store.append([features([FOUND])])
    broken = plant(part)
    assert contents(store).keys() == {FOUND}
    assert len(store.set_aside) == 1
    assert not broken.exists()
    assert broken.with_name("part-x.parquet.unreadable").exists()
    assert contents(store).keys() == {FOUND}
    assert len(store.set_aside) == 1


@pytest.mark.parametrize("end", [10, 100, -1])
def test_a_part_cut_short_is_set_aside(store: FeatureStore, plant: Callable[..., Path], end: int) -> None:
    hashes, vectors = features([SOUND])
    whole = plant(pa.table({"sha256": hashes, "vector": vector_column(vectors)}), "part-whole.parquet")
    plant(whole.read_bytes()[:end])
    assert contents(store).keys() == {SOUND}
    assert len(store.set_aside) == 1


def test_a_part_of_another_writer_is_read(store: FeatureStore, plant: Callable[..., Path]) -> None:
    store.append([features([FOUND])])
    vectors = pa.array([[1, 0, 0, 0]], pa.list_(pa.float64(), 4))
    plant(pa.table({"other": [1], "vector": vectors, "sha256": pa.array([SOUND], pa.large_string())}))
    assert contents(store).keys() == {SOUND, FOUND}
    assert store.set_aside == []


def test_a_part_that_the_storage_does_not_give_is_not_set_aside(
    store: FeatureStore, plant: Callable[..., Path]
) -> None:
    path = plant(b"")
    path.unlink()
    path.symlink_to("/proc/self/mem")  # it can be opened, but reading its first page fails
    with pytest.raises(Unavailable, match=r"part-x\.parquet"):
        store.bucket("00")
    assert path.is_symlink()
    assert store.set_aside == []


class PowerCut(Exception):
    """What ends a writer in the middle of its work."""


def test_a_writer_that_dies_within_a_part_leaves_no_part(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(table: pa.Table, stream: pa.NativeFile, **_: object) -> None:
        stream.write(b"PAR1 and no more")
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(pq, "write_table", die)
        with pytest.raises(PowerCut):
            store.append([features([SOUND, FOUND])])
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    store.append([features([SOUND])])
    assert contents(store).keys() == {SOUND}


def test_an_item_that_fails_leaves_nothing_half_written(store: FeatureStore) -> None:
    def failing() -> Iterator[Pairs]:
        yield features([SOUND])
        raise PowerCut

    with pytest.raises(PowerCut):
        store.append(failing())
    assert contents(store).keys() <= {SOUND}


def test_what_a_killed_writer_left_aside_is_no_part(store: FeatureStore, plant: Callable[..., Path]) -> None:
    plant(b"PAR1 half", ".aside-0123-part-x.parquet")
    store.append([features([SOUND])])
    assert contents(store).keys() == {SOUND}
    assert store.set_aside == []


def test_only_asked_hashes_are_looked_up(store: FeatureStore) -> None:
    pair = features(sorted(hashed(bytes([n])) for n in range(20)))
    store.append([pair])
    asked = [*pair[0].to_pylist()[::5], hashed(b"unknown")]
    found = lookup(store, asked)
    assert found.keys() == set(asked[:-1])
    assert all(tuple(vector.tolist()) == as_dict(pair)[sha256] for sha256, vector in found.items())
    assert lookup(store, []) == {}


@settings(max_examples=50)
@given(known=HASHES, asked=HASHES)
def test_a_hash_is_known_exactly_if_it_is_in_the_file(
    tmp_path_factory: pytest.TempPathFactory, known: list[str], asked: list[str]
) -> None:
    place = directory(str(tmp_path_factory.mktemp("known")))
    place.write("known", b"".join(map(bytes.fromhex, known)))
    mapped = KnownHashes(place, "known")
    assert len(mapped) == len(known)
    assert [bytes.fromhex(h) in mapped for h in [*asked, *known]] == [h in set(known) for h in [*asked, *known]]


@pytest.mark.parametrize("remote", [False, True])
def test_the_known_hashes_are_those_of_the_store(store: FeatureStore, tmp_path: Path, remote: bool) -> None:
    hashes = [hashed(bytes([n])) for n in range(100)]
    store.append([features(sorted(hashes))])
    local = directory(str(tmp_path / "run"))
    place = Directory(fs.SubTreeFileSystem(str(tmp_path), local.filesystem), "run") if remote else local
    assert store.write_known_hashes(place, "known.bin") == 100
    known = KnownHashes(place, "known.bin")
    assert len(known) == 100
    assert all(bytes.fromhex(sha256) in known for sha256 in hashes)
    assert bytes(32) not in known
    assert b"\xff" * 32 not in known


def test_an_empty_store_knows_no_hash(store: FeatureStore, tmp_path: Path) -> None:
    place = directory(str(tmp_path / "run"))
    assert store.write_known_hashes(place, "known.bin") == 0
    known = KnownHashes(place, "known.bin")
    assert len(known) == 0
    assert bytes(32) not in known


@given(n=st.integers(0, 5), dim=st.integers(1, 5), seed=st.integers(0, 9))
def test_vectors_survive_arrow_exactly(n: int, dim: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).standard_normal((2 * n, dim)).astype(np.float32)[::2]
    column = pa.chunked_array([vector_column(vectors[:2]), vector_column(vectors[2:])])
    assert np.array_equal(vector_matrix(column, dim), vectors)
