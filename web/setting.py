"""What the pages are made with: handed in by whoever builds the service, read from nowhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from odr.work import Office
from schema.http import Endpoint


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """Somebody as whom one can sign in on the demonstration's page."""

    account_id: UUID
    name: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The endpoint by which pages read and act, the office, and how the site is reached.

    ``secure`` marks cookies for HTTPS only. ``demo`` are the people as whom a stranger may sign in;
    None outside a demonstration. ``upload_sizes`` are bytes at most, by media type.
    """

    endpoint: Endpoint
    office: Office
    base_url: str
    secure: bool
    upload_sizes: Mapping[str, int]
    demo: Sequence[DemoPerson] | None = None
