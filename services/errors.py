"""What can be wrong with a request to a use case.

RequestError(ProgImageError)
├── BadRequest            the request has the wrong shape: field, expected
├── EmptyUpload           an upload without a picture in it
├── UnknownImage          no image of this id is staged or stored: image
├── UncommittableImage    a product names an image that was never uploaded: image
└── ExpiredImage          it was staged and its time is over: image
"""

from transforms.errors import ProgImageError


class RequestError(ProgImageError):
    slug = "bad-request"


class BadRequest(RequestError):
    slug = "bad-request"


class EmptyUpload(BadRequest):
    slug = "empty-upload"


class UnknownImage(RequestError):
    slug = "unknown-image"


class UncommittableImage(RequestError):
    slug = "uncommittable-image"


class ExpiredImage(RequestError):
    slug = "expired-image"
