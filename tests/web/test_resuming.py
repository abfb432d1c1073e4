"""A large file in a real browser, over a connection that is cut: it goes on, and is evidence."""

import contextlib
import io
import re
import socket
import threading
from dataclasses import dataclass, field
from hashlib import sha256

import pytest
from PIL import Image

from tests.web.clicking import Journey, until
from web import tus

pytestmark = pytest.mark.browser

SLOW_BYTES = 64 * 1024


@dataclass
class Wire:
    """Carries TCP to the site, byte by byte, until it is cut; then nobody answers at its port."""

    port: int
    upstream: int
    carried: int = 0
    _open: list[socket.socket] = field(default_factory=list)
    _listening: socket.socket | None = None

    def lay(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def cut(self) -> None:
        """Everything that is under way is reset, and nothing new is let in."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for each in self._open:
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                each.shutdown(socket.SHUT_RDWR)
                each.close()
        self._open.clear()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                near, _ = listening.accept()
                far = socket.create_connection(("127.0.0.1", self.upstream))
            except OSError:
                return
            self._open += [near, far]
            for one, other, up in ((near, far, True), (far, near, False)):
                given = (one, other, up)
                threading.Thread(target=self._carry, args=given, daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket, up: bool) -> None:  # noqa: FBT001 - a direction
        with contextlib.suppress(OSError):
            while data := one.recv(SLOW_BYTES):
                other.sendall(data)
                self.carried += len(data) if up else 0
        for each in (one, other):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
                each.close()


@pytest.fixture
def wire(site):
    made = Wire(0, int(site.url.rpartition(":")[2]))
    made.lay()
    yield made
    with contextlib.suppress(OSError):
        made.cut()


@pytest.fixture
def photo(tmp_path):
    """A picture of some MiB, of which no two parts are alike."""
    made = io.BytesIO()
    Image.effect_noise((3200, 3200), 90).convert("RGB").save(made, "PNG", compress_level=0)
    path = tmp_path / "noise.png"
    path.write_bytes(made.getvalue())
    return path


@pytest.fixture
def journey(site, chromium):
    with contextlib.ExitStack() as stack:
        yield Journey(site, chromium, stack)


@dataclass
class Form:
    """The form for an exhibit, in a browser that reaches the site over a wire."""

    page: object
    path: str

    @property
    def itself(self):
        return self.page.locator("#act-submit_exhibit")

    @property
    def said(self) -> str:
        return self.itself.locator("[data-upload] [role=status]").inner_text()

    def open(self) -> None:
        self.page.goto(self.path)
        self.itself.locator("> summary").click()

    def choose(self, photo) -> None:
        self.itself.locator("input[type=file]").set_input_files(photo)

    def send(self) -> None:
        self.itself.locator("[name=file-0-title]").fill("Noise")
        self.itself.locator("form .button").click()


@pytest.fixture
def form(site, journey, wire):
    number = site.case()
    page = journey.page(site.people.buyer)
    url = f"http://127.0.0.1:{wire.port}"
    page.context.add_cookies(
        [{"name": "concord_session", "value": site.cookie(site.people.buyer), "url": url}]
    )
    made = Form(page, f"{url}/cases/{number}")
    made.open()
    return made


def _taken(site, photo):
    """How many exhibits there are of a file."""
    digest = sha256(photo.read_bytes()).digest()
    return site.value("SELECT count(*) AS n FROM exhibits WHERE sha256 = :d", d=digest).n


def _received(site):
    """Of the newest."""
    row = site.value("SELECT received, size FROM partial_uploads ORDER BY at DESC LIMIT 1")
    return (0, 0) if row is None else (row.received, row.size)


def test_a_file_whose_connection_is_cut_goes_on_and_becomes_an_exhibit(site, wire, form, photo):
    size = photo.stat().st_size
    form.choose(photo)
    until(lambda: wire.carried > size // 4)
    wire.cut()
    form.page.get_by_text("The connection is lost.").first.wait_for()
    kept, _ = _received(site)
    assert kept < size
    carried = wire.carried
    wire.lay()
    form.send()
    form.page.wait_for_url("**done=submit_exhibit*")
    assert _taken(site, photo) == 1
    assert wire.carried - carried < size - kept + 2 * 2**20, "what had come was not sent again"


def test_a_file_chosen_again_after_a_reload_goes_on_where_it_was(site, wire, form, photo):
    size = photo.stat().st_size
    form.choose(photo)
    until(lambda: wire.carried > size // 3)
    wire.cut()
    wire.lay()
    form.open()
    kept, _ = _received(site)
    partials = _partials(site)
    assert 0 < kept < size
    form.choose(photo)
    form.send()
    form.page.wait_for_url("**done=submit_exhibit*")
    assert _taken(site, photo) == 1
    assert _partials(site) == partials


def _partials(site):
    return site.value("SELECT count(*) AS n FROM partial_uploads").n


@pytest.mark.parametrize("begun", [True, False])
def test_an_upload_is_cancelled_and_nothing_of_it_is_kept(site, form, photo, begun):
    before, uploads = _partials(site), site.value("SELECT count(*) AS n FROM uploads").n
    form.choose(photo)
    if begun:
        until(lambda: _partials(site) > before and _received(site)[0] > 0)
    form.itself.get_by_role("button", name="Cancel the upload").click()
    form.page.wait_for_load_state("networkidle")
    until(lambda: _partials(site) == before)
    assert site.value("SELECT count(*) AS n FROM uploads").n == uploads
    assert form.itself.locator("input[type=file]").input_value() == ""
    assert not form.itself.locator("[data-upload]").is_visible()


def test_a_file_that_is_refused_is_told_at_its_place(form, tmp_path):
    lying = tmp_path / "lying.png"
    lying.write_bytes(b"no picture at all")
    form.choose(lying)
    place = form.itself.locator("[data-upload] .wrong")
    place.wait_for()
    assert "wrong" in place.inner_text().lower()
    form.send()
    assert re.search(r"/cases/[\d-]+$", form.page.url), "nothing was sent"
    bar = form.itself.get_by_role("progressbar", include_hidden=True)
    assert bar.get_attribute("aria-label") == "How much is uploaded"


def test_what_was_uploaded_stays_when_the_form_is_wrong(site, form, photo):
    form.choose(photo)
    form.itself.get_by_text("Uploaded.").first.wait_for()
    form.itself.locator("details.more > summary").first.click()
    form.itself.locator("[name=file-0-amount]").fill("nonsense")
    form.send()
    form.page.get_by_role("alert").first.wait_for()
    kept = form.itself.locator("[name=file-0-upload]")
    assert kept.get_attribute("value").startswith("up")
    form.itself.evaluate("each => each.querySelectorAll('details').forEach(e => e.open = true)")
    form.itself.locator("[name=file-0-amount]").fill("")
    form.itself.locator("form .button").click()
    form.page.wait_for_url("**done=submit_exhibit*")
    assert _taken(site, photo) == 1


def test_the_page_allows_nothing_more_than_before(form):
    policy = form.page.request.get(form.path).headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "connect-src 'self';" in policy
    assert tus.PATH.startswith("/")
