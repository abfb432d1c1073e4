"""A record to take away: what is in it, that it is sound, and that nobody gets too much."""

import contextlib
import json
import re
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pypdfium2
import pytest

from evidence import note, verify
from evidence import report as reports
from infra import commands
from tests.web.clicking import until
from tests.web.stages import Stages
from web import typesetting
from web.typesetting import Paper


@pytest.fixture(scope="module")
def stages(site):
    with contextlib.ExitStack() as stack:
        made = Stages(site, stack)
        made.made["settled"] = settled(made)
        yield made


def settled(stages) -> str:
    """A case that was settled in mediation, whose loss an insurer covers."""
    number, people = stages._mediated(), stages.site.people
    for viewer in (people.buyer, people.seller):
        proposal = stages._value(viewer, number, "proposalId")
        stages._post(viewer, number, "accept_proposal", proposalId=proposal)
    until(lambda: stages.site.row(number).state == "closed")
    return number


SECRETS = ("Betweenus:90.", "Both.", "Lookatthephoto.")


def taken(stages, tmp_path: Path, stage: str, role: str, language: str = "en"):
    """The bundle of a stage's case as a role downloads it, and the words of its paper."""
    with stages.site.browser(stages.viewer(stage, role)) as browser:
        browser.client.cookies.set("concord_language", language)
        answer = browser.get(f"/cases/{stages.number(stage)}/bundle")
    assert answer.status_code == 200, answer.text
    path = tmp_path / f"{stage}-{role}-{language}.zip"
    path.write_bytes(answer.content)
    with zipfile.ZipFile(path) as found:
        files = {name.partition("/")[2]: found.read(name) for name in found.namelist()}
    return path, files, words(files["data/extra/record.pdf"])


def words(pdf: bytes) -> str:
    with contextlib.closing(pypdfium2.PdfDocument(pdf)) as document:
        pages = [page.get_textpage().get_text_bounded() for page in document]
    return "".join("".join(pages).split())


def test_a_record_is_sound_and_holds_paper_graph_and_script(stages, tmp_path):
    path, files, _ = taken(stages, tmp_path, "ruled", "buyer")
    graph = json.loads(files["data/extra/custody.jsonld"])
    names = {one.get("uco-core:name") for one in graph["@graph"]}
    assert {"file", "submit_exhibit", "rule", "claimant"} <= names
    key = json.loads(files["data/bundle.json"])["receipt_key"]
    report = verify.verify(path, [note.read_verifier_key(key)])
    assert report.code == reports.SOUND, report.findings
    (loose,) = (one for one in report.unchecked if "by the manifest only" in one)
    for name in ("extra/custody.jsonld", "extra/record.pdf", "verify.sh"):
        assert name in loose


@pytest.mark.parametrize(
    ("stage", "role", "hidden"),
    [
        ("ruled", "seller", {"Betweenus:90."}),
        ("heard", "arbitrator", {"Betweenus:90.", "Both."}),
        ("ruled", "operator", {"Betweenus:90.", "Both."}),
        ("settled", "insurer", {"Betweenus:90.", "Both.", "Lookatthephoto."}),
    ],
)
def test_nobody_gets_more_than_they_may_see(stages, tmp_path, stage, role, hidden):
    _, whole, said = taken(stages, tmp_path, stage, "buyer")
    assert {"Betweenus:90.", "Both.", "Lookatthephoto."} <= {one for one in SECRETS if one in said}
    _, files, said = taken(stages, tmp_path, stage, role)
    assert "Itarrivedbroken." in said
    everything = said + "".join(b"".join(files.values()).decode(errors="ignore").split())
    assert [one for one in sorted(hidden) if one in everything] == []
    assert len(files) < len(whole)


def test_a_paper_speaks_its_readers_language_and_can_be_listened_to(stages, tmp_path):
    _, files, said = taken(stages, tmp_path, "ruled", "buyer", "zh")
    assert "\u6848\u4ef6" in said  # case
    assert "6\u9875" in said  # of 6 pages
    pdf = files["data/extra/record.pdf"]
    assert b"/Lang(zh" in pdf.replace(b" ", b"") or b"zh-CN" in pdf
    with contextlib.closing(pypdfium2.PdfDocument(pdf)) as document:
        marks = [one.get_title() for one in document.get_toc()]
        assert document.get_metadata_value("Title").endswith(stages.number("ruled"))
        assert len(marks) > 8
    assert b"/StructTreeRoot" in pdf
    assert b"/MarkInfo" in pdf
    fonts = pdf.count(b"/FontDescriptor")
    assert pdf.count(b"/FontFile") >= fonts // 3 > 0


def test_a_paper_tells_what_stands_where_and_what_was_found_owed_and_insured(stages, tmp_path):
    _, files, said = taken(stages, tmp_path, "ruled", "buyer")
    with contextlib.closing(pypdfium2.PdfDocument(files["data/extra/record.pdf"])) as document:
        contents = "".join(document[1].get_textpage().get_text_bounded().split())
        contents = contents.removesuffix(f"2of{len(document)}")
        titles = [(one.get_title(), one.get_dest().get_index()) for one in document.get_toc()]
    assert contents.startswith(f"Case{stages.number('ruled')}Therecordofacase")
    for title, index in titles:
        words_ = "".join(title.split())
        assert re.search(re.escape(words_) + rf"\W*{index + 1}(\D|$)", contents), title
    assert "Whatthisdoesnotshow:" in said  # the photographs are the same one
    stages.number("paid")
    _, _, said = taken(stages, tmp_path, "settled", "insurer")
    for word in ("Whatistobedone", "Insurance", "Insurer", "Notified"):
        assert word in said


def test_a_stranger_gets_no_record(stages):
    path = f"/cases/{stages.number('ruled')}/bundle"
    with stages.site.browser("stranger") as browser:
        assert browser.get(path).status_code == 404


def test_letters_that_no_font_has_do_not_stop_a_paper():
    paper = Paper(
        language="en",
        title="Case",
        kicker="k",
        subtitle="\U0001f600 #panic() \u202e",
        page="%(page)s of %(pages)s",
        contents="Contents",
        made=datetime(2026, 11, 22, tzinfo=UTC),
        cover=[{"kind": "text", "text": '#read("/etc/passwd") \\ "'}],
        sections=[],
        pictures={},
    )
    first = typesetting.typeset(paper)
    assert first == typesetting.typeset(paper)
    assert '#read("/etc/passwd")' in words(first)
    plain = typesetting.typeset(replace(paper, subtitle="plain"))
    assert b"pdfuaid" in plain
    assert b"pdfuaid" not in first


def test_the_operator_exports_a_record_by_a_command(stages, tmp_path, capsys):
    settings, number = stages.site.parts.settings, stages.number("ruled")
    path = tmp_path / "taken.zip"
    assert stages.site.run(commands.export([number, "--to", str(path)], settings)) == 0
    with zipfile.ZipFile(path) as found:
        names = {name.partition("/")[2]: found.read(name) for name in found.namelist()}
    assert "Betweenus:90." not in words(names["data/extra/record.pdf"])
    assert stages.site.run(commands.export(["2611-0000-0000-00"], settings)) == 1
    assert "2611-0000-0000-00" in capsys.readouterr().err
