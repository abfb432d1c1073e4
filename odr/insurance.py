"""Insurance: the claim of whoever bore an insured loss on the cover that insures it."""

from odr.cases import Held
from odr.money import Money
from odr.orders import Bought
from odr.work import Work


async def notify_of(work: Work, held: Held, bought: Bought, granted: Money) -> None:
    """Notify the insurer of what a case granted, where a cover insures it."""
