"""Serves the protocol of Google Cloud Vision on this machine: ImageAnnotator/BatchAnnotateImages over gRPC, with the
service's own message types, limits and wording, and with every fault it can have by switch.

Texts come from a function, such as an OCR engine or a table of recorded pages. What was answered is counted as billed
per picture. Run it by `python -m invoice_pipelines.workshop.sandbox.vision`, or use `VisionSandbox` as a context
manager.
"""

from __future__ import annotations

import random
import signal
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from types import TracebackType
from typing import Annotated, Any, Never

import grpc
import typer
from google.cloud import vision
from PIL import Image, ImageChops

from invoice_pipelines.intake.documents.ocr.engine import RecognizedPage
from invoice_pipelines.workshop.sandbox.vision_answers import Answer, answer_of
from invoice_pipelines.workshop.sandbox.vision_faults import ABORTS, BAD_PICTURE, HALVES, TRANSIENT, Fault
from invoice_pipelines.workshop.sandbox.wire import Wire

Read = Callable[[Image.Image], RecognizedPage]

SERVICE = "google.cloud.vision.v1.ImageAnnotator"
PICTURES_PER_REQUEST = 16
REQUEST_BYTES = 41_943_040
PICTURE_BYTES = 20_000_000
PICTURE_PIXELS = 75_000_000
LANGUAGES = frozenset(["cs", "da", "de", "en", "es", "fi", "fr", "hu", "it", "nl", "no", "pl", "pt", "ro", "sv"])
"""Some of the languages that the service takes as hints."""

_THREADS = 16


@dataclass(frozen=True, slots=True)
class Request:
    """A request that arrived: when, by the monotonic clock, with how many pictures, and what went wrong with it."""

    at: float
    pictures: int
    bytes: int
    fault: Fault | None


@dataclass
class VisionSandbox:
    """The server, for as long as the context lasts.

    `read` gives what stands on a picture; it may be called by several threads at once. What is public may be changed
    while it runs.
    """

    read: Read
    port: int = 0
    pictures_per_minute: int | None = None
    """Of the quota, by a sliding minute; None: no quota."""
    certificate: tuple[bytes, bytes] | None = None
    """Private key and certificate for localhost, in PEM, to speak TLS as the service does; None: no encryption."""
    request_bytes: int = REQUEST_BYTES
    slow_seconds: float = 1.0
    left_out: Sequence[int] | None = None
    """Which answers SHORT leaves out; None: the last third."""

    requests: list[Request] = field(default_factory=list, init=False)
    billed: Counter[str] = field(default_factory=Counter, init=False)
    """How often each picture was answered, by `picture_identity`."""
    last_request: Any = field(default=None, init=False)
    """As it was sent: a BatchAnnotateImagesRequest."""
    last_metadata: dict[str, str | bytes] = field(default_factory=dict, init=False)
    """What came beside it, such as `authorization`."""

    _faults: deque[Fault] = field(default_factory=deque, init=False)
    _chance: Callable[[], Fault | None] = field(default_factory=lambda: _no_fault, init=False)
    _sent: deque[tuple[float, int]] = field(default_factory=deque, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _closing: threading.Event = field(default_factory=threading.Event, init=False)

    def __enter__(self) -> VisionSandbox:
        self._wire = Wire(self.port)
        self.port = self._wire.port
        options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self._server = grpc.server(ThreadPoolExecutor(_THREADS), options=options)
        method = grpc.unary_unary_rpc_method_handler(
            self._annotate,
            request_deserializer=vision.BatchAnnotateImagesRequest.deserialize,
            response_serializer=vision.BatchAnnotateImagesResponse.serialize,
        )
        handler = grpc.method_handlers_generic_handler(SERVICE, {"BatchAnnotateImages": method})
        self._server.add_generic_rpc_handlers((handler,))
        if self.certificate is None:
            port = self._server.add_insecure_port("127.0.0.1:0")
        else:
            port = self._server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([self.certificate]))
        self._wire.connect_to(port)
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._wire.close()
        self._server.stop(grace=None).wait()

    @property
    def endpoint(self) -> str:
        """As INVOICE_PIPELINES_VISION_ENDPOINT names it."""
        return f"localhost:{self.port}" if self.certificate else f"insecure://127.0.0.1:{self.port}"

    def fail(self, fault: Fault, times: int = 1) -> None:
        """Lets the next requests go wrong, after those that already are to."""
        with self._lock:
            self._faults.extend([fault] * times)

    def fail_at_random(self, share: float, seed: int, faults: Sequence[Fault] = TRANSIENT) -> None:
        """From now on, lets such a share of the requests go wrong, each in a way of its own."""
        dice = random.Random(seed)
        self._chance = lambda: dice.choice(faults) if dice.random() < share else None

    def heal(self) -> None:
        """Lets nothing go wrong any more."""
        with self._lock:
            self._faults.clear()
            self._chance = _no_fault

    def _annotate(
        self, request: vision.BatchAnnotateImagesRequest, context: grpc.ServicerContext
    ) -> vision.BatchAnnotateImagesResponse:
        message = vision.BatchAnnotateImagesRequest.pb(request)
        pictures = [one.image.content for one in message.requests]
        with self._lock:
            fault = self._faults.popleft() if self._faults else self._chance()
            self.requests.append(Request(time.monotonic(), len(pictures), message.ByteSize(), fault))
            self.last_request = message
            self.last_metadata = dict(context.invocation_metadata())
        self._refuse(message, fault, context)
        if fault is Fault.HANG:
            while context.is_active() and not self._closing.wait(0.01):
                pass
            context.abort(grpc.StatusCode.CANCELLED, "The client has gone.")
        if fault is Fault.DROP:
            self._drop(context)
        if fault is Fault.SLOW:
            self._closing.wait(self.slow_seconds)
        hints = {hint for one in message.requests for hint in one.image_context.language_hints}
        if unknown := sorted(hints - LANGUAGES):
            # The documentation says that there is an error, not in which words.
            return _response([_error(BAD_PICTURE, f"Language {unknown[0]} is not supported.")] * len(pictures))
        answers = [self._answer(picture, index, fault) for index, picture in enumerate(pictures)]
        for index in self._missing(fault, len(answers)):
            answers[index] = None
        if context.is_active():
            self._bill(picture for picture, answer in zip(pictures, answers, strict=True) if _is_read(answer))
        if fault is Fault.LOSE_ANSWER:
            self._drop(context)
        return _response([answer for answer in answers if answer is not None])

    def _refuse(self, message: Any, fault: Fault | None, context: grpc.ServicerContext) -> None:
        """Ends a request that the service takes not at all."""
        if fault in ABORTS:
            context.abort(*ABORTS[fault])
        if not message.requests:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "No images to annotate.")
        if len(message.requests) > PICTURES_PER_REQUEST:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Too many images per request.")
        if message.ByteSize() > self.request_bytes:
            context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, f"Request payload size exceeds the limit: {self.request_bytes} bytes."
            )
        if not self._within_quota(len(message.requests)):
            context.abort(*ABORTS[Fault.RESOURCE_EXHAUSTED])

    def _within_quota(self, pictures: int) -> bool:
        if self.pictures_per_minute is None:
            return True
        now = time.monotonic()
        with self._lock:
            while self._sent and self._sent[0][0] <= now - 60:
                self._sent.popleft()
            if sum(count for _, count in self._sent) + pictures > self.pictures_per_minute:
                return False
            self._sent.append((now, pictures))
        return True

    def _drop(self, context: grpc.ServicerContext) -> Never:
        self._wire.cut()
        context.abort(grpc.StatusCode.CANCELLED, "The client has gone.")
        raise AssertionError("abort raises")

    def _answer(self, content: bytes, index: int, fault: Fault | None) -> Any:
        if fault in HALVES and index % 2 == 0:
            return _error(*HALVES[fault])
        if not content:
            return _error(BAD_PICTURE, "Image processing error: no image content.")
        if len(content) > PICTURE_BYTES:
            return _error(BAD_PICTURE, "Image file size too large. Please limit to 20 MB.")
        try:
            with Image.open(BytesIO(content)) as image:
                if image.width * image.height > PICTURE_PIXELS:
                    return _error(BAD_PICTURE, "Image too large. Please limit to 75 megapixels.")
                image.load()
        except (OSError, ValueError, Image.DecompressionBombError):
            return _error(BAD_PICTURE, "Bad image data.")
        if fault is Fault.EMPTY:
            return Answer()
        return answer_of(self.read(image), image.size, with_confidence=fault is not Fault.NO_CONFIDENCE)

    def _missing(self, fault: Fault | None, count: int) -> Sequence[int]:
        if fault is Fault.SHORT:
            return [index for index in self.left_out or range(min(count - 1, count * 2 // 3), count) if index < count]
        return [count // 2] if fault is Fault.SHORT_IN_THE_MIDDLE else []

    def _bill(self, pictures: Iterable[bytes]) -> None:
        for picture in pictures:
            identity = picture_identity(Image.open(BytesIO(picture)))
            with self._lock:
                self.billed[identity] += 1


def _no_fault() -> None:
    return None


def picture_identity(image: Image.Image) -> str:
    """The same for a picture however it is packed without loss, and with white rows below it or without."""
    inverted = ImageChops.invert(image)
    box = inverted.getbbox()
    kept = image.crop((0, 0, image.width, box[3] if box else 0))
    return sha256(f"{image.mode} {kept.size} ".encode() + kept.tobytes()).hexdigest()


def _is_read(answer: Any) -> bool:
    return answer is not None and answer.error.code == 0


def _error(code: int, message: str) -> Any:
    answer = Answer()
    answer.error.code, answer.error.message = code, message
    return answer


def _response(answers: Sequence[Any]) -> vision.BatchAnnotateImagesResponse:
    response = vision.BatchAnnotateImagesResponse()
    vision.BatchAnnotateImagesResponse.pb(response).responses.extend(answers)
    return response


def _by_engine(name: str) -> Read:
    """Texts by an embedded OCR engine, one picture at a time."""
    from invoice_pipelines.intake.documents.ocr.engine import EngineSpec, PageError, PageImage
    from invoice_pipelines.intake.documents.ocr.engines import open_engine

    engine = open_engine(EngineSpec(name))
    turn = threading.Lock()

    def read(image: Image.Image) -> RecognizedPage:
        with turn:
            (result,) = engine.recognize([PageImage(image if image.mode in ("L", "RGB") else image.convert("RGB"))])
        if isinstance(result, PageError):
            raise RuntimeError(result.message)
        return result

    return read


def _fault_of(text: str) -> tuple[Fault, int]:
    name, _, times = text.partition(":")
    try:
        return Fault(name.upper()), int(times or 1)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not NAME or NAME:TIMES with one of {', '.join(Fault)}") from None


def serve(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0: any that is free.")] = 0,
    engine: Annotated[str, typer.Option(help="The embedded OCR engine that makes the texts.")] = "rapidocr",
    fault: Annotated[list[str] | None, typer.Option(help="NAME or NAME:TIMES, for the first requests.")] = None,
    pictures_per_minute: Annotated[int | None, typer.Option(help="A quota.")] = None,
    slow_seconds: Annotated[float, typer.Option(help="How slow an answer with the fault SLOW is.")] = 1.0,
) -> None:
    """Serve Cloud Vision's protocol on this machine until Ctrl-C. Point INVOICE_PIPELINES_VISION_ENDPOINT at it."""
    sandbox = VisionSandbox(
        _by_engine(engine), port=port, pictures_per_minute=pictures_per_minute, slow_seconds=slow_seconds
    )
    for name, times in map(_fault_of, fault or []):
        sandbox.fail(name, times)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with sandbox:
        sys.stdout.write(f"{sandbox.endpoint}\n")
        sys.stdout.flush()
        ended.wait()


if __name__ == "__main__":
    typer.run(serve)
