"""A camera that signs its pictures (C2PA), with a certificate of an authority of our own."""

import io
from datetime import UTC, datetime

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image

CAPTURE = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
MODEL = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
MADE = {"action": "c2pa.created", "digitalSourceType": CAPTURE}
GENERATED = {"action": "c2pa.created", "digitalSourceType": MODEL}
EDITED = {"action": "c2pa.color_adjustments"}
_BEGIN, _END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)
_CA = (True, False, False, False, False, True, True, False, False)
_SIGNS = (True, False, False, False, False, False, False, False, False)


def bare() -> bytes:
    """A picture without credentials."""
    file = io.BytesIO()
    Image.effect_noise((96, 64), 60).convert("RGB").save(file, "JPEG")
    return file.getvalue()


class Camera:
    """Signs pictures; `authority` is the certificate by which it is known."""

    def __init__(self) -> None:
        root, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        anchor = _certificate("Authority", root, root, ca=True)
        leaf = _certificate("Camera", own, root, ca=False)
        self.authority = anchor.public_bytes(serialization.Encoding.PEM).decode()
        chain = leaf.public_bytes(serialization.Encoding.PEM) + self.authority.encode()
        key = own.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self._info = c2pa.C2paSignerInfo(b"es256", chain, key, None)

    def shoot(self, *actions: dict[str, str]) -> bytes:
        """A signed picture whose credentials tell of these actions."""
        told = {
            "claim_generator_info": [{"name": "Camera 7", "version": "1"}],
            "format": "image/jpeg",
            "assertions": [{"label": "c2pa.actions", "data": {"actions": list(actions)}}],
        }
        signed = io.BytesIO()
        with c2pa.Signer.from_info(self._info) as signer, c2pa.Builder(told) as builder:
            builder.sign(signer, "image/jpeg", io.BytesIO(bare()), signed)
        return signed.getvalue()


def _certificate(
    name: str, own: ec.EllipticCurvePrivateKey, root: ec.EllipticCurvePrivateKey, *, ca: bool
) -> x509.Certificate:
    usage = _CA if ca else _SIGNS
    made = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name("Authority"))
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_BEGIN)
        .not_valid_after(_END)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(*usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
    )
    if not ca:
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key())
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        made = made.add_extension(issuer, critical=False).add_extension(purpose, critical=False)
    return made.sign(root, hashes.SHA256())


def _name(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Camera Works"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
