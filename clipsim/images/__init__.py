"""Pictures from files, bytes, addresses: found, read, and made upright RGB."""

from clipsim.images import storage
from clipsim.images.children import Children, make_decoder
from clipsim.images.decoding import LARGE, Decoder, Here, decode_here
from clipsim.images.listing import COLUMNS, FILE_COLUMNS, File, is_list, list_files, resolve_entry
from clipsim.images.reading import SUFFIXES, Picture, Source, compute_digest, encode_jpeg, open_image, read, to_address
from clipsim.images.small import preview, reduce, shrink
from clipsim.images.sources import Content, ImageInput, Images, abbreviate, collect_images, name_image, read_contents
from clipsim.images.storage import UNKNOWN, Location, locate
from clipsim.images.video import VIDEO_SUFFIXES, Keyframe, is_video, list_keyframes, name_frame, parse_frame

__all__ = ["COLUMNS", "FILE_COLUMNS", "LARGE", "SUFFIXES", "UNKNOWN", "Children", "Content", "Decoder", "File", "Here"]
__all__ += ["ImageInput", "Images", "Location", "Picture", "Source", "abbreviate", "collect_images", "compute_digest"]
__all__ += [
    "decode_here",
    "encode_jpeg",
    "is_list",
    "list_files",
    "locate",
    "make_decoder",
    "name_image",
    "open_image",
    "preview",
]
__all__ += ["read", "read_contents", "reduce", "resolve_entry", "shrink", "storage", "to_address"]
__all__ += ["VIDEO_SUFFIXES", "Keyframe", "is_video", "list_keyframes", "name_frame", "parse_frame"]
