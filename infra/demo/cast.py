"""Who there is in the demonstration: invented people and firms, as data."""

from dataclasses import dataclass
from typing import Final

from odr import people as accounts
from odr.people import Person
from odr.work import Office
from web.setting import DemoPerson


def _person(email: str, name: str, language: str, zone: str) -> Person:
    return Person(email=email, name=name, language=language, zone=zone)


@dataclass(frozen=True, slots=True)
class Firm:
    """A firm of the demonstration and the person who acts for it."""

    reference: str
    name: str
    country: str
    person: Person


OPERATOR: Final = _person("olga@concord.example", "Olga Brandt", "en", "Europe/Berlin")
MARKET: Final = _person("max@bazaar.example", "Max Keller", "en", "Europe/Berlin")
UNDERWRITER: Final = _person("ines@harbour.example", "Ines Carvalho", "en", "Europe/Lisbon")

BUYERS: Final = {
    "marlene": _person("marlene@mail.example", "Marlene Hößler", "en", "Europe/Berlin"),
    "kenji": _person("kenji@mail.example", "Kenji Sato", "en", "Asia/Tokyo"),
    "amira": _person("amira@mail.example", "Amira Haddad", "en", "Asia/Kuwait"),
    "lina": _person("lina@mail.example", "李娜", "zh", "Asia/Shanghai"),
    "grace": _person("grace@mail.example", "Grace Turner", "en", "America/New_York"),
}
SELLERS: Final = {
    "ceramics": Firm(
        "S-100",
        "Jingyue Ceramics Studio",
        "CN",
        _person("weiming@jingyue.example", "Lin Weiming", "zh", "Asia/Shanghai"),
    ),
    "optics": Firm(
        "S-200",
        "Halden Optics",
        "DE",
        _person("paula@halden.example", "Paula Reuter", "en", "Europe/Berlin"),
    ),
    "outdoor": Firm(
        "S-300",
        "Nordwind Outdoor",
        "NL",
        _person("joost@nordwind.example", "Joost Visser", "en", "Europe/Amsterdam"),
    ),
}
MEDIATORS: Final = (
    _person("tomas@neutral.example", "Tomás Rivera", "en", "Europe/Madrid"),
    _person("mei@neutral.example", "Chen Mei", "zh", "Asia/Singapore"),
)
ARBITRATORS: Final = (
    _person("eleanor@neutral.example", "Eleanor Whitcombe", "en", "Europe/London"),
    _person("samuel@neutral.example", "Samuel Okafor", "en", "Africa/Lagos"),
    _person("anke@neutral.example", "Anke Sørensen", "en", "Europe/Copenhagen"),
)


_ROLES: Final = (
    (OPERATOR, "Operator of the service"),
    (MARKET, "Marketplace"),
    (UNDERWRITER, "Insurer"),
    *((person, "Buyer") for person in BUYERS.values()),
    *((firm.person, f"Seller, {firm.name}") for firm in SELLERS.values()),
    *((person, "Mediator") for person in MEDIATORS),
    *((person, "Arbitrator") for person in ARBITRATORS),
)


async def people(office: Office) -> list[DemoPerson]:
    """Everybody as whom one can sign in, in the order of the list."""
    async with office.engine.connect() as conn:
        found = [
            (await accounts.account_by_email(conn, person.email), person, role)
            for person, role in _ROLES
        ]
    return [DemoPerson(account, person.name, role) for account, person, role in found if account]
