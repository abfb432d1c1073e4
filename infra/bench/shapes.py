"""How the hand-written statements make JSON: the shapes that the API has."""


def at(column: str) -> str:
    """An instant as the API writes it."""
    return f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


def identity(tag: str, column: str) -> str:
    """A global id of a row."""
    return f"'{tag}' || encode(uuid_send({column}), 'hex')"


def money(amount: str, currency: str) -> str:
    """An amount with its currency."""
    return f"json_build_object('amountMinor', {amount}, 'currency', {currency})"


def money_or_null(amount: str, currency: str) -> str:
    """The same, where there may be none."""
    return f"CASE WHEN {amount} IS NOT NULL THEN {money(amount, currency)} END"


def listed(select_: str, order: str) -> str:
    """The rows of a SELECT as a list; ``order`` is by columns of its own that are not shown."""
    return f"(SELECT coalesce(json_agg(x.v ORDER BY {order}), '[]') FROM ({select_}) x)"


def made(**fields: str) -> str:
    """One JSON object of named expressions."""
    return "json_build_object(" + ", ".join(f"'{k}', {v}" for k, v in fields.items()) + ")"


def terms(column: str) -> str:
    """Terms with their items."""
    amount = money("(i.v ->> 'amount_minor')::bigint", f"{column} ->> 'currency'")
    item = made(
        remedy="upper(i.v ->> 'remedy')",
        amount=f"CASE WHEN i.v ? 'amount_minor' THEN {amount} END",
        orderLine="(i.v -> 'order_line')",
        quantity="(i.v -> 'quantity')",
        freightPayer="upper(i.v ->> 'freight_payer')",
        note="i.v ->> 'note'",
    )
    items = (
        f"(SELECT coalesce(json_agg({item} ORDER BY i.n), '[]')"
        f" FROM jsonb_array_elements({column} -> 'items') WITH ORDINALITY AS i (v, n))"
    )
    return made(currency=f"{column} ->> 'currency'", items=items)


def name(row: str) -> str:
    """The name of who wrote a row."""
    return (
        f"coalesce(CASE {row}.side WHEN 'claimant' THEN names.claimant WHEN 'respondent'"
        f" THEN names.respondent END, (SELECT name FROM accounts WHERE id = {row}.account_id))"
    )
