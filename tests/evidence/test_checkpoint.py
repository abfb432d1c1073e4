"""A checkpoint has one spelling, and is signed like any note."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import checkpoint, cosignature, keys, merkle, note
from evidence.checkpoint import Checkpoint
from evidence.errors import Malformed, Tampered
from tests.evidence.cases import NOW

# The text in C2SP tlog-checkpoint.
TEXT = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
ROOT = TEXT.split("\n")[2]
LOG = "vault.example/2026"
SIGNER = keys.local_signer(LOG, bytes(range(32)))

checkpoints = st.builds(
    Checkpoint,
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60),
    st.integers(0, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
)


def test_the_example_of_the_specification_is_read():
    found = checkpoint.read(TEXT)
    assert (found.origin, found.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert found.root.hex().startswith("0ac5186a")
    assert checkpoint.write(found) == TEXT


@given(checkpoints)
def test_a_checkpoint_round_trips(found: Checkpoint):
    assert checkpoint.read(checkpoint.write(found)) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "\n\n\n",
        TEXT[:-1],
        TEXT + "\n",
        TEXT + "extension\n",
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("example.com/behind-the-sofa", ""),
        TEXT.replace("example.com/behind-the-sofa", "x" * 256),
        TEXT.replace("example.com/behind-the-sofa", "x\ty"),
        TEXT.replace("20852163", ""),
        TEXT.replace("20852163", "020852163"),
        TEXT.replace("20852163", "+20852163"),
        TEXT.replace("20852163", "-1"),
        TEXT.replace("20852163", "20_852_163"),
        TEXT.replace("20852163", "20852163 "),
        TEXT.replace("20852163", "2e7"),
        TEXT.replace("20852163", "\u0664\u0662"),
        TEXT.replace("20852163", str(2**63)),
        TEXT.replace("20852163", "1" * 5000),
        TEXT.replace(ROOT, ROOT[:-1]),
        TEXT.replace(ROOT, ROOT + "="),
        TEXT.replace(ROOT, " " + ROOT),
        TEXT.replace(ROOT, ROOT.replace("/", "_")),
        TEXT.replace(ROOT, ROOT[:-2] + "J="),
        TEXT.replace(ROOT, ROOT[:-4]),
        TEXT.replace(ROOT, "AAAA" + ROOT),
        TEXT.replace(ROOT + "\n", ""),
        " " + TEXT.replace("\n", "\n ", 1),
    ],
)
def test_a_checkpoint_in_another_spelling_is_malformed(text: str):
    with pytest.raises(Malformed):
        checkpoint.read(text)


@pytest.mark.parametrize(
    "wrong",
    [
        Checkpoint("", 1, bytes(32)),
        Checkpoint("a\nb", 1, bytes(32)),
        Checkpoint("a\n", 1, bytes(32)),
        Checkpoint("é" * 128, 1, bytes(32)),
        Checkpoint(LOG, -1, bytes(32)),
        Checkpoint(LOG, 2**63, bytes(32)),
        Checkpoint(LOG, 1, bytes(31)),
        Checkpoint(LOG, 1, b""),
    ],
)
def test_what_would_not_read_back_is_not_written(wrong: Checkpoint):
    with pytest.raises(Malformed):
        checkpoint.write(wrong)


async def test_a_signed_checkpoint_names_who_signed_it():
    said = Checkpoint(LOG, 0, merkle.EMPTY_ROOT)
    text = checkpoint.write(said)
    data = note.join(text, [await cosignature.sign(SIGNER, text, NOW)]).encode()
    assert checkpoint.verify(data, [SIGNER.key]) == (said, (SIGNER.key,))
    assert checkpoint.verify(data, []) == (said, ())
    with pytest.raises(Tampered):
        checkpoint.verify(data.replace(b"\n0\n", b"\n1\n"), [SIGNER.key])
    with pytest.raises(Malformed):
        checkpoint.verify(data.replace(b"\n0\n", b"\n00\n"), [])
