import json
import multiprocessing
import os
import zipfile

import numpy as np
import pytest

from bvae import cache, data, sprites
from bvae.cache import CacheError


def save(path, **arrays):
    np.savez_compressed(path, **arrays)
    return path


def own_set(count=40, channels=None, high=256):
    generator = np.random.default_rng(0)
    shape = (count, 64, 64) if channels is None else (count, channels, 64, 64)
    return {
        "images": generator.integers(0, high, shape, np.uint8),
        "factors": generator.integers(0, [2, 5], (count, 2)),
        "factor_names": np.array(["colour", "size"]),
    }


def test_dsprites_is_a_grid_of_the_rendered_images():
    store = data.load()
    indices = np.array([0, 1, 737_279, 500_000])
    factors = store.factors(indices)
    assert store.space.names == ("shape", "scale", "orientation", "pos_x", "pos_y")
    assert store.space.sizes == (3, 6, 40, 32, 32)
    assert factors.tolist()[:3] == [[0, 0, 0, 0, 0], [0, 0, 0, 0, 1], [2, 5, 39, 31, 31]]
    assert store.images(indices).shape == (4, 1, 64, 64)
    assert store.white == 1
    np.testing.assert_array_equal(store.images(indices)[:, 0], sprites.render(factors))


@pytest.mark.parametrize("channels", [None, 1, 3])
def test_an_own_set_comes_back_as_it_was(tmp_path, channels):
    arrays = own_set(channels=channels)
    store = data.load(save(tmp_path / "mine.npz", **arrays))
    np.testing.assert_array_equal(store.images(np.arange(40)), arrays["images"].reshape(40, channels or 1, 64, 64))
    np.testing.assert_array_equal(store.factors(np.arange(40)), arrays["factors"])
    assert store.space == data.FactorSpace(("colour", "size"), (2, 5))
    assert store.white == 255
    assert store.name == "mine"


def test_a_binary_set_is_kept_as_bits(small_store, small_npz, cache):
    with np.load(small_npz) as arrays:
        np.testing.assert_array_equal(small_store.images(np.arange(600))[:, 0], arrays["images"])
    assert small_store.white == 1
    sizes = {path.stat().st_size for path in cache.glob("images-*/images.bin")}
    assert 600 * 512 in sizes


def test_the_split_is_seeded_disjoint_and_whole():
    parts = data.split(1000, "holdout", seed=3)
    assert [len(part) for part in parts] == [800, 100, 100]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(1000))
    again, other = data.split(1000, "holdout", seed=3), data.split(1000, "holdout", seed=4)
    np.testing.assert_array_equal(parts.test, again.test)
    assert not np.array_equal(parts.test, other.test)
    assert all(len(part) == 1000 for part in data.split(1000, "none", seed=3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": None}, "no array 'images'"),
        ({"factors": None}, "no array 'factors'"),
        ({"factor_names": None}, "no array 'factor_names'"),
        ({"images": np.zeros((40, 32, 32), np.uint8)}, "expected \\(N, 64, 64\\)"),
        ({"images": np.zeros((40, 2, 64, 64), np.uint8)}, "expected \\(N, 64, 64\\)"),
        ({"images": np.zeros((40, 64, 64), np.float32)}, "dtype float32; expected uint8"),
        ({"images": np.zeros((5, 64, 64), np.uint8), "factors": np.zeros((5, 2), int)}, "at least 10"),
        ({"factors": np.zeros((39, 2), int)}, "'factors' has shape \\(39, 2\\)"),
        ({"factors": np.full((40, 2), -1)}, "counted from 0"),
        ({"factors": np.zeros((40, 2))}, "dtype float64"),
        ({"factor_names": np.array(["one"])}, "'factor_names' has shape"),
        ({"images": np.array([{}] * 40, object)}, "pickled objects"),
        ({"factors": np.array([[{}, {}]] * 40, object)}, "pickled objects"),
    ],
)
def test_a_bad_own_set_is_refused_in_one_sentence(tmp_path, change, message):
    arrays = {key: value for key, value in (own_set() | change).items() if value is not None}
    path = save(tmp_path / "bad.npz", **arrays)
    with pytest.raises(data.DataError, match=message) as error:
        data.load(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_truncated_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(data.DataError, match="does not exist"):
        data.load(tmp_path / "nowhere.npz")
    whole = save(tmp_path / "whole.npz", **own_set())
    (tmp_path / "half.npz").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(data.DataError, match="truncated"):
        data.load(tmp_path / "half.npz")
    (tmp_path / "text.npz").write_text("not a zip")
    with pytest.raises(data.DataError, match="not a readable"):
        data.load(tmp_path / "text.npz")
    with pytest.raises(data.DataError):
        data.load(tmp_path)


def test_damage_inside_a_whole_zip_is_refused(tmp_path):
    path = save(tmp_path / "whole.npz", **own_set())
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("images.npy").header_offset
    content[start + 2000 : start + 2100] = bytes(100)
    path.write_bytes(content)
    with pytest.raises(data.DataError, match="images"):
        data.load(path)


def archive_arrays(count=sprites.IMAGES):
    grid = np.stack(np.unravel_index(np.arange(count), (1, *sprites.FACTOR_SIZES)), axis=-1)
    return {"imgs": np.zeros((count, 64, 64), np.uint8), "latents_classes": grid}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"latents_classes": None}, "no array 'latents_classes'"),
        (
            {"imgs": np.zeros((100, 64, 64), np.uint8)},
            "'imgs' has shape \\(100, 64, 64\\); expected \\(737280, 64, 64\\)",
        ),
        ({"latents_classes": np.zeros((sprites.IMAGES, 6), int)}, "order"),
    ],
)
def test_a_foreign_archive_is_refused(tmp_path, change, message):
    arrays = {key: value for key, value in (archive_arrays() | change).items() if value is not None}
    with pytest.raises(data.DataError, match=message):
        data.load(save(tmp_path / "dsprites.npz", **arrays))


class Explosive:
    """Unpickling it would leave a trace."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


@pytest.mark.slow
def test_the_published_archive_gives_the_rendered_images_and_its_pickle_stays_shut(tmp_path):
    rendered = data.load_dsprites()
    images = np.concatenate([rendered.images(part)[:, 0] for part in np.array_split(np.arange(sprites.IMAGES), 45)])
    arrays = archive_arrays() | {"imgs": images, "metadata": np.array(Explosive(tmp_path / "exploded"), object)}
    store = data.load(save(tmp_path / "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz", **arrays))
    assert store.sha256 == rendered.sha256
    assert store.space == rendered.space
    assert not (tmp_path / "exploded").exists()


def entry_of(name="three"):
    rows = np.arange(30, dtype=np.uint8).reshape(3, 10)
    entry = cache.Entry(name, (3, 1, 2, 5), packed=False, factor_names=("a",), factor_sizes=(3,), grid=True)
    return cache.Source(entry, lambda: iter([rows[:2], rows[2:]])), rows


@pytest.mark.parametrize("damage", ["truncate", "flip", "json", "missing"])
def test_a_damaged_entry_is_noticed_and_rebuilt_with_one_line(tmp_path, monkeypatch, caplog, damage):
    monkeypatch.setenv("BVAE_CACHE", str(tmp_path))
    source, rows = entry_of()
    cache.open_entry("three", lambda: source)
    images, described = tmp_path / "three" / "images.bin", tmp_path / "three" / "entry.json"
    if damage == "truncate":
        images.write_bytes(images.read_bytes()[:-1])
    elif damage == "flip":
        images.write_bytes(bytes([255]) + images.read_bytes()[1:])
    elif damage == "json":
        described.write_text("{")
    else:
        described.unlink()
    _, mapped, _ = cache.open_entry("three", lambda: source)
    np.testing.assert_array_equal(mapped, rows)
    assert len(caplog.messages) == 1
    assert "damaged" in caplog.text


def test_an_intact_entry_is_not_built_again_and_is_read_only(tmp_path, monkeypatch):
    monkeypatch.setenv("BVAE_CACHE", str(tmp_path))
    source, _ = entry_of()
    cache.open_entry("three", lambda: source)
    _, mapped, _ = cache.open_entry("three", lambda: pytest.fail("built twice"))
    with pytest.raises(ValueError, match="read-only"):
        mapped[0, 0] = 1


def test_a_build_that_fails_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("BVAE_CACHE", str(tmp_path))
    source, rows = entry_of()

    def fails():
        yield rows[:2]
        raise data.DataError("the second chunk is bad")

    with pytest.raises(data.DataError, match="second chunk"):
        cache.open_entry("three", lambda: cache.Source(source.entry, fails))
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_a_cache_that_cannot_be_written_is_one_clear_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BVAE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(CacheError, match="BVAE_CACHE"):
        cache.open_entry("three", lambda: entry_of()[0])


def _open_and_log(folder: str, log: str) -> None:
    os.environ["BVAE_CACHE"] = folder
    source, _ = entry_of()

    def build() -> cache.Source:
        with open(log, "a") as file:
            file.write(json.dumps(os.getpid()) + "\n")
        return source

    _, mapped, _ = cache.open_entry("three", build)
    assert mapped.sum() == 435


def test_four_processes_at_once_build_one_entry(tmp_path):
    log = tmp_path / "builds"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_open_and_log, args=(str(tmp_path / "cache"), str(log))) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert len(log.read_text().splitlines()) == 1
