"""A study of 10,000 trials on 200 lanes whose machines come and go, without training: what the driver's work costs.

    python -m benchmarks.large_study [--trials 10000] [--out DIR] [--draw]

Not in it are Ray and Tune themselves, and the training: see benchmarks.simulated_cluster. Shown is the processor time
of the driver's work for an event of the first and of the last tenth of the trials, that of building the report, and
how large the page is; with --draw also how long Chromium takes to draw and to filter it.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from analysis.working_copy import LEDGER
from benchmarks.simulated_cluster import Costs, simulate
from study.space import Settings

NODES = [{"CPU": 4.0, "GPU": 1.0}] * 25 + [{"CPU": 8.0}] * 12 + [{"CPU": 4.0}]  # 100 places on GPUs, 100 on cores


def settings_of(trials: int) -> Settings:
    """20 β × 10 latent sizes × 5 learning rates × as many seeds as it takes."""
    return Settings(
        beta=tuple(np.geomspace(0.25, 32, 20).round(3).tolist()),
        latent_dim=tuple(range(4, 24, 2)),
        learning_rate=(1e-4, 2e-4, 5e-4, 1e-3, 2e-3),
        seed=tuple(range(-(-trials // 1000))),
        steps=8_100,
        grace_period=900,
        report_every=900,
    )


def show(costs: Costs, trials: int) -> None:
    """Print what an event of the first and of the last trials cost."""
    tenth = trials // 10
    for name, first, last in (("first", 0, tenth), ("last", trials - tenth, trials)):
        of = costs.per_event(first, last)
        seconds, fixed = of.mean(axis=0)
        spent = f"{1e3 * seconds:.2f} ms of processor time per event, {seconds / fixed:.2f} times a fixed piece of work"
        print(f"{name} {tenth:,} trials: {spent}; {len(of):,} events")


def build(directory: Path) -> None:
    """Build the report as a person would, and print what it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "analysis", str(directory), "--no-traversals"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    sizes = {name: (directory / name).stat().st_size / 1e6 for name in (LEDGER, "report/dashboard.html")}
    print(f"report: {seconds:.1f} s of processor time; " + ", ".join(f"{n} {s:.1f} MB" for n, s in sizes.items()))


def draw(page: Path) -> None:
    """Open the page in Chromium; print how long it takes to draw, and to answer when a trial's status is picked."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1280, "height": 900})
        session = opened.context.new_cdp_session(opened)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})

        def busy() -> float:
            metrics = session.send("Performance.getMetrics")["metrics"]
            return next(float(metric["value"]) for metric in metrics if metric["name"] == "TaskDuration")

        def measure(what: str, act: Callable[[], object]) -> None:
            began, before = time.monotonic(), busy()
            act()
            seconds = (
                f"{busy() - before:.1f} s of the page's processor time, {time.monotonic() - began:.1f} s by the clock"
            )
            print(f"{what}: {seconds}")

        opened.set_default_timeout(300_000)
        opened.goto(page.as_uri(), wait_until="commit")
        measure("the table is there", lambda: opened.wait_for_selector("#trial-table tbody tr"))
        measure("the last figure is drawn", lambda: opened.wait_for_selector("html[data-drawn]"))
        finished = opened.locator("#filters").get_by_role("button", name="finished", exact=True)

        def filtered() -> None:
            finished.click()
            opened.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")

        measure("filtered by status", filtered)
        measure("and back", filtered)
        browser.close()


def main() -> None:
    """Simulate, build and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000, help="rounded up to thousands")
    parser.add_argument("--out", type=Path, help="keep the run directory here")
    parser.add_argument("--draw", action="store_true", help="open the page in Chromium, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        directory = (options.out or Path(scratch)) / "large"
        settings = settings_of(options.trials)
        show(simulate(directory, settings, NODES), 1000 * len(settings.seed))
        build(directory)
        if options.draw:
            draw(directory / "report" / "dashboard.html")


if __name__ == "__main__":
    main()
