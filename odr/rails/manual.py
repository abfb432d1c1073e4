"""The manual rail: the administrator pays at the bank and confirms it by hand.

Sending does nothing outside, so it can be repeated; the payment is on the administrator's list
as long as it is SUBMITTED. What happened to it is told by ``odr.payouts.confirm``. There is
nobody to ask.
"""

from typing import Final

from odr.rails.rail import Instruction, Report, Standing

NAME: Final = "manual"


class ManualRail:
    """Accepts everything and remembers nothing: the rows of the payouts are its memory."""

    name = NAME

    async def find(self, reference: str) -> None:
        """There is nothing to be found: what was paid is said by a person."""
        del reference

    async def send(self, instruction: Instruction) -> Report:
        """Put the payment on the administrator's list."""
        return Report(
            rail_id=instruction.reference,
            reference=instruction.reference,
            amount=instruction.amount,
            standing=Standing.ACCEPTED,
        )
