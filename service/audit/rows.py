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
    same = {
        "created_at": moment,
        "caller": shared.caller,
        "request_id": shared.request_id,
        "channel": shared.channel,
        "service_version": shared.service_version,
        "model_id": shared.model_id,
        "model_version": shared.model_version,
        "model_sha256": shared.model_sha256,
        "query": shared.query,
        "warnings": _NO_WARNINGS,
    }
    if any("\0" in text for texts in (inputs, outputs, references or ()) for text in texts if text):
        raise RecordRefusedError("a text holds the character NUL")
    framed_place = framed((str(moment), *list(map(str, same.values()))[1:-2]))
    framed_query, framed_warnings = framed((shared.query,)), framed((_NO_WARNINGS,))
    salts = secrets.token_hex(_SALT_BYTES * len(prediction_ids))
    size = 2 * _SALT_BYTES
    sealed = []
    for at, prediction_id in enumerate(prediction_ids):
        salt = salts[size * at : size * (at + 1)]
        reference = references[at] if references else None
        values = framed((salt, reference, inputs[at])) + framed_query + framed((outputs[at],))
        digest = hashlib.sha256(values + framed_warnings).hexdigest()
        columns = {
            **same,
            "prediction_id": prediction_id,
            "values_digest": digest,
            "salt": salt,
            "subject_reference": reference,
            "input": inputs[at],
            "output": outputs[at],
        }
        body = framed((prediction_id,)) + framed_place + framed((digest,))
        sealed.append(SealedRecord(columns, body))
    return sealed
