"""Opening one DICOM file so that no file, however damaged, does more than be refused.

pydicom reads a file cut short without a word, takes the memory a header asks for, raises errors of a dozen types and
prints values in warnings. Here a short read is an error, sizes are checked before memory is taken, every error becomes
a `DicomError` that names the file, and nothing is printed.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from reirrad.dicom.values import text
from reirrad.errors import DicomError, ReirradError

__all__ = [
    "COMPRESSED",
    "PARSE_ERRORS",
    "UNCOMPRESSED",
    "UNDEFINED_LENGTH",
    "DamagedFileError",
    "Header",
    "Opened",
    "PixelSpan",
    "inflate_limit",
    "open_object",
    "quiet",
    "read_header",
    "reading",
]

PIXEL_DATA = 0x7FE00010
UNDEFINED_LENGTH = 0xFFFFFFFF
UNCOMPRESSED = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
# Lossless only: a dose changed by lossy compression is not the dose that was planned.
COMPRESSED = (RLELossless, JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless)
# What pydicom, zlib and struct raise on damaged files.
PARSE_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    InvalidDicomError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,  # pydicom, when no decoder manages
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
# A deflated object may grow by this ratio, or to 64 MiB if that is more, and never beyond 2 GiB. Doses reach about 30.
INFLATE_RATIO = 100
INFLATE_ALWAYS = 1 << 26
INFLATE_NEVER = 1 << 31
HEAD = 1 << 20
_LOGGERS = ("pydicom", "pydicom.pixels.decoders.base", "pydicom.pixels.utils")


class DamagedFileError(DicomError):
    """A file that cannot be parsed as DICOM."""


def _no_record(_record: logging.LogRecord) -> bool:
    return False


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom from printing values of a patient in warnings or logs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loggers = [logging.getLogger(name) for name in _LOGGERS]
        for logger in loggers:
            logger.addFilter(_no_record)
        try:
            yield
        finally:
            for logger in loggers:
                logger.removeFilter(_no_record)


@contextlib.contextmanager
def reading(file: str) -> Iterator[None]:
    """Turn whatever goes wrong inside into a refusal that names the file and shows no value of it."""
    with quiet():
        try:
            yield
        except ReirradError:
            raise
        except RecursionError:
            raise DamagedFileError(f"{file} cannot be read: its sequences are nested deeper than any radiotherapy object needs.") from None
        except PARSE_ERRORS as error:
            kind = (
                "the system refused to open it"
                if isinstance(error, OSError) and error.errno
                else f"its content does not parse as DICOM ({type(error).__name__})"
            )
            raise DamagedFileError(f"{file} cannot be read: {kind}. Export the DICOM object again or take the file away.") from None


class _Checked:
    """A binary file in which reading beyond the end is an error and takes no memory."""

    def __init__(self, file: BinaryIO, size: int, file_name: str) -> None:
        self._file = file
        self._size = size
        self._file_name = file_name
        self.tell = file.tell
        self.seek = file.seek
        self.name = ""

    def read(self, n: int = -1) -> bytes:
        # n == 8: header of the next element, absent at a proper end; n == 8192: search for a delimiter; both lengths are checked again later
        data = self._file.read(min(n, self._size + 1))
        if len(data) < n and (self._file.tell() > self._size or (n not in (1, 8, 8192)) or (n == 8 and data.strip(b"\0"))):
            raise DamagedFileError(
                f"{self._file_name} is truncated: it ends inside a data element, before its declared length. Copy or export the DICOM object again."
            )
        return data if n != 8 or len(data) == 8 else b""


@dataclass(frozen=True, slots=True)
class PixelSpan:
    """Where the value of Pixel Data lies in the (inflated) file, in bytes; length UNDEFINED_LENGTH when encapsulated."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True, eq=False)
class Header:
    """All elements before Pixel Data (or before `stop`).

    Parameters
    ----------
    dataset : Dataset
        Raw values; converted when asked for, so only inside `reading`.
    syntax : str
        Transfer Syntax UID.
    sop_class_uid : str
        From the file meta information; empty when it has none.
    pixels : PixelSpan or None
        None when there is no Pixel Data, or reading stopped before it.
    """

    dataset: Dataset
    syntax: str
    sop_class_uid: str
    pixels: PixelSpan | None


def inflate_limit(stored: int) -> int:
    """Bytes a deflated object of `stored` bytes may hold."""
    return min(INFLATE_NEVER, max(INFLATE_ALWAYS, INFLATE_RATIO * stored))


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """An open DICOM file.

    Parameters
    ----------
    stream : BinaryIO
        Positions agree with those of a file that was never deflated.
    size : int
        Its bytes.
    start : int
        Where the data set begins.
    syntax, sop_class_uid : str
        From the file meta information; an empty SOP class when there is none.
    cut : bool
        Whether inflation stopped before the end.
    """

    stream: BinaryIO
    size: int
    start: int
    syntax: str
    sop_class_uid: str
    cut: bool = False


@contextlib.contextmanager
def open_object(path: Path, file: str, up_to: int | None = None) -> Iterator[Opened]:
    """Open a file and read its meta information; inflate the data set of a deflated one.

    Parameters
    ----------
    file : str
        Name for messages.
    up_to : int, optional
        Inflate no more than this many bytes (the rest is not needed).

    Raises
    ------
    DicomError
        When the transfer syntax is unknown, or inflation takes more than such a file can need.
    """
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        syntax, sop_class_uid, start = _meta(stream, size, file)
        if syntax != DeflatedExplicitVRLittleEndian:
            stream.seek(start)
            yield Opened(stream, size, start, syntax, sop_class_uid)
            return
        stream.seek(0)
        stored = stream.read()
        limit = inflate_limit(size)
        wanted = limit if up_to is None else min(limit, up_to)
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        data = inflater.decompress(stored[start:], wanted)
        cut = bool(inflater.unconsumed_tail) and not inflater.eof
        if not inflater.eof and not cut:
            raise DamagedFileError(f"{file} is truncated: its deflated content ends early. Copy or export the DICOM object again.")
        if cut and wanted == limit:
            raise DicomError(
                f"{file} is refused: deflated to {size / 1e6:.1f} MB, its inflated size is larger than the {limit / 1e6:.0f} MB "
                "a dose or structure set of that size can need. Export it without compression."
            )
        whole = io.BytesIO(stored[:start] + data)
        whole.seek(start)
        yield Opened(whole, start + len(data), start, syntax, sop_class_uid, cut)


def read_header(path: Path, file: str, tags: list[int] | None = None, stop: int = PIXEL_DATA) -> Header:
    """Parse a file up to Pixel Data, or up to the first element of tag `stop` or more.

    Parameters
    ----------
    file : str
        Name for messages.
    tags : list of int, optional
        Keep these only; quick.

    Raises
    ------
    DamagedFileError
        When it cannot be parsed to that point.
    """
    with reading(file):
        header = _parse(path, file, tags, stop, HEAD) or _parse(path, file, tags, stop, None)
        assert header is not None
        return header


def _parse(path: Path, file: str, tags: list[int] | None, stop: int, up_to: int | None) -> Header | None:
    """Parse; of a deflated file, inflate `up_to` bytes, and return None when more are needed."""
    span: PixelSpan | None = None
    stopped = False
    with open_object(path, file, up_to) as opened:

        def stop_when(tag: BaseTag, _vr: str | None, length: int) -> bool:
            nonlocal span, stopped
            stopped = int(tag) >= stop
            if tag == PIXEL_DATA:
                span = PixelSpan(opened.stream.tell(), length)
            return stopped

        checked = cast(BinaryIO, _Checked(opened.stream, opened.size, file))
        implicit, little = _encoding(opened)
        try:
            dataset = read_dataset(checked, implicit, little, stop_when=stop_when, specific_tags=tags)
        except DamagedFileError:
            if opened.cut:
                return None
            raise
        if opened.cut and not stopped:
            return None
        for tag in dataset.keys():  # noqa: SIM118 - iterating over a Dataset converts every value
            element: Any = dataset.get_item(tag)
            if isinstance(element, RawDataElement) and element.length not in (UNDEFINED_LENGTH, len(element.value or b"")):
                raise DamagedFileError(f"{file} is truncated: it ends inside a data element. Copy or export the DICOM object again.")
        return Header(dataset, opened.syntax, opened.sop_class_uid, span)


def _encoding(opened: Opened) -> tuple[bool, bool]:
    """Whether the data set has implicit VR, and little endian; guessed from its first element when the file does not say."""
    if opened.syntax:
        return opened.syntax == ImplicitVRLittleEndian, opened.syntax != ExplicitVRBigEndian
    first = opened.stream.read(6)
    opened.stream.seek(opened.start)
    return not first[4:6].isalpha(), True


def _meta(stream: BinaryIO, size: int, file: str) -> tuple[str, str, int]:
    """Transfer Syntax UID, SOP Class UID (empty when not given), and where the data set begins."""
    stream.seek(128)
    if stream.read(4) != b"DICM":  # some old exports lack the preamble, or all meta information
        stream.seek(0)
        begins = stream.read(2)
        stream.seek(0)
        if begins != b"\x02\x00":
            return "", "", 0
    meta = read_dataset(cast(BinaryIO, _Checked(stream, size, file)), False, True, stop_when=lambda tag, _vr, _n: tag >> 16 != 2)
    syntax = text(meta, "TransferSyntaxUID")
    if syntax and not syntax.startswith("1.2.840.10008.1.2"):
        raise DicomError(f"{file}: its transfer syntax is private or unknown, so its content cannot be decoded. Export it as Explicit VR Little Endian.")
    return syntax, text(meta, "MediaStorageSOPClassUID"), stream.tell()
