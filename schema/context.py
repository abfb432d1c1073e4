"""What a request carries through the schema: who asks, and the office where acts are done."""

from dataclasses import dataclass

from odr.policy import Viewer as Actor
from odr.rulebook import Rulebooks
from odr.work import Office
from schema import sight
from schema.reader.viewer import Viewer


@dataclass(frozen=True)
class Context:
    """Who asks or acts, and where acts are done."""

    office: Office
    actor: Actor

    @property
    def viewer(self) -> Viewer:
        """Whoever reads, as the reader binds them."""
        return sight.viewer(self.actor)

    @property
    def rulebooks(self) -> Rulebooks:
        """The rulebooks that are installed."""
        return self.office.rulebooks
