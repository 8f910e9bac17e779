"""What holds of every page: accessible, light and dark, no wider than the screen, offline."""

import threading

import pytest
from axe_playwright_python.sync_playwright import Axe

from leaderboards.pages.serve import open_server
from tests.browser.conftest import DESK, PHONE

PAGES = {
    "overview": "index.html",
    "task": "task-0-1-one.html",
    "model": "model-1-selfspec-tiny.html",
    "examples": "examples-1-selfspec-tiny-1.html",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_no_serious_finding_of_axe(open_page, name, scheme):
    page = open_page(PAGES[name], scheme=scheme)
    if name == "task":
        page.locator(".item").first.wait_for()
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    found = Axe().run(page, options={"resultTypes": ["violations"], "preload": False}).response
    grave = [
        (one["id"], one["nodes"][0]["html"], one["nodes"][0]["failureSummary"])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert grave == []


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["1280", "390"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_no_wider_than_the_screen(open_page, name, viewport):
    page = open_page(PAGES[name], viewport=viewport)
    if name == "task":
        page.locator(".item").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    regions = page.locator(".scroll:visible")
    for number in range(regions.count()):
        regions.nth(number).focus()
        assert regions.nth(number).evaluate("(one) => one === document.activeElement")
        assert regions.nth(number).get_attribute("aria-label")


def paper(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_the_theme_follows_the_system_until_it_is_chosen_and_is_then_remembered(open_page):
    light, dark = open_page("index.html"), open_page("index.html", scheme="dark")
    white, black = paper(light), paper(dark)
    assert white != black
    assert light.get_by_role("button", name="Dark").count() == 1
    light.get_by_role("button", name="Dark").click()
    assert paper(light) == black
    with light.expect_navigation():
        light.locator("#t0 tbody th a").first.click()
    assert paper(light) == black
    light.get_by_role("button", name="Light").click()
    assert paper(light) == white
    light.go_back()
    light.reload()
    assert paper(light) == white


def test_the_first_tab_leads_past_the_head(open_page):
    page = open_page("index.html")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_the_pages_work_from_the_server_too(open_page, site):
    with open_server(site) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            home = f"http://localhost:{server.server_port}/"
            page = open_page("task-0-1-one.html#second=selfspec-tiny&only=leaked", home=home)
            page.locator(".item").first.wait_for()
            assert page.locator(".item h3").all_inner_texts() == ["i0005"]
            with page.expect_navigation():
                page.locator(".item .near").first.click()
            assert page.locator(".item:target").count() == 1
        finally:
            page.context.close()
            server.shutdown()
            thread.join()


def test_plots_are_pictures_with_a_name_and_a_table(open_page):
    page = open_page(PAGES["model"])
    names = page.locator("svg[role=img] > title").all_text_contents()
    assert names == [
        "Difference to the base, by task",
        "Where the gain comes from",
        "From calls to training examples",
        "Training curve",
    ]
    assert page.locator("figure.plot details table").count() == len(names)
