"""A document in each of the shapes of params.yaml."""

import bson

INATURALIST = {
    "_id": bson.ObjectId("69220000a1b2c3d4e5000001"),
    "image_url": "https://inaturalist-open-data.s3.amazonaws.com/photos/123/original.jpg",
    "photo": {"id": 123, "license_code": "cc-by"},
    "observation": {"id": 77, "user": {"login": "ann"}},
    "taxon": {"name": "Rosa canina"},
}
LEGACY = {"_id": 5, "url": "https://old.example/a.jpg", "scientific_name": " Rosa  canina ", "rights": "cc0"}
ARRAY = {
    "_id": "g1",
    "plant": {"species": "Iris germanica"},
    "images": [{"href": "https://g.example/1.jpg", "license": "cc-by"}, {"href": "ftp://g.example/2.jpg"}, 7],
}
