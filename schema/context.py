"""What a request carries through the schema: who asks, and the office where acts are done."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from odr.policy import Viewer as Actor
from odr.rulebook import Rulebooks
from odr.work import Office
from schema import sight
from schema.reader.viewer import Viewer


@dataclass(frozen=True)
class Context:
    """Who asks or acts, where acts are done, and how large a file may be by its media type."""

    office: Office
    actor: Actor
    upload_sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def viewer(self) -> Viewer:
        """Whoever reads, as the reader binds them."""
        return sight.viewer(self.actor)

    @property
    def rulebooks(self) -> Rulebooks:
        """The rulebooks that are installed."""
        return self.office.rulebooks
