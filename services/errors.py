"""What can be wrong with a request to a use case.

RequestError(ProgImageError)
├── BadRequest            the request has the wrong shape: field, expected
│   └── EmptyUpload       an upload without a picture in it
├── UnsupportedBody       the body is of a type or encoding that this address does not take: expected
├── BodyTooLarge          a body without a picture is too large: limit, maximum
├── RemoteOff             pictures from other hosts are not served here
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


class UnsupportedBody(RequestError):
    slug = "unsupported-body"


class BodyTooLarge(RequestError):
    slug = "body-too-large"


class RemoteOff(RequestError):
    slug = "remote-off"


class UnknownImage(RequestError):
    slug = "unknown-image"


class UncommittableImage(RequestError):
    slug = "uncommittable-image"


class ExpiredImage(RequestError):
    slug = "expired-image"
