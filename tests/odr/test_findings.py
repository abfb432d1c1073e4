"""Findings: what the rules say of an exhibit, and where they say nothing."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.credentials import Credentials, State
from odr.findings import capture, papers, rules
from odr.findings.kinds import LIMITS, FindingKind, GroundName, Strength
from odr.findings.subject import Challenge, Parcel, Purchase, Reuse, Subject
from odr.vouchers import Voucher
from odr.words import ExhibitKind, Party

K = FindingKind
SHIPPED = datetime(2026, 11, 10, 8, tzinfo=UTC)
DELIVERED = datetime(2026, 11, 14, 15, tzinfo=UTC)
GIVEN = datetime(2026, 11, 20, 12, tzinfo=UTC)
BERLIN = (52.5200, 13.4050)
PARCEL = Parcel(
    carrier="DHL",
    tracking_number="428001369716",
    shipped_at=SHIPPED,
    delivered_at=DELIVERED,
    place="10115 Berlin",
    spot=BERLIN,
)
PURCHASE = Purchase(
    reference="W-2026/7",
    currency="EUR",
    total_minor=5_900,
    totals=frozenset({5_900, 5_400, 2_700}),
    buyer="Anna Arendt",
    seller="Loud Shop",
)
PHOTO = Subject(
    kind=ExhibitKind.PRODUCT_PHOTO,
    party=Party.BUYER,
    media_type="image/jpeg",
    given_at=GIVEN,
    purchase=PURCHASE,
    parcels=(PARCEL,),
)
CAMERA = {"make": "Canon", "model": "EOS"}
PROOF = replace(PHOTO, kind=ExhibitKind.PROOF_OF_DELIVERY, media_type="application/pdf")
INVOICE = replace(PROOF, kind=ExhibitKind.COMMERCIAL_INVOICE)


def kinds(subject: Subject) -> set[FindingKind]:
    return {each.kind for each in rules.find(subject)}


def one(subject: Subject, kind: FindingKind):
    (found,) = [each for each in rules.find(subject) if each.kind is kind]
    return found


def shot(at: str | None = None, subject: Subject = PHOTO, **exif: Any) -> Subject:
    told = {"made_at": at, "offset": "+01:00"} if at else {}
    facts = {"width": 4000, "height": 3000, "exif": CAMERA | told | exif}
    return replace(subject, facts=facts)


def test_every_kind_has_a_sentence_and_its_limits():
    assert set(LIMITS) == set(FindingKind)
    for kind in FindingKind:
        assert kind.meaning.endswith(".")
        assert LIMITS[kind].endswith(".")


def test_a_file_about_which_nothing_is_known_has_no_findings():
    assert rules.find(PHOTO) == []
    assert rules.find(PROOF) == []


# --- reuse ---------------------------------------------------------------------------------------


def test_the_same_file_elsewhere_is_told_without_any_ground():
    found = one(replace(PHOTO, reuse=Reuse(same=True, distance=0)), K.SAME_FILE_ELSEWHERE)
    assert found.grounds == ()
    assert found.strength is Strength.FAIR
    everybodys = one(replace(PHOTO, reuse=Reuse(same=True, often=True)), K.SAME_FILE_ELSEWHERE)
    assert everybodys.strength is Strength.SLIGHT
    assert K.ALIKE_ELSEWHERE not in kinds(replace(PHOTO, reuse=Reuse(same=True, distance=0)))


@pytest.mark.parametrize(("distance", "strength"), [(0, "fair"), (4, "fair"), (5, "slight")])
def test_a_picture_that_looks_alike_weighs_by_how_near_it_is(distance, strength):
    found = one(replace(PHOTO, reuse=Reuse(distance=distance)), K.ALIKE_ELSEWHERE)
    assert found.strength == strength
    assert [(each.name, each.text) for each in found.grounds] == [
        (GroundName.DIFFERING, str(distance))
    ]


def test_documents_are_not_compared_by_their_looks():
    assert kinds(replace(INVOICE, reuse=Reuse(distance=0))) == set()


# --- time ----------------------------------------------------------------------------------------


def test_a_buyer_s_photo_from_before_the_delivery_is_found():
    found = one(shot("2026-11-12T10:00:00"), K.TAKEN_BEFORE_DELIVERY)
    assert found.strength is Strength.FAIR
    assert [each.at for each in found.grounds] == [
        datetime(2026, 11, 12, 9, tzinfo=UTC),
        DELIVERED,
    ]
    near = one(shot("2026-11-14T14:00:00"), K.TAKEN_BEFORE_DELIVERY)
    assert near.strength is Strength.SLIGHT


def test_a_clock_an_hour_slow_is_no_finding():
    assert kinds(shot("2026-11-14T15:01:00")) == {K.TIME_FITS}


def test_a_photo_from_after_the_delivery_fits():
    assert kinds(shot("2026-11-15T10:00:00")) == {K.TIME_FITS}


def test_a_photo_from_long_after_the_delivery_says_nothing():
    late = replace(PHOTO, given_at=GIVEN + timedelta(days=90))
    assert kinds(shot("2027-01-15T10:00:00", late)) == set()


def test_a_time_without_zone_is_read_in_favour_of_its_giver():
    # 04:30 of 14 November may be 16:30 in UTC.
    assert kinds(shot("2026-11-14T04:30:00", offset="")) == set()
    found = one(shot("2026-11-14T01:00:00", offset=""), K.TAKEN_BEFORE_DELIVERY)
    assert found.grounds[0].name is GroundName.TAKEN_LATEST
    assert found.grounds[0].at == datetime(2026, 11, 14, 13, tzinfo=UTC)


def test_the_satellites_time_is_taken_before_the_camera_s():
    fixed = shot("2026-11-12T10:00:00", placed_at="2026-11-15T09:00:00Z")
    assert kinds(fixed) == {K.TIME_FITS}


def test_a_film_tells_its_time_with_its_zone():
    film = replace(PHOTO, kind=ExhibitKind.UNBOXING_VIDEO, media_type="video/mp4")
    assert kinds(shot("2026-11-12T10:00:00+0100", film)) == {K.TAKEN_BEFORE_DELIVERY}
    assert kinds(shot("2026-11-15T10:00:00.000000Z", film)) == {K.TIME_FITS}


@pytest.mark.parametrize("told", ["", "yesterday", "2026-13-40T10:00:00", "0000:00:00 00:00:00"])
def test_a_time_that_is_none_says_nothing(told):
    assert capture.taken({"made_at": told}) is None


@given(st.text(max_size=30), st.text(max_size=8))
def test_no_time_makes_the_rules_stumble(told, offset):
    rules.find(shot(told, offset=offset))


def test_a_seller_s_photo_from_after_the_shipment_is_found():
    seller = replace(PHOTO, party=Party.SELLER)
    assert kinds(shot("2026-11-12T10:00:00", seller)) == {K.TAKEN_AFTER_SHIPMENT}
    assert kinds(shot("2026-11-09T10:00:00", seller)) == {K.TIME_FITS}
    assert kinds(shot("2026-01-09T10:00:00", seller)) == set()


def test_a_return_s_inspection_is_compared_with_the_return():
    back = replace(PARCEL, back=True, delivered_at=DELIVERED + timedelta(days=4))
    inspected = replace(
        PHOTO, kind=ExhibitKind.RETURN_INSPECTION, party=Party.SELLER, parcels=(PARCEL, back)
    )
    assert kinds(shot("2026-11-16T10:00:00", inspected)) == {K.TAKEN_BEFORE_DELIVERY}
    assert kinds(shot("2026-11-19T10:00:00", inspected)) == {K.TIME_FITS}


@pytest.mark.parametrize("party", [Party.BUYER, Party.SELLER, None])
def test_a_delivery_photo_was_taken_at_the_delivery(party):
    photo = replace(PHOTO, kind=ExhibitKind.DELIVERY_PHOTO, party=party)
    assert kinds(shot("2026-11-14T15:50:00", photo)) == {K.TIME_FITS}
    assert kinds(shot("2026-11-14T22:00:00", photo)) == set()
    assert kinds(shot("2026-11-16T15:50:00", photo)) == {K.TAKEN_AT_ANOTHER_TIME}
    assert kinds(shot("2026-11-13T15:00:00", photo)) == {K.TAKEN_AT_ANOTHER_TIME}


def test_a_photo_from_after_it_was_given_says_that_the_clock_is_wrong():
    assert kinds(shot("2026-11-20T18:00:00")) == {K.TAKEN_AFTER_GIVEN}


def test_nothing_is_said_of_time_before_the_carrier_has_said_anything():
    waiting = replace(PARCEL, shipped_at=None, delivered_at=None)
    assert kinds(shot("2026-11-12T10:00:00", replace(PHOTO, parcels=(waiting,)))) == set()
    assert kinds(shot("2026-11-12T10:00:00", replace(PHOTO, parcels=()))) == set()


# --- place ---------------------------------------------------------------------------------------


def at(latitude: float, longitude: float, subject: Subject = PHOTO) -> Subject:
    return shot(
        None, subject, latitude_e7=round(latitude * 1e7), longitude_e7=round(longitude * 1e7)
    )


def test_a_photo_from_far_away_tells_the_distance_and_not_the_place():
    found = one(at(48.1372, 11.5756), K.TAKEN_ELSEWHERE)
    assert [(each.name, each.text) for each in found.grounds] == [(GroundName.DISTANCE, "504 km")]


def test_a_photo_from_the_door_fits_and_one_from_the_next_town_says_nothing():
    assert kinds(at(52.5205, 13.4060)) == {K.PLACE_FITS}
    assert kinds(at(52.3989, 13.0657)) == set()


def test_the_place_of_a_seller_s_own_photo_says_nothing():
    assert kinds(at(22.5431, 114.0579, replace(PHOTO, party=Party.SELLER))) == set()


def test_a_place_needs_one_to_compare_with():
    unknown = replace(PHOTO, parcels=(replace(PARCEL, spot=None),))
    assert kinds(at(48.1372, 11.5756, unknown)) == set()


def test_distances_are_those_of_a_sphere():
    assert capture.distance_km((0, 0), (0, 180)) == pytest.approx(20015, abs=1)
    assert capture.distance_km(BERLIN, BERLIN) == 0


# --- origin --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "program", ["Adobe Photoshop CS6 (Macintosh)", "GIMP 2.10.36", "Snapseed 2.0", "美图秀秀"]
)
def test_a_program_that_edits_is_named(program):
    found = one(shot(software=program), K.EDITED)
    assert found.grounds[0].text == program


@pytest.mark.parametrize("program", ["17.1.2", "HDR+ 1.0.540104767zd", "G991BXXU5CVDD", ""])
def test_a_camera_s_own_program_is_none(program):
    assert kinds(shot(software=program)) == set()


def test_a_document_made_by_an_editor_is_told():
    made = replace(INVOICE, facts={"pages": 1, "document": {"creator": "Adobe Photoshop 25.0"}})
    assert kinds(made) == {K.EDITED}


def sized(
    width: int, height: int, media_type: str, subject: Subject = PHOTO, **exif: Any
) -> Subject:
    facts = {"width": width, "height": height, "exif": exif}
    return replace(subject, media_type=media_type, facts=facts)


def test_a_picture_of_a_screen_s_size_without_a_camera_looks_like_a_screenshot():
    assert one(sized(1170, 2532, "image/png"), K.SCREENSHOT).strength is Strength.FAIR
    assert one(sized(2532, 1170, "image/jpeg"), K.SCREENSHOT).strength is Strength.SLIGHT
    assert one(sized(90, 90, "image/png", software="Screenshot"), K.SCREENSHOT)


def test_a_camera_s_picture_is_no_screenshot_whatever_its_size():
    assert kinds(sized(1920, 1080, "image/jpeg", **CAMERA)) == set()


def test_a_photo_without_a_camera_s_data_is_told_and_a_chat_s_is_not():
    assert kinds(sized(1600, 1200, "image/jpeg")) == {K.NO_CAMERA_DATA}
    chat = replace(PHOTO, kind=ExhibitKind.CHAT_LOG)
    assert kinds(sized(1600, 1200, "image/jpeg", chat)) == set()


def signed(state: State, subject: Subject = PHOTO, **said: Any) -> Subject:
    return replace(subject, credentials=Credentials(state, **said))


def test_credentials_weigh_by_who_signed():
    valid = one(signed(State.VALID, signer="Camera Works"), K.CREDENTIALS_HOLD)
    assert (valid.strength, valid.grounds[0].text) == (Strength.SLIGHT, "Camera Works")
    assert one(signed(State.TRUSTED), K.CREDENTIALS_HOLD).strength is Strength.FAIR


def test_broken_credentials_say_what_does_not_hold():
    codes = ("signingCredential.untrusted", "assertion.dataHash.mismatch")
    found = one(signed(State.BROKEN, codes=codes), K.CREDENTIALS_BROKEN)
    assert [each.text for each in found.grounds] == ["assertion.dataHash.mismatch"]


def test_what_credentials_tell_counts_only_if_they_hold():
    assert kinds(signed(State.VALID, generated=True)) == {K.GENERATED, K.CREDENTIALS_HOLD}
    assert kinds(signed(State.TRUSTED, edited=True)) == {K.EDITED, K.CREDENTIALS_HOLD}
    broken = signed(State.BROKEN, generated=True, edited=True)
    assert kinds(broken) == {K.CREDENTIALS_BROKEN}


def test_that_there_are_none_is_said_of_photos_only():
    assert kinds(signed(State.ABSENT)) == {K.CREDENTIALS_ABSENT}
    assert kinds(signed(State.ABSENT, INVOICE)) == set()
    assert kinds(signed(State.UNSEEN)) == kinds(signed(State.UNREADABLE)) == set()


def test_an_answer_to_a_challenge_is_told_and_one_that_is_older_than_it():
    asked = replace(PHOTO, challenge=Challenge("7KQ4PM", GIVEN - timedelta(hours=4)))
    assert one(asked, K.ANSWERS_CHALLENGE).grounds[0].text == "7KQ4PM"
    assert kinds(shot("2026-11-20T11:00:00", asked)) == {K.ANSWERS_CHALLENGE, K.TIME_FITS}
    assert K.OLDER_THAN_CHALLENGE in kinds(shot("2026-11-19T11:00:00", asked))


# --- papers --------------------------------------------------------------------------------------


def said(subject: Subject, **fields: Any) -> Subject:
    return replace(subject, voucher=Voucher(**fields))


def test_a_number_whose_check_digit_fails_is_told_by_its_carrier_s_rule():
    assert kinds(said(PROOF, tracking_number="4280 0136 9716")) == set()
    wrong = said(PROOF, tracking_number="428001369717")
    assert kinds(wrong) == {K.NUMBER_FAILS, K.NUMBER_UNKNOWN}
    assert one(wrong, K.NUMBER_FAILS).grounds[1].text == "DHL"


def test_a_number_that_the_order_does_not_know_is_told():
    assert kinds(said(PROOF, tracking_number="201298452277")) == {K.NUMBER_UNKNOWN}
    none = replace(PROOF, parcels=())
    assert kinds(said(none, tracking_number="201298452277", carrier="DHL")) == set()


def test_another_day_of_delivery_is_told():
    assert kinds(said(PROOF, delivered_at=DELIVERED + timedelta(hours=20))) == set()
    other = said(PROOF, delivered_at=DELIVERED - timedelta(days=2))
    assert [each.at for each in one(other, K.DELIVERY_DIFFERS).grounds] == [
        DELIVERED - timedelta(days=2),
        DELIVERED,
    ]


def test_a_delivery_that_the_carrier_has_not_reported_is_told():
    waiting = replace(PROOF, parcels=(replace(PARCEL, delivered_at=None),))
    assert kinds(said(waiting, delivered_at=DELIVERED)) == {K.NOT_DELIVERED}


def test_another_day_of_shipment_is_told():
    waybill = replace(PROOF, kind=ExhibitKind.WAYBILL)
    assert kinds(said(waybill, shipped_at=SHIPPED - timedelta(days=1))) == set()
    assert kinds(said(waybill, shipped_at=SHIPPED - timedelta(days=6))) == {K.SHIPMENT_DIFFERS}


def test_the_document_is_about_the_shipment_whose_number_it_has():
    other = replace(PARCEL, tracking_number="201298452277", delivered_at=None)
    two = replace(PROOF, parcels=(other, PARCEL))
    assert kinds(said(two, tracking_number="428001369716", delivered_at=DELIVERED)) == set()
    assert kinds(said(two, delivered_at=DELIVERED)) == set(), "which of the two is unknown"


@pytest.mark.parametrize(
    ("place", "differs"),
    [
        ("Berlin", False),
        ("BERLIN Mitte", False),
        ("10115", False),
        ("Hamburg", True),
        ("柏林", False),
        ("--", False),
    ],
)
def test_another_place_is_told_where_places_can_be_compared(place, differs):
    assert (K.PLACE_DIFFERS in kinds(said(PROOF, place=place))) is differs


@pytest.mark.parametrize(
    ("name", "differs"),
    [("A. Arendt", False), ("ARENDT, ANNA", False), ("J. Neighbour", True), ("安娜", False)],
)
def test_another_recipient_is_told_without_repeating_the_buyer_s_name(name, differs):
    subject = said(PROOF, recipient=name)
    assert (K.RECIPIENT_DIFFERS in kinds(subject)) is differs
    if differs:
        assert [each.text for each in one(subject, K.RECIPIENT_DIFFERS).grounds] == [name]


def test_a_return_goes_to_the_seller():
    label = replace(PROOF, kind=ExhibitKind.RETURN_LABEL)
    assert kinds(said(label, recipient="Loud Shop GmbH")) == set()
    assert kinds(said(label, recipient="Anna Arendt")) == {K.RECIPIENT_DIFFERS}


@pytest.mark.parametrize("amount", [5_900, 5_400, 2_700])
def test_a_total_may_be_the_order_s_without_freight_or_a_line_s(amount):
    assert kinds(said(INVOICE, amount_minor=amount, currency="EUR")) == set()


def test_another_total_or_currency_is_told_with_both():
    found = one(said(INVOICE, amount_minor=9_900, currency="EUR"), K.TOTAL_DIFFERS)
    assert [each.text for each in found.grounds] == ["99.00 EUR", "59.00 EUR"]
    assert kinds(said(INVOICE, amount_minor=5_900, currency="USD")) == {K.CURRENCY_DIFFERS}
    repair = replace(INVOICE, kind=ExhibitKind.REPAIR_REPORT)
    assert kinds(said(repair, amount_minor=9_900, currency="EUR")) == set()


def test_another_order_is_told_however_it_is_written():
    assert kinds(said(INVOICE, order_reference="w 2026-7")) == set()
    assert kinds(said(INVOICE, order_reference="W-2026/8")) == {K.ORDER_DIFFERS}


def test_paper_without_anything_to_compare_says_nothing():
    assert kinds(said(INVOICE, issuer="Loud Shop", issued=date(2026, 1, 1), note="x")) == set()


@given(st.text(max_size=20), st.text(max_size=20))
def test_likeness_of_names_is_mutual(one_name, other):
    assert papers.alike(one_name, other) == papers.alike(other, one_name)
