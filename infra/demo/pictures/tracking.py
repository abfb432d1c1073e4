"""Tracking numbers whose check digits hold, in the shapes that carriers use.

It makes numbers for pictures and demo data; whether a number that somebody deposits is
sound is not decided here.
"""

_S10_WEIGHTS = (8, 6, 4, 2, 3, 5, 9, 7)
_S10_SPECIAL = {10: 0, 11: 5}
_FEDEX_WEIGHTS = (1, 3, 7)


def _digits(serial: int, width: int) -> str:
    text = f"{serial:0{width}d}"
    if serial < 0 or len(text) != width:
        raise ValueError(f"serial {serial} does not fit {width} digits")
    return text


def s10(indicator: str, serial: int, country: str) -> str:
    """Postal item number of UPU S10: two letters, eight digits, check digit, country."""
    body = _digits(serial, 8)
    total = sum(int(d) * w for d, w in zip(body, _S10_WEIGHTS, strict=True))
    check = 11 - total % 11
    return f"{indicator}{body}{_S10_SPECIAL.get(check, check)}{country}"


def one_z(shipper: str, service: int, serial: int) -> str:
    """Eighteen characters of the 1Z form: six of the shipper, two of the service, serial, check."""
    body = f"{shipper.upper():0>6}{_digits(service, 2)}{_digits(serial, 7)}"
    values = [int(c) if c.isdigit() else (ord(c) - 63) % 10 for c in body]
    total = sum(v * (2 if at % 2 else 1) for at, v in enumerate(values))
    return f"1Z{body}{-total % 10}"


def express_twelve(serial: int) -> str:
    """Twelve digits in the manner of FedEx Express: weights 1, 3, 7 from the right, mod 11 mod 10.

    The check digit itself stands last and is not weighted.
    """
    body = _digits(serial, 11)
    total = sum(int(d) * _FEDEX_WEIGHTS[at % 3] for at, d in enumerate(reversed(body)))
    return f"{body}{total % 11 % 10}"


def express_ten(serial: int) -> str:
    """Ten digits in the manner of DHL Express: the first nine modulo seven stand last."""
    body = _digits(serial, 9)
    return f"{body}{serial % 7}"
