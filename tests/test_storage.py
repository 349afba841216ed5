import os
import signal
import subprocess
import sys

import pytest

from analysis.storage import Folder, StorageError, StorageFailedError, on_storage


@pytest.fixture(params=["local", "s3"])
def folder(request, tmp_path):
    if request.param == "local":
        (tmp_path / "runs").mkdir()
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


@pytest.mark.parametrize("when", ["fsync", "replace"])
def test_killed_while_it_writes_the_old_file_is_whole(tmp_path, when):
    folder = Folder(tmp_path)
    folder.write("a", b"old")
    code = (
        "import os, signal, sys; from analysis.storage import Folder\n"
        f"os.{when} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "Folder(sys.argv[1]).write('a', b'new' * 1000)"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path]).returncode == -signal.SIGKILL
    assert folder.read("a") == b"old"
    assert folder.names() == ["a"]


def test_a_folder_that_went_away_is_not_made_anew(tmp_path):
    with pytest.raises(FileNotFoundError):
        Folder(tmp_path / "unplugged").write("s/a", b"")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (OSError(28, "No space left on device"), "runs/s can't be used any more (No space left on device)"),
        (FileNotFoundError(2, "No such file", "a/b"), "runs/s can't be used any more (No such file: a/b)"),
        (OSError("AWS Error NETWORK_CONNECTION"), "runs/s can't be used any more (AWS Error NETWORK_CONNECTION)"),
    ],
)
def test_storage_that_fails_says_what_to_do(error, why):
    with pytest.raises(StorageFailedError, match="the same command goes on") as raised, on_storage("runs/s"):
        raise error
    assert why in str(raised.value)


@pytest.mark.parametrize("location", ["ftp://host/runs", "s3:///nobucket", "s4://bucket"])
def test_a_kind_of_storage_that_is_not_there_is_one_sentence(location):
    with pytest.raises(StorageError, match=r"can't be opened.*choose a folder"):
        Folder(location)
