import json
import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from odr import rulebook
from odr.calendar import Length
from odr.errors import Early, Late
from odr.models import arbitration, dialogue
from odr.rulebook import Need, Purchase, Rulebook, Rulebooks, Unreadable, Window
from odr.words import BUYER_REASONS, SELLER_REASONS, ExhibitKind, Party, Reason, Remedy, Side

PATH = rulebook.FOLDER / "2026-11.toml"
TEXT = PATH.read_text(encoding="utf-8")
BOOK = rulebook.load(PATH)
PAID = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
K = ExhibitKind


def refusal(text: str) -> str:
    with pytest.raises(Unreadable) as refused:
        rulebook.parse(text, "mine.toml")
    return str(refused.value)


def changed(old: str, new: str) -> str:
    assert old in TEXT, "the example stands in the default rulebook"
    return TEXT.replace(old, new, 1)


# the default rulebook says what the design says


@pytest.mark.parametrize(
    ("window", "length"),
    [
        (Window.FILING, "180 days"),
        (Window.ACKNOWLEDGE, "2 working days"),
        (Window.ANSWER, "5 days"),
        (Window.SET_ASIDE, "14 days"),
        (Window.OFFER, "3 days"),
        (Window.BLIND_BID, "1 day"),
        (Window.NEGOTIATION, "10 days"),
        (Window.APPOINTMENT, "1 working day"),
        (Window.DISCLOSURE, "1 working day"),
        (Window.OBJECTION, "2 days"),
        (Window.EVIDENCE, "3 days"),
        (Window.EVIDENCE_ANSWER, "2 days"),
        (Window.MEDIATION, "7 days"),
        (Window.RECORD, "7 days"),
        (Window.INFORMATION, "2 days"),
        (Window.RULING, "2 working days"),
        (Window.CORRECTION, "7 days"),
        (Window.APPEAL, "10 days"),
        (Window.RETURN_ADDRESS, "2 days"),
        (Window.RETURN_SHIPMENT, "10 days"),
        (Window.TRANSIT, "30 days"),
        (Window.INSPECTION, "3 working days"),
        (Window.REPLACEMENT_SHIPMENT, "5 days"),
        (Window.REPAIR_TO, "10 days"),
        (Window.REPAIR, "14 days"),
        (Window.REPAIR_BACK, "5 days"),
        (Window.COUPON, "2 working days"),
        (Window.REPLACEMENT_CONFIRMATION, "7 days"),
        (Window.INSURER_DECISION, "10 working days"),
        (Window.PAYOUT, "3 working days"),
    ],
)
def test_the_default_windows_are_those_of_the_design(window: Window, length: str):
    assert str(BOOK.windows[window]) == length


def test_the_default_caps_are_those_of_the_design():
    assert BOOK.caps.modifications == 2
    assert BOOK.caps.information_requests_per_case == 2
    assert BOOK.caps.blind_rounds_per_case == 3
    assert BOOK.caps.set_asides == BOOK.caps.appeals == BOOK.caps.reminders_per_clock == 1
    assert BOOK.caps.arbitrator_replacements_per_case == 1


def test_performance_is_longer_than_its_longest_way():
    windows = BOOK.windows
    repair = [windows[w].days for w in (Window.REPAIR_TO, Window.REPAIR, Window.REPAIR_BACK)]
    freight = 2 * windows[Window.TRANSIT].days
    assert windows[Window.PERFORMANCE].days > sum(repair) + freight


# how it is read


def test_the_version_is_the_name_of_the_file():
    for path in rulebook.FOLDER.glob("*.toml"):
        assert rulebook.load(path).version == path.stem


def test_the_hash_covers_every_value_in_canonical_json():
    content = json.loads(BOOK.canonical)
    assert rfc8785.dumps(content) == BOOK.canonical
    assert BOOK.digest == sha256(b"concord/rulebook/1\x00" + BOOK.canonical).hexdigest()
    assert content["windows"]["answer"] == "5 days"
    assert content["reasons"]["late"]["filing"]["rule"] == "after_promise"
    assert content["in_force_from"] == "2020-01-01T00:00:00Z"


def test_a_rulebook_is_read_back_from_its_canonical_json():
    assert Rulebook.model_validate_json(BOOK.canonical) == BOOK
    assert Rulebook.model_validate_json(BOOK.canonical).digest == BOOK.digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('answer = "5 days"', 'answer = "6 days"'),
        ('answer = "5 days"', 'answer = "5 working days"'),
        ("modifications = 2", "modifications = 3"),
        ('return_freight = "buyer"', 'return_freight = "seller"'),
        ('version = "2026-11"', 'version = "2026-11.1"'),
        ("2020-01-01T00", "2020-01-01T01"),
    ],
)
def test_another_value_is_another_hash(old: str, new: str):
    other = rulebook.parse(changed(old, new))
    assert other.digest != BOOK.digest
    assert other != BOOK


def test_spaces_and_comments_do_not_change_the_hash():
    spaced = re.sub(r" *#.*", "", TEXT).replace(" = ", "=")
    assert rulebook.parse(spaced).digest == BOOK.digest


def test_a_time_zone_does_not_change_the_hash():
    text = changed("2020-01-01T00:00:00Z", "2020-01-01T08:00:00+08:00")
    assert rulebook.parse(text).digest == BOOK.digest


def test_a_rulebook_cannot_be_changed_once_it_is_read():
    with pytest.raises(ValueError, match="frozen"):
        BOOK.version = "2027-01"  # type: ignore[misc]  # the forbidden write is the point
    with pytest.raises(TypeError):
        BOOK.windows[Window.ANSWER] = Length(1)  # type: ignore[index]  # the same
    with pytest.raises(TypeError):
        BOOK.reasons[Reason.LATE] = BOOK.reasons[Reason.DEFECTIVE]  # type: ignore[index]  # the same


# what is refused, by the name of the key


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('answer = "5 days"', 'answer = "5"', "windows.answer: "),
        ('answer = "5 days"', 'answer = "5 day"', "windows.answer: "),
        ('answer = "5 days"', "answer = 5", "windows.answer: "),
        ('answer = "5 days"', "", "windows: .*missing: answer"),
        ('answer = "5 days"', 'answers = "5 days"', "windows.answers"),
        ("modifications = 2", "modifications = -1", "caps.modifications: "),
        ("modifications = 2", "modifications = 2.0", "caps.modifications: "),
        ("modifications = 2", 'modifications = "2"', "caps.modifications: "),
        ("modifications = 2", "modifications = true", "caps.modifications: "),
        ("modifications = 2", "", "caps.modifications: .*required"),
        ("modifications = 2", "modification = 2", "caps.modification: "),
        ("default_percent = 100", "default_percent = 5000", "consequences.default_percent: "),
        ('blind_bids = "midpoint"', 'blind_bids = "highest"', "consequences.blind_bids: "),
        ('version = "2026-11"', 'version = "latest"', "version: "),
        ('version = "2026-11"', 'version = "2026-13"', "version: "),
        ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00", "in_force_from: "),
        ('"chat_log"', '"chatlog"', "reasons.change_of_mind.claimant.helpful.1: "),
        ('return_freight = "buyer"', 'return_freight = "both"', "change_of_mind.return_freight: "),
        ('rule = "return_policy"', 'rule = "guess"', "reasons.change_of_mind.filing: "),
        ('unstated = "14 days"', 'unstated = "14 working days"', "unstated: .*natural"),
        (
            'remedies = ["refund_on_return"]',
            'remedies = ["refund_on_return", "refund_on_return"]',
            "reasons.change_of_mind.remedies: .*twice",
        ),
        ('remedies = ["refund_on_return"]', "remedies = []", "reasons.change_of_mind.remedies: "),
        ("[reasons.late]", "[reasons.tardy]", "reasons.tardy"),
        ("[caps]", "[caps]\nsurprise = 1", "caps.surprise: "),
        ("[windows]", "surprise = 1\n[windows]", "surprise: "),
        ("[windows]", "[windows", "mine.toml: "),
        ('version = "2026-11"', 'version = "2026-11"\nversion = "2026-11"', "mine.toml: "),
    ],
)
def test_a_wrong_key_is_named(old: str, new: str, key: str):
    message = refusal(changed(old, new))
    assert message.startswith("mine.toml: ")
    assert re.search(key, message), message


def test_every_missing_reason_is_named():
    begin, end = TEXT.index("[reasons.late]"), TEXT.index("[reasons.not_as_described]")
    assert "missing: late" in refusal(TEXT[:begin] + TEXT[end:])


def test_all_wrong_keys_are_named_at_once():
    text = changed('answer = "5 days"', 'answer = "soon"').replace("appeals = 1", "appeals = -1")
    message = refusal(text)
    assert "windows.answer: " in message
    assert "caps.appeals: " in message


def test_a_file_that_is_not_there_is_no_rulebook(tmp_path):
    with pytest.raises(FileNotFoundError):
        rulebook.load(tmp_path / "2026-11.toml")


def test_a_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "2026-11.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(Unreadable, match=r"2026-11\.toml"):
        rulebook.load(path)


# several versions


def later(version: str, since: str) -> Rulebook:
    text = changed('version = "2026-11"', f'version = "{version}"')
    return rulebook.parse(text.replace("2020-01-01T00:00:00Z", since, 1))


def test_the_newest_rulebook_in_force_is_found_at_every_instant():
    newer = later("2027-02", "2027-02-01T00:00:00Z")
    books = Rulebooks([newer, BOOK])
    change = datetime(2027, 2, 1, tzinfo=UTC)
    assert books.in_force(change - timedelta(microseconds=1)) is BOOK
    assert books.in_force(change) is newer
    assert [book.version for book in books] == ["2026-11", "2027-02"]


def test_a_case_keeps_the_version_it_is_pinned_to():
    newer = later("2027-02", "2027-02-01T00:00:00Z")
    assert Rulebooks([newer, BOOK]).version("2026-11") is BOOK


def test_a_version_that_is_not_installed_is_not_replaced_by_another():
    books = rulebook.load_all()
    with pytest.raises(LookupError, match="1999-01"):
        books.version("1999-01")
    with pytest.raises(LookupError, match="no rulebook"):
        books.in_force(datetime(2019, 12, 31, tzinfo=UTC))


def test_two_rulebooks_with_one_version_or_one_beginning_are_refused():
    with pytest.raises(Unreadable, match="same version"):
        Rulebooks([BOOK, later("2026-11", "2027-02-01T00:00:00Z")])
    with pytest.raises(Unreadable, match="same instant"):
        Rulebooks([BOOK, later("2027-02", "2020-01-01T00:00:00Z")])


def test_the_rulebooks_of_a_folder_are_all_read(tmp_path):
    (tmp_path / "2026-11.toml").write_text(TEXT)
    (tmp_path / "2027-02.toml").write_text(
        changed('version = "2026-11"', 'version = "2027-02"').replace("2020-01-01", "2027-02-01")
    )
    assert [book.version for book in rulebook.load_all(tmp_path)] == ["2026-11", "2027-02"]


# filing windows


def window(reason: Reason, **dates: object) -> tuple[timedelta, timedelta]:
    """Give the opening and closing of the filing window, counted from payment."""
    filing = BOOK.filing(reason, Purchase(paid_at=PAID, **dates))  # type: ignore[arg-type]  # spread
    return filing.opens - PAID, filing.closes - PAID


def test_a_claim_can_be_filed_for_180_days_from_payment():
    assert window(Reason.NOT_AS_DESCRIBED) == (0 * DAY, 180 * DAY)


def test_what_was_not_received_can_be_claimed_two_days_after_the_promised_date():
    promised = PAID + 10 * DAY
    assert window(Reason.NOT_RECEIVED, promised_at=promised) == (12 * DAY, 192 * DAY)


def test_what_was_promised_for_next_year_can_be_claimed_then():
    opens, closes = window(Reason.NOT_RECEIVED, promised_at=PAID + 400 * DAY)
    assert (opens, closes) == (402 * DAY, 582 * DAY)


def test_what_was_never_promised_can_be_claimed_30_days_after_dispatch():
    assert window(Reason.NOT_RECEIVED, dispatched_at=PAID + 3 * DAY)[0] == 33 * DAY
    assert window(Reason.NOT_RECEIVED)[0] == 30 * DAY


def test_lateness_can_be_claimed_from_the_promised_date():
    assert window(Reason.LATE, promised_at=PAID + 10 * DAY)[0] == 10 * DAY


def test_a_promise_before_payment_does_not_shorten_the_window():
    assert window(Reason.LATE, promised_at=PAID - 5 * DAY) == (-5 * DAY, 180 * DAY)


def test_defects_can_be_claimed_for_at_least_two_years_from_delivery():
    opens, closes = window(Reason.DEFECTIVE, delivered_at=PAID + 9 * DAY)
    assert (opens, closes) == (0 * DAY, 740 * DAY)
    assert PAID + closes >= datetime(2028, 3, 10, 12, tzinfo=UTC)
    assert window(Reason.DEFECTIVE)[1] == 731 * DAY


def test_a_longer_warranty_counts_and_a_shorter_one_does_not():
    long, short = PAID + 2_000 * DAY, PAID + 90 * DAY
    assert window(Reason.WARRANTY_REFUSED, warranty_until=long)[1] == 2_000 * DAY
    assert window(Reason.WARRANTY_REFUSED, warranty_until=short)[1] == 731 * DAY


def test_a_change_of_mind_follows_the_policy_shown_at_purchase():
    delivered = PAID + 4 * DAY
    reason = Reason.CHANGE_OF_MIND
    assert window(reason, delivered_at=delivered, return_days=30) == (0 * DAY, 34 * DAY)
    assert window(reason, delivered_at=delivered) == (0 * DAY, 18 * DAY)
    assert window(reason, return_days=30) == (0 * DAY, 180 * DAY)
    assert window(reason, delivered_at=delivered, return_days=0) == (0 * DAY, 0 * DAY)


def test_a_claim_too_soon_is_refused_with_the_date_from_which_it_is_possible():
    purchase = Purchase(paid_at=PAID, promised_at=PAID + 10 * DAY)
    opens = PAID + 12 * DAY
    with pytest.raises(Early) as refused:
        BOOK.check_filing(Reason.NOT_RECEIVED, purchase, opens - timedelta(microseconds=1))
    assert refused.value.opens == opens
    BOOK.check_filing(Reason.NOT_RECEIVED, purchase, opens)


def test_a_claim_too_late_is_refused_with_the_date_until_which_it_was_possible():
    purchase = Purchase(paid_at=PAID)
    closes = PAID + 180 * DAY
    BOOK.check_filing(Reason.WRONG_ITEM, purchase, closes - timedelta(microseconds=1))
    with pytest.raises(Late) as refused:
        BOOK.check_filing(Reason.WRONG_ITEM, purchase, closes)
    assert refused.value.due == closes


def test_an_excluded_return_is_refused_as_late():
    with pytest.raises(Late):
        BOOK.check_filing(Reason.CHANGE_OF_MIND, Purchase(paid_at=PAID, return_days=0), PAID)


OFFSETS = st.none() | st.integers(-30, 400).map(lambda days: PAID + days * DAY)
PURCHASES = st.builds(
    Purchase,
    paid_at=st.just(PAID),
    promised_at=OFFSETS,
    dispatched_at=OFFSETS,
    delivered_at=OFFSETS,
    return_days=st.none() | st.integers(1, 400),
    warranty_until=OFFSETS,
)


@given(st.sampled_from(Reason), PURCHASES)
def test_every_filing_window_is_given_in_utc(reason: Reason, purchase: Purchase):
    filing = BOOK.filing(reason, purchase)
    assert filing.opens.tzinfo is UTC
    assert filing.closes.tzinfo is UTC


@given(
    st.sampled_from(sorted(set(Reason) - {Reason.CHANGE_OF_MIND})),
    PURCHASES,
)
def test_no_filing_window_closes_before_it_opens(reason: Reason, purchase: Purchase):
    filing = BOOK.filing(reason, purchase)
    assert filing.closes - filing.opens >= 180 * DAY


# remedies


def test_a_silent_respondent_can_always_be_ruled_against_and_a_claim_always_refused():
    for reason in Reason:
        settling = BOOK.remedies(reason, claim=False)
        assert Remedy.RELEASE_TO_SELLER in settling
        assert {Remedy.FULL_REFUND, Remedy.PARTIAL_REFUND} <= set(settling)
        assert set(BOOK.remedies(reason, claim=True)) <= set(settling)
        assert len(settling) == len(set(settling))


def test_only_a_seller_asks_for_the_money_to_be_released():
    for reason in Reason:
        asks = Remedy.RELEASE_TO_SELLER in BOOK.remedies(reason, claim=True)
        assert asks == (reason in SELLER_REASONS)


def test_only_a_change_of_mind_leaves_the_freight_of_a_return_to_the_buyer():
    buyers = {r for r in BUYER_REASONS if BOOK.reasons[r].return_freight is Party.BUYER}
    assert buyers == {Reason.CHANGE_OF_MIND}


# evidence


def test_a_checklist_shows_what_is_satisfied():
    lines = BOOK.checklist(
        Reason.DAMAGED_IN_TRANSIT, Side.CLAIMANT, {K.UNBOXING_VIDEO, K.CHAT_LOG, K.WARRANTY}
    )
    assert [(line.need, line.kinds, line.satisfied) for line in lines] == [
        (Need.ONE_OF, (K.PRODUCT_PHOTO, K.UNBOXING_VIDEO), True),
        (Need.HELPFUL, (K.PACKAGING_PHOTO,), False),
        (Need.HELPFUL, (K.DELIVERY_PHOTO,), False),
        (Need.HELPFUL, (K.CHAT_LOG,), True),
    ]


def test_a_contest_of_a_loss_needs_a_waybill():
    lines = BOOK.checklist(Reason.NOT_RECEIVED, Side.RESPONDENT, ())
    assert (lines[0].need, lines[0].kinds, lines[0].satisfied) == (
        Need.REQUIRED,
        (K.WAYBILL,),
        False,
    )


def test_a_neutral_is_asked_for_no_evidence():
    assert BOOK.checklist(Reason.LATE, Side.NEUTRAL, ()) == ()


@pytest.mark.parametrize("reason", Reason)
def test_both_sides_are_asked_for_something_and_for_nothing_twice(reason: Reason):
    for side in (Side.CLAIMANT, Side.RESPONDENT):
        lines = BOOK.checklist(reason, side, ())
        kinds = [kind for line in lines for kind in line.kinds]
        assert kinds
        assert len(set(kinds)) == len(kinds)
        assert not any(line.satisfied for line in lines)
        assert all(line.satisfied for line in BOOK.checklist(reason, side, set(kinds)))


@pytest.mark.parametrize("reason", Reason)
def test_who_gives_all_that_is_needed_has_the_minimum_for_a_default(reason: Reason):
    lines = BOOK.checklist(reason, Side.CLAIMANT, ())
    for choice in (0, -1):
        given_ = {line.kinds[choice] for line in lines if line.need is not Need.HELPFUL}
        assert BOOK.has_minimum(reason, given_)


def test_a_default_needs_one_of_every_group_of_the_minimum():
    reason = Reason.WARRANTY_REFUSED
    assert not BOOK.has_minimum(reason, set())
    assert not BOOK.has_minimum(reason, {K.PRODUCT_PHOTO})
    assert not BOOK.has_minimum(reason, {K.WARRANTY})
    assert BOOK.has_minimum(reason, {K.PRODUCT_PHOTO, K.WARRANTY})


def test_nobody_has_to_prove_that_nothing_came():
    assert BOOK.has_minimum(Reason.NOT_RECEIVED, set())


@pytest.mark.parametrize("book", list(rulebook.load_all()), ids=lambda book: book.version)
@pytest.mark.parametrize("kept", [dialogue.Ruling, arbitration.Appeal])
def test_the_reasons_that_a_rulebook_allows_fit_into_the_table(book, kept):
    (bound,) = [str(rule.sqltext) for rule in kept.__table__.c.reasons.constraints]
    assert int(bound.rpartition("<= ")[2]) >= book.limits.ruling_characters
