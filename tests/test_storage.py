import os

import pytest

from analysis.storage import Folder, StorageError


@pytest.fixture(params=["local", "s3"])
def folder(request, tmp_path):
    if request.param == "local":
        return Folder(tmp_path / "runs")
    return Folder(f"{request.getfixturevalue('bucket')}/{tmp_path.name}")


def test_files_come_back_and_are_replaced_as_a_whole(folder):
    folder.write("s/checkpoints/a/00000010.safetensors", b"first" * 100_000)
    folder.write("s/checkpoints/a/00000010.safetensors", b"second")
    folder.write("s/study.json", b"{}")
    folder.write("s/.lock", b"")
    assert folder.read("s/checkpoints/a/00000010.safetensors") == b"second"
    assert (folder / "s").read("study.json") == b"{}"
    assert folder.names() == ["s/checkpoints/a/00000010.safetensors", "s/study.json"]
    assert (folder / "s").names("checkpoints") == ["checkpoints/a/00000010.safetensors"]
    assert folder.names("nowhere") == []


def test_deleting_is_final_and_may_be_repeated(folder):
    folder.write("a", b"1")
    folder.delete("a")
    folder.delete("a")
    assert folder.names() == []
    with pytest.raises(FileNotFoundError):
        folder.read("a")


def test_a_full_disk_leaves_the_old_file_and_no_temporary(tmp_path, monkeypatch):
    folder = Folder(tmp_path)
    folder.write("a", b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        folder.write("a", b"new")
    assert folder.read("a") == b"old"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("location", ["ftp://host/runs", "s3:///nobucket", "s4://bucket"])
def test_a_kind_of_storage_that_is_not_there_is_one_sentence(location):
    with pytest.raises(StorageError, match=r"can't be opened.*choose a folder"):
        Folder(location)
