"""What anybody may send: too much, too fast or malformed, it is refused in words and not read."""

import httpx
import pytest

from evidence import media
from odr import ids, tokens
from schema.limits import LocalBuckets, Rate
from tests.web.conftest import CSRF, PNG
from web import session
from web.pages import exhibit


@pytest.fixture
def program(site, open_browser):
    """A function that opens what programs use: a token of the seller's with these scopes."""

    def opened(*scopes: str):
        async def made() -> str:
            async with site.parts.office.work(site.people.seller, ids.new(site.people.at)) as work:
                token = await tokens.create(
                    work, site.people.seller_id, name="program", scopes=scopes, days=1
                )
                await tokens.revoke(work, token.id) if not scopes else None
            return token.token

        browser = open_browser()
        browser.client.headers["authorization"] = f"Bearer {site.run(made())}"
        return browser

    return opened


def form_of(size: int) -> bytes:
    return b"email=" + b"a" * (size - 6)


def posted(browser, path: str, content: bytes, kind: str = "application/x-www-form-urlencoded"):
    return browser.client.post(path, content=content, headers={"content-type": kind})


@pytest.mark.parametrize("path", ["/sign-in", "/demo", "/appearance", "/sign-out", "/claims/new"])
def test_a_stranger_s_form_of_more_than_it_may_hold_is_not_read(stranger, path):
    answer = posted(stranger, path, form_of(session.STRANGERS_BYTES_MAX + 1))
    assert answer.status_code == 413
    assert "<h1>" in answer.text
    assert posted(stranger, path, form_of(session.STRANGERS_BYTES_MAX)).status_code == 403


@pytest.mark.parametrize(
    "kind", ["multipart/form-data; boundary=b", "application/x-www-form-urlencoded"]
)
def test_a_form_that_does_not_tell_its_length_is_counted(stranger, kind):
    def pieces():
        yield b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
        for _ in range(8):
            yield b"a" * 16_384

    answer = posted(stranger, "/sign-in", pieces(), kind)
    assert answer.status_code == 413


def test_a_form_with_a_wrong_length_or_without_its_shape_is_refused(stranger, buyer):
    for browser in (stranger, buyer):
        kind = "multipart/form-data; boundary=b"
        assert posted(browser, "/sign-out", b"--x\r\nnothing", kind).status_code == 422


def test_somebody_s_files_have_room_where_files_are_taken_and_only_there(site, buyer):
    large = site.parts.vault.size_max["image/png"]
    number = site.case()
    files = {"exhibit": ("a.png", PNG + b"\0" * session.FORM_BYTES_MAX, "image/png")}
    assert large > session.FORM_BYTES_MAX
    assert buyer.post("/sign-out", files=files).status_code == 413
    answer = buyer.post(f"/cases/{number}/acts/send_message", form={"body": "Hello."}, files=files)
    assert answer.status_code == 303


@pytest.mark.parametrize(
    "path",
    [
        "/settled?from=zz",
        "/settled?until=2026-02-30",
        "/settled?after=zz",
        "/settled?after=00",
        "/settled?peril=zz",
        "/settled?state=zz",
        "/settled?cover=zz",
        "/settled?case=%00",
        "/insurance/%00",
    ],
)
def test_an_address_that_says_what_cannot_be_is_refused_in_words(open_browser, path):
    answer = open_browser("insurer").get(path)
    assert answer.status_code in {200, 404, 422}
    assert "<h1>" in answer.text


@pytest.mark.parametrize("version", ["abc", "9" * 30, "-1", "1.5", "٣", "99999999"])
def test_a_version_that_is_none_is_told_at_the_form(site, buyer, version):
    number = site.case()
    form = {"version": version, "reason": "I changed my mind."}
    answer = buyer.post(f"/cases/{number}/acts/withdraw", form=form)
    assert answer.status_code == 422
    assert site.row(number).state == "filed"


def test_what_is_not_ascii_is_refused_and_no_bug(buyer, stranger):
    assert buyer.post("/sign-out", form={"csrf": "é"}).status_code == 403
    stranger.client.cookies.clear()
    sent = {"cookie": b"concord_form=\xc3\xa9"}
    answer = stranger.client.post(
        "/sign-in", data={"csrf": "x", "email": "a@b.example"}, headers=sent
    )
    assert answer.status_code == 403
    headers = {"x-csrf-token": buyer.token(), "content-type": "image/png"}
    digest = {"repr-digest": "sha-256=:é:".encode()}
    answer = buyer.client.put("/uploads", content=PNG, headers=headers | digest)
    assert answer.status_code == 422


def test_an_act_whose_fact_is_missing_says_which(site, seller):
    number = site.case()
    assert seller.post(f"/cases/{number}/acts/acknowledge").status_code == 303
    answer = seller.post(f"/cases/{number}/acts/acknowledge")
    assert answer.status_code == 422


def test_who_is_too_fast_is_told_when_to_come_again(site, open_browser):
    endpoint = site.app.state.setting.endpoint
    kept = endpoint._buckets
    endpoint._buckets = LocalBuckets(Rate(burst=1, per_second=0.01))
    try:
        browser = open_browser("buyer")
        browser.get("/profile")
        answer = browser.get("/profile")
    finally:
        endpoint._buckets = kept
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 1
    assert answer.headers["retry-after"] in answer.text
    assert "faster" in answer.text


@pytest.mark.parametrize("path", ["/", "/profile"])
def test_a_program_is_nobody_s_home(program, path):
    assert program("read").get(path).status_code == 404


def test_a_token_that_may_only_act_reads_nothing_by_any_way(site, program, open_browser):
    number = site.case()
    case = (
        open_browser("seller")
        .client.post(
            "/graphql",
            json={
                "query": "query($n: String!) { case(number: $n) { id } }",
                "variables": {"n": number},
            },
        )
        .json()["data"]["case"]["id"]
    )
    acting, reading = program("act"), program("act", "read")
    for path, status in ((f"/cases/{number}", 200), (f"/cases/{number}/bundle", 200)):
        assert acting.get(path).status_code == 404
        assert reading.get(path).status_code == status
    for path in ("/settled", "/notices", "/claims/new", f"/insurance/{number}"):
        assert acting.get(path).status_code == 404

    def act(query: str, key: str) -> httpx.Response:
        given = {"caseId": case, "idempotencyKey": key}
        return acting.client.post("/graphql", json={"query": query, "variables": {"i": given}})

    head = "mutation($i: AcknowledgeInput!) { acknowledge(input: $i) { userErrors { code }"
    assert act(head + " case { state } } }", "first").status_code == 400
    assert site.value("SELECT count(*) AS n FROM acts a JOIN cases c ON c.id = a.case_id"
                      " WHERE c.number = :number", number=number).n == 1  # fmt: skip
    done = act(head + " case { id } } }", "second")
    assert done.json()["data"] == {"acknowledge": {"userErrors": [], "case": {"id": case}}}


def test_an_exhibit_s_file_is_not_for_a_token_that_may_only_act(site, buyer, program):
    number = site.case()
    files = {"file-0": ("a.png", PNG, "image/png")}
    page = f"/cases/{number}"
    form = {"file-0-kind": "PRODUCT_PHOTO", "file-0-title": "A photo"}
    buyer.post(f"{page}/acts/submit_exhibit", form=form, files=files, page=page)
    given = site.value(
        "SELECT replace(e.id::text, '-', '') AS id FROM exhibits e JOIN cases c ON c.id = e.case_id"
        " WHERE c.number = :number",
        number=number,
    )
    assert given is not None
    path = f"/exhibits/ex{given.id}/file"
    shown = program("read").get(path)
    assert shown.status_code == 200
    assert shown.headers["cache-control"] == "private, no-store"
    assert program("act").get(path).status_code == 404


@pytest.mark.parametrize(
    ("name", "media_type", "ends"),
    [
        ("photo.exe", "image/png", "photo.exe.png"),
        ("photo.PNG", "image/png", "photo.PNG"),
        ("page.html", "text/plain", "page.html.txt"),
        ("a.jpeg", "image/jpeg", "a.jpeg"),
        ("png", "image/png", "png.png"),
        ("thing", "application/x-unknown", "thing.bin"),
    ],
)
def test_a_file_s_name_ends_as_files_of_its_type_do(name, media_type, ends):
    told = exhibit._disposition(name, media_type, inline=False)
    assert told == f"attachment; filename=\"{ends}\"; filename*=UTF-8''{ends}"


def test_every_type_that_is_taken_has_an_ending():
    assert set(media.SIZE_MAX) == set(exhibit._ENDINGS)


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_the_api_hears_no_other_site_s_page_by_the_cookie(site, buyer, program, origin):
    sent = {"json": {"query": "{ __typename }"}, "headers": {"origin": origin}}
    answer = buyer.client.post("/graphql", **sent)
    assert answer.status_code == 403
    assert answer.json()["errors"][0]["extensions"] == {"code": "ORIGIN"}
    assert program("read").client.post("/graphql", **sent).status_code == 200
    sent["headers"]["origin"] = site.url
    assert buyer.client.post("/graphql", **sent).status_code == 200


def test_over_tls_no_other_host_can_set_the_cookies(site, open_browser):
    setting = site.app.state.setting
    stranger = open_browser()
    object.__setattr__(setting, "secure", True)
    try:
        page = stranger.get("/sign-in")
        token = CSRF.search(page.text)[1]
        (kept,) = page.headers.get_list("set-cookie")
        assert kept.startswith("__Host-concord_form=")
        path = f"/sign-in/{site.link(site.people.buyer)}"
        headers = {"cookie": kept.partition(";")[0]}
        opened = stranger.client.post(path, data={"csrf": token}, headers=headers)
        assert opened.status_code == 303
        cookie = next(c for c in opened.headers.get_list("set-cookie") if "concord_session" in c)
        assert cookie.startswith("__Host-concord_session=")
        assert "secure" in cookie.lower()
        assert "path=/" in cookie.lower()
        headers = {"cookie": cookie.partition(";")[0]}
        assert open_browser().get("/profile", headers=headers).status_code == 200
        plain = {"cookie": cookie.partition(";")[0].removeprefix("__Host-")}
        assert open_browser().get("/profile", headers=plain).status_code == 303
    finally:
        object.__setattr__(setting, "secure", False)
