"""Reading the documents of a MongoDB collection, over whatever breaks on the way.

The collection is streamed in the order of its ``_id`` index. When the connection breaks, or the server forgets the
cursor or restarts, a new cursor goes on behind the last document that came, so nothing is read twice or left out.
Batches come undecoded, so that one document that cannot be read is one document less.
"""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import bson
import bson.errors
from pymongo.collection import Collection
from pymongo.cursor import RawBatchCursor
from pymongo.errors import ConfigurationError, ConnectionFailure, OperationFailure, PyMongoError

from stages.config.schema import DocumentShape, MongoDBSource
from stages.records.connection import meet, place, refusal, told
from stages.records.document import (
    Document,
    Mended,
    NoDocumentError,
    Unreadable,
    from_bson,
    identity,
    identity_element,
    one_line,
)
from stages.records.dump import BrokenBSONError, split_bson
from stages.runtime.errors import UserError
from stages.runtime.progress import say

BATCH_DOCUMENTS = 5_000  # the server sends fewer where they would be more than 16 MB
RETRIES = 5  # in a row, without a document between them
FIRST_PAUSE_S = 1.0  # doubled with each retry in a row
# https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
_CURSOR_GONE = {43, 175, 237}  # CursorNotFound, QueryPlanKilled, CursorKilled


def read_collection(
    collection: Collection[Document],
    source: MongoDBSource,
    shapes: Mapping[str, DocumentShape],
    uri: str,
    *,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Document | Unreadable]:
    """Yield the documents of the snapshot in the order of their ``_id``, only the fields that ``shapes`` look at.

    Documents whose ``_id`` is no ObjectId tell no time: no snapshot leaves them out.

    Args:
        collection: from ``open_collection``.
        source: its snapshot bounds the documents by the day (UTC) of their ObjectId.
        shapes: the shapes of documents in params.yaml.
        uri: ``MONGODB_URI``, of which no secret may get into a message.
        pause: waits for so many seconds.

    Raises:
        UserError: the server does not answer (any more), refuses, or has no such documents; host and port are named.
    """
    where = place(collection)
    query, fields = snapshot_query(source.snapshot), projected_fields(shapes)
    say(f"export: reads {source.database}.{source.collection} from {where}")
    meet(collection, source, uri)
    if not (yield from _stream(collection, source, query, fields, uri, pause, has_answered=False)):
        raise UserError(f"{where}: {source.database}.{source.collection} {_why_empty(collection, source)}")


def read_whole(
    collection: Collection[Document],
    source: MongoDBSource,
    ids: Sequence[Any],
    uri: str,
    *,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Document]:
    """Yield documents with all of their fields, by their ``_id``; those that are gone or unreadable are left out.

    Args:
        collection: from ``open_collection``.
        source: names the collection in messages.
        ids: of the documents.
        uri: ``MONGODB_URI``, of which no secret may get into a message.
        pause: waits for so many seconds.

    Raises:
        UserError: the server does not answer (any more) or refuses; host and port are named.
    """
    for document in _stream(collection, source, {"_id": {"$in": list(ids)}}, None, uri, pause, has_answered=True):
        if not isinstance(document, Unreadable):
            yield document


def _stream(
    collection: Collection[Document],
    source: MongoDBSource,
    query: dict[str, Any],
    projection: list[str] | None,
    uri: str,
    pause: Callable[[float], None],
    *,
    has_answered: bool,
) -> Generator[Document | Unreadable, None, int]:
    """Yield what a query finds in the order of ``_id``, over breaks of the connection; return the number.

    A server that has not answered before is given up soon.
    """
    where = place(collection)
    reached = _Reached()
    read = failures = 0
    while True:
        cursor = _find(collection, query, projection, reached)
        try:
            for raw in reached.new_ones(raw for batch in cast(Iterable[bytes], cursor) for raw in split_bson(batch)):
                read, failures = read + 1, 0
                try:
                    document: Document | Unreadable = from_bson(raw)
                except NoDocumentError as error:
                    document = Unreadable(_name(raw, read), str(error))
                reached.came(raw, document)
                yield document
            break
        except (ConnectionFailure, OperationFailure) as error:
            if isinstance(error, OperationFailure) and error.code not in _CURSOR_GONE:
                raise UserError(f"{where} {refusal(error, source, uri)}") from None
            failures += 1
            # A server that has never answered is more likely named wrongly than restarting.
            if failures > (RETRIES if read or has_answered else 1):
                so_far = f" after {read:,} documents and {RETRIES} retries" if read else ""
                raise UserError(f"{where} does not answer{so_far}{told(error, uri)}: is it running?") from None
            say(f"export: {where} does not answer{told(error, uri)}; goes on behind document {read:,}, try {failures}")
            pause(FIRST_PAUSE_S * 2 ** (failures - 1))
        except ConfigurationError as error:
            raise UserError(f"{where} cannot be used as MONGODB_URI says{told(error, uri)}") from None
        except (bson.errors.InvalidBSON, BrokenBSONError) as error:
            raise UserError(
                f"{where} sent a damaged document after {read:,} ({error}): repair the collection"
            ) from None
        finally:
            cursor.close()
    return read


class _Reached:
    """How far the documents have come: the last ``_id`` that a query can name, and those that came behind it."""

    def __init__(self) -> None:
        self._last: bytes | None = None  # a document that reads as it is stored
        self._odd: list[bytes] = []  # _id of documents behind it whose own cannot be sent back as it is

    def came(self, raw: bytes, document: Document | Unreadable) -> None:
        """Take note of a document, as it is stored and as it was read."""
        if not isinstance(document, (Mended, Unreadable)) or _can_be_named(raw):
            self._last, self._odd = raw, []
        else:
            self._odd.append(_key(raw))

    def bound(self) -> list[tuple[str, Any]] | None:
        """Give where a new cursor begins: at the last document itself, and not behind it; None for the beginning."""
        return None if self._last is None else [("_id", _identity(self._last))]

    def new_ones(self, documents: Iterable[bytes]) -> Iterator[bytes]:
        """Yield a cursor's documents without those at its beginning that came from the one before it."""
        had = {*self._odd} if self._last is None else {*self._odd, _key(self._last)}
        left = iter(documents)
        while had and (raw := next(left, None)) is not None:
            if (key := _key(raw)) in had:
                had.remove(key)
            else:
                yield raw
        yield from left


def _find(
    collection: Collection[Document], query: dict[str, Any], projection: list[str] | None, reached: _Reached
) -> RawBatchCursor[Document]:
    cursor = collection.find_raw_batches(query, projection, batch_size=BATCH_DOCUMENTS)
    cursor.sort("_id", 1).hint([("_id", 1)])
    # `min` starts in the index, at the last id itself. A query `$gt` would only see ids of the same type.
    bound = reached.bound()
    if bound is not None:
        cursor.min(bound)
    return cursor


def _key(raw: bytes) -> bytes:
    """Give the bytes by which a document is known again: those of its ``_id``, or all of them where it has none."""
    return identity_element(raw) or raw


def _identity(raw: bytes) -> Any:
    element = identity_element(raw)
    return from_bson(raw)["_id"] if element is None else identity(element)


def _can_be_named(raw: bytes) -> bool:
    """Whether the ``_id`` of an odd document reads as it is stored."""
    element = identity_element(raw)
    if element is None:
        return False
    try:
        identity(element)
    except bson.errors.InvalidBSON:
        return False
    return True


def _name(raw: bytes, number: int) -> str:
    """Give the name of a document that cannot be read: its ``_id`` or, without one, its number."""
    element = identity_element(raw)
    try:
        return f"document {number}" if element is None else f"_id {one_line(identity(element, mend=True))}"
    except bson.errors.InvalidBSON:
        return f"document {number}"


def snapshot_query(snapshot: str) -> dict[str, Any]:
    """Give the query for all documents up to the end of a day (UTC), and those whose id tells no time."""
    next_day = datetime.combine(date.fromisoformat(snapshot) + timedelta(days=1), datetime.min.time(), UTC)
    bound = bson.ObjectId.from_datetime(next_day)
    return {"$or": [{"_id": {"$lt": bound}}, {"_id": {"$not": {"$type": "objectId"}}}]}


def projected_fields(shapes: Mapping[str, DocumentShape]) -> list[str]:
    """Give the fields that the shapes look at, without those that stand inside another one of them.

    The server refuses ``plant`` beside ``plant.species``; and ``plant`` alone must come whole, as a shape may ask
    only whether it is there, whatever it holds.
    """
    paths = set()
    for shape in shapes.values():
        columns = shape.columns.model_dump(exclude_none=True).values()
        named = [path for paths in columns for path in ([paths] if isinstance(paths, str) else paths)]
        paths |= {path.replace("[]", "") for path in [*shape.when, *named]}
    return sorted(path for path in paths if not any(path.startswith(f"{other}.") for other in paths))


def _why_empty(collection: Collection[Document], source: MongoDBSource) -> str:
    try:
        if collection.find_one({}, {"_id": 1}) is not None:
            return f"holds no document up to the snapshot {source.snapshot}: set a later one in params.yaml"
        others = collection.database.list_collection_names()
    except PyMongoError:
        return "holds no document"
    if source.collection in others:
        return "is empty"
    there = f" (there are {', '.join(sorted(others)[:5])})" if others else ", and the database is empty"
    return f"does not exist{there}: check database and collection in params.yaml"
