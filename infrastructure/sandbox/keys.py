"""A signing key is made once and never again: tokens signed before a restart stay good after it."""

import json
import os
import secrets
from pathlib import Path

from joserfc.jwk import RSAKey


def signing_key(path: Path) -> RSAKey:
    """The RSA key (2048 bits, RFC 7517, with `kid`) kept in `path`, made there if missing.

    Safe when two processes come at once: the first file that is linked into place is everybody's key.
    """
    if not path.exists():
        _create(path)
    return RSAKey.import_key(json.loads(path.read_text()))


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    key = RSAKey.generate_key(2048, auto_kid=True)
    draft.touch(mode=0o600)
    try:
        draft.write_text(json.dumps(key.as_dict(private=True)))
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
