"""A small domain for the reader's tests: shelves of books, some lent, some secret.

Each of the reader's declarations is used at least once, and the rows hold what breaks escaping,
ordering and nulls.
"""

import asyncio
import enum
import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import sqlalchemy as sa
import strawberry
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from strawberry.schema.config import StrawberryConfig

from odr.errors import NotFound
from schema import scalars
from schema.reader import declaration as read
from schema.reader.page import Connection
from schema.reader.viewer import Viewer
from schema.scalars import Digest, Int64, Money

tables = sa.MetaData()


class Kind(enum.Enum):
    OAK = "oak"
    STEEL = "steel"
    GLASS = "it's glass"


GraphQLKind = strawberry.enum(Kind)

MEMBERS = sa.Table(
    "members",
    tables,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("friends", ARRAY(sa.Uuid), nullable=False),
)
SHELVES = sa.Table(
    "shelves",
    tables,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("owner_id", sa.Uuid, sa.ForeignKey("members.id"), nullable=False, index=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("note", sa.Text),
    sa.Column(
        "kind", sa.Enum(Kind, native_enum=False, values_callable=lambda e: [m.value for m in e])
    ),
    sa.Column("built", sa.DateTime(timezone=True), nullable=False),
    sa.Column("price_minor", sa.BigInteger),
    sa.Column("currency", sa.Text),
    sa.Column("tags", ARRAY(sa.Text), nullable=False),
    sa.Column("words", JSONB),
    sa.Column("boards", JSONB),
)
BOOKS = sa.Table(
    "books",
    tables,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("shelf_id", sa.Uuid, sa.ForeignKey("shelves.id"), nullable=False, index=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("pages", sa.Integer, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("printed", sa.Date),
    sa.Column("weight", sa.Double),
    sa.Column("lent", sa.Boolean, nullable=False),
    sa.Column("hidden", sa.Boolean, nullable=False),
    sa.Column("sequel_id", sa.Uuid),
    sa.Column("critic_id", sa.Uuid),
    sa.Column("seen", sa.DateTime(timezone=True), nullable=False),
)
MARKS = sa.Table(
    "marks",
    tables,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("book_id", sa.Uuid, sa.ForeignKey("books.id"), nullable=False, index=True),
    sa.Column("page", sa.Integer, nullable=False),
    sa.Column("words", sa.Text, nullable=False),
)

account = read.viewer("account", sa.Uuid)
trusted = read.viewer("trusted", sa.Boolean)
owners = read.viewer("owners", ARRAY(sa.Uuid))

sees_shelf = sa.or_(SHELVES.c.owner_id == account, SHELVES.c.owner_id == sa.any_(owners))
sees_book = sa.and_(
    sa.exists(sa.select(SHELVES.c.id).where(SHELVES.c.id == BOOKS.c.shelf_id, sees_shelf)),
    sa.or_(BOOKS.c.hidden.is_(False), trusted),
)


def shout(context: Any, row: dict[str, Any], times: int) -> str:
    """Say a book's title aloud; fails for a book of 13 pages."""
    if row["pages"] == 13:
        raise RuntimeError("superstition")
    return row["title"].upper() + context.sign * times


async def describe(context: Any, rows: list[dict[str, Any]]) -> list[Any]:
    """Describe books, all at once."""
    context.noted.append(f"described {len(rows)}")
    return [_described(row) for row in rows]


def _described(row: dict[str, Any]) -> Any:
    assert isinstance(row["seen"], datetime)
    if row["pages"] % 5 == 0:
        return None
    return Description(
        words=row["title"].split(),
        heavy=None if row["weight"] is None else row["weight"] > 1,
        price=Money(amount_minor=Int64(row["pages"] * 100), currency="EUR"),
        kin=Crowd(size=3) if row["pages"] % 2 else Loner(name="x" if row["pages"] % 3 else None),
    )


@strawberry.type
class Crowd:
    size: int


@strawberry.type
class Loner:
    name: str

    @strawberry.field
    def greeting(self, word: str = "hello") -> str:
        return f"{word} {self.name}"


@strawberry.type
class Description:
    words: list[str]
    heavy: bool | None
    price: Money
    kin: Annotated[Crowd | Loner, strawberry.union("Kin")] | None


@strawberry.interface
class Node:
    id: strawberry.ID = read.identity()


@read.table(
    MEMBERS, row=sa.or_(MEMBERS.c.id == account, account == sa.any_(MEMBERS.c.friends)), tag="me"
)
@strawberry.type
class Member(Node):
    name: str = read.column(MEMBERS.c.name)
    shelves: Connection["Shelf"] = read.connection(
        SHELVES.c.owner_id == MEMBERS.c.id, order=(SHELVES.c.built.desc(), SHELVES.c.id.desc())
    )


@read.embedded
@strawberry.type
class Screw:
    metal: str | None = read.part()
    turns: int = read.part()


@read.embedded
@strawberry.type
class Board:
    label: str | None = read.part()
    length_mm: Int64 = read.part("length")
    cut: bool | None = read.part()
    on: datetime | None = read.part()
    kind: GraphQLKind | None = read.part()
    marks: list[int] | None = read.part()
    screw: Screw | None = read.part()
    screws: list[Screw] = read.part()
    loud: str | None = read.computed(
        lambda context, row: None if row["label"] is None else row["label"] + context.sign,
        needs=("label",),
    )


@strawberry.input
class BookFilter:
    lent: bool | None = None
    pages_min: int | None = None
    titles: list[str] | None = None


BOOK_FILTERS = {
    "lent": read.matches(bool | None, lambda p: BOOKS.c.lent == p),
    "search": read.matches(
        BookFilter | None,
        fields={
            "lent": read.matches(bool, lambda p: BOOKS.c.lent == p),
            "pages_min": read.matches(int, lambda p: BOOKS.c.pages >= p),
            "titles": read.matches(
                list[str], lambda p: BOOKS.c.title == sa.any_(sa.cast(p, ARRAY(sa.Text)))
            ),
        },
    ),
    "on_shelf": read.identified(BOOKS.c.shelf_id, tag="sh", optional=True),
}


@read.table(SHELVES, row=sees_shelf, tag="sh")
@strawberry.type
class Shelf(Node):
    name: str = read.column(SHELVES.c.name)
    note: str | None = read.column(SHELVES.c.note, when=SHELVES.c.owner_id == account)
    kind: GraphQLKind | None = read.column(SHELVES.c.kind)
    built: datetime = read.column(SHELVES.c.built)
    tags: list[str] = read.column(SHELVES.c.tags)
    words: list[str] | None = read.column(SHELVES.c.words)
    boards: list[Board] = read.json(SHELVES.c.boards)
    first_board: Board | None = read.json(SHELVES.c.boards[0])
    price: Money | None = read.embed(
        {"amount_minor": SHELVES.c.price_minor, "currency": SHELVES.c.currency},
        present=SHELVES.c.price_minor.is_not(None),
    )
    name_length: int = read.column(sa.func.length(SHELVES.c.name))
    owner: Member | None = read.one(MEMBERS.c.id == SHELVES.c.owner_id)
    books: list["Book"] = read.many(
        BOOKS.c.shelf_id == SHELVES.c.id, order=(BOOKS.c.title, BOOKS.c.id), filters=BOOK_FILTERS
    )
    page: Connection["Book"] = read.connection(
        BOOKS.c.shelf_id == SHELVES.c.id,
        order=(BOOKS.c.pages.desc(), BOOKS.c.seen, BOOKS.c.id),
        filters=BOOK_FILTERS,
    )
    thickest: "Book | None" = read.one(
        BOOKS.c.shelf_id == SHELVES.c.id, order=(BOOKS.c.pages.desc(), BOOKS.c.id)
    )
    first_book: Board | None = read.json(
        sa.select(
            sa.func.jsonb_build_object(
                "label", BOOKS.c.title, "length", BOOKS.c.size_bytes,
                "screws", sa.text("'[]'::jsonb"), type_=JSONB,
            )
        )
        .where(BOOKS.c.shelf_id == SHELVES.c.id)
        .order_by(BOOKS.c.id)
        .limit(1)
        .scalar_subquery()
    )  # fmt: skip
    size: Int64 = read.column(
        sa.select(sa.cast(sa.func.coalesce(sa.func.sum(BOOKS.c.size_bytes), 0), sa.BigInteger))
        .where(BOOKS.c.shelf_id == SHELVES.c.id)
        .scalar_subquery()
    )
    things: list[Annotated["Book | Mark", strawberry.union("Thing")]] = read.many(
        members=lambda: {
            Book: read.Member(BOOKS.c.shelf_id == SHELVES.c.id, (BOOKS.c.seen, BOOKS.c.id)),
            Mark: read.Member(
                sa.exists(
                    sa.select(BOOKS.c.id).where(
                        BOOKS.c.id == MARKS.c.book_id, BOOKS.c.shelf_id == SHELVES.c.id
                    )
                ),
                (
                    sa.literal(datetime(2020, 1, 1, tzinfo=UTC), sa.DateTime(timezone=True)),
                    MARKS.c.id,
                ),
            ),
        }
    )
    stack: list[Node] = read.many(
        members=lambda: {
            Mark: read.Member(
                sa.exists(
                    sa.select(BOOKS.c.id).where(
                        BOOKS.c.id == MARKS.c.book_id, BOOKS.c.shelf_id == SHELVES.c.id
                    )
                ),
                (MARKS.c.page.desc(), MARKS.c.id),
            ),
            Book: read.Member(BOOKS.c.shelf_id == SHELVES.c.id, (BOOKS.c.pages.desc(), BOOKS.c.id)),
        }
    )
    star: Node | None = read.one(
        members=lambda: {
            Book: read.Member(sa.and_(BOOKS.c.shelf_id == SHELVES.c.id, BOOKS.c.title == "star")),
            Member: read.Member(MEMBERS.c.id == SHELVES.c.owner_id),
        }
    )


@read.table(BOOKS, row=sees_book, tag="bo")
@strawberry.type
class Book(Node):
    title: str = read.column(BOOKS.c.title)
    pages: int = read.column(BOOKS.c.pages)
    size: Int64 = read.column(BOOKS.c.size_bytes)
    digest: Digest = read.column(BOOKS.c.digest)
    printed: date | None = read.column(BOOKS.c.printed)
    weight: float | None = read.column(BOOKS.c.weight)
    lent: bool = read.column(BOOKS.c.lent)
    shelf: Shelf = read.one(SHELVES.c.id == BOOKS.c.shelf_id)
    sequel: "Book | None" = read.one(lambda source, target: target.c.id == source.c.sequel_id)
    critic: Member = read.one(MEMBERS.c.id == BOOKS.c.critic_id)
    marks: list["Mark"] = read.many(
        MARKS.c.book_id == BOOKS.c.id, order=(MARKS.c.page.desc(), MARKS.c.id)
    )
    mark_page: Connection["Mark"] = read.connection(
        MARKS.c.book_id == BOOKS.c.id, order=(MARKS.c.page, MARKS.c.id)
    )
    mark_count: int = read.column(
        sa.select(sa.func.count()).where(MARKS.c.book_id == BOOKS.c.id).scalar_subquery()
    )
    shouted: str = read.computed(
        shout,
        needs={"title": BOOKS.c.title, "pages": BOOKS.c.pages},
        arguments={"times": read.Argument(int, 1)},
    )
    miscounted: str | None = read.computed(lambda _context, rows: rows[1:], batch=True)
    description: Description | None = read.computed(
        describe,
        needs={
            "title": BOOKS.c.title,
            "pages": BOOKS.c.pages,
            "weight": BOOKS.c.weight,
            "seen": BOOKS.c.seen,
        },
        batch=True,
    )


@read.table(MARKS, row=read.as_parent(BOOKS.c.id == MARKS.c.book_id, lambda: Book), tag="ma")
@strawberry.type
class Mark(Node):
    page: int = read.column(MARKS.c.page)
    words: str = read.column(MARKS.c.words)
    book: Book = read.one(BOOKS.c.id == MARKS.c.book_id)


@strawberry.type
class Query:
    node: Node | None = read.node()
    me: Member | None = read.one(MEMBERS.c.id == account)
    shelf: Shelf | None = read.one(filters={"id": read.identified()})
    must: Shelf = read.one(filters={"id": read.identified()})
    shelves: Connection[Shelf] = read.connection(
        order=(SHELVES.c.built.desc(), SHELVES.c.id),
        filters={
            "kind": read.matches(GraphQLKind | None, lambda p: SHELVES.c.kind == p),
            "since": read.matches(datetime | None, lambda p: SHELVES.c.built >= p),
        },
    )
    books: Connection[Book] = read.connection(
        order=(BOOKS.c.title.desc(), BOOKS.c.id.desc()), filters=BOOK_FILTERS
    )
    all_marks: list[Mark] = read.many(order=(MARKS.c.id,))

    @strawberry.field
    async def plain(self, word: str = "x") -> str:
        return word * 2

    @strawberry.field
    async def broken(self) -> str | None:
        raise RuntimeError("a secret of the house")

    @strawberry.field
    async def missing(self) -> str | None:
        raise NotFound

    @strawberry.field
    async def slow(self) -> str | None:
        await asyncio.sleep(60)


@strawberry.type
class Renamed:
    shelf: Shelf | None = read.key()
    shelves: list[Shelf] = read.key()
    said: str


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def rename(self, info: strawberry.Info, shelf: strawberry.ID, name: str) -> Renamed:
        key = uuid.UUID(hex=shelf[2:])
        await info.context.admin.execute("UPDATE shelves SET name = $1 WHERE id = $2", name, key)
        return Renamed(shelf=key, shelves=[key, key], said=name)


def schema() -> strawberry.Schema:
    """Make a schema anew; each has GraphQL types of its own."""
    return strawberry.Schema(
        Query,
        Mutation,
        types=[Shelf, Book, Member, Mark],
        config=StrawberryConfig(scalar_map=scalars.SCALARS),
    )


@dataclass
class Context:
    viewer: Viewer
    sign: str = "!"
    admin: Any = None
    noted: list[str] = field(default_factory=list)


def key(kind: int, number: int) -> uuid.UUID:
    return uuid.UUID(int=(kind << 64) + number)


def viewer(number: int, *, trusted: bool = False, owners: tuple[int, ...] = ()) -> Viewer:
    """The member with this number, who also sees the shelves of ``owners``."""
    return Viewer(
        {
            "account": key(1, number),
            "trusted": trusted,
            "owners": [key(1, owner) for owner in owners],
        },
        {"concord.account": str(key(1, number))},
    )


NASTY = "quote \" backslash \\ brace } tab \t bell \x07 line \n end \x7f \u2028 日本 🚲 '$1' %s :x"
BUILT = datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC)


def rows() -> dict[sa.Table, list[dict[str, Any]]]:
    """All rows of the library: 3 members, 7 shelves, 24 books, 30 marks."""
    kinds = [*Kind, None]
    return {
        MEMBERS: [
            {
                "id": key(1, n),
                "name": f"member {n} {NASTY if n == 1 else ''}",
                "friends": [key(1, 0)] if n == 1 else [],
            }
            for n in range(3)
        ],
        SHELVES: [_shelf(n, kinds[n % 4]) for n in range(7)],
        BOOKS: [_book(n) for n in range(24)],
        MARKS: [
            {
                "id": key(4, n),
                "book_id": key(3, n % 12),
                "page": n % 4,
                "words": f"mark {n} {NASTY}",
            }
            for n in range(30)
        ],
    }


def _shelf(n: int, kind: Kind | None) -> dict[str, Any]:
    boards: Any = [
        {
            "label": NASTY if n else None,
            "length": 9_000_000_000,
            "cut": bool(number),
            "on": "2024-05-06T07:08:09.5+02:00",
            "kind": "it's glass",
            "marks": [1, number],
            "screw": {"metal": "iron", "turns": number} if number else None,
            "screws": [{"turns": 1}, {"metal": None, "turns": 2}],
        }
        for number in range(n % 3)
    ]
    return {
        "id": key(2, n),
        "owner_id": key(1, n % 2),
        "name": f"shelf {n} {NASTY if n == 2 else ''}",
        "note": NASTY if n % 2 else None,
        "kind": kind,
        "built": BUILT + timedelta(days=n // 2),
        "price_minor": None if n == 3 else 2**53 if n == 5 else -n * 1999,
        "currency": "EUR" if n % 2 else "JPY",
        "tags": [NASTY, "", "b"][: n % 4],
        "words": [["a", NASTY], None, [], sa.JSON.NULL][n % 4],
        "boards": boards,
    }


def _book(n: int) -> dict[str, Any]:
    return {
        "id": key(3, n),
        "shelf_id": key(2, n % 6),
        "title": "star" if n == 7 else f"book {n % 5} {NASTY if n % 4 == 0 else ''}",
        "pages": n % 15,
        "size_bytes": n * 10**12,
        "digest": bytes([n]) * 32,
        "printed": date(1999, 1, 1 + n) if n % 3 else None,
        "weight": [None, 0.1, 2.0, -1e-7, 1e20, float("nan")][n % 6],
        "lent": n % 2 == 0,
        "hidden": n % 7 == 0,
        "sequel_id": key(3, n + 1) if n % 2 else None,
        "critic_id": key(1, n % 4) if n != 9 else None,
        "seen": BUILT + timedelta(microseconds=n % 3),
    }
