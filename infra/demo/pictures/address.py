"""Who sends and who receives, as it stands on paper."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A name and a place; `country` is written out, `code` is ISO 3166-1 alpha-2."""

    name: str
    street: str
    town: str
    country: str
    code: str
    company: str = ""
    phone: str = ""

    @property
    def lines(self) -> list[str]:
        """The lines of a label, from the name to the country."""
        lines = [self.company, self.name, self.street, self.town, self.country.upper()]
        return [line for line in lines if line]
