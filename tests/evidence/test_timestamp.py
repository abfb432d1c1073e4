"""Timestamps by real authorities: what holds is kept and renewed, all else is refused."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from sqlalchemy import text

from evidence import openssl, stamping, timestamp
from evidence.errors import Malformed, NotAnswered, NotStamped, Tampered, VaultError
from evidence.stamping import Authority
from evidence.store import DirectoryStore
from tests.evidence.attesting import reaching
from tests.evidence.test_log import append, drain, over
from tests.servers import tsa

DATA = b"the note of a checkpoint"
DATA_DIGEST = sha256(DATA).digest()
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def one(tmp_path):
    with tsa.Authority(tmp_path / "one") as running:
        yield running


@pytest.fixture(params=["alone", "with its root, which the library does not read"])
def each(request, tmp_path):
    with tsa.Authority(tmp_path / "each", chain=request.param != "alone") as running:
        yield running


@pytest.fixture
def vault(tmp_path, vault_keys):
    return over(DirectoryStore(tmp_path / "store"), vault_keys)


def known(*authorities: tsa.Authority) -> list[Authority]:
    return [Authority(each.url, (each.root,)) for each in authorities]


async def stamp(engine, authority: Authority, at: datetime) -> int:
    """Have what is due stamped; tells how many."""
    due = await stamping.waiting(engine, authority, at)
    async with reaching(timestamp.QUERY) as post:
        for state in due:
            await stamping.stamp(engine, post, authority, state, at)
    return len(due)


def both(answer: bytes, data: bytes, one: tsa.Authority, at: datetime) -> list[type | datetime]:
    """What the library and the program say of an answer."""
    said: list[type | datetime] = []
    for ask in (
        lambda: timestamp.verify(answer, data, [one.root], at=at).time,
        lambda: openssl.verify_chain([answer], data, one.roots, at=at),
    ):
        try:
            said.append(ask())
        except VaultError as error:
            said.append(type(error))
    return said


def test_library_and_program_agree_on_what_holds(each, tmp_path):
    one = each
    query = timestamp.ask(DATA)
    begun = now()
    good = one.answer(query.der)
    later = now() + SECOND
    library, program = both(good, DATA, one, later)
    assert library == program
    assert begun <= library <= later
    assert timestamp.verify(good, DATA, [one.root], at=later, nonce=query.nonce).time == library

    signature = bytearray(good)
    signature[-3] ^= 1  # the signature stands last: rfc3161-client did not look up to 1.0.2
    inside = good.replace(DATA_DIGEST, bytes(32))
    with tsa.Authority(tmp_path / "other") as other:
        foreign = other.answer(query.der)
    assert both(bytes(signature), DATA, one, later) == [Tampered, Tampered]
    assert both(inside, DATA, one, later) == [Tampered, Tampered]
    assert both(foreign, DATA, one, later) == [Tampered, Tampered]
    assert both(good, DATA + b"!", one, later) == [Tampered, Tampered]
    assert both(b"", DATA, one, later) == [Malformed, Malformed]
    assert both(b"no answer", DATA, one, later) == [Malformed, Malformed]
    assert both(good, DATA, one, library - SECOND) == [NotStamped, NotStamped]
    assert both(good, DATA, one, later + 401 * DAY) == [NotStamped, NotStamped]
    one.behaviour = "refuses"
    assert both(one.answer(query.der), DATA, one, later) == [NotStamped, NotStamped]
    with pytest.raises(Malformed):
        timestamp.verify(good + b"x", DATA, [one.root], at=later)


def test_a_certificate_that_had_ended_before_stamps_nothing(tmp_path):
    with tsa.Authority(tmp_path / "ended", holds=-DAY) as ended:
        answer = ended.answer(timestamp.ask(DATA).der)
        assert both(answer, DATA, ended, now() + SECOND) == [Tampered, Tampered]


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ("wrong nonce", Tampered),
        ("wrong digest", Tampered),
        ("refuses", NotStamped),
        ("garbage", Malformed),
        ("down", NotStamped),
    ],
)
async def test_a_bad_answer_is_refused_and_asked_for_again(engine, vault, each, behaviour, error):
    one = each
    await append(engine, vault, 2, at=now())
    await drain(engine, vault, now())
    (authority,) = known(one)
    one.behaviour = behaviour
    with pytest.raises(error):
        await stamp(engine, authority, now())
    one.behaviour = "good"
    assert await stamp(engine, authority, now()) == 1


async def test_an_authority_with_other_roots_is_not_believed(engine, vault, one, tmp_path):
    await append(engine, vault, 2, at=now())
    await drain(engine, vault, now())
    with tsa.Authority(tmp_path / "other") as other, pytest.raises(Tampered):
        await stamp(engine, Authority(other.url, (one.root,)), now())
    with pytest.raises(NotAnswered):
        await stamp(engine, Authority("http://127.0.0.1:1/", (one.root,)), now())


async def test_each_authority_stamps_the_newest_checkpoint_once_an_hour(
    engine, vault, one, tmp_path
):
    begun = now()
    await append(engine, vault, 2, at=begun)
    await drain(engine, vault, begun)
    with tsa.Authority(tmp_path / "two") as two:
        both_ = known(one, two)
        assert [await stamp(engine, each, now()) for each in both_] == [1, 1]
        assert [await stamp(engine, each, now()) for each in both_] == [0, 0]
        await append(engine, vault, 2, at=now())
        await drain(engine, vault, now())
        assert await stamp(engine, both_[0], now()) == 0
        async with engine.connect() as conn:
            (origin,) = (await conn.execute(text("SELECT origin FROM vault_logs"))).scalars()
            found = await stamping.chains(conn, origin)
            said = await stamping.words(conn, origin)
        assert {(each.authority, each.size) for each in found} == {(one.url, 3), (two.url, 3)}
        assert {(each.authority, each.size) for each in said} == {(one.url, 3), (two.url, 3)}
        assert await stamping.waiting(engine, both_[0], now() + HOUR + SECOND)


async def test_a_timestamp_is_renewed_before_its_certificate_ends(engine, vault, one):
    (authority,) = known(one)
    one.renew(30 * DAY)
    await append(engine, vault, 2, at=now())
    await drain(engine, vault, now())
    await stamp(engine, authority, now())
    (chain,) = await stamping.ending(engine, authority, now())
    async with reaching(timestamp.QUERY) as post:
        one.renew(29 * DAY)
        with pytest.raises(NotStamped, match="ends later"):
            await stamping.renew(engine, post, authority, chain, now())
        one.renew(4000 * DAY)
        await stamping.renew(engine, post, authority, chain, now())
    assert await stamping.ending(engine, authority, now()) == []
    async with engine.connect() as conn:
        (renewed,) = await stamping.chains(conn, chain.origin)
    assert len(renewed.answers) == 2
    much_later = now() + 3000 * DAY
    given = renewed.answers, renewed.checkpoint
    assert timestamp.verify_chain(*given, [one.root], at=much_later).time == chain.stamped
    assert openssl.verify_chain(*given, one.roots, at=much_later) == chain.stamped
    for answers in (renewed.answers[:1], renewed.answers[1:], renewed.answers[::-1]):
        with pytest.raises(VaultError):
            timestamp.verify_chain(answers, renewed.checkpoint, [one.root], at=much_later)
        with pytest.raises(VaultError):
            openssl.verify_chain(answers, renewed.checkpoint, one.roots, at=much_later)


async def test_a_timestamp_stands(engine, vault, one, intruder):
    await append(engine, vault, 1, at=now())
    await drain(engine, vault, now())
    await stamp(engine, known(one)[0], now())
    for sql in ("DELETE FROM vault_timestamps", "UPDATE vault_timestamps SET answer = 'x'"):
        with pytest.raises(Exception, match="append-only"):
            async with intruder.begin() as conn:
                await conn.execute(text(sql))
