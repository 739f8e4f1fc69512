"""Reading the documents of a MongoDB collection, over whatever breaks on the way.

The collection is streamed in the order of its ``_id`` index. When the connection breaks, or the server forgets the
cursor or restarts, a new cursor goes on behind the last document that came, so nothing is read twice or left out.
"""

import re
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import unquote_plus

import bson
import bson.errors
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import ConfigurationError, ConnectionFailure, InvalidName, OperationFailure, PyMongoError
from pymongo.uri_parser import parse_uri

from stages.config.schema import DocumentShape, MongoDBSource
from stages.records.dump import ANY_DATE, Document
from stages.runtime.errors import UserError
from stages.runtime.progress import say

BATCH_DOCUMENTS = 5_000  # the server sends fewer where they would be more than 16 MB
RETRIES = 5  # in a row, without a document between them
FIRST_PAUSE_S = 1.0  # doubled with each retry in a row
# What pymongo would wait for without end; MONGODB_URI may say otherwise.
SOCKET_TIMEOUT_MS = 300_000

# https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
_UNAUTHORIZED, _AUTHENTICATION_FAILED = 13, 18
_ADVICE = "it looks like mongodb://USER:PASSWORD@HOST:PORT/?OPTIONS, user and password percent-encoded"
_CURSOR_GONE = {43, 175, 237}  # CursorNotFound, QueryPlanKilled, CursorKilled


def open_collection(source: MongoDBSource, uri: str) -> Collection[Document]:
    """Give the collection that params name on the server that ``MONGODB_URI`` names; nothing is asked yet.

    Args:
        source: database and collection.
        uri: as pymongo takes it, with or without a user, TLS and other options.

    Raises:
        UserError: there is no URI, or pymongo does not understand it. No part of its credentials is repeated.
    """
    if not uri:
        raise UserError("where is MongoDB? Set MONGODB_URI, in the environment or in .env (mongodb://HOST:PORT)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of an option that pymongo does not know it only warns
            given = parse_uri(uri)["options"]
            defaults = {"socketTimeoutMS": SOCKET_TIMEOUT_MS}
            options: dict[str, Any] = {name: value for name, value in defaults.items() if name not in given}
            client: MongoClient[Document] = MongoClient(uri, connect=False, **options)
    except UserWarning as warning:
        raise UserError(f"MONGODB_URI is not valid{_told(warning, uri)}: {_ADVICE}") from None
    except (PyMongoError, ValueError, TypeError):  # what they say may hold a password that was not encoded
        raise UserError(f"MONGODB_URI is not valid: {_ADVICE}") from None
    except OSError as error:  # a certificate file
        raise UserError(f"MONGODB_URI names a file that cannot be read ({error.strerror}): {error.filename}") from None
    try:
        return client.get_database(source.database, codec_options=ANY_DATE).get_collection(source.collection)
    except InvalidName as error:
        raise UserError(f"params.yaml: source: no name of a database and a collection ({error})") from None


def read_collection(
    collection: Collection[Document],
    source: MongoDBSource,
    shapes: Mapping[str, DocumentShape],
    uri: str,
    *,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Document]:
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
    where = f"MongoDB at {_hosts(collection)}"
    say(f"export: reads {source.database}.{source.collection} from {where}")
    query, fields = snapshot_query(source.snapshot), projected_fields(shapes)
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
    """Yield documents with all of their fields, by their ``_id``; those that are gone meanwhile are left out.

    Args:
        collection: from ``open_collection``.
        source: names the collection in messages.
        ids: of the documents.
        uri: ``MONGODB_URI``, of which no secret may get into a message.
        pause: waits for so many seconds.

    Raises:
        UserError: the server does not answer (any more) or refuses; host and port are named.
    """
    yield from _stream(collection, source, {"_id": {"$in": list(ids)}}, None, uri, pause, has_answered=True)


def _stream(
    collection: Collection[Document],
    source: MongoDBSource,
    query: dict[str, Any],
    projection: list[str] | None,
    uri: str,
    pause: Callable[[float], None],
    *,
    has_answered: bool,
) -> Generator[Document, None, int]:
    """Yield what a query finds in the order of ``_id``, over breaks of the connection; return the number.

    A server that has not answered before is given up soon.
    """
    where = f"MongoDB at {_hosts(collection)}"
    last: Any = None
    read = failures = 0
    while True:
        # `min` starts in the index, at the last id itself. A query `$gt` would only see ids of the same type.
        cursor = collection.find(query, projection, batch_size=BATCH_DOCUMENTS).sort("_id", 1).hint([("_id", 1)])
        resumed = read > 0
        if resumed:
            cursor = cursor.min([("_id", last)])
        try:
            for document in cursor:
                if resumed and _same_id(document["_id"], last):
                    resumed = False
                    continue
                last, failures, read = document["_id"], 0, read + 1
                yield document
            break
        except (ConnectionFailure, OperationFailure) as error:
            if isinstance(error, OperationFailure) and error.code not in _CURSOR_GONE:
                raise UserError(f"{where} {_refusal(error, source, uri)}") from None
            failures += 1
            # A server that has never answered is more likely named wrongly than restarting.
            if failures > (RETRIES if read or has_answered else 1):
                so_far = f" after {read:,} documents and {RETRIES} retries" if read else ""
                raise UserError(f"{where} does not answer{so_far}{_told(error, uri)}: is it running?") from None
            say(f"export: {where} does not answer{_told(error, uri)}; goes on behind document {read:,}, try {failures}")
            pause(FIRST_PAUSE_S * 2 ** (failures - 1))
        except ConfigurationError as error:
            raise UserError(f"{where} cannot be used as MONGODB_URI says{_told(error, uri)}") from None
        except bson.errors.InvalidBSON as error:
            raise UserError(
                f"{where} sent a damaged document after {read:,} ({error}): repair the collection"
            ) from None
        finally:
            cursor.close()
    return read


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


def _same_id(one: Any, other: Any) -> bool:
    return bson.encode({"_id": one}) == bson.encode({"_id": other})  # as NaN is not equal to itself


def _hosts(collection: Collection[Document]) -> str:
    seeds = collection.database.client.topology_description.server_descriptions()
    return ", ".join(sorted(f"{host}:{port}" if port else host for host, port in seeds)) or "the host of MONGODB_URI"


def _refusal(error: OperationFailure, source: MongoDBSource, uri: str) -> str:
    named = f"{source.database}.{source.collection}"
    if error.code == _AUTHENTICATION_FAILED:
        return "refuses the user or the password: check MONGODB_URI (the user's database is set by ?authSource=...)"
    if error.code == _UNAUTHORIZED:
        return f"does not let this user read {named}: name one in MONGODB_URI that has the role read"
    return f"refuses to read {named}{_told(error, uri)}"


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


def _told(error: Exception, uri: str) -> str:
    """Give pymongo's words in brackets; nothing where they hold a piece of the credentials."""
    text = re.split(r" \(configured timeouts|, Timeout: |, full error: ", str(error))[0]
    secret = uri.partition("://")[2].rpartition("@")[0]
    pieces = [piece for piece in re.split(r"[:/?#@&=]", secret) if piece]
    leaks = any(piece in text or unquote_plus(piece) in text for piece in pieces)
    return "" if leaks or not text else f" ({text})"
