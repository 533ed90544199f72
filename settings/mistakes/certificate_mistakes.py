"""What is wrong with a certificate and its key, before a browser or nginx refuses them.

The files are not a part of the inventory: they are renewed, moved and removed by others. Nothing
here keeps a person from what does not put them on machines.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from settings.certificates import bits, lasting_faults, validity_faults
from settings.mistakes.mistake import Bars, Mistake
from settings.secret_origins import SecretError, read
from settings.serving.site import Certificate
from settings.values import local_path

KEY_BEGINS = b"PRIVATE KEY-----"


def mistakes(where: str, pair: Certificate, now: datetime | None = None) -> Iterator[Mistake]:
    """What is wrong with the two files of `pair`, which are read here, at the time `now`."""
    of_certificate = partial(
        Mistake,
        where,
        f"{pair.setting}{pair.certificate_setting}",
        pair.certificate,
        bars=Bars.DEPLOY,
    )
    of_key = partial(
        Mistake, where, f"{pair.setting}{pair.key.setting}", pair.key.where, bars=Bars.DEPLOY
    )
    certificate = local_path(pair.certificate)
    chain: list[x509.Certificate] = []
    try:
        pem = certificate.read_bytes()
        chain = x509.load_pem_x509_certificates(pem)
    except OSError as error:
        yield of_certificate(f"cannot be read ({error.strerror}); give a PEM file")
    except ValueError:
        yield of_certificate("holds no certificate in PEM; give the chain as nginx takes it")
    else:
        if KEY_BEGINS in pem:
            yield of_certificate("holds a private key, too; give the chain alone")
        for remedy in lasting_faults(chain, pair.server_names):
            yield of_certificate(remedy)
        for remedy in validity_faults(chain, now or datetime.now(UTC)):
            yield of_certificate(remedy, bars=Bars.NEW_SERVICE)
    try:
        public = serialization.load_pem_private_key(read(pair.key), None).public_key()
    except SecretError as error:
        yield of_key(f"{error}; give a PEM file")
    except TypeError:
        yield of_key("is encrypted, and nobody is there to type its password; give it without")
    except ValueError:
        yield of_key("holds no private key in PEM")
    else:
        if chain and bits(public) != bits(chain[0].public_key()):
            yield of_key(f"is not the key of {certificate.name}; give the two that belong")
