"""The forms of the acts of arbitration, and of a claim that is changed, by posting them."""

import contextlib

import pytest

from tests.web.stages import EXHIBIT, PHOTO, Stages


@pytest.fixture
def stages(site):
    with contextlib.ExitStack() as stack:
        yield Stages(site, stack)


def _page(stages, viewer, number):
    return stages._browser(viewer).get(f"/cases/{number}").text


def test_a_claim_is_changed_by_its_form(stages, site):
    buyer, number = site.people.buyer, stages.number("filed")
    form = (
        _page(stages, buyer, number).partition('id="act-modify_claim"')[2].partition("</form>")[0]
    )
    assert '<option value="FULL_REFUND" selected>' in form
    assert 'value="129.00"' in form
    given = {"terms-0-remedy": "PARTIAL_REFUND", "terms-0-amount": "70"}
    stages._post(buyer, number, "modify_claim", statement="It has a scratch.", **given)
    page = _page(stages, site.people.seller, number)
    assert "It has a scratch." in page
    assert "As it was from" in page
    assert "€70.00" in page


def test_a_side_is_asked_and_answers_by_the_forms(stages, site):
    number, seller = stages.number("heard"), site.people.seller
    arbitrator = site.neutral(number, "arbitrator")
    given = {"side": "RESPONDENT", "question": "When did you pack it?"}
    stages._post(arbitrator, number, "request_information", **given)
    request = stages._value(seller, number, "requestId")
    stages._post(seller, number, "answer_request", requestId=request, body="On Monday.")
    for viewer in (arbitrator, site.people.buyer):
        page = _page(stages, viewer, number)
        asked = page.partition('id="requests"')[2].partition("</section>")[0]
        assert "When did you pack it?" in asked
        assert "On Monday." in asked


def test_a_slip_is_corrected_by_the_forms(stages, site):
    number, buyer = stages.number("ruled"), site.people.buyer
    stages._post(buyer, number, "request_correction", body="It says 100, it means 101.")
    arbitrator = site.neutral(number, "arbitrator")
    given = {"terms-0-remedy": "PARTIAL_REFUND", "terms-0-amount": "101"}
    stages._post(arbitrator, number, "correct_ruling", body="100 reads 101.", **given)
    ruling = _page(stages, buyer, number).partition('id="ruling-1"')[2].partition("</section>")[0]
    for said in ("It says 100, it means 101.", "100 reads 101.", "€101.00"):
        assert said in ruling
    assert "€100.00" not in ruling


def test_a_ruling_is_appealed_and_varied_by_the_forms(stages, site):
    number, people = stages._ruled(), site.people
    paper = {"file-0-kind": "STATEMENT", "file-0-title": "A film"}
    given = {"ground": "NEW_EVIDENCE", "statement": "There is a film of the packing."}
    stages._post(people.seller, number, "appeal", PHOTO, **given, **paper)
    second = site.neutral(number, "arbitrator")
    stages._post(second, number, "disclose")
    exhibits = dict.fromkeys(EXHIBIT.findall(_page(stages, second, number)))
    decision = {
        "kind": "GRANTED_IN_PART",
        "finding-0-issue": "Was it packed well?",
        "finding-0-body": "The film shows it.",
        "finding-0-exhibits": list(exhibits),
        "reasons": "Both bear a part.",
        "terms-0-remedy": "PARTIAL_REFUND",
        "terms-0-amount": "55",
    }
    stages._post(second, number, "vary_ruling", **decision)
    page = _page(stages, people.buyer, number)
    appeal = page.partition('id="appeal"')[2].partition("</section>")[0]
    assert "There is a film of the packing." in appeal
    assert "The ruling is varied." in appeal
    ruling = page.partition('id="ruling-1"')[2].partition("</section>")[0]
    assert "€55.00" in ruling
    assert "The ruling that was appealed" in page


def test_a_ruling_is_affirmed_or_set_aside_by_the_forms(stages, site):
    people = site.people
    given = {"ground": "PROCEDURAL_DEFECT", "statement": "Nobody asked us."}
    for act, granted in (("affirm_ruling", "€100.00"), ("set_aside_ruling", "€1.00")):
        number = stages._ruled()
        stages._post(people.seller, number, "appeal", **given)
        second = site.neutral(number, "arbitrator")
        stages._post(second, number, "disclose")
        exhibits = dict.fromkeys(EXHIBIT.findall(_page(stages, second, number)))
        anew = {
            "kind": "GRANTED_IN_PART",
            "finding-0-issue": "Was it heard?",
            "finding-0-body": "It was not.",
            "finding-0-exhibits": list(exhibits),
            "terms-0-remedy": "PARTIAL_REFUND",
            "terms-0-amount": "1",
        }
        decision = {"reasons": "So it is."} | (anew if act == "set_aside_ruling" else {})
        stages._post(second, number, act, **decision)
        money = _page(stages, people.buyer, number).partition('id="money"')[2]
        assert granted in money.partition("</section>")[0]
