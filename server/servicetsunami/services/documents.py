"""Reads the documents that a caller gives, and makes the rows of an index out of them."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import JsonValue

from servicetsunami.domain.index import CHUNK, DOCUMENT, FINGERPRINT, ID, TEXT, VECTOR
from servicetsunami.engines.vectors.chunks import cut
from servicetsunami.engines.vectors.files import piece_id
from servicetsunami.errors import InvalidInput

DOCUMENTS_MAX: Final = 1_000
PIECES_MAX: Final = 20_000
_TEXT_CHARS_MAX: Final = 1_000_000
_DIMENSION_MAX: Final = 4_096
_OURS: Final = (DOCUMENT, CHUNK, FINGERPRINT)

Row = dict[str, Any]


def checked(documents: Sequence[Mapping[str, JsonValue]]) -> list[Row]:
    """Documents with ids; the id of a text without one is made from the text.

    Raises InvalidInput that says which document is wrong, and how.
    """
    if not 1 <= len(documents) <= DOCUMENTS_MAX:
        raise InvalidInput(
            f"{len(documents)} documents were given.", f"Give 1 to {DOCUMENTS_MAX} at a time."
        )
    rows: dict[str, Row] = {}
    for number, given in enumerate(documents, 1):
        text = given.get(TEXT)
        if not isinstance(text, str) or not text.strip() or len(text) > _TEXT_CHARS_MAX:
            raise InvalidInput(
                f"Document {number} has no usable `text`.",
                f"Give 1 to {_TEXT_CHARS_MAX:,} characters in `text`.",
            )
        for name in _OURS:
            if name in given:
                raise InvalidInput(
                    f"Document {number} has a column {name!r}, which the index has for itself.",
                    "Give that column another name.",
                )
        made = hashlib.sha256(text.encode()).hexdigest()[:16]
        name = str(given.get(ID) or made)
        rows[name] = {**given, ID: name, TEXT: text}
    return list(rows.values())


def in_pieces(documents: Sequence[Row]) -> list[Row]:
    """Rows of documents, of which long ones become several."""
    rows = [piece for document in documents for piece in _pieces(document)]
    if len(rows) > PIECES_MAX:
        raise InvalidInput(
            f"The documents are {len(rows):,} passages, and {PIECES_MAX:,} can be given at a time.",
            "Give fewer documents in one call.",
        )
    return rows


def _pieces(document: Row) -> list[Row]:
    texts = cut(document[TEXT])
    if len(texts) == 1:
        return [document]
    name = document[ID]
    return [
        {**document, ID: piece_id(name, n, len(texts)), TEXT: text, DOCUMENT: name, CHUNK: n}
        for n, text in enumerate(texts, 1)
    ]


def own_vectors(documents: Sequence[Row]) -> list[list[float]] | None:
    """The vectors that documents bring along, taken out of them; None where none has one.

    Raises InvalidInput where some have none, or where they are not of one length.
    """
    found = [document.pop(VECTOR, None) for document in documents]
    if all(vector is None for vector in found):
        return None
    vectors: list[list[float]] = []
    for document, vector in zip(documents, found, strict=True):
        length = len(vectors[0]) if vectors else None
        vectors.append(checked_vector(vector, f"Document {document[ID]!r}", length))
    return vectors


def checked_vector(vector: object, whose: str, length: int | None) -> list[float]:
    """A vector of finite numbers, of that length if one is given; raises InvalidInput."""
    if not isinstance(vector, list) or not 1 <= len(vector) <= _DIMENSION_MAX:
        raise InvalidInput(
            f"{whose} has no usable vector.", f"Give a list of 1 to {_DIMENSION_MAX} numbers."
        )
    numbers = [float(each) for each in vector if isinstance(each, (int, float))]
    if len(numbers) != len(vector) or not all(abs(each) < _LARGE for each in numbers):
        raise InvalidInput(f"{whose} has a vector of other things than numbers.", "Give floats.")
    if length is not None and len(numbers) != length:
        raise InvalidInput(
            f"{whose} has a vector of {len(numbers)} numbers, and {length} are wanted.",
            "Use one model for all vectors of an index, and for its queries.",
        )
    return numbers


_LARGE: Final = 1e30
"""Beyond this, the length of a vector is not a number any more."""
