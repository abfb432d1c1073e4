"""What a rail says is read strictly: anything else is no answer, and never a failure."""

import orjson
import pytest

from odr.errors import Invalid
from odr.money import Money
from odr.rails.http import read_event, sign
from odr.rails.manual import ManualRail
from odr.rails.rail import Event, Instruction, Report, Standing

SECRET = b"known to both"
PAYMENT = {
    "id": "rp_1",
    "reference": "CP1",
    "amount_minor": 100,
    "currency": "EUR",
    "state": "paid",
    "reason": "",
}
SAID = Report(rail_id="rp_1", reference="CP1", amount=Money(100, "EUR"), standing=Standing.PAID)


def read(given, signature=None):
    body = given if isinstance(given, bytes) else orjson.dumps(given)
    return read_event("fake", SECRET, body, sign(SECRET, body) if signature is None else signature)


def test_a_signed_webhook_is_read():
    assert read({"event": "ev_1", "payment": PAYMENT}) == Event("fake", "ev_1", SAID)


def test_a_field_that_the_rail_adds_to_a_payment_is_left_alone():
    assert read({"event": "ev_1", "payment": PAYMENT | {"fee": 3}}).report == SAID


@pytest.mark.parametrize("signature", ["", "00", "é", sign(b"another", b"{}"), sign(SECRET, b"{}")])
def test_a_webhook_that_is_not_signed_for_its_body_is_refused(signature):
    with pytest.raises(Invalid) as refused:
        read({"event": "ev_1", "payment": PAYMENT}, signature)
    assert refused.value.path == ("signature",)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        {"event": "ev_1"},
        {"event": "ev_1", "payment": PAYMENT, "more": 1},
        {"event": "", "payment": PAYMENT},
        {"event": 1, "payment": PAYMENT},
        {"event": "e" * 101, "payment": PAYMENT},
        {"event": "ev\n1", "payment": PAYMENT},
        {"event": "ev_1", "payment": []},
        *(
            {"event": "ev_1", "payment": PAYMENT | wrong}
            for wrong in (
                {"amount_minor": "100"},
                {"amount_minor": 100.0},
                {"amount_minor": True},
                {"amount_minor": 0},
                {"amount_minor": -1},
                {"amount_minor": 2**53},
                {"currency": "eur"},
                {"currency": None},
                {"state": "PAID"},
                {"state": "settled"},
                {"state": ["paid"]},
                {"reason": None},
                {"id": ""},
                {"reference": None},
            )
        ),
        {"event": "ev_1", "payment": PAYMENT, "x": "y" * 70_000},
    ],
)
def test_a_webhook_that_is_spelled_otherwise_is_refused(body):
    with pytest.raises(Invalid):
        read(body)


def test_a_reason_is_cut_to_what_is_kept():
    long = PAYMENT | {"reason": "r" * 500}
    assert read({"event": "ev_1", "payment": long}).report.reason == "r" * 200


async def test_the_manual_rail_accepts_and_remembers_nothing():
    rail = ManualRail()
    asked = Instruction(
        key="k", reference="CP1", payee="account:x", purpose="refund", amount=Money(1, "JPY")
    )
    said = await rail.send(asked)
    assert (said.standing, said.reference, said.amount) == (Standing.ACCEPTED, "CP1", asked.amount)
    assert await rail.find("CP1") is None
