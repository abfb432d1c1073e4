"""axe-core looks at every page: both themes, both languages, a desk and a phone.

Each page is looked at four times, so that every two of theme, language and width meet. Nothing
may scroll sideways. What opens is opened first.
"""

import contextlib
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.web.clicking import DESK, PHONE, Journey
from tests.web.stages import PAGES, Stages
from tests.web.test_keeping import waiting

pytestmark = pytest.mark.browser

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
LOOKS = {"en": (("light", DESK), ("dark", PHONE)), "zh": (("dark", DESK), ("light", PHONE))}


@pytest.fixture(scope="module")
def stages(site):
    with contextlib.ExitStack() as stack:
        yield Stages(site, stack)


@pytest.fixture(scope="module")
def looking(site, chromium):
    """A journey whose pages axe may look into."""
    with contextlib.ExitStack() as stack:
        yield Journey(site, chromium, stack, {"bypass_csp": True, "reduced_motion": "reduce"})


@pytest.fixture(params=sorted(LOOKS))
def language(request):
    return request.param


def _look(page: Any, language: str) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert page.evaluate("document.documentElement.lang") == language, page.url
    for theme, size in LOOKS[language]:
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size(size)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= size["width"], f"{page.url} is {wide} wide"
        found = Axe().run(page, options=RULES)
        assert found.violations_count == 0, f"{page.url} {theme}\n{found.generate_report()}"


def _see(looking: Journey, viewer: Any, language: str, *paths: str) -> None:
    page = looking.page(viewer)
    chosen = {"name": "concord_language", "value": language, "url": looking.site.url}
    page.context.add_cookies([chosen])
    for path in paths:
        page.goto(looking.site.url + path)
        _look(page, language)


def test_pages_for_strangers(looking, language):
    link = f"/sign-in/{looking.site.link(looking.site.people.buyer)}"
    _see(looking, None, language, "/", "/sign-in", link, "/demo")


def test_how_it_works_and_what_is_not_there(looking, language):
    _see(looking, None, language, "/how", "/verify", "/log/", "/nothing")


def test_what_everybody_has(looking, stages, language):
    stages.number("countered")
    _see(looking, looking.site.people.buyer, language, "/notices", "/profile")


@pytest.mark.parametrize("who", ["buyer", "seller", "insurer", "operator", "stranger"])
def test_home_by_role(looking, stages, language, who):
    stages.number("paid")
    _see(looking, looking.site.viewer(who), language, "/")


def test_home_of_a_mediator(looking, stages, language):
    _see(looking, stages.viewer("mediated", "mediator"), language, "/")


def test_every_step_of_a_claim(looking, language):
    looking.site.order()
    _see(looking, looking.site.people.buyer, language, "/claims/new")
    looking.file(look=lambda page: _look(page, language))


@pytest.mark.parametrize(("stage", "who"), PAGES, ids=map("-".join, PAGES))
def test_the_case_page(looking, stages, language, stage, who):
    number = stages.number(stage)
    _see(looking, stages.viewer(stage, who), language, f"/cases/{number}")


def test_what_the_operator_keeps_and_erases(looking, stages, language):
    site = looking.site
    page = looking.go(site.people.buyer, f"/cases/{stages.number('heard')}")
    path = page.locator(".exhibits a").first.get_attribute("href")
    waiting(site, path.rpartition("/")[2])
    for viewer in (site.people.operator, site.people.second_operator):
        _see(looking, viewer, language, "/keeping")


def test_an_exhibit(looking, stages, language):
    page = looking.go(looking.site.people.buyer, f"/cases/{stages.number('heard')}")
    path = page.locator(".exhibits a").first.get_attribute("href")
    _see(looking, looking.site.people.buyer, language, path)


def test_an_entry_of_the_record(looking, stages, language):
    page = looking.go(looking.site.people.buyer, f"/cases/{stages.number('heard')}")
    path = page.locator(".record a[href^='/record/']").first.get_attribute("href")
    _see(looking, looking.site.people.buyer, language, path)


def test_what_an_insurer_sees(looking, stages, language):
    looking.number = stages.number("paid")
    insurer, number = looking.site.people.insurer, looking.insured()
    _see(looking, insurer, language, f"/insurance/{number}")
    stages.decide(number)
    _see(looking, insurer, language, f"/insurance/{number}", "/settled", "/settled?peril=LOSS")
