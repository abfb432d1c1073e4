"""What a mutation's ``userErrors`` say to a person, at the form that they sent."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from odr.procedure.facts import Fact
from schema import flags, payloads
from web.wording import Wording

CODES: Final[Mapping[str, str]] = {
    "missing": "Something that is needed is missing.",
    "too_long": "This is too long.",
    "malformed": "This cannot be read.",
    "ambiguous": "Write the amount without thousands separators, as in 49.90.",
    "too_many_decimals": "This currency has fewer decimals.",
    "too_large": "This amount is too large.",
    "negative": "An amount cannot be negative.",
    "zero": "An amount cannot be zero.",
    "above_order": "This is more than is left of the order.",
    "above_line": "This is more than was paid for that line.",
    "above_cap": "This is above the cap.",
    "above_quantity": "There are not that many pieces.",
    "not_full": "A full refund is exactly what is left of the order.",
    "remedy_not_allowed": "This remedy is not possible for this reason.",
    "not_carried_out": "This remedy is not carried out by the service yet.",
    "contradictory": "Two of these do not go together.",
    "duplicate": "The same thing stands here twice.",
    "not_applicable": "This does not belong to that remedy.",
    "unknown_line": "There is no such line on the order.",
    "other_currency": "The order is in another currency.",
    "unknown_currency": "There is no such currency.",
    "unknown_language": "There is no such language.",
    "unknown_zone": "There is no such time zone.",
    "exhibit_left_out": "Every exhibit is either relied on or named as not relied on, with why.",
    "unknown_exhibit": "There is no such exhibit in the record.",
    "dismissed_without_terms": "A claim that is dismissed has no terms.",
    "unchanged": "Nothing is changed by this.",
    "answered_already": "You have answered this already.",
    "own_exhibit": "This is your own exhibit.",
    "released_already": "It is released already.",
    "not_for_kind": "A document of this kind has no such field.",
    "in_mediation_only": "This was given in mediation and is not on the record.",
    "out_of_bounds": "This is out of bounds.",
    "above_claimed": "This is more than was claimed.",
    "is_neutral": "A mediator or arbitrator of the roster acts for no organisation.",
    **{code.value: sentence for code, sentence in flags.SENTENCES.items()},
}
"""What the codes of ``Invalid`` say; the rest say which field is wrong."""

_KINDS: Final[Mapping[str, str]] = {
    "NOT_FOUND": "There is nothing like that here.",
    "NOT_ALLOWED": "This cannot be done in the state in which the case is now.",
    "LATE": "The time for this is over.",
    "EARLY": "It is too early for this.",
    "STALE": "Somebody acted while you were writing. Read what is new, then send it again.",
    "CONFLICT": "This was done before.",
    "TOO_MUCH": "A limit is reached.",
    "UNFUNDED": "There is not enough money for this.",
    "UNAVAILABLE": "This cannot be done right now; nothing was done. Try again.",
}
_UNCOVERED: Final = (
    "What was paid for the order and the seller's bond do not cover this. Agree on less, or let a"
    " neutral decide."
)


def said(errors: Sequence[Mapping[str, Any]], wording: Wording) -> list[str]:
    """One sentence for each error, in the reader's language."""
    return [_said(error, wording) for error in errors]


def _said(error: Mapping[str, Any], wording: Wording) -> str:
    facts = {fact["name"]: fact["values"] for fact in error.get("facts") or ()}
    code, rule = str(error["code"]), str(error.get("rule") or "")
    if code == "UNMET":
        fact = facts["fact"][0].lower()
        return wording.gettext(payloads.FACTS.get(fact) or Fact(fact).meaning)
    if rule in CODES:
        text = wording.gettext(CODES[rule])
        labels = facts.get("labels")
        return f"{text} ({', '.join(labels)})" if labels else text
    if code in _KINDS:
        uncovered = code == "UNFUNDED" and "bond" in facts.get("account", ())
        text = wording.gettext(_UNCOVERED if uncovered else _KINDS[code])
        when = facts.get("due") or facts.get("opens")
        return f"{text} {wording.instant(when[0])}" if when else text
    path = " / ".join(str(part) for part in error.get("path") or ())
    return wording.gettext("Something is wrong here:") + f" {path} {error.get('message', '')}"


def texts() -> set[str]:
    """Every text here, to be translated."""
    return {
        *CODES.values(),
        *_KINDS.values(),
        *payloads.FACTS.values(),
        _UNCOVERED,
        "Something is wrong here:",
    }
