"""Signing in and out, cookies, and forms that come from elsewhere."""

import re

import pytest

from odr import ids, tokens
from tests.web.conftest import CSRF, KEY, PNG
from web import session


def _cookie(answer, name):
    return next(each for each in answer.headers.get_list("set-cookie") if each.startswith(name))


def test_following_a_link_signs_nobody_in(site, stranger):
    secret = site.link(site.people.buyer)
    for _ in range(3):  # a mail scanner, a preview, a person
        assert stranger.get(f"/sign-in/{secret}").status_code == 200
    assert session.SESSION not in stranger.client.cookies
    assert stranger.post(f"/sign-in/{secret}").status_code == 303
    assert stranger.get("/profile").status_code == 200


def test_a_link_works_once(site, open_browser):
    secret = site.link(site.people.buyer)
    first, second = open_browser(), open_browser()
    assert first.post(f"/sign-in/{secret}").status_code == 303
    assert second.post(f"/sign-in/{secret}").status_code == 410
    assert session.SESSION not in second.client.cookies


def test_a_link_without_the_form_s_token_signs_nobody_in(site, stranger):
    secret = site.link(site.people.buyer)
    assert stranger.client.post(f"/sign-in/{secret}").status_code == 403
    assert stranger.post(f"/sign-in/{secret}").status_code == 303


def test_a_link_grows_old(site, stranger):
    secret = site.link(site.people.buyer)
    site.let_pass(1)
    assert stranger.post(f"/sign-in/{secret}").status_code == 410


def test_the_session_s_cookie_is_out_of_reach(site, stranger):
    answer = stranger.post(f"/sign-in/{site.link(site.people.buyer)}")
    cookie = _cookie(answer, session.SESSION).lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/" in cookie
    assert "domain" not in cookie


def test_signing_out_ends_the_session_on_the_server(open_browser):
    buyer = open_browser("buyer")
    kept = buyer.client.cookies[session.SESSION]
    assert buyer.post("/sign-out").status_code == 303
    thief = open_browser()
    thief.client.cookies.set(session.SESSION, kept)
    assert thief.get("/profile").status_code == 303


def test_the_same_is_said_for_known_and_unknown_addresses(site, open_browser):
    known = site.value(
        "SELECT email FROM accounts WHERE id = :id", id=site.people.buyer.account_id
    ).email
    said = []
    for email in (known, "nobody@example.org"):
        answer = open_browser().post("/sign-in", form={"email": email})
        said.append(re.sub(CSRF, "", answer.text.replace(email, "")))
    assert said[0] == said[1]


def test_what_is_no_address_is_told(stranger):
    answer = stranger.post("/sign-in", form={"email": "nobody"})
    assert answer.status_code == 422
    assert "aria-invalid" in answer.text


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "evil.example",
        "/\t/evil.example",
    ],
)
def test_nobody_is_sent_to_another_site(site, open_browser, elsewhere):
    browser, other = open_browser(), open_browser()
    browser.get("/sign-in", params={"next": elsewhere})
    other.client.cookies.set(session.ONWARD, elsewhere.replace("\t", ""))
    answers = [
        browser.post("/appearance", form={"theme": "dark", "back": elsewhere}),
        browser.post(f"/sign-in/{site.link(site.people.buyer)}"),
        other.post(f"/sign-in/{site.link(site.people.buyer)}"),
    ]
    for answer in answers:
        assert answer.status_code == 303
        location = answer.headers["location"]
        assert location.startswith("/")
        assert not re.match(r"/[\\/\t]", location)


def test_one_goes_on_to_where_one_was_asked_to_sign_in(site, stranger):
    number = site.case()
    asked = stranger.get(f"/cases/{number}")
    assert asked.headers["location"] == f"/sign-in?next=/cases/{number}"
    stranger.get(asked.headers["location"])
    answer = stranger.post(f"/sign-in/{site.link(site.people.buyer)}")
    assert answer.headers["location"] == f"/cases/{number}"
    assert session.ONWARD not in stranger.client.cookies
    assert stranger.post(f"/sign-in/{site.link(site.people.buyer)}").headers["location"] == "/"


def test_language_and_zone_are_kept_with_the_account(site, open_browser):
    person = site.people.stranger
    browser = open_browser(person)
    chosen = {"language": "zh", "zone": "Asia/Tokyo"}
    answer = browser.post("/profile", form=chosen | {"key": "a"}, page="/profile")
    assert (answer.status_code, answer.headers["location"]) == (303, "/profile?done=1")
    elsewhere = open_browser(person).get("/profile").text
    assert 'lang="zh"' in elsewhere
    assert '<option value="Asia/Tokyo" selected>' in elsewhere
    again = browser.post("/profile", form={"language": "en", "zone": "UTC", "key": "b"})
    assert again.status_code == 303
    assert '<html lang="en"' in browser.get("/profile").text


@pytest.mark.parametrize(
    "wrong", [{"language": "xx", "zone": "UTC"}, {"language": "en", "zone": "Mars/Olympus"}, {}]
)
def test_a_language_or_zone_that_there_is_not_is_told(site, open_browser, wrong):
    browser = open_browser(site.people.stranger)
    before = site.value("SELECT count(*) FROM accounts WHERE language = 'en' AND zone = 'UTC'")
    answer = browser.post("/profile", form=wrong)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    now = site.value("SELECT count(*) FROM accounts WHERE language = 'en' AND zone = 'UTC'")
    assert now == before


def _message(number, browser):
    page = browser.get(f"/cases/{number}").text
    version = re.search(r'name="version" value="(\d+)"', page)[1]
    return {"version": version, "key": KEY.search(page)[1], "body": "Forged."}


@pytest.mark.parametrize("token", [None, "", "wrong"])
def test_a_form_without_its_token_does_nothing(site, buyer, token):
    number = site.case()
    form = _message(number, buyer) | ({} if token is None else {"csrf": token})
    before = site.row(number)
    answer = buyer.client.post(f"/cases/{number}/acts/send_message", data=form)
    assert answer.status_code == 403
    assert site.row(number) == before


def test_a_form_with_another_session_s_token_does_nothing(site, buyer, seller):
    number = site.case()
    form = _message(number, buyer) | {"csrf": seller.token()}
    before = site.row(number)
    assert buyer.client.post(f"/cases/{number}/acts/send_message", data=form).status_code == 403
    assert site.row(number) == before


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://x127.0.0.1"])
def test_a_form_from_another_site_does_nothing(site, buyer, origin):
    number = site.case()
    form = _message(number, buyer) | {"csrf": buyer.token()}
    before = site.row(number)
    path = f"/cases/{number}/acts/send_message"
    answer = buyer.client.post(path, data=form, headers={"origin": origin})
    assert answer.status_code == 403
    assert site.row(number) == before
    assert buyer.client.post(path, data=form, headers={"origin": site.url}).status_code == 303
    assert site.row(number) != before


def test_the_api_takes_no_form_from_another_site(buyer):
    answer = buyer.client.post(
        "/graphql/",
        content='{"query": "{ me { name } }"}',
        headers={"content-type": "text/plain", "origin": "https://evil.example"},
    )
    assert answer.status_code >= 400
    assert "Buyer" not in answer.text


def test_a_reader_s_language_and_theme_are_kept(buyer):
    assert '<html lang="en" dir="ltr">' in buyer.get("/").text
    assert buyer.post("/appearance", form={"language": "zh", "back": "/"}).status_code == 303
    assert buyer.post("/appearance", form={"theme": "dark", "back": "/"}).status_code == 303
    page = buyer.get("/").text
    assert '<html lang="zh" dir="ltr" data-theme="dark">' in page
    assert "需要您优先处理的事项" in page


def test_an_unknown_language_or_theme_changes_nothing(buyer):
    buyer.post("/appearance", form={"language": "xx", "theme": "pink", "back": "/"})
    assert '<html lang="en" dir="ltr">' in buyer.get("/").text


def test_a_stranger_s_browser_says_which_language_it_speaks(stranger):
    page = stranger.get("/", headers={"accept-language": "fr, zh-CN;q=0.8, en;q=0.5"}).text
    assert '<html lang="zh"' in page


def test_signing_in_as_somebody_is_for_demonstrations_only(site, stranger):
    unknown = str(site.people.operator.account_id)
    assert stranger.post("/demo", form={"account": unknown}).status_code == 404
    shown = str(site.people.buyer.account_id)
    assert stranger.post("/demo", form={"account": shown}).status_code == 303


def test_time_moves_on_the_page_and_one_stays_signed_in(site, buyer):
    before = site.value("SELECT service_now() AS now").now
    assert buyer.post("/demo/time", form={"days": "1"}, page="/demo").status_code == 303
    assert (site.value("SELECT service_now() AS now").now - before).days == 1
    assert buyer.get("/profile").status_code == 200
    assert buyer.post("/demo/time", form={"days": "4000"}, page="/demo").status_code == 422


def test_a_program_uploads_a_file_by_its_token(site, open_browser):
    seller = site.people.seller

    async def made(scope: str) -> str:
        async with site.parts.office.work(seller, ids.new(site.people.at)) as work:
            token = await tokens.create(work, site.people.seller_id, name=scope, scopes=[scope])
        return token.token

    def put(token: str):
        headers = {"authorization": f"Bearer {token}", "content-type": "image/png"}
        return open_browser().client.put("/uploads", content=PNG, headers=headers)

    taken = put(site.run(made("act")))
    assert taken.status_code == 201, taken.text
    assert taken.json()["id"].startswith("up")
    assert put(site.run(made("read"))).status_code == 404
    assert put("concord_nothing").status_code == 401


def test_a_token_posts_no_form(site, open_browser):
    async def made() -> str:
        async with site.parts.office.work(site.people.seller, ids.new(site.people.at)) as work:
            token = await tokens.create(work, site.people.seller_id, name="both", scopes=["act"])
        return token.token

    browser = open_browser()
    browser.client.headers["authorization"] = f"Bearer {site.run(made())}"
    assert browser.client.post("/sign-out").status_code == 403
