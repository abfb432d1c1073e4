"""Every refusal has a status and words; what is not yours looks like what is not there."""

import pytest

from odr import errors, numbers
from odr.errors import Invalid, Refused, Unavailable
from web import refusals
from web.pages import case


def _tree(kind):
    return {kind} | {below for each in kind.__subclasses__() for below in _tree(each)}


def test_the_table_covers_every_refusal():
    named = {each for each in vars(errors).values() if isinstance(each, type)}
    assert refusals.SAID.keys() == named & _tree(Refused) - {Refused}


def test_a_refusal_of_a_kind_below_is_said_as_its_kind():
    class Odd(Invalid):
        pass

    assert refusals.said(Odd(("x",), "odd")) is refusals.SAID[Invalid]
    assert refusals.said(Unavailable("store")).status == 503


def _is(number):
    try:
        return numbers.parse_case(number) is not None
    except Invalid:
        return False


def test_absent_and_not_yours_look_alike(site, open_browser):
    number = site.case()
    absent = next(
        each
        for each in (f"{number[:9]}-{n:04}-{k:02}" for n in range(5) for k in range(100))
        if _is(each)
    )
    nosy = open_browser("stranger")
    mine, none = nosy.get(f"/cases/{number}"), nosy.get(f"/cases/{absent}")
    assert mine.status_code == none.status_code == 404
    assert mine.content.replace(number.encode(), b"") == none.content.replace(absent.encode(), b"")


@pytest.mark.parametrize("path", ["/cases/nothing", "/exhibits/nothing", "/insurance/IC-1", "/x"])
def test_what_is_not_there_is_not_found(buyer, path):
    assert buyer.get(path).status_code == 404


def test_a_stranger_is_asked_to_sign_in_and_comes_back(site, stranger):
    answer = stranger.get(f"/cases/{site.case()}")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in?next=/cases/")


def test_the_line_about_money_is_one_of_the_lines():
    states = ([], ["PAID"], ["SUBMITTED"], ["READY"])
    for given in states:
        for stage in ("NEGOTIATION", "CLOSED"):
            for granted in (None, {"amountMinor": 1, "currency": "EUR"}):
                shown = {
                    "payouts": [{"state": state} for state in given],
                    "stage": stage,
                    "granted": granted,
                }
                assert case._money_line(shown) in case.MONEY_LINES
