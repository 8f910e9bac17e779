"""A headless Chromium over a made-up board, opened from disk.

Without a browser the tests are left out, as `make test` says in its first line; they fail where
one must be there (BROWSER_REQUIRED, as in CI).
"""

import os
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from harness.record import write_prompts
from leaderboards.build import build
from leaderboards.pages.write import write_pages
from leaderboards.spec import BoardSpec
from tests.leaderboards.artifact import write_artifact
from tests.leaderboards.records import item, record, record_of

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
)  # fmt: skip
HOSTILE = {
    0: "</script><script>document.title = 'taken'</script><img src=x onerror=\"alert(1)\">",
    1: "\u202ereversed \x00 \x1b[31m red \u2066",
    2: "long " * 200_000,
    3: "",
}
ASKED = {"input": "Which part of a cell holds word7?"}
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


def made_records():
    """Two bases and what was made of one, on a task with a ranking twin and one of counts."""
    right = [1] * 20 + [0] * 20
    better = [1] * 36 + [0, 0, "?", None]
    rows = record("selfspec-tiny", "one", better).items
    rows = [dict(row) for row in rows]
    for place, answer in HOSTILE.items():
        rows[place]["answer"] = answer
    hit = {"source": "example:task-00003", "kind": "ngram", "share": 0.9, "span": "is 5 prime"}
    rows[5] |= {"flags": ["leaked"], "leak": {"sources": 1, "hits": [hit]}}
    counts = {"metric": "f1", "aggregation": "micro_f1"}
    found = [item(i, [1, 0, i % 2], metric="f1") for i in range(12)]
    one = {
        "tiny": record("tiny", "one", right).items,
        "selfspec-tiny": rows,
        "other": record("other", "one", [1] * 10 + [0] * 30).items,
    }
    return [
        *(record_of(name, "one", [row | ASKED for row in items]) for name, items in one.items()),
        record("tiny", "one_rank", [1, 0] * 20, rank_of="one"),
        record("selfspec-tiny", "one_rank", [1, 1, 0, 1] * 10, rank_of="one"),
        record("tiny", "mentions", [[0, 1, 1]] * 12, **counts),
        record_of("selfspec-tiny", "mentions", found, **counts),
    ]


def with_prompts(made, folder):
    """The record in a folder with what was sent, as a run leaves it."""
    folder.mkdir(parents=True)
    prompts = [f"Shown: 2 is prime.\n{row['input']} {row['id']} \u202e" for row in made.items]
    write_prompts(folder, prompts, made.items)
    return replace(made, folder=folder)


@dataclass
class Watched:
    """What a page did that no page of ours may do."""

    home: str
    faults: list = field(default_factory=list)
    requests: list = field(default_factory=list)

    def watch(self, page: Page) -> Page:
        page.on("console", lambda m: m.type in ("error", "warning") and self.faults.append(m.text))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("dialog", lambda dialog: (self.faults.append(dialog.message), dialog.dismiss()))
        page.on("request", self._asked)
        return page

    def _asked(self, request):
        self.requests.append(request.url)
        if not request.url.startswith((self.home, "data:")):
            self.faults.append(f"asked for {request.url}")


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    home = tmp_path_factory.mktemp("board")
    write_artifact(home, "selfspec-tiny", examples=60)
    records = [
        with_prompts(record, home / "runs" / str(n)) for n, record in enumerate(made_records())
    ]
    spec = BoardSpec("made_up", title="A made-up board", resamples=300)
    write_pages(build(records, spec), records, spec, home / "site", home=home)
    return home / "site"


@pytest.fixture(scope="session")
def browser():
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None or not Path(found).is_file():
        said = "No browser. Install one with: apt-get install chromium"
        if os.environ.get("BROWSER_REQUIRED"):
            pytest.fail(said, pytrace=False)
        pytest.skip(said)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, site):
    """Open a page of the site; at the end no page has failed, warned or asked for more."""
    watched = Watched(site.as_uri() + "/")
    contexts = []

    def open_page(name, *, viewport=DESK, scheme="light", home=None):
        watched.home = home or watched.home
        context = browser.new_context(viewport=viewport, color_scheme=scheme)
        contexts.append(context)
        context.set_default_timeout(120_000)  # a busy machine must not fail a test
        page = watched.watch(context.new_page())
        page.goto(watched.home + name)
        page.requests = watched.requests
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert watched.faults == []
