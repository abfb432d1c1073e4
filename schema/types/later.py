"""Types that others point back to, found when the schema is built.

A row of a case is seen by whoever sees the case, and the case lists its rows: each needs the
other, and only one can be imported first.
"""

from strawberry.types.lazy_type import LazyType


def case() -> type:
    """Give the type Case."""
    return LazyType("Case", "schema.types.case").resolve_type()


def order() -> type:
    """Give the type Order."""
    return LazyType("Order", "schema.types.order").resolve_type()
