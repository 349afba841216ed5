"""A run directory on an object store, worked on in a copy."""

import pytest

from analysis import working_copy as module
from analysis.events import append, event, read_ledger
from analysis.storage import Folder, StorageError
from analysis.working_copy import working_copy


@pytest.fixture
def location(bucket, tmp_path):
    return f"{bucket}/{tmp_path.name}/s"


def report(step):
    return event("report", "a", step=step, metrics={"mig": 0.5})


def steps(copy):
    return [e["step"] for e in read_ledger(copy.directory / "ledger.jsonl")]


def test_a_folder_is_worked_on_in_place(tmp_path):
    with working_copy(tmp_path) as copy:
        assert copy.directory == tmp_path
        append(tmp_path / "ledger.jsonl", [report(1)])
        copy.fetch_all()
        copy.send_all()
        assert steps(copy) == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.jsonl"]


def test_the_ledger_grows_in_pieces_and_comes_back_whole(location, monkeypatch):
    monkeypatch.setattr(module, "PIECE", 300)
    sent = []
    monkeypatch.setattr(Folder, "write", lambda self, name, content, to=Folder.write: (
        sent.append((name, len(content))), to(self, name, content))[1])  # fmt: skip
    for first in (1, 11):  # The second driver goes on where the first one ended.
        with working_copy(location) as copy:
            copy.fetch_all()
            for step in range(first, first + 10):
                append(copy.directory / "ledger.jsonl", [report(step)])
                copy.send_ledger()
                copy.send_ledger()  # With nothing new, nothing is sent.
    assert len(sent) == 20
    assert max(size for _, size in sent) < 300 + 150
    assert len({name for name, _ in sent}) > 4
    with working_copy(location) as copy:
        copy.fetch_all()
        assert steps(copy) == list(range(1, 21))


def test_a_line_that_is_being_written_is_sent_when_it_is_whole(location):
    with working_copy(location) as copy:
        ledger = copy.directory / "ledger.jsonl"
        append(ledger, [report(1)])
        whole = ledger.read_bytes()
        ledger.write_bytes(whole + whole[:10])
        copy.send_ledger()
        assert copy.folder.read("ledger/000000.jsonl") == whole
        ledger.write_bytes(whole + whole)
        copy.send_ledger()
        assert copy.folder.read("ledger/000000.jsonl") == whole + whole


def test_a_report_goes_there_and_ranks_that_are_gone_go_away(location):
    with working_copy(location) as copy:
        for name in ("study.json", "report/dashboard.html", "report/gif/1/trial.json", "report/gif/2/a/x.gif"):
            (copy.directory / name).parent.mkdir(parents=True, exist_ok=True)
            (copy.directory / name).write_text(name)
        (copy.directory / ".hidden").write_text("")
        copy.send_all()
        copy.folder.write("checkpoints/a/1.safetensors", b"weights")
    with working_copy(location) as copy:
        copy.fetch_all()
        assert (copy.directory / "report/gif/1/trial.json").read_text() == "report/gif/1/trial.json"
        assert not (copy.directory / "report/dashboard.html").exists()  # Is built anew.
        copy.fetch("checkpoints/a/1.safetensors")
        copy.fetch("checkpoints/a/2.safetensors")
        assert [path.name for path in (copy.directory / "checkpoints/a").iterdir()] == ["1.safetensors"]
        copy.send_all()
        assert copy.folder.names() == [
            "checkpoints/a/1.safetensors", "report/dashboard.html", "report/gif/1/trial.json", "study.json",
        ]  # fmt: skip
        assert copy.shown(copy.directory / "report") == f"{location}/report"


def test_a_store_that_can_not_be_read_is_one_sentence(location, monkeypatch):
    def refused(self, under=""):
        raise OSError("ACCESS_DENIED")

    monkeypatch.setattr(Folder, "names", refused)
    with working_copy(location) as copy, pytest.raises(StorageError, match=r"/s can't be read \(ACCESS_DENIED\)"):
        copy.fetch_all()
