"""What one is told: the page, and the letters' way to what they tell of."""

import re

from tests.web.clicking import until


def test_a_letter_leads_to_its_case(site, seller):
    number = site.case()
    folder = site.parts.settings.folder / "mail"
    letters = []

    def sent():
        letters[:] = [
            text
            for path in folder.glob("*.eml")
            if f"Case {number}: A claim was filed." in (text := path.read_text(encoding="utf-8"))
        ]
        return letters

    until(sent)
    link = re.search(rf"{site.parts.settings.base_url}(/\S+)", letters[0])[1]
    assert link == f"/cases/{number}"
    assert seller.get(link).status_code == 200


def test_opening_the_page_marks_notices_as_read(site, seller):
    number = site.case()
    first, second = seller.get("/notices").text, seller.get("/notices").text
    assert f'href="/cases/{number}"' in first
    assert 'class="new"' in first
    assert 'class="new"' not in second
