"""Templates: Jinja with escaping on, and the few words that every template knows."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from web import session
from web.wording import LANGUAGES, Wording

TEMPLATES: Final = Path(__file__).parent / "templates"
_THUMB: Final = 12


def _wording(context: Context) -> Wording:
    found: Wording = context["wording"]
    return found


@pass_context
def _gettext(context: Context, text: str, /, **values: object) -> str:
    said = _wording(context).gettext(text)
    return said % values if values else said


@pass_context
def _ngettext(context: Context, one: str, many: str, count: int, /, **values: object) -> str:
    return _wording(context).ngettext(one, many, count) % {"num": count, **values}


@pass_context
def _money(context: Context, amount: Mapping[str, Any] | None) -> str:
    """Money of the API, as the reader's language writes it; a dash for none."""
    if amount is None:
        return "–"  # noqa: RUF001 - a dash is meant
    return _wording(context).money(int(amount["amountMinor"]), amount["currency"])


@pass_context
def _instant(context: Context, value: str | None) -> Markup:
    if value is None:
        return Markup("–")  # noqa: RUF001 - a dash is meant
    said = _wording(context).instant(value)
    return Markup('<time datetime="{}">{}</time>').format(value, said)


@pass_context
def _day(context: Context, value: str | None) -> Markup:
    if value is None:
        return Markup("–")  # noqa: RUF001 - a dash is meant
    return Markup('<time datetime="{}">{}</time>').format(value, _wording(context).day(value))


@pass_context
def _time(context: Context, value: str) -> Markup:
    return Markup('<time datetime="{}">{}</time>').format(value, _wording(context).time(value))


@pass_context
def _left(context: Context, value: str) -> str:
    now: datetime = context["now"]
    return _wording(context).left(value, now)


def _size(value: int) -> str:
    """Bytes as people read them."""
    amount, units = float(value), ("B", "KiB", "MiB", "GiB")
    for unit in units[:-1]:
        if amount < 1024:  # noqa: PLR2004 - a unit has 1024 of the one before
            return f"{amount:.0f} {unit}"
        amount /= 1024
    return f"{amount:.1f} {units[-1]}"


def _short(digest: str | None) -> str:
    """The beginning of a digest."""
    return f"{digest[:_THUMB]}…" if digest else ""


def environment() -> Environment:
    """The templates' environment."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
    )
    made.install_gettext_callables(_gettext, _ngettext, newstyle=False)  # type: ignore[attr-defined]  # the i18n extension adds it
    made.globals |= {"_": _gettext, "languages": LANGUAGES}
    made.filters |= {
        "money": _money,
        "instant": _instant,
        "day": _day,
        "time": _time,
        "left": _left,
        "size": _size,
        "short": _short,
    }
    return made


_ENVIRONMENT: Final = environment()


def _here(request: Request) -> str:
    """The address to come back to: of this page, or of the one whose form was sent."""
    query = f"?{request.url.query}" if request.url.query and request.method == "GET" else ""
    return request.url.path + query


def page(request: Request, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """A page: ``template`` with what every page knows and ``context``."""
    state = request.state
    setting = request.app.state.setting
    known = {
        "request": request,
        "path": request.url.path,
        "here": _here(request),
        "viewer": state.viewer,
        "csrf": state.csrf,
        "wording": state.wording,
        "theme": state.theme if state.theme in {"light", "dark"} else None,
        "demo": setting.demo is not None,
        "me": None,
    }
    html = _ENVIRONMENT.get_template(template).render(known | context)
    response = HTMLResponse(html, status)
    if state.viewer is None:
        name = session.named(session.STRANGER, secure=setting.secure)
        response.set_cookie(name, state.csrf, secure=setting.secure, samesite="lax", httponly=True)
    return response
