"""The record of a case for people, to be set on paper: what is said, in its reader's language.

``compose`` puts the answer of ``operations/record.graphql`` into words and into blocks (facts,
quotations, tables, exhibits, a timeline); ``web/typesetting.py`` sets blocks and knows no case.
What a reader may not see is not in the answer, so it cannot be on the paper.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from web.typesetting import Block, Paper
from web.wording import Wording
from web.words import WORDS

_UNITS: Final = ("B", "KiB", "MiB", "GiB")
_LEAF: Final = 16


@dataclass(frozen=True, slots=True)
class Proof:
    """By what a record is verified: the keys of receipts and of each log; when it was made."""

    receipt_key: str
    log_keys: Sequence[str]
    made: datetime


def compose(
    case: Mapping[str, Any], wording: Wording, proof: Proof, pictures: Mapping[str, bytes]
) -> Paper:
    """Put a case on paper; ``pictures`` are those of its exhibits, by the exhibits' ids."""
    return _Composition(case, wording, proof, pictures).paper()


class _Composition:
    """One record, as it is put together."""

    def __init__(
        self,
        case: Mapping[str, Any],
        wording: Wording,
        proof: Proof,
        pictures: Mapping[str, bytes],
    ) -> None:
        self._case = case
        self._wording = wording
        self._proof = proof
        self._pictures = pictures
        self._names = {seat["side"]: seat["name"] for seat in case["seats"] if not seat["until"]}

    def paper(self) -> Paper:
        gettext = self._wording.gettext
        number = self._case["number"]
        sections = (
            (gettext("What was done"), self._timeline()),
            (gettext("What both sides say"), self._positions()),
            (gettext("Offers"), self._offers()),
            (gettext("The mediator's proposals"), self._proposals()),
            (gettext("Exhibits"), self._exhibits()),
            (gettext("The ruling"), self._rulings()),
            (gettext("What is to be done"), self._obligations()),
            (gettext("The money"), self._money()),
            (gettext("Insurance"), self._insurance()),
            (gettext("Messages"), self._messages()),
            (gettext("In confidence"), self._caucus()),
        )
        return Paper(
            language=self._wording.language,
            title=gettext("Case %(number)s") % {"number": number},
            kicker=gettext("The record of a case"),
            subtitle=self._say(WORDS.reason[self._case["reason"]]),
            page=gettext("%(page)s of %(pages)s"),
            contents=gettext("Contents"),
            made=self._proof.made,
            cover=[*self._cover(), *self._verify()],
            sections=[(title, blocks) for title, blocks in sections if blocks],
            pictures=self._pictures,
        )

    def _cover(self) -> list[Block]:
        gettext, case = self._wording.gettext, self._case
        facts = [
            (self._say(WORDS.side[side]), self._names.get(side))
            for side in ("CLAIMANT", "RESPONDENT")
        ]
        titles = " + ".join(line["title"] for line in case["order"]["lines"])
        facts += [
            (gettext("The order"), f"{case['order']['reference']} · {titles}"),
            (gettext("Filed"), self._wording.instant(case["filedAt"])),
            (gettext("Stage"), self._say(WORDS.stage[case["stage"]])),
            (gettext("Where it stands"), self._say(WORDS.state[case["state"]])),
            (gettext("Outcome"), case["outcome"] and self._say(WORDS.outcome[case["outcome"]])),
            (gettext("Claimed"), self._amount(case["claimed"])),
            (gettext("Granted"), self._amount(case["granted"])),
            (gettext("Written for"), self._roles(case["viewerRoles"])),
            (gettext("Written on"), self._wording.instant(self._proof.made)),
        ]
        return [_facts(facts)]

    def _roles(self, roles: Iterable[str]) -> str:
        gettext = self._wording.gettext
        return ", ".join(self._say(WORDS.role[role]) for role in roles) or gettext(
            "Operator of the service"
        )

    def _verify(self) -> list[Block]:
        gettext, proof = self._wording.gettext, self._proof
        keys = " ".join(f'--key "{key}"' for key in (proof.receipt_key, *proof.log_keys))
        root = self._case["recordRoot"] or gettext("The record is still open.")
        return [
            {"kind": "heading", "text": gettext("How to verify it")},
            {
                "kind": "text",
                "text": gettext(
                    "This paper tells what the record says; the proof is in the record itself,"
                    " the file in which this paper came. Check it on a machine of your own,"
                    " without a network. Take the keys from the service's page, not from here."
                ),
            },
            {"kind": "code", "text": f"python -m evidence verify RECORD.zip {keys}"},
            {
                "kind": "keys",
                "rows": [
                    [gettext("Root of the record"), root],
                    [gettext("Key of the receipts"), proof.receipt_key],
                    *([gettext("Key of the log"), key] for key in proof.log_keys),
                    [gettext("Rulebook"), f"{self._case['rulebook']} {self._digest()}"],
                ],
            },
        ]

    def _digest(self) -> str:
        return str(self._case["rulebookDigest"])

    def _timeline(self) -> list[Block]:
        wording = self._wording
        blocks: list[Block] = []
        days = groupby(self._case["record"]["nodes"], lambda one: wording.weekday(one["at"]))
        for day, entries in days:
            blocks.append({"kind": "heading", "text": day})
            rows = []
            for one in entries:
                said = [self._say(WORDS.done[one["act"]]), one["exhibitLabel"] or ""]
                said.append(self._amount(one["amount"]) or "")
                by = [one["name"] or "", self._say(WORDS.role[one["role"]])]
                if one["channel"] != "RECORD":
                    by.append(self._say(WORDS.channel[one["channel"]]))
                rows.append(
                    {
                        "time": wording.time(one["at"]),
                        "what": " ".join(filter(None, said)),
                        "who": " · ".join(filter(None, by)),
                        "mark": f"{one['sequence']} · {one['leaf'][:_LEAF]}…",
                    }
                )
            blocks.append({"kind": "timeline", "rows": rows})
        return blocks

    def _positions(self) -> list[Block]:
        gettext, case = self._wording.gettext, self._case
        blocks: list[Block] = []
        if case["claim"]:
            blocks += [
                {"kind": "heading", "text": self._side("CLAIMANT")},
                {"kind": "said", "text": case["claim"]["statement"]},
                {"kind": "label", "text": gettext("Wants:")},
                self._terms(case["claim"]["terms"]),
            ]
        blocks.append({"kind": "heading", "text": self._side("RESPONDENT")})
        if case["answer"]:
            blocks.append({"kind": "said", "text": case["answer"]["statement"]})
        else:
            blocks.append({"kind": "text", "text": gettext("Has not answered yet.")})
        return blocks

    def _offers(self) -> list[Block]:
        gettext = self._wording.gettext
        if not self._case["offers"]:
            return []
        rows = [
            [
                self._wording.day(one["at"]),
                self._say(WORDS.side[one["side"]]),
                "\n".join(filter(None, [*self._items(one["terms"]), one["message"]])),
                self._amount(one["amount"]) or "",
                self._say(WORDS.offer[one["state"]]),
            ]
            for one in self._case["offers"]
        ]
        head = [
            gettext("Date"),
            gettext("By"),
            gettext("Terms"),
            gettext("To the buyer"),
            gettext("State"),
        ]
        return [_table(head, rows, (0, 0, 1, 0, 0), 3)]

    def _proposals(self) -> list[Block]:
        blocks: list[Block] = []
        for one in self._case["proposals"]:
            state = self._say(WORDS.proposal[one["state"]])
            blocks += [
                {"kind": "heading", "text": f"{one['name']} · {state}"},
                self._terms(one["terms"]),
                {"kind": "said", "text": one["reasons"]},
                {"kind": "small", "text": self._wording.instant(one["at"])},
            ]
        return blocks

    def _exhibits(self) -> list[Block]:
        gettext, wording = self._wording.gettext, self._wording
        blocks: list[Block] = []
        for one in self._case["exhibits"]:
            given = f"{one['name']} · {self._say(WORDS.side[one['side']])}"
            facts = [
                (gettext("Kind"), self._say(WORDS.kind[one["kind"]])),
                (gettext("Given by"), given),
                (gettext("On"), wording.instant(one["at"])),
                (gettext("File"), f"{one['filename']} · {_size(one['size'])}"),
            ]
            told = [each for each in one["erasures"] if each["state"] in {"GRANTED", "DONE"}]
            for each in told[-1:]:
                ground = self._say(WORDS.erasure[each["ground"]])
                facts[-1] = gettext("Erased"), f"{wording.instant(each['at'])} · {ground}"
            if one["channel"] != "RECORD":
                facts.append((gettext("Seen by"), gettext("In mediation only")))
            blocks.append(
                {
                    "kind": "exhibit",
                    "label": one["label"],
                    "title": one["title"] or gettext("Erased"),
                    "picture": one["id"] if one["id"] in self._pictures else None,
                    "type": one["mediaType"].partition("/")[2].upper()[:8],
                    "facts": [list(each) for each in facts],
                    "description": one["description"] or "",
                    "digest": one["sha256"],
                    "answers": [self._answer(each) for each in one["answers"]],
                }
            )
            for finding in one["findings"]:
                blocks += self._finding(finding)
        return blocks

    def _answer(self, one: Mapping[str, Any]) -> str:
        return f"{one['body']}\n{one['name']} · {self._wording.instant(one['at'])}"

    def _finding(self, one: Mapping[str, Any]) -> list[Block]:
        """What was computed about an exhibit, with its grounds, its limits, and the answers."""
        gettext, wording = self._wording.gettext, self._wording
        strength = self._say(WORDS.strength[one["strength"]])
        facts = [
            (
                self._say(WORDS.ground[each["name"]]),
                wording.instant(each["at"]) if each["at"] else each["text"],
            )
            for each in one["grounds"]
        ]
        limits = f"{gettext('What this does not show:')} {self._say(WORDS.limits[one['kind']])}"
        return [
            {
                "kind": "label",
                "text": f"{gettext('Finding')}: {self._say(WORDS.finding[one['kind']])}",
            },
            {"kind": "small", "text": strength},
            *([_facts(facts)] if facts else []),
            {"kind": "small", "text": limits},
            *({"kind": "said", "text": self._answer(each)} for each in one["answers"]),
        ]

    def _obligations(self) -> list[Block]:
        gettext, wording = self._wording.gettext, self._wording
        if not self._case["obligations"]:
            return []
        rows = [
            [
                str(one["number"]),
                self._say(WORDS.remedy[one["remedy"]]),
                self._say(WORDS.party[one["debtor"]]),
                self._amount(one["amount"]) or "",
                self._say(WORDS.obligation[one["state"]]),
                wording.day(one["endedAt"]) if one["endedAt"] else "",
            ]
            for one in self._case["obligations"]
        ]
        head = [
            "",
            gettext("What"),
            gettext("By"),
            gettext("Amount"),
            gettext("State"),
            gettext("Ended"),
        ]
        return [_table(head, rows, (0, 1, 0, 0, 0, 0), 3)]

    def _insurance(self) -> list[Block]:
        gettext, wording = self._wording.gettext, self._wording
        blocks: list[Block] = []
        for one in self._case["insuranceClaims"]:
            dates = [
                (gettext("Notified"), one["notifiedAt"]),
                (gettext("Decided"), one["decidedAt"]),
                (gettext("Settled"), one["settledAt"]),
            ]
            facts = [
                (gettext("Insurer"), one["insurer"]["name"]),
                (gettext("State"), self._say(WORDS.insurance[one["state"]])),
                (gettext("Claimed"), self._amount(one["claimed"])),
                (gettext("Approved"), self._amount(one["approved"])),
                (gettext("Paid"), self._amount(one["paid"])),
                *((name, at and wording.instant(at)) for name, at in dates),
            ]
            title = f"{one['number']} · {self._say(WORDS.peril[one['peril']])}"
            blocks += [{"kind": "heading", "text": title}, _facts(facts)]
            if one["grounds"]:
                blocks.append({"kind": "said", "text": one["grounds"]})
        return blocks

    def _rulings(self) -> list[Block]:
        gettext, wording = self._wording.gettext, self._wording
        blocks: list[Block] = []
        for one in self._case["rulings"]:
            blocks += [
                {"kind": "heading", "text": self._say(WORDS.ruling[one["kind"]])},
                self._terms(one["terms"]),
            ]
            for finding in one["findings"]:
                blocks += [
                    {"kind": "label", "text": f"{finding['number']}. {finding['issue']}"},
                    {"kind": "said", "text": finding["body"]},
                ]
                relied = ", ".join(each["label"] for each in finding["exhibits"])
                if relied:
                    blocks.append({"kind": "small", "text": f"{self._say('Relies on')} {relied}"})
            if one["notReliedOn"]:
                blocks.append({"kind": "label", "text": gettext("Not relied on")})
            for each in one["notReliedOn"]:
                label = each["exhibit"]["label"] if each["exhibit"] else ""
                blocks.append({"kind": "said", "text": f"{label} {each['why']}".strip()})
            by = gettext("By %(name)s") % {"name": one["name"]}
            final = one["finalAt"] and f"{self._say('final since')} {wording.day(one['finalAt'])}"
            small = " · ".join(filter(None, [by, wording.instant(one["at"]), final]))
            blocks += [
                {"kind": "label", "text": gettext("Reasons")},
                {"kind": "said", "text": one["reasons"]},
                {"kind": "small", "text": small},
            ]
        return blocks

    def _money(self) -> list[Block]:
        gettext, case, wording = self._wording.gettext, self._case, self._wording
        blocks = [
            _facts(
                [
                    (gettext("Paid for the order"), self._amount(case["order"]["total"])),
                    (gettext("Claimed"), self._amount(case["claimed"])),
                    (gettext("Granted"), self._amount(case["granted"])),
                ]
            )
        ]
        if case["payouts"]:
            rows = [
                [
                    wording.day(one["grantedAt"]),
                    f"{self._say(one['sentence'])}\n{one['reference'] or ''}".strip(),
                    wording.day(one["paidAt"]) if one["paidAt"] else "",
                    self._amount(one["amount"]) or "",
                ]
                for one in case["payouts"]
            ]
            head = [gettext("Granted"), gettext("State"), gettext("Paid"), gettext("Amount")]
            blocks.append(_table(head, rows, (0, 1, 0, 0), 3))
        return blocks

    def _messages(self) -> list[Block]:
        return [
            self._talk(one, None if one["channel"] == "RECORD" else WORDS.channel[one["channel"]])
            for one in self._case["messages"]["nodes"]
        ]

    def _caucus(self) -> list[Block]:
        return [
            self._talk(one, WORDS.side[one["withSide"]]) for one in self._case["caucusMessages"]
        ]

    def _talk(self, one: Mapping[str, Any], where: str | None) -> Block:
        place = self._say(where) if where else ""
        who = [one["name"] or "", self._wording.instant(one["at"]), place]
        return {"kind": "talk", "who": " · ".join(filter(None, who)), "text": one["body"]}

    def _side(self, side: str) -> str:
        name = self._names.get(side)
        title = self._say(WORDS.side[side])
        return f"{title} · {name}" if name else title

    def _terms(self, terms: Mapping[str, Any]) -> Block:
        return {"kind": "list", "rows": self._items(terms)}

    def _items(self, terms: Mapping[str, Any]) -> list[str]:
        gettext = self._wording.gettext
        lines = []
        for item in terms["items"]:
            said = [self._say(WORDS.remedy[item["remedy"]])]
            if item["orderLine"]:
                said.append(gettext("line %(number)s") % {"number": item["orderLine"]})
            said += filter(None, [self._amount(item["amount"]), item["note"]])
            lines.append(" · ".join(said))
        return lines or [gettext("Nothing.")]

    def _say(self, text: str) -> str:
        """A text of a closed list, which is translated with its list."""
        return self._wording.gettext(text)

    def _amount(self, amount: Mapping[str, Any] | None) -> str | None:
        if amount is None:
            return None
        return self._wording.money(int(amount["amountMinor"]), amount["currency"])


def _facts(rows: Iterable[tuple[str, str | None]]) -> Block:
    """Names and values; a row without a value is left out."""
    return {"kind": "facts", "rows": [[name, value] for name, value in rows if value]}


def _table(
    head: Sequence[str], rows: Sequence[Sequence[str]], wide: Sequence[int], amount: int
) -> Block:
    """A table: ``wide`` says which columns take the room, ``amount`` which one is of numbers."""
    return {
        "kind": "table",
        "head": list(head),
        "rows": [list(row) for row in rows],
        "wide": list(wide),
        "amount": amount,
    }


def _size(size: int) -> str:
    """Bytes as people read them."""
    amount = float(size)
    for unit in _UNITS[:-1]:
        if amount < 1024:  # noqa: PLR2004 - a unit has 1024 of the one before
            return f"{amount:.0f} {unit}"
        amount /= 1024
    return f"{amount:.1f} {_UNITS[-1]}"
