"""Pictures from files, bytes, addresses: found, read, and made upright RGB."""

from clipsim.images import storage
from clipsim.images.reading import SUFFIXES, Picture, Source, compute_digest, encode_jpeg, open_image, read, to_address
from clipsim.images.sources import (
    FILE_COLUMNS,
    Content,
    File,
    ImageInput,
    Images,
    abbreviate,
    collect_images,
    list_files,
    name_image,
    read_contents,
)
from clipsim.images.storage import UNKNOWN, Location, locate

__all__ = ["FILE_COLUMNS", "SUFFIXES", "UNKNOWN", "Content", "File", "ImageInput", "Images", "Location", "Picture"]
__all__ += ["Source", "abbreviate", "collect_images", "compute_digest", "encode_jpeg", "list_files", "locate"]
__all__ += ["name_image", "open_image", "read", "read_contents", "storage", "to_address"]
