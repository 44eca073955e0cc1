"""Records of one batch, sealed all at once: what they share is framed once."""

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from service.audit.chain import SealedRecord, framed
from service.audit.errors import RecordRefusedError
from service.audit.records import microseconds

_SALT_BYTES = 16
_NO_WARNINGS = json.dumps([])


@dataclass(frozen=True)
class SharedColumns:
    """What the records of a batch have in common, as in `Record`."""

    caller: str
    request_id: str
    channel: str
    service_version: str
    model_id: str
    model_version: str
    model_sha256: str
    query: str


def seal_rows(
    shared: SharedColumns,
    created_at: datetime,
    prediction_ids: Sequence[str],
    references: Sequence[str | None] | None,
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> list[SealedRecord]:
    """Return what `chain.seal` returns of each record, without warnings or idempotency key.

    Raises
    ------
    RecordRefusedError
        If a text holds what not every database stores: NUL, or half a surrogate pair.
    """
    moment = microseconds(created_at)
    place = (
        moment,
        shared.caller,
        shared.request_id,
        shared.channel,
        shared.service_version,
        shared.model_id,
        shared.model_version,
        shared.model_sha256,
    )
    if any("\0" in text for texts in (inputs, outputs, references or ()) for text in texts if text):
        raise RecordRefusedError("a text holds the character NUL")
    framed_place = framed(map(str, place))
    framed_query, framed_warnings = framed((shared.query,)), framed((_NO_WARNINGS,))
    salts = secrets.token_hex(_SALT_BYTES * len(prediction_ids))
    size = 2 * _SALT_BYTES
    sealed = []
    for at, prediction_id in enumerate(prediction_ids):
        salt = salts[size * at : size * (at + 1)]
        reference = references[at] if references else None
        values = framed((salt, reference, inputs[at])) + framed_query + framed((outputs[at],))
        digest = hashlib.sha256(values + framed_warnings).hexdigest()
        asked, output = inputs[at], outputs[at]
        stored = (digest, salt, reference, asked, shared.query, output, _NO_WARNINGS)
        body = framed((prediction_id,)) + framed_place + framed((digest,))
        sealed.append(SealedRecord((prediction_id, *place, *stored), body))
    return sealed
