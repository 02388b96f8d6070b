"""What can be wrong with a request to a use case.

RequestError(ProgImageError)
├── BadRequest            the request has the wrong shape: field, expected
│   ├── EmptyUpload       an upload without a picture in it
│   └── BadSourceUrl      a `url` that is none
├── UnsupportedBody       the body is of a type or encoding that this address does not take: expected
├── BodyTooLarge          a body without a picture is too large: limit, maximum
├── RemoteOff             pictures from other hosts are not served here
├── SourceError           a remote picture cannot be had
│   ├── SourceNotAllowed  by the text of its URL: a host, an address or a port that is not asked here
│   ├── SourceMissing     its host says that there is none
│   ├── SourceUnavailable for whatever reason: what it says is the same for all of them, so that nobody learns about a network from it
│   ├── SourceTooSlow     it did not arrive in time
│   └── SourceBusy        its host says that it is: try again
├── BadSignature          missing, or not of this URL
├── ExpiredSignature      the URL was good until `exp`
├── TooManyVariants       the image has as many variants as unsigned URLs may have made: maximum
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


class BadSourceUrl(BadRequest):
    slug = "bad-source-url"


class SourceError(RequestError):
    slug = "source"


class SourceNotAllowed(SourceError):
    slug = "source-not-allowed"


class SourceMissing(SourceError):
    slug = "source-missing"


class SourceUnavailable(SourceError):
    slug = "source-unavailable"


class SourceTooSlow(SourceError):
    slug = "source-too-slow"


class SourceBusy(SourceError):
    slug = "source-busy"


class BadSignature(RequestError):
    slug = "bad-signature"


class ExpiredSignature(RequestError):
    slug = "expired-signature"


class TooManyVariants(RequestError):
    slug = "too-many-variants"


class UnknownImage(RequestError):
    slug = "unknown-image"


class UncommittableImage(RequestError):
    slug = "uncommittable-image"


class ExpiredImage(RequestError):
    slug = "expired-image"
