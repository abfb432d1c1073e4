"""Every answer carries the headers that keep other people's code out."""

import pytest

PAGES = ("/", "/how", "/sign-in", "/demo", "/nothing", "/static/concord.css", "/static/nothing")


@pytest.mark.parametrize("path", PAGES)
def test_nothing_from_elsewhere_runs_on_any_page(stranger, path):
    answer = stranger.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"


def test_no_page_is_kept_by_caches(stranger, buyer):
    for answer in (stranger.get("/"), buyer.get("/")):
        assert answer.headers["cache-control"] == "no-store"


def test_no_page_asks_anything_of_another_site(stranger, buyer):
    for answer in (stranger.get("/"), stranger.get("/how"), buyer.get("/")):
        assert "//" not in answer.text.replace("https://", "http://").replace("http://", "")
        assert "http" not in answer.text
        assert "<style" not in answer.text
        assert " style=" not in answer.text
        assert answer.text.count("<script") == 1


def test_the_first_page_is_small(stranger):
    weight = sum(
        len(stranger.get(path).content)
        for path in ("/", "/static/concord.css", "/static/concord.js", "/static/logo.svg")
    )
    assert weight < 60 * 1024
