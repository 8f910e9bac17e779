"""How large and how smooth the pages of a large board are, in a real browser.

    python -m benchmarks.site [--models 200] [--tasks 40] [--items 100] [--to FOLDER]

Writes the site of made-up records and opens it from disk in headless Chromium.
For each action: the time from the click to the second frame after it, and the
processor time of the page's main thread, which other work on the machine does
not lengthen. For scrolling: the processor time a frame takes, of 16.7 ms that
there are at 60 frames a second.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.boards import made_up
from benchmarks.options import options_of
from harness.types import Record
from leaderboards.build import build
from leaderboards.pages.write import write_pages
from leaderboards.spec import BoardSpec

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
)  # fmt: skip
ANSWER = "The gene product binds its receptor in the membrane of the cell. " * 3
TWO_FRAMES = "new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))"
SORT = "document.querySelectorAll('#t0 thead button')[{}].click()"
FILTER = """
  const field = document.querySelector('[name=models]');
  field.value = '{}'; field.dispatchEvent(new Event('input', {{ bubbles: true }}))
"""
SCROLL = """new Promise((done) => {
  const box = document.querySelector('.scroll.tall');
  let frame = 0;
  const step = () => {
    box.scrollTop = 60 * frame; box.scrollLeft = 30 * frame;
    if (++frame < 100) requestAnimationFrame(step); else done();
  };
  requestAnimationFrame(step);
})"""


def with_texts(records: list[Record]) -> Iterator[Record]:
    """The records with a question and an answer of about 200 characters an item."""
    for record in records:
        rows = tuple(
            {**row, "input": f"Question {row['id']}? {ANSWER}", "answer": ANSWER, "target": ["yes"]}
            for row in record.items
        )
        yield replace(record, items=rows)


class Measured:
    """A page whose main thread's processor time can be read."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.session = page.context.new_cdp_session(page)
        self.session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def processor(self) -> float:
        metrics = self.session.send("Performance.getMetrics")["metrics"]
        return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))

    def action(self, script: str) -> tuple[float, float]:
        """Seconds until the second frame after it, and processor seconds of the main thread."""
        used = self.processor()
        took = self.page.evaluate(
            f"(async () => {{ const began = performance.now(); {script}; await {TWO_FRAMES};"
            " return performance.now() - began; })()"
        )
        return took / 1000, self.processor() - used


def told(name: str, found: list[tuple[float, float]]) -> None:
    wall, used = (median(one[place] for one in found) for place in (0, 1))
    print(f"{name}: {wall:.2f} s to the second frame, {used:.2f} s of the main thread")


def look(site: Path, browser: Any) -> None:
    """Load, sort, filter and scroll the overview; open a task's page."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    measured = Measured(page)
    began = time.perf_counter()
    page.goto((site / "index.html").as_uri())
    page.evaluate(TWO_FRAMES)
    print(f"overview: {time.perf_counter() - began:.2f} s to load, "
          f"{measured.processor():.2f} s of the main thread")  # fmt: skip
    count = page.locator("#t0 thead button").count()
    columns = (0, 2, 5, count // 2, count - 1)
    told("sort", [measured.action(SORT.format(column)) for column in columns])
    told("filter", [measured.action(FILTER.format(text)) for text in ("m1", "", "special", "")])
    used = measured.processor()
    page.evaluate(SCROLL)
    print(f"scroll: {10 * (measured.processor() - used):.1f} ms of the main thread a frame")
    page.close()

    page = browser.new_page(viewport={"width": 1280, "height": 900})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    measured = Measured(page)
    began = time.perf_counter()
    page.goto(next(site.glob("task-0-0-*.html")).as_uri())
    page.locator(".item").first.wait_for()
    took = time.perf_counter() - began
    files = [Path(url.removeprefix("file://")) for url in asked if "/items/" in url]
    size = sum(path.stat().st_size for path in files) / 2**20
    print(
        f"task: {took:.2f} s to the first items, {measured.processor():.2f} s of the main "
        f"thread; {len(files)} files of items read, {size:.2f} MiB"
    )
    page.close()


def main() -> None:
    """Write the site, print its size, look at it."""
    from playwright.sync_api import sync_playwright

    args = options_of(__doc__, models=200, tasks=40, items=100, to=None)
    records = list(with_texts(made_up(args.models, args.tasks, args.items)))
    spec = BoardSpec("made_up", title="A large board", resamples=1000)
    with TemporaryDirectory() as temporary:
        site = args.to or Path(temporary)
        used = time.process_time()
        board = build(records, spec)
        built = time.process_time()
        write_pages(board, records, spec, site)
        wrote = time.process_time()
        files = [path for path in site.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files) / 2**20
        overview = (site / "index.html").stat().st_size / 2**20
        print(
            f"{args.models} models x {args.tasks} tasks x {args.items} items: {built - used:.0f} s "
            f"of processor time to build, {wrote - built:.0f} s to write {len(files)} files, "
            f"{size:.0f} MiB; overview {overview:.1f} MiB",
            flush=True,
        )
        with sync_playwright() as playwright:
            found = os.environ.get("CHROMIUM") or shutil.which("chromium")
            browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
            look(site, browser)
            browser.close()


if __name__ == "__main__":
    main()
