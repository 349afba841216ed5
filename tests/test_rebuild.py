"""The report of a running study: when it is built, how rarely, and that it is."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from constructed import MadeTrial, write_study

from study import rebuild
from study.rebuild import SHARE, Rebuild


class Clock:
    """Time that passes when told to, and builds that end when told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ended = False
        self.builds = 0

    def monotonic(self) -> float:
        return self.now

    def begin(self, _: Path) -> Any:
        self.builds, self.ended = self.builds + 1, False
        return SimpleNamespace(poll=lambda: 0 if self.ended else None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(rebuild, "time", clock)
    monkeypatch.setattr(rebuild, "_build", clock.begin)
    return clock


def report(of: Rebuild, step: int) -> None:
    of.on_trial_result(0, [], None, {"step": step})  # type: ignore[arg-type]
    of.on_step_end(0, [])


def test_a_rung_is_news_and_what_lies_between_is_not(clock: Clock, tmp_path: Path) -> None:
    live = Rebuild(tmp_path, [100, 300])
    report(live, 50)
    assert clock.builds == 0
    report(live, 100)
    assert clock.builds == 1


def test_the_end_of_a_trial_is_news_and_without_rungs_every_report(clock: Clock, tmp_path: Path) -> None:
    live = Rebuild(tmp_path, [100])
    live.on_trial_complete(0, [], None)  # type: ignore[arg-type]
    live.on_step_end(0, [])
    report(Rebuild(tmp_path, []), 1)
    assert clock.builds == 2


def test_it_rests_twenty_times_as_long_as_it_builds_and_forgets_no_news(clock: Clock, tmp_path: Path) -> None:
    live = Rebuild(tmp_path, [100])
    report(live, 100)
    clock.now = 3.0
    report(live, 100)  # Still building.
    assert clock.builds == 1
    clock.now, clock.ended = 4.0, True
    live.on_step_end(0, [])
    clock.now = 4.0 + 4.0 / SHARE - 0.1
    live.on_step_end(0, [])
    assert clock.builds == 1
    clock.now += 0.2
    live.on_step_end(0, [])
    assert clock.builds == 2
    clock.now, clock.ended = 1e6, True
    live.on_step_end(0, [])
    live.on_step_end(0, [])
    assert clock.builds == 2  # Nothing happened since.


def test_it_builds_the_page_of_an_unfinished_study(tmp_path: Path) -> None:
    directory = write_study(tmp_path / "study", [MadeTrial("a"), MadeTrial("u", status="unfinished", last=300)])
    live = Rebuild(directory, [300])
    report(live, 300)
    live.close()
    html = (directory / "report" / "dashboard.html").read_text(encoding="utf-8")
    assert "The study is unfinished: 1 of 2 trials has ended." in html
    assert "reload it to see the news" in html
