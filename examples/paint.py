"""Paint the bundled example pictures: five winter scenes made with Pillow and NumPy alone.

Every figure is modelled in the round from ellipsoids and tubes, lit softly, and then covered with thousands
of short strokes that follow the lie of its coat.  The backgrounds are noise fields, needles and glows.
The seed is fixed, so the same library versions give the same bytes.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Array = NDArray[Any]
Vec = tuple[float, float, float]
Joints = Sequence[Sequence[Vec]]

SIZE = 768  # pixels on a side of a finished picture
SCALE = 2  # everything is painted this many times larger, then reduced, so that edges come out smooth
FULL = SIZE * SCALE
FAR = -1e6  # depth where nothing has been modelled
QUALITY = 92
LOCK = 12.0  # how far apart the locks of a long coat are


# ---------------------------------------------------------------- fields


def spectral_noise(rng: np.random.Generator, power: float, size: int = 1024) -> Array:
    """Return a seamless square of cloud-like noise with mean 0 and deviation 1; higher power is smoother."""
    spectrum = np.fft.rfft2(rng.standard_normal((size, size)))
    radius = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]) * size
    tile = np.fft.irfft2(spectrum / np.maximum(radius, 2.0) ** power, s=(size, size))
    return np.asarray((tile - tile.mean()) / tile.std(), np.float32)


def sample(tile: Array, x: Array, y: Array) -> Array:
    """Read a seamless tile at real coordinates, bilinearly."""
    n = tile.shape[0]
    x0, y0 = np.floor(x), np.floor(y)
    fx, fy = x - x0, y - y0
    i, j = x0.astype(np.int32) & (n - 1), y0.astype(np.int32) & (n - 1)  # n is a power of two
    i1, j1 = (i + 1) & (n - 1), (j + 1) & (n - 1)
    top = tile[j, i] * (1 - fx) + tile[j, i1] * fx
    return np.asarray(top * (1 - fy) + (tile[j1, i] * (1 - fx) + tile[j1, i1] * fx) * fy)


def resize(field: Array, shape: tuple[int, int], how: Image.Resampling = Image.Resampling.BILINEAR) -> Array:
    """Resize a float field to (height, width)."""
    return np.asarray(Image.fromarray(field.astype(np.float32)).resize(shape[::-1], how))


def blur(field: Array, sigma: float) -> Array:
    """Gaussian blur of a field or a picture; wide blurs are done on a reduced copy."""
    if field.ndim == 3:
        return np.stack([blur(field[..., k], sigma) for k in range(field.shape[2])], axis=-1)
    shape = field.shape
    step = max(1, int(sigma / 2.5))
    if step > 1:
        field = resize(field, (max(8, shape[0] // step), max(8, shape[1] // step)), Image.Resampling.BOX)
        sigma /= step
    reach = int(3 * sigma) + 1
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2).astype(np.float32)
    kernel /= kernel.sum()
    for axis in (0, 1):
        pad = [(reach, reach) if a == axis else (0, 0) for a in (0, 1)]
        wide, n = np.pad(field, pad, mode="edge"), field.shape[axis]
        parts = (np.take(wide, np.arange(k, k + n), axis=axis) * w for k, w in enumerate(kernel))
        field = sum(parts, np.zeros_like(field, dtype=np.float32))
    return resize(field, shape, Image.Resampling.BICUBIC) if step > 1 else field


def smoothstep(low: float, high: float, x: Array) -> Array:
    """Ease from 0 below low to 1 above high."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def mix(a: Array | Vec, b: Array | Vec, t: Array | float) -> Array:
    """Blend two colours, or fields of colour, by t."""
    share: Array = np.asarray(t, np.float32)
    share = share[..., None] if share.ndim else share
    return np.asarray(np.asarray(a, np.float32) * (1 - share) + np.asarray(b, np.float32) * share)


def tame(colour: Array) -> Array:
    """Roll off what is too bright: it keeps its hue, where clipping each channel would not, and pales a little."""
    peak = np.maximum(colour.max(-1, keepdims=True), 1e-4)
    kept = np.where(peak > 0.8, 0.8 + 0.2 * np.tanh((peak - 0.8) / 0.4), peak)
    return np.asarray(colour * kept / peak + 0.35 * (peak - kept))


def to_image(pixels: Array) -> Image.Image:
    """Turn a float picture into an 8-bit one."""
    return Image.fromarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8))


# ---------------------------------------------------------------- canvas


class Canvas:
    """A large float picture, its random numbers and its noise; coordinates are those of the finished picture."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.soft = spectral_noise(self.rng, 1.9)
        self.rough = spectral_noise(self.rng, 1.1)
        self.y, self.x = np.mgrid[0:FULL, 0:FULL].astype(np.float32) / SCALE
        self.px: Array = np.zeros((FULL, FULL, 3), np.float32)

    def cloud(self, scale: float, offset: float = 0.0, stretch: float = 1.0, tile: Array | None = None) -> Array:
        """Noise over the whole canvas; stretch widens it sideways."""
        return sample(self.soft if tile is None else tile, self.x / stretch * scale + offset, self.y * scale + offset)

    def gradient(self, stops: Sequence[tuple[float, Vec]]) -> None:
        """Fill with a vertical gradient through (height, colour) stops."""
        at, colours = zip(*stops, strict=True)
        rows = np.arange(FULL) / SCALE
        self.px[:] = np.stack([np.interp(rows, at, band) for band in zip(*colours, strict=True)], -1)[:, None]

    def cover(self, colour: Array | Vec, alpha: Array) -> None:
        """Lay a colour over the picture."""
        self.px = mix(self.px, np.broadcast_to(np.asarray(colour, np.float32), self.px.shape), alpha)

    def shine(self, light: Array, colour: Vec) -> None:
        """Add light of a colour; screened, so that it never clips."""
        self.px = 1 - (1 - self.px) * (1 - np.clip(light[..., None] * np.asarray(colour, np.float32), 0, 1))

    def glow(self, x: float, y: float, radius: float, colour: Vec, power: float = 1.0, squash: float = 1.0) -> None:
        """Add light that falls off from a point, as far as it can be seen."""
        reach, tall = 4 * radius, 4 * radius * squash
        rows = slice(max(0, int((y - tall) * SCALE)), max(0, int((y + tall) * SCALE)))
        cols = slice(max(0, int((x - reach) * SCALE)), max(0, int((x + reach) * SCALE)))
        gx, gy = self.x[rows, cols] - x, (self.y[rows, cols] - y) / squash
        fall = np.exp(-(gx**2 + gy**2) / (2 * radius**2)) * power
        light = np.clip(fall[..., None] * np.asarray(colour, np.float32), 0, 1)
        self.px[rows, cols] = 1 - (1 - self.px[rows, cols]) * (1 - light)

    def strokes(self, points: Array, colours: Array, widths: Array) -> None:
        """Draw polylines, (n, k, 2) points in finished-picture units, in the order given, each finer at its tip."""
        image = to_image(self.px)
        draw = ImageDraw.Draw(image)
        inks = (np.clip(colours, 0, 1) * 255).astype(int).tolist()
        root = points.shape[1] // 2 * 2 if points.shape[1] > 2 else 0
        lines = (points * SCALE).reshape(len(points), -1).tolist()
        for line, ink, width in zip(lines, inks, widths.tolist(), strict=True):
            fill = tuple(ink)
            draw.line(line, fill=fill, width=max(1, width - 1) if root else width)
            if root and width > 1:
                draw.line(line[:root], fill=fill, width=width)
        self.px = np.asarray(image).astype(np.float32) / 255

    def mask(self, paint: Callable[[ImageDraw.ImageDraw], None], soft: float = 0.0) -> Array:
        """Return what a drawing function paints with fill=255 as a 0..1 field, softened."""
        image = Image.new("L", (FULL, FULL))
        paint(ImageDraw.Draw(image))
        field = np.asarray(image, np.float32) / 255
        return blur(field, soft * SCALE) if soft else field

    def polygon(self, points: Sequence[tuple[float, float]], soft: float = 0.0) -> Array:
        """Return a polygon as a 0..1 field."""
        corners = [(x * SCALE, y * SCALE) for x, y in points]
        return self.mask(lambda draw: draw.polygon(corners, fill=255), soft)

    def discs(self, x: Array, y: Array, r: Array, soft: float, level: Array | None = None) -> Array:
        """Return many discs as a 0..1 field."""
        level = np.ones_like(r) if level is None else level
        rows = np.stack([(x - r) * SCALE, (y - r) * SCALE, (x + r) * SCALE, (y + r) * SCALE, level * 255], 1).tolist()

        def paint(draw: ImageDraw.ImageDraw) -> None:
            for *box, value in rows:
                draw.ellipse(box, fill=int(value))

        return self.mask(paint, soft)

    def finish(self, bloom: float = 0.25, vignette: float = 0.14, grain: float = 0.008) -> Image.Image:
        """Bloom, vignette and grain, then the reduction to the finished size."""
        px: Array = np.clip(self.px, 0, 1)
        bright = blur(px * smoothstep(0.7, 1.0, px.mean(-1))[..., None], 14 * SCALE)
        px = 1 - (1 - px) * (1 - np.clip(bright * bloom, 0, 1))
        edge = np.hypot(self.x / SIZE - 0.5, self.y / SIZE - 0.5)
        px = px * (1 - vignette * smoothstep(0.35, 0.8, edge))[..., None]
        image = to_image(px).resize((SIZE, SIZE), Image.Resampling.LANCZOS)
        out = np.asarray(image, np.float32) / 255 + self.rng.normal(0, grain, (SIZE, SIZE, 1))
        return to_image(out)


# ---------------------------------------------------------------- modelling


@dataclass(frozen=True)
class Skin:
    """What a form is covered with."""

    colour: Vec
    fur: float = 0.0  # length of its strokes; 0 leaves it smooth
    gloss: float = 0.0
    paint: Callable[[Array, Array, Array], Array] | None = None  # colour from the place within the frame


@dataclass(frozen=True)
class Light:
    """Where the light comes from, and its colours."""

    key_from: Vec = (-0.55, -0.6, 0.6)
    key: Vec = (1.0, 0.92, 0.78)
    sky: Vec = (0.42, 0.48, 0.58)
    bounce: Vec = (0.3, 0.3, 0.34)
    rim_from: Vec = (0.8, -0.5, -0.3)
    rim: Vec = (1.0, 0.85, 0.6)
    rim_power: float = 0.6


def turned(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> Array:
    """Rotation matrix: yaw turns to the viewer's right, pitch looks up, roll leans clockwise."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)


def unit(v: Sequence[float] | Array) -> Array:
    """Scale a vector, or a field of them, to length 1."""
    v = np.asarray(v, np.float32)
    return np.asarray(v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-6))


class Sculpture:
    """Forms modelled in the round, seen from the front: a depth map with what covers it.

    x goes right, y down and z towards the viewer.  `place` sets the frame in which forms are given.
    """

    def __init__(self) -> None:
        self.z = np.full((FULL, FULL), FAR, np.float32)
        self.cover = np.zeros((FULL, FULL, 11), np.float32)  # normal 3, colour 3, comb 3, fur, gloss
        self.place((0, 0, 0), 1.0)

    def place(
        self, origin: Vec, scale: float, yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0, above: float = 0.0
    ) -> None:
        """Set the frame of the forms that follow; above is how far we look down on it."""
        self.origin, self.scale = np.asarray(origin, float), scale
        self.turn = turned(pitch=-above) @ turned(yaw, pitch, roll)

    def spot(self, p: Sequence[float]) -> Array:
        """A point of the frame, in the picture."""
        return np.asarray(self.origin + self.scale * self.turn @ np.asarray(p, float))

    def _window(self, centre: Array, reach: Array) -> tuple[slice, slice, Array, Array] | None:
        low = np.maximum(((centre - reach) * SCALE).astype(int), 0)
        high = np.minimum(((centre + reach) * SCALE).astype(int) + 2, FULL)
        if (low >= high).any():
            return None
        y, x = np.mgrid[low[1] : high[1], low[0] : high[0]].astype(np.float32) / SCALE
        return slice(low[1], high[1]), slice(low[0], high[0]), x, y

    def _merge(
        self,
        where: tuple[slice, slice],
        at: tuple[Array, Array, Array],
        inside: Array,
        normal: Array,
        comb: Array,
        skin: Skin,
        blend: float,
    ) -> None:
        x, y, z = at
        old = self.z[where]
        h = np.clip(0.5 + 0.5 * (z - old) / max(blend, 0.3), 0, 1) * inside
        colour = np.broadcast_to(np.asarray(skin.colour, np.float32), normal.shape)
        if skin.paint is not None:
            local = (np.stack([x, y, z], -1) - self.origin) @ self.turn / self.scale
            colour = skin.paint(local[..., 0], local[..., 1], local[..., 2])
        flat = np.full(x.shape, 1.0, np.float32)
        new = np.concatenate(
            [
                normal,
                colour,
                np.broadcast_to(comb, normal.shape),
                (flat * skin.fur)[..., None],
                (flat * skin.gloss)[..., None],
            ],
            axis=-1,
        )
        self.z[where] = np.where(h > 0, old * (1 - h) + z * h + np.where(old > FAR, blend * h * (1 - h), 0), old)
        self.cover[where] = mix(self.cover[where], new, h)

    def ball(
        self,
        centre: Sequence[float],
        radii: Sequence[float] | float,
        skin: Skin,
        tilt: Sequence[float] = (0, 0, 0),
        comb: Sequence[float] = (0, 1, 0),
        away: Sequence[float] | None = None,
        blend: float = 10.0,
        below: float = 1.0,
    ) -> None:
        """Add an ellipsoid; its coat lies along comb, or points away from a point.

        What lies further below the centre than that share of its height is left out, which makes a dome.
        """
        axes = self.turn @ turned(*tilt)
        size = np.broadcast_to(np.asarray(radii, float), 3) * self.scale
        m = axes @ np.diag(size**-2.0) @ axes.T
        c = self.spot(centre)
        window = self._window(c[:2], np.sqrt(np.diag(np.linalg.inv(m)))[:2])
        if window is None:
            return
        rows, cols, x, y = window
        dx, dy = x - c[0], y - c[1]
        half = (m[0, 2] * dx + m[1, 2] * dy) / m[2, 2]
        rest = (m[0, 0] * dx**2 + 2 * m[0, 1] * dx * dy + m[1, 1] * dy**2 - 1) / m[2, 2]
        inner = half**2 - rest
        dz = np.sqrt(np.maximum(inner, 0)) - half
        offset = np.stack([dx, dy, dz], -1)
        lie = unit(offset + (c - self.spot(away))) if away is not None else unit(self.turn @ np.asarray(comb, float))
        normal = unit(offset @ m.astype(np.float32))
        inside = (inner > 0) & (dy < below * size[1])
        self._merge((rows, cols), (x, y, dz + c[2]), inside, normal, lie, skin, blend)

    def box(
        self,
        centre: Sequence[float],
        radii: Sequence[float],
        skin: Skin,
        tilt: Sequence[float] = (0, 0, 0),
        comb: Sequence[float] = (0, 1, 0),
        power: float = 4.0,
        blend: float = 3.0,
    ) -> None:
        """Add a box with rounded edges: a superellipsoid, met by Newton's method from the front."""
        axes = self.turn @ turned(*tilt)
        size = np.asarray(radii, float) * self.scale
        c = self.spot(centre)
        window = self._window(c[:2], (np.abs(axes) @ size)[:2])
        if window is None:
            return
        rows, cols, x, y = window
        base = [((x - c[0]) * axes[0, k] + (y - c[1]) * axes[1, k]) / size[k] for k in range(3)]
        rate = [axes[2, k] / size[k] for k in range(3)]
        z = np.full(x.shape, float((np.abs(axes) @ size)[2]), np.float32)
        for _ in range(18):  # convex along the line of sight, so this closes in from outside without overshooting
            q = [b + r * z for b, r in zip(base, rate, strict=True)]
            value = sum(np.abs(a) ** power for a in q) - 1
            slope = sum(power * r * np.sign(a) * np.abs(a) ** (power - 1) for a, r in zip(q, rate, strict=True))
            z = z - np.clip(value / np.where(np.abs(slope) < 1e-4, 1e-4, slope), -size.max(), size.max())
        q = [b + r * z for b, r in zip(base, rate, strict=True)]
        inside = np.abs(sum(np.abs(a) ** power for a in q) - 1) < 0.05
        gradient = np.stack([np.sign(a) * np.abs(a) ** (power - 1) / r for a, r in zip(q, size, strict=True)], -1)
        normal = unit(gradient @ axes.T.astype(np.float32))
        self._merge(
            (rows, cols), (x, y, z + c[2]), inside, normal, unit(self.turn @ np.asarray(comb, float)), skin, blend
        )

    def tube(
        self,
        points: Sequence[Sequence[float]],
        radii: Sequence[float],
        skin: Skin,
        comb: Sequence[float] | None = None,
        blend: float = 10.0,
    ) -> None:
        """Add a rounded, tapering tube through points; its coat runs along it unless combed otherwise."""
        path = [self.spot(p) for p in points]
        sizes = [r * self.scale for r in radii]
        for a, b, ra, rb in zip(path, path[1:], sizes, sizes[1:], strict=False):
            window = self._window((a + b)[:2] / 2, np.abs(b - a)[:2] / 2 + max(ra, rb))
            if window is None:
                continue
            rows, cols, x, y = window
            along = (b - a)[:2]
            t = np.clip(((x - a[0]) * along[0] + (y - a[1]) * along[1]) / max(along @ along, 1e-6), 0, 1)
            r = ra + (rb - ra) * t
            dx, dy = x - a[0] - along[0] * t, y - a[1] - along[1] * t
            rise = np.sqrt(np.maximum(r**2 - dx**2 - dy**2, 0))
            lie = unit(b - a) if comb is None else unit(self.turn @ np.asarray(comb, float))
            inside = dx**2 + dy**2 < r**2
            z = (a[2] + (b[2] - a[2]) * t + rise).astype(np.float32)
            self._merge((rows, cols), (x, y, z), inside, unit(np.stack([dx, dy, rise], -1)), lie, skin, blend)

    @property
    def solid(self) -> Array:
        """Where anything has been modelled."""
        return self.z > FAR / 2

    def _shadows(self, light: Light) -> Array:
        """How much of the key light reaches each point, with darkness gathering in the hollows."""
        z = self.z[::4, ::4]
        z = np.where(z > FAR / 2, z, np.nan)
        floor = float(np.nanmin(z)) if np.isfinite(z).any() else 0.0
        z = np.nan_to_num(z, nan=floor - 60)
        way = np.asarray(light.key_from, float) / np.hypot(*light.key_from[:2])
        shade = np.zeros_like(z)
        for step in range(1, 18):
            shift = step * 4.0  # in quarter-resolution pixels, each 4 / SCALE finished pixels
            dx, dy = round(way[0] * shift), round(way[1] * shift)
            moved = np.roll(z, (-dy, -dx), (0, 1))
            shade = np.maximum(shade, np.clip((moved - z - way[2] * shift * 4 / SCALE - 3) / 30, 0, 1))
        hollow = sum(np.clip((blur(z, s) - z) / (s * 6), 0, 1) for s in (3, 8, 18))
        return resize((1 - 0.62 * blur(shade, 2.5)) * (1 - 0.4 * np.clip(hollow, 0, 1)), self.z.shape)

    def lit(self, light: Light, noise: Array | None = None, bump: float = 0.0) -> Array:
        """Colours under soft light: key with shadows, sky, bounce, rim and gloss."""
        at = self.solid
        cover, open_ = self.cover[at], self._shadows(light)[at]
        normal = cover[:, 0:3]
        if noise is not None and bump:
            gy, gx = np.gradient(noise)
            dull = bump * np.clip(1 - 4 * cover[:, 10:11], 0, 1) * (cover[:, 9:10] < 4.1)  # cloth and snow only
            normal = unit(normal + np.stack([gx[at], gy[at], np.zeros(len(normal))], -1) * dull)
        key_from = unit(light.key_from)
        wrap = np.clip(0.25 + 0.75 * (normal @ key_from), 0, 1) ** 1.2 * open_
        up, soft = 0.5 - 0.5 * normal[:, 1], 0.45 + 0.55 * open_
        parts = ((wrap, light.key), (up * soft, light.sky), ((1 - up) * soft, light.bounce))
        glow = sum((np.outer(amount, tint).astype(np.float32) for amount, tint in parts), np.float32(0))
        colour = np.clip(cover[:, 3:6], 0.001, 1)
        dim = np.clip(1 - glow.mean(-1, keepdims=True), 0, 1)
        out = colour ** (1 + 0.55 * dim) * glow  # shadows grow richer, not greyer
        edge = (1 - np.clip(normal[:, 2], 0, 1)) ** 2.5 * np.clip(normal @ unit(light.rim_from) + 0.1, 0, 1)
        out = out + np.outer(edge * light.rim_power, light.rim) * (0.35 + 0.65 * colour)
        half = unit(key_from + np.array([0, 0, 1], np.float32))
        shine = np.clip(normal @ half, 0, 1) ** 40 * cover[:, 10]
        picture = np.zeros((*at.shape, 3), np.float32)
        picture[at] = tame(out + shine[:, None])
        return picture


def groom(
    canvas: Canvas, form: Sculpture, colours: Array, density: float = 1.0, lift: float = 0.10, curl: float = 0.28
) -> None:
    """Lay the sculpture on the canvas and brush its coat on, stroke by stroke, the nearest last."""
    rng = canvas.rng
    canvas.cover(colours, form.solid.astype(np.float32))
    fur = form.cover[..., 9]
    ys, xs = np.nonzero(form.solid & (fur > 0.5))
    if not len(xs):
        return
    lock_at = rng.uniform(0, 1, (512, 512, 3)) * (1, 1, 2) - (0, 0, 1)  # where each lock's tip is, and its tone
    clump = canvas.cloud(2.3, tile=canvas.rough)
    sway = canvas.cloud(1.3, 200) * curl + canvas.cloud(1.1, 90, tile=canvas.rough) * 0.22
    # Shorter coats need more strokes; the under-coat is broad and dark, the top coat thin and light.
    for share, tone, width, stretch in ((0.09, 0.86, 3, 1.0), (0.17, 0.99, 2, 1.0), (0.12, 1.09, 1, 1.1)):
        pick = rng.integers(0, len(xs), int(len(xs) * share * density))
        pick = pick[rng.random(len(pick)) < np.clip(14 / fur[ys[pick], xs[pick]], 0.25, 1.0)]
        pick = pick[np.argsort(form.z[ys[pick], xs[pick]] + rng.normal(0, 4, len(pick)), kind="stable")]
        y0, x0 = ys[pick], xs[pick]
        normal, comb = form.cover[y0, x0, 0:3], form.cover[y0, x0, 6:9]
        flow = comb - (comb * normal).sum(-1, keepdims=True) * normal + lift * normal
        flow = flow + rng.normal(0, 0.06, flow.shape)
        angle = sway[y0, x0] + rng.normal(0, 0.11, len(pick))
        cos, sin = np.cos(angle), np.sin(angle)
        way = np.stack([flow[:, 0] * cos - flow[:, 1] * sin, flow[:, 0] * sin + flow[:, 1] * cos], -1)
        length = fur[y0, x0] * stretch * rng.uniform(0.6, 1.25, len(pick))
        bend = rng.normal(0, 0.12, len(pick))
        root = np.stack([x0, y0], -1) / SCALE
        lock = np.floor(root / LOCK).astype(int) % 512  # long hair gathers in locks
        pull = (np.floor(root / LOCK) + lock_at[lock[:, 1], lock[:, 0], :2]) * LOCK - root
        pull *= smoothstep(9, 26, fur[y0, x0])[:, None] * 0.2
        points = [root - way * (length * 0.3)[:, None]]
        for k in range(3):
            c, s = np.cos(bend * (k + 1)), np.sin(bend * (k + 1))
            step = np.stack([way[:, 0] * c - way[:, 1] * s, way[:, 0] * s + way[:, 1] * c + 0.05 * k], -1)
            points.append(points[-1] + step * (length / 3)[:, None] + pull * (k + 1))
        thin = 0.22 * (1 - np.clip(normal[:, 2], 0, 1)) ** 2  # light comes through the coat at its edge
        streak = (
            0.07 * clump[y0, x0] + 0.10 * lock_at[lock[:, 1], lock[:, 0], 2] + rng.normal(0, 0.06, len(pick)) + tone - 1
        )
        ink = (
            colours[y0, x0] * (1 + thin + streak * (0.35 + 0.65 * smoothstep(5, 24, fur[y0, x0])))[:, None]
        )  # short coats are smooth
        canvas.strokes(np.stack(points, 1), ink, np.full(len(pick), width))
    canvas.cover(colours, (form.solid & (fur <= 0.5)).astype(np.float32))


def cast(canvas: Canvas, form: Sculpture, ground: float, slant: float, flat: float, colour: Vec, alpha: float) -> None:
    """Lay a sculpture's soft shadow on the ground: its outline leant by slant and flattened about the ground line."""
    solid = Image.fromarray((form.solid * 255).astype(np.uint8))
    g, lean = ground * SCALE, slant / flat
    inverse = (1, lean, -lean * g, 0, 1 / flat, g - g / flat)
    shadow = solid.transform((FULL, FULL), Image.Transform.AFFINE, inverse, Image.Resampling.BILINEAR)
    canvas.cover(colour, blur(np.asarray(shadow, np.float32) / 255, 7 * SCALE) * alpha)


# ---------------------------------------------------------------- surroundings


def pine(
    canvas: Canvas,
    x: float,
    base: float,
    height: float,
    dark: Vec,
    light: Vec,
    snow: float,
    snow_colour: Vec = (0.92, 0.95, 1.0),
    width: float = 0.23,
) -> None:
    """Paint a pine needle by needle: drooping tiers, dark within, snow on the upper side of the boughs."""
    rng = canvas.rng
    n = int(700 + height * 6)
    t = np.sort(rng.random(n) ** 0.7)  # 0 at the tip, 1 at the lowest boughs; lower boughs go behind upper ones
    t = t[::-1]
    tiers = 6 + height / 50
    phase = (t * tiers + 0.08 * np.sin(17 * t)) % 1
    side = rng.choice([-1.0, 1.0], n)
    reach = np.sqrt(rng.random(n))
    half = width * height * (0.06 + 0.94 * t) * (0.5 + 0.5 * phase) * rng.uniform(0.75, 1.1, n)
    px = x + side * reach * half
    py = base - height * (1 - t) + reach * half * 0.28 - (1 - phase) * height / tiers * 0.2
    length = (0.022 + 0.035 * t) * height * rng.uniform(0.6, 1.4, n)
    angle = np.pi / 2 - side * (0.35 + 0.75 * reach) + rng.normal(0, 0.22, n)
    x2, y2 = px + np.cos(angle) * length, py + np.sin(angle) * length
    tone = np.clip(0.15 + 0.55 * reach * phase - 0.25 * side * (reach > 0.3) + rng.normal(0, 0.16, n), 0, 1)
    ink = mix(dark, light, tone)
    white = (rng.random(n) < snow * (1.15 - phase)) & (reach > 0.1)
    ink[white] = mix((0.55, 0.64, 0.78), snow_colour, np.clip(0.75 - 0.35 * side + rng.normal(0, 0.12, n), 0, 1))[white]
    py, y2 = np.where(white, py - 2, py), np.where(white, y2 - 0.55 * length, y2)
    size = np.where(white, 4, 3) * SCALE * min(1.0, 0.25 + height / 500) / 2
    trunk = np.array([[[x, base - height * 0.9], [x, base + height * 0.04]]])
    canvas.strokes(trunk, np.array([dark]) * 0.9, np.array([max(1, int(height * 0.018 * SCALE))]))
    points = np.stack([np.stack([px, py], 1), np.stack([x2, y2], 1)], 1)
    canvas.strokes(points, ink, np.maximum(1, size).astype(int))


def forest(
    canvas: Canvas,
    count: int,
    base: float,
    heights: tuple[float, float],
    dark: Vec,
    light: Vec,
    snow: float,
    soft: float,
    gap: tuple[float, float] | None = None,
    spread: float = 10.0,
) -> None:
    """Paint a row of pines, then blur everything so far as if it lay out of focus."""
    xs = canvas.rng.uniform(-40, SIZE + 40, count)
    if gap:
        xs = np.where((xs > gap[0]) & (xs < gap[1]), np.where(xs < sum(gap) / 2, xs - (xs - gap[0]), gap[1]), xs)
    for x in xs:
        foot = base + canvas.rng.uniform(-spread, spread)
        pine(canvas, x, foot, canvas.rng.uniform(*heights), dark, light, snow)
    if soft:
        canvas.px = blur(canvas.px, soft * SCALE)


def snowfield(
    canvas: Canvas,
    horizon: float,
    lit: Vec,
    shade: Vec,
    relief: float = 1.0,
    roll: float = 10.0,
    light_from: float = -1.0,
    seed: float = 0.0,
) -> None:
    """Cover the ground below a rolling horizon with snow: drifts that flatten into the distance, and sparkle."""
    line = horizon + roll * sample(canvas.soft, canvas.x[0] * 0.35 + seed, np.full(FULL, 5.0 + seed))
    depth = np.clip((canvas.y - line[None]) / (SIZE - horizon), 0, 1.2)
    away = 1 / (depth + 0.12)
    u, v = (canvas.x - SIZE / 2) * away * 0.35 + seed * 7, away * 130 + seed * 3
    drift = sample(canvas.soft, u, v)
    slope = (drift - sample(canvas.soft, u - 6 * light_from, v + 6)) * 1.6
    crisp = sample(canvas.rough, u * 2.2, v * 2.2)
    tone = 0.62 + relief * (0.5 * slope + 0.07 * drift) + 0.035 * crisp * depth
    ground = mix(shade, lit, np.clip(tone, 0, 1))
    ground += (canvas.rng.random((FULL, FULL, 1)) > 0.9985) * 0.25 * depth[..., None]
    canvas.cover(ground, smoothstep(-1.5, 1.5, canvas.y - line[None]))


def snowfall(
    canvas: Canvas,
    count: int,
    big: float = 1.0,
    colour: Vec = (1, 1, 1),
    clear: tuple[float, float, float] | None = None,
) -> None:
    """Falling snow in three depths: fine and sharp far off, large and soft close by; none over a clear disc."""
    rng = canvas.rng
    for share, low, high, soft, alpha in (
        (0.7, 0.7, 1.4, 0.5, 0.8),
        (0.25, 1.4, 2.6, 0.9, 0.8),
        (0.05, 3.5, 7.0, 2.4, 0.5),
    ):
        n = int(count * share)
        x, y, r = rng.uniform(0, SIZE, n), rng.uniform(0, SIZE, n), rng.uniform(low, high, n) * big
        if clear:
            keep = np.hypot(x - clear[0], y - clear[1]) > clear[2]
            x, y, r = x[keep], y[keep], r[keep]
        canvas.cover(colour, canvas.discs(x, y, r, soft, rng.uniform(0.45, 1, len(x))) * alpha)


def bokeh(
    canvas: Canvas,
    count: int,
    box: tuple[float, float, float, float],
    radius: tuple[float, float],
    colour: Vec,
    power: float,
) -> None:
    """Out-of-focus lights within a box: flat discs of different strength."""
    rng = canvas.rng
    x, y = rng.uniform(box[0], box[2], count), rng.uniform(box[1], box[3], count)
    for part in (slice(0, None, 3), slice(1, None, 3), slice(2, None, 3)):
        n = len(x[part])
        canvas.shine(
            canvas.discs(x[part], y[part], rng.uniform(*radius, n), 1.2, rng.uniform(0.2, 1, n)) * power, colour
        )


def powder(
    canvas: Canvas, x: tuple[float, float], y: float, count: int, colour: Vec, size: float = 4.0, thick: float = 5.0
) -> None:
    """Heap loose snow along a line, thinning out at its ends, so that what stands there sinks in."""
    rng, middle, half = canvas.rng, sum(x) / 2, (x[1] - x[0]) / 2
    u = np.clip(rng.normal(0, 0.5, count), -1.2, 1.2)
    px, py = middle + half * u, y + rng.normal(0, thick, count) * np.sqrt(np.clip(1.3 - np.abs(u), 0, 1))
    r = rng.uniform(0.4, 1.0, count) * size
    for k, tone in enumerate((0.90, 0.97, 1.03)):
        part = slice(k, None, 3)
        canvas.cover(np.asarray(colour) * tone, canvas.discs(px[part], py[part], r[part], 1.5) * 0.75)


# ---------------------------------------------------------------- animals
# The models read as tables, one form to a line, so they keep their layout.
# fmt: off

GOLD, CREAM, AMBER = (0.88, 0.655, 0.395), (1.0, 0.90, 0.73), (0.76, 0.52, 0.29)
BLACK = Skin((0.09, 0.075, 0.075), gloss=0.75)


def eye(form: Sculpture, at: Vec, size: float, iris: Vec, pupil: tuple[float, float], look: Vec = (0, 0, 1)) -> None:
    """A glossy eye: dark rim, iris with a shaded top, pupil and a catch-light."""
    x, y, z = at
    form.ball((x, y, z - 0.22 * size), (size * 1.2, size * 1.1, size * 0.9), Skin((0.10, 0.065, 0.05)), blend=0)
    form.ball(at, (size, size * 0.95, size), Skin(iris, gloss=0.4), blend=0)
    px, py = x + look[0] * size * 0.3, y + look[1] * size * 0.3
    form.ball((px, py, z + 0.62 * size), (size * pupil[0], size * pupil[1], size * 0.5), Skin((0.02, 0.015, 0.015)),
            blend=0)
    form.ball((x - 0.34 * size, y - 0.4 * size, z + 1.15 * size), size * 0.24, Skin((3.0, 3.0, 3.0)), blend=0)


def dog_head(form: Sculpture, fur: float = 1.0) -> None:
    """A smiling golden retriever's head in the current frame, about 2 units wide, looking along z."""
    nose, pale = (0, 0.36, 2.0), (0.97, 0.82, 0.60)
    for s in (-1, 1):
        form.ball((s * 0.76, -0.3, -0.1), (0.27, 0.25, 0.34), Skin(AMBER, 9 * fur), comb=(s * 0.7, 1, 0))
        form.ball((s * 0.92, 0.2, 0.02), (0.25, 0.7, 0.36), Skin(AMBER, 15 * fur), tilt=(s * 0.5, 0, -s * 0.12),
                comb=(s * 0.1, 1, 0))
    form.ball((0, -0.12, -0.05), (0.82, 0.63, 0.86), Skin(GOLD, 8 * fur), away=nose)
    for s in (-1, 1):
        form.ball((s * 0.4, 0.4, 0.15), (0.45, 0.68, 0.6), Skin(GOLD, 13 * fur), away=nose, blend=30)
    form.ball((0, 1.22, 0.7), (0.33, 0.24, 0.66), Skin(CREAM, 8 * fur), comb=(0, 1, 0.1), blend=8)  # lower jaw
    form.ball((0, 1.0, 1.05), (0.42, 0.28, 0.5), Skin((0.20, 0.07, 0.07)), blend=0)  # the open mouth
    form.ball((0, 1.2, 1.3), (0.23, 0.37, 0.2), Skin((0.93, 0.50, 0.50), gloss=0.12), tilt=(0, 0.3, 0), blend=2)
    form.ball((0, 0.33, 0.88), (0.22, 0.33, 0.7), Skin(pale, 4.5 * fur), comb=(0, -1, 0.1), blend=16)
    form.ball((0, 0.54, 1.05), (0.48, 0.38, 0.8), Skin((0.97, 0.83, 0.61), 5 * fur), away=nose, blend=30)
    for s in (-1, 1):
        form.ball((s * 0.22, 0.71, 1.3), (0.26, 0.27, 0.48), Skin((0.98, 0.84, 0.63), 5 * fur),
                comb=(s * 0.8, 0.8, -0.3), blend=24)
        eye(form, (s * 0.375, -0.045, 0.76), 0.124, (0.28, 0.14, 0.06), (0.68, 0.68))
        form.ball((s * 0.39, -0.19, 0.64), (0.22, 0.10, 0.2), Skin((0.92, 0.73, 0.48), 4 * fur), tilt=(0, 0, s * 0.3),
                comb=(s * 0.5, -0.8, 0),
                  blend=12)
        form.tube([(s * 0.3, 1.0, 1.35), (s * 0.46, 0.95, 1.08), (s * 0.53, 0.89, 0.9), (s * 0.56, 0.82, 0.78)],
                  (0.04, 0.04, 0.03, 0.01), Skin((0.38, 0.2, 0.13)), blend=3)  # the corners of a smile
    form.ball((0, 0.42, 1.82), (0.25, 0.17, 0.15), BLACK, blend=0)
    form.ball((0, 0.53, 1.79), (0.12, 0.13, 0.12), BLACK, blend=4)
    for s in (-1, 1):
        form.ball((s * 0.12, 0.46, 1.95), (0.065, 0.05, 0.03), Skin((0.01, 0.01, 0.01)), blend=0)


def paw(form: Sculpture, x: float, y: float, z: float, size: float, colour: Vec) -> None:
    """A dog's paw with its toes, pointing along z."""
    form.ball((x, y, z), (0.95 * size, 0.62 * size, 1.1 * size), Skin(colour, 8), comb=(0, 0.6, 1), blend=14)
    for toe in (-0.55, 0, 0.55):
        form.ball((x + toe * size, y + 0.22 * size, z + (1.0 - 0.3 * abs(toe)) * size),
                (0.36 * size, 0.42 * size, 0.5 * size), Skin(colour, 5),
                  comb=(0, 1, 0.6), blend=5)


def sitting_dog() -> Sculpture:
    """A golden retriever sitting half turned to the viewer."""
    form = Sculpture()
    fringe = (0.97, 0.82, 0.60)
    form.tube([(585, 676, -90), (650, 694, -70), (705, 682, -60), (742, 650, -60)], (24, 26, 22, 8), Skin(fringe, 44),
            blend=20)
    form.ball((280, 636, -100), (62, 82, 90), Skin(AMBER, 26), comb=(-0.4, 1, 0), blend=30)
    form.ball((468, 540, -110), (140, 190, 150), Skin(GOLD, 28), tilt=(0, 0, -0.36), comb=(0.5, 1, 0), blend=40)
    form.ball((525, 628, -30), (102, 96, 110), Skin(GOLD, 34), comb=(0.45, 1, 0), blend=30)
    form.ball((552, 704, 62), (72, 24, 60), Skin(fringe, 12), comb=(-1, 0.2, 0), blend=14)
    form.ball((270, 706, 0), (46, 22, 50), Skin(fringe, 12), comb=(-0.6, 0.6, 0), blend=14)
    form.ball((384, 470, -20), (126, 170, 110), Skin(GOLD, 34), away=(385, 250, 60), blend=40)
    for x, foot, z in ((322, 308, 62), (418, 420, 74)):
        form.tube([(x + 6, 490, z - 20), (x, 600, z), (foot, 694, z + 6)], (54, 35, 28), Skin(GOLD, 15), blend=34)
        form.tube([(x + 26, 520, z - 24), (x + 22, 610, z - 16)], (26, 12), Skin(fringe, 34), comb=(0.35, 1, 0),
                blend=16)
        paw(form, foot, 706, z + 26, 38, fringe)
    form.ball((372, 480, 58), (84, 130, 70), Skin(CREAM, 42), away=(372, 270, 60), blend=34)
    form.ball((372, 384, 30), (122, 98, 100), Skin((0.95, 0.79, 0.55), 38), away=(372, 200, 60), blend=34)
    form.place((366, 222, 120), 98, yaw=-0.2, pitch=0.06, roll=-0.07)
    dog_head(form)
    return form


def ring(radius: float, y: float, wide: float = 1.0, n: int = 22) -> list[tuple[float, float, float]]:
    """Points of a level circle, for tubes that go round something."""
    return [(wide * radius * float(np.cos(a)), y, radius * float(np.sin(a))) for a in np.linspace(0, 2 * np.pi, n)]


RED, RED_DARK, LEATHER = (0.80, 0.17, 0.13), (0.58, 0.10, 0.10), (0.42, 0.24, 0.13)


def saddle_bags(form: Sculpture) -> None:
    """A red saddle-bag pack with straps and a rolled mat, in the walking dog's frame."""
    cloth, trim, strap = Skin(RED, 2.5), Skin(RED_DARK), Skin((0.16, 0.15, 0.17), gloss=0.15)
    form.ball((0, -0.42, 0.1), (0.86, 0.66, 0.95), cloth, blend=3)
    for z in (0.75, -0.55):
        form.tube([(x * 0.9, y * 1.0 - 0.05, z) for x, y, _ in ((np.cos(a), np.sin(a), 0) for a in np.linspace(0, 6.3,
                24))],
                  [0.075] * 24, strap, blend=1)
    for s in (-1, 1):
        form.box((s * 0.98, 0.08, 0.1), (0.3, 0.56, 0.82), cloth, power=3.5)
        form.box((s * 1.2, 0.24, 0.1), (0.22, 0.33, 0.55), Skin((0.86, 0.22, 0.15), 2.5), power=3.5)
        form.box((s * 1.06, -0.36, 0.1), (0.32, 0.2, 0.86), trim, power=3.5)
        form.box((s * 1.43, 0.0, 0.1), (0.03, 0.3, 0.06), strap)
        form.box((s * 1.45, 0.12, 0.1), (0.04, 0.06, 0.1), Skin((0.75, 0.74, 0.7), gloss=0.7))
    form.tube([(0.8, -1.12, -0.1), (-0.8, -1.12, -0.1)], (0.24, 0.24), Skin((0.16, 0.42, 0.47), 2.5), blend=2)
    for x in (-0.45, 0.45):
        form.tube([(x + 0.01 * k, -1.12 + 0.27 * np.sin(a), -0.1 + 0.27 * np.cos(a)) for k,
                a in enumerate(np.linspace(0, 6.3, 14))],
                  [0.04] * 14, strap, blend=1)


def signpost(form: Sculpture) -> None:
    """A weathered wooden signpost with two boards and snow on top."""
    wood, dark, snow = Skin((0.56, 0.40, 0.25), 5), Skin((0.42, 0.29, 0.18), 6), Skin((0.97, 0.98, 1.0), 2)
    form.tube([(0, 0, 0), (0, -3.4, 0)], (0.13, 0.11), dark, comb=(0, 1, 0), blend=1)
    for y, x, lean in ((-2.9, 0.15, 0.05), (-2.2, -0.2, -0.06)):
        form.box((x, y, 0.14), (0.72, 0.2, 0.07), wood, tilt=(0, 0, lean), comb=(1, 0, 0), power=7)
        form.box((x + np.sign(x) * 0.72, y + np.sign(x) * lean * 0.7, 0.13), (0.15, 0.15, 0.06), wood,
                tilt=(0, 0, 0.785 + lean), comb=(1, 0, 0), power=7)
        for k, w in enumerate((0.16, 0.1, 0.2, 0.12)):
            form.box((x - 0.42 + 0.27 * k, y, 0.22), (w / 2, 0.035, 0.02), Skin((0.93, 0.86, 0.70)), tilt=(0, 0, lean),
                    blend=1)
        form.ball((x, y - 0.22, 0.1), (0.66, 0.07, 0.13), snow, tilt=(0, 0, lean), blend=2)
    form.ball((0, -3.5, 0), (0.2, 0.13, 0.2), snow, blend=2)


def walking_dog() -> Sculpture:
    """A golden retriever walking towards the viewer's left, three-quarter view, with its pack on."""
    form = Sculpture()
    pale = (0.97, 0.82, 0.60)
    gold, fringe = Skin(GOLD, 18), Skin(pale, 34)
    form.place((408, 398, 0), 112, yaw=-0.74, above=0.17)
    form.tube([(0, -0.35, -1.6), (0, -0.5, -2.3), (0, -0.62, -2.9), (0, -0.95, -3.4)], (0.22, 0.2, 0.2, 0.06),
            Skin(pale, 40),
              comb=(0, 1, -0.6), blend=20)
    for s, front, rise, back in ((-1, 0.35, 0.45, -0.25), (1, -0.15, 0.0,
            0.25)):  # the far forepaw is lifted in mid-step
        form.tube([(s * 0.4, 0.2, 1.1), (s * 0.41, 1.3 - rise * 0.4, 1.1 + front * 1.4),
                (s * 0.41, 2.5 - rise, 1.1 + front)],
                  (0.5, 0.26, 0.19), Skin(GOLD, 11), blend=34)
        form.tube([(s * 0.4, 0.9, 0.85 + front * 0.4), (s * 0.41, 1.75, 0.95 + front * 0.8)], (0.22, 0.08), fringe,
                comb=(0, 0.9, -0.8), blend=16)
        paw(form, s * 0.41, 2.6 - rise, 1.2 + front, 0.26, pale)
        form.ball((s * 0.42, 0.45, -1.25), (0.42, 0.95, 0.7), Skin(GOLD, 20), comb=(0, 1, -0.4), blend=30)
        form.tube([(s * 0.42, 0.95, -1.3 + back * 0.4), (s * 0.43, 1.7, -1.7 + back), (s * 0.43, 2.45, -1.5 + back)],
                (0.44, 0.22, 0.17),
                  Skin(GOLD, 14), comb=(0, 1, -0.3), blend=30)
        paw(form, s * 0.43, 2.56, -1.38 + back, 0.25, pale)
    form.ball((0, 0.2, 0.1), (0.62, 0.84, 1.4), Skin(pale, 26), comb=(0, 0.6, -1), blend=25)
    form.ball((0, -0.08, -1.1), (0.70, 0.82, 0.9), gold, comb=(0, 0.6, -1), blend=34)
    form.ball((0, -0.04, 0.0), (0.74, 0.82, 1.6), gold, comb=(0, 0.4, -1), blend=34)
    form.ball((0, 0.1, 1.0), (0.76, 1.0, 0.85), Skin(GOLD, 32), comb=(0, 1, -0.4), blend=34)
    saddle_bags(form)
    form.tube([(0, -0.2, 1.3), (0, -1.05, 1.8)], (0.74, 0.6), Skin((0.95, 0.78, 0.53), 36), comb=(0, 1, -0.1), blend=30)
    form.ball((0, 0.2, 1.5), (0.58, 1.0, 0.55), Skin(CREAM, 44), away=(0, -1.8, 1.2), blend=34)
    form.tube([(x, -0.62 + 0.5 * z, 1.6 + 0.86 * z) for x, _, z in ring(0.7, 0)], [0.07] * 22, Skin(RED), blend=1)
    form.ball((0.2, -0.14, 2.3), (0.1, 0.13, 0.07), Skin((0.85, 0.68, 0.3), gloss=0.9), blend=0)
    form.place(tuple(form.spot((0, -1.6, 2.0))), 90, yaw=-0.3, pitch=0.06, roll=0.08)
    dog_head(form)
    return form


def tabby(x: Array, y: Array, z: Array) -> Array:
    """A tabby's face: bars on the brow, rings on the cheeks, pale about the mouth."""
    brow = np.cos(x * 19) * smoothstep(-0.25, -0.6, y) * smoothstep(0.75, 0.3, np.abs(x))
    cheek = np.cos(np.hypot(x * 0.8, y - 1.4) * 20) * smoothstep(0.42, 0.7, np.abs(x)) * smoothstep(-0.45, -0.1, y)
    stripe = smoothstep(0.1, 0.7, brow) + smoothstep(0.2, 0.8, cheek)
    coat = mix((0.72, 0.60, 0.46), (0.24, 0.18, 0.14), np.clip(stripe, 0, 1) * 0.92)
    pale = smoothstep(0.62, 0.3, np.hypot(x * 0.9, (y - 0.55))) * smoothstep(0.1, 0.3, z)
    ring_ = smoothstep(0.34, 0.24, np.hypot(np.abs(x) - 0.44, (y + 0.06) * 1.1))
    return mix(coat, (0.96, 0.91, 0.84), np.clip(pale + 0.75 * ring_, 0, 1))


def cat_head(form: Sculpture) -> None:
    """A tabby cat's head in the current frame, about 2 units wide."""
    coat = Skin((0.7, 0.57, 0.42), 15, paint=tabby)
    nose = (0, 0.25, 1.15)
    for s in (-1, 1):
        form.tube([(s * 0.56, -0.45, -0.05), (s * 0.8, -1.16, -0.05)], (0.42, 0.06), Skin((0.52, 0.4, 0.29), 8),
                blend=6)
        form.tube([(s * 0.56, -0.48, 0.2), (s * 0.75, -0.98, 0.06)], (0.26, 0.04), Skin((0.90, 0.68, 0.60), 12),
                comb=(-s * 0.5, -0.6, 0.3),
                  blend=2)
    form.ball((0, 0, 0), (0.98, 0.84, 0.85), coat, away=nose, blend=10)
    for s in (-1, 1):
        form.ball((s * 0.5, 0.32, 0.2), (0.54, 0.45, 0.5), replace(coat, fur=19), away=nose, blend=25)
    form.ball((0, 0.16, 0.66), (0.18, 0.36, 0.32), Skin((0.74, 0.56, 0.4), 6), comb=(0, -1, 0), blend=16)
    form.ball((0, 0.72, 0.5), (0.32, 0.2, 0.3), Skin((0.96, 0.92, 0.86), 8), comb=(0, 1, 0), blend=14)
    for s in (-1, 1):
        form.ball((s * 0.2, 0.47, 0.78), (0.26, 0.2, 0.24), Skin((0.97, 0.93, 0.87), 6), comb=(s, 0.4, 0), blend=6)
        eye(form, (s * 0.44, -0.05, 0.645), 0.205, (0.60, 0.68, 0.26), (0.56, 0.74), (s * 0.3, 0, 0))
    form.tube([(-0.1, 0.27, 1.0), (0, 0.31, 1.04), (0.1, 0.27, 1.0)], (0.05, 0.075, 0.05),
            Skin((0.85, 0.5, 0.48), gloss=0.3), blend=2)
    form.tube([(0, 0.34, 1.0), (0, 0.46, 0.98)], (0.015, 0.015), Skin((0.3, 0.17, 0.14)), blend=0)


def whiskers(canvas: Canvas, form: Sculpture) -> None:
    """A cat's whiskers and brow hairs, in the frame of the head."""
    rng, lines = canvas.rng, []
    for s in (-1, 1):
        for k in range(9):
            rise = -0.3 + 0.075 * k + rng.normal(0, 0.02)
            reach = rng.uniform(1.05, 1.4)
            start = (s * rng.uniform(0.2, 0.36), 0.44 + rise * 0.3, 0.98)
            ends = [(start[0] + s * reach * t, start[1] + rise * t * 0.9 + 0.22 * t * t, 0.9) for t in np.linspace(0,
                    1, 9)]
            lines.append([form.spot(p)[:2] for p in ends])
        for k in range(4):
            tip = s * (0.34 + 0.12 * k)
            lines.append([form.spot((s * 0.4 + (tip - s * 0.2) * t, -0.32 - 0.62 * t + 0.1 * t * t,
                    0.6))[:2] for t in np.linspace(0, 1, 9)])
    canvas.strokes(np.array(lines), np.full((len(lines), 3), 0.98), np.full(len(lines), 2))


def rucksack(form: Sculpture) -> None:
    """A canvas rucksack with leather straps, open at the top; 2 units wide in the current frame."""
    cloth, dark, leather = Skin((0.72, 0.40, 0.20), 1.6), Skin((0.52, 0.28, 0.15), 1.6), Skin(LEATHER, gloss=0.18)
    brass = Skin((0.85, 0.66, 0.3), gloss=0.9)
    for s in (-1, 1):
        form.tube([(s * 0.75, -0.9, -0.5), (s * 1.15, -0.5, -0.5), (s * 1.28, 0.4, -0.4), (s * 1.1, 1.2, -0.3)],
                [0.11] * 4, leather, blend=2)
    form.box((0, -1.05, -0.62), (0.92, 0.42, 0.16), dark, tilt=(0, 0.25, 0), power=3)  # the lid, thrown back
    form.box((0, 0.15, 0), (1.08, 1.22, 0.68), cloth, power=4)
    for s in (-1, 1):
        form.box((s * 1.08, 0.62, 0.05), (0.24, 0.55, 0.42), dark, power=3.2)
    form.box((0, 0.66, 0.66), (0.72, 0.52, 0.25), Skin((0.76, 0.43, 0.22), 1.6), power=4)
    form.box((0, 0.3, 0.72), (0.75, 0.2, 0.27), dark, power=3.5)
    for s in (-1, 1):
        x = s * 0.4
        form.tube([(x, -0.72, 0.68), (x, -0.2, 0.72), (x, 0.15, 1.0), (x, 0.62, 0.98), (x, 1.3, 0.55)], [0.075] * 5,
                leather, blend=1)
        form.box((x, 0.62, 1.03), (0.12, 0.1, 0.05), brass)
        form.box((x, 0.62, 1.06), (0.065, 0.055, 0.05), leather)
    form.box((0, 0.72, 0.92), (0.17, 0.13, 0.03), leather)  # a badge: a small snowy peak
    form.tube(ring(0.62, -0.98, 1.58, 40), [0.11] * 40, Skin((0.64, 0.34, 0.17), 1.6), blend=2)


def stitches(canvas: Canvas, form: Sculpture) -> None:
    """Pale stitching round the rucksack's pocket, and a snowy peak on its badge."""
    t = np.linspace(0, 2 * np.pi, 110)[::2]
    step = 2 * np.pi / 160
    lines = []
    for cx, cy, rx, ry in ((0, 0.7, 0.64, 0.45), (0, 0.3, 0.68, 0.13), (0, 0.72, 0.145, 0.105)):
        for a in t if ry > 0.12 else t[::3]:
            around = [(np.sign(np.cos(b)) * abs(np.cos(b)) ** 0.4,
                    np.sign(np.sin(b)) * abs(np.sin(b)) ** 0.4) for b in (a, a + step)]
            lines.append([form.spot((cx + rx * u, cy + ry * v, 1))[:2] for u, v in around])
    canvas.strokes(np.array(lines), np.full((len(lines), 3), (0.93, 0.76, 0.50)), np.full(len(lines), 3))
    for x, y, w in ((-0.03, 0.79, 0.09), (0.06, 0.79, 0.06)):
        peak = [tuple(form.spot((x + a * w, y - b * w, 1))[:2]) for a, b in ((-1, 0), (0, 1.6), (1, 0))]
        canvas.cover((0.95, 0.96, 0.98), canvas.polygon(peak, 0.4))


def cat_in_sack() -> Sculpture:
    """A tabby looking out of a rucksack, paws on the rim."""
    form = Sculpture()
    form.place((384, 578, 0), 150)
    rucksack(form)
    for s in (-1, 1):
        form.ball((s * 1.08, 0.14, 0.1), (0.2, 0.07, 0.36), Skin((0.97, 0.98, 1.0), 2),
                blend=3)  # snow on the side pockets
    form.ball((0, -1.44, -0.62), (0.8, 0.07, 0.2), Skin((0.97, 0.98, 1.0), 2), blend=3)
    form.ball((0, -1.02, 0.0), (0.72, 0.6, 0.5), Skin((0.9, 0.84, 0.75), 22), comb=(0, 1, 0), blend=4)
    for s in (-1, 1):
        form.ball((s * 0.56, -0.93, 0.66), (0.24, 0.26, 0.22), Skin((0.80, 0.68, 0.53), 9), comb=(0, 1, 0.4), blend=8)
        for toe in (-0.12, 0, 0.12):
            form.ball((s * 0.56 + toe, -0.8, 0.8), (0.085, 0.12, 0.09), Skin((0.95, 0.9, 0.83), 5), comb=(0, 1, 0.2),
                    blend=4)
    form.place((384, 292, 120), 162, yaw=0.06, pitch=0.04, roll=0.07)
    cat_head(form)
    return form


# ---------------------------------------------------------------- people and things


def child(form: Sculpture, foot: Vec, scale: float, yaw: float, coat: Vec, hat: Vec, scarf: Vec, hair: Vec,
          arms: Joints, legs: Joints, roll: float = 0.0) -> None:
    """A small child in winter clothes, 3 units tall, standing at foot; arms and legs are lists of joints."""
    form.place(foot, scale, yaw=yaw, roll=roll)
    wool, face = Skin(coat, 3.5), Skin((0.97, 0.77, 0.63), gloss=0.18)
    for leg in legs:
        form.tube(leg, [0.23] + [0.2] * (len(leg) - 1), Skin((0.24, 0.28, 0.42), 3), blend=6)
        x, y, z = leg[-1]
        form.ball((x, y + 0.12, z + 0.1), (0.2, 0.17, 0.28), Skin((0.36, 0.22, 0.15), gloss=0.2), blend=3)
    form.ball((0, -0.98, 0), (0.6, 0.36, 0.5), wool, blend=8)
    form.ball((0, -1.3, 0), (0.54, 0.62, 0.44), wool, blend=10)
    for k in range(3):
        form.ball((0, -1.5 + 0.25 * k, 0.44 + 0.02 * k), 0.05, Skin((0.95, 0.88, 0.7), gloss=0.5), blend=0)
    form.ball((0, -2.2, 0), 0.5, face, blend=2)
    form.ball((0, -2.28, -0.1), (0.54, 0.5, 0.48), Skin(hair, 9), blend=2)
    for s in (-1, 1):
        form.ball((s * 0.27, -2.1, 0.34), 0.15, Skin((0.96, 0.52, 0.45)), blend=9)
        form.ball((s * 0.17, -2.24, 0.46), (0.062, 0.08, 0.05), Skin((0.12, 0.07, 0.06), gloss=0.9), blend=0)
        form.tube([(s * 0.25, -2.38, 0.42), (s * 0.16, -2.41, 0.44), (s * 0.09, -2.38, 0.45)], [0.02] * 3, Skin(hair),
                blend=0)
    form.ball((0, -2.15, 0.5), (0.065, 0.055, 0.06), Skin((0.96, 0.66, 0.55)), blend=3)
    form.ball((0, -1.985, 0.43), (0.13, 0.075, 0.06), Skin((0.5, 0.1, 0.1)), blend=0)
    form.ball((0, -2.03, 0.47), (0.10, 0.03, 0.04), Skin((0.99, 0.97, 0.94)), blend=0)
    form.ball((0, -2.5, -0.04), (0.52, 0.4, 0.52), Skin(hat, 4), comb=(0, -1, 0), blend=2)
    form.tube([(x, y - 0.14 * z, z) for x, y, z in ring(0.5, -2.44)], [0.11] * 22, Skin(scarf, 4), comb=(0, 1, 0),
            blend=2)
    form.ball((0, -2.98, -0.05), 0.19, Skin(scarf, 7), away=(0, -2.98, -0.05), blend=2)
    form.tube(ring(0.34, -1.78, 1.1), [0.14] * 22, Skin(scarf, 4.5), blend=4)
    form.tube([(0.2, -1.72, 0.36), (0.27, -1.4, 0.5), (0.24, -1.1, 0.52)], (0.11, 0.12, 0.13), Skin(scarf, 5), blend=3)
    for s, arm in zip((-1, 1), arms, strict=True):
        form.tube([(s * 0.38, -1.6, 0), *arm], [0.22] + [0.17] * len(arm), wool, blend=8)
        hand = arm[-1]
        form.ball(hand, 0.18, Skin(scarf, 4), blend=3)


def snowman(form: Sculpture, foot: Vec, scale: float) -> None:
    """A snowman with a carrot nose, a hat and a scarf."""
    form.place(foot, scale)
    snow, coal, twig = Skin((0.97, 0.98, 1.0)), Skin((0.1, 0.1, 0.12), gloss=0.4), Skin((0.32, 0.2, 0.12))
    form.ball((0, -0.75, 0), (0.98, 0.86, 0.95), snow, blend=3)
    form.ball((0, -1.95, 0), (0.72, 0.68, 0.7), snow, blend=10)
    form.ball((0, -2.9, 0), (0.54, 0.52, 0.53), snow, blend=8)
    for s in (-1, 1):
        form.tube([(s * 0.6, -2.1, 0.1), (s * 1.15, -2.5, 0.15), (s * 1.45, -2.75, 0.2)], (0.06, 0.05, 0.03), twig,
                blend=1)
        form.tube([(s * 1.15, -2.5, 0.15), (s * 1.5, -2.45, 0.2)], (0.045, 0.02), twig, blend=1)
        form.ball((s * 0.19, -3.02, 0.48), 0.07, coal, blend=0)
    form.tube([(0, -2.88, 0.5), (-0.14, -2.84, 1.0)], (0.11, 0.02), Skin((0.95, 0.5, 0.13), 2), blend=1)
    for a in np.linspace(-0.9, 0.9, 7):
        form.ball((0.27 * np.sin(a), -2.82 + 0.17 * np.cos(a), 0.5 - 0.04 * abs(a)), 0.04, coal, blend=0)
    for y in (-2.25, -1.95, -1.65):
        form.ball((0, y, 0.66), 0.075, coal, blend=0)
    form.tube(ring(0.46, -2.45), [0.16] * 22, Skin((0.15, 0.45, 0.5), 5), blend=4)
    form.tube([(-0.3, -2.4, 0.45), (-0.42, -2.0, 0.68), (-0.4, -1.6, 0.75)], (0.14, 0.15, 0.16),
            Skin((0.15, 0.45, 0.5), 6), blend=3)
    hat = Skin((0.2, 0.2, 0.25), 2.5)
    form.ball((0, -3.34, 0), (0.68, 0.09, 0.62), hat, tilt=(0, 0.15, 0.08), blend=1)
    form.box((0.04, -3.66, 0), (0.42, 0.4, 0.42), hat, tilt=(0, 0, 0.08), power=5)
    form.box((0.02, -3.45, 0), (0.45, 0.1, 0.45), Skin((0.75, 0.16, 0.14), 2.5), tilt=(0, 0, 0.08), power=5)


def sledge(form: Sculpture, foot: Vec, scale: float, yaw: float) -> None:
    """A wooden sledge with curled runners, its nose along x."""
    form.place(foot, scale, yaw=yaw, pitch=0.12)
    wood, worn = Skin((0.72, 0.45, 0.21), 4), Skin((0.56, 0.32, 0.14), gloss=0.2)
    for z in (-0.5, 0.5):
        form.tube([(-1.2, 0, z), (0.9, 0, z), (1.25, -0.1, z), (1.45, -0.35, z), (1.4, -0.6, z), (1.2, -0.66, z)],
                [0.06] * 6, worn, blend=1)
        for x in (-0.8, 0, 0.8):
            form.tube([(x, 0, z), (x, -0.36, z)], (0.055, 0.055), worn, blend=1)
    for z in (-0.45, 0, 0.45):
        form.box((-0.05, -0.42, z), (1.2, 0.06, 0.2), wood, comb=(1, 0, 0), power=5)


# fmt: on
# ---------------------------------------------------------------- scenes


def golden_retriever_in_snow(canvas: Canvas) -> None:
    """The reference: a golden retriever sitting in deep snow, low sun behind the pines."""
    canvas.gradient(
        [(0, (0.55, 0.68, 0.85)), (260, (0.86, 0.86, 0.87)), (430, (1.0, 0.9, 0.76)), (768, (1, 0.95, 0.9))]
    )
    canvas.glow(640, 250, 190, (1.0, 0.78, 0.45), 0.85)
    forest(canvas, 24, 440, (120, 230), (0.46, 0.55, 0.62), (0.66, 0.72, 0.75), 0.5, 3)
    forest(canvas, 14, 455, (240, 400), (0.13, 0.24, 0.24), (0.34, 0.44, 0.36), 0.6, 4, (230, 560))
    canvas.glow(640, 330, 130, (1.0, 0.74, 0.38), 0.75)
    canvas.glow(640, 330, 30, (1.0, 0.92, 0.7), 0.7)
    bokeh(canvas, 60, (420, 120, 768, 440), (5, 16), (1.0, 0.8, 0.5), 0.32)
    snowfield(canvas, 440, (1.0, 0.975, 0.94), (0.68, 0.77, 0.92))
    canvas.glow(660, 470, 150, (1.0, 0.75, 0.45), 0.35, 0.3)
    form = sitting_dog()
    cast(canvas, form, 712, -0.9, 0.22, (0.52, 0.62, 0.84), 0.75)
    light = Light(
        key_from=(-0.4, -0.6, 0.7),
        key=(1.12, 1.03, 0.88),
        sky=(0.36, 0.39, 0.45),
        bounce=(0.34, 0.34, 0.37),
        rim_from=(0.9, -0.4, -0.2),
        rim_power=0.9,
    )
    groom(canvas, form, form.lit(light))
    powder(canvas, (190, 700), 738, 1500, (0.93, 0.95, 1.0), 5, 8)
    snowfall(canvas, 650, clear=(360, 260, 110))


def hiking_golden_retriever(canvas: Canvas) -> None:
    """A golden retriever with a red pack on a forest trail, first snow on the ground."""
    canvas.gradient(
        [(0, (0.50, 0.60, 0.40)), (280, (0.96, 0.92, 0.66)), (430, (1.0, 0.94, 0.74)), (768, (0.5, 0.45, 0.3))]
    )
    canvas.px *= (1 + 0.06 * canvas.cloud(4, tile=canvas.rough) + 0.08 * canvas.cloud(2))[..., None]
    canvas.glow(560, 250, 210, (1.0, 0.93, 0.62), 0.9)
    forest(canvas, 26, 440, (160, 360), (0.56, 0.62, 0.42), (0.80, 0.80, 0.52), 0.1, 3)
    trunks(canvas, 17, 446, (8, 15), (0.50, 0.43, 0.30), (0.80, 0.68, 0.46), 2)
    forest(canvas, 12, 466, (200, 420), (0.20, 0.30, 0.15), (0.52, 0.58, 0.26), 0.25, 2.5, (110, 650))
    trunks(canvas, 8, 486, (26, 48), (0.20, 0.13, 0.09), (0.62, 0.44, 0.28), 1.2, (100, 650))  # none behind the head
    canvas.glow(560, 330, 150, (1.0, 0.86, 0.5), 0.6)
    forest_floor(canvas, 440)
    sunbeams(canvas, 640, -120, (1.0, 0.92, 0.66), 0.75)
    post = Sculpture()
    post.place((706, 552, 0), 62, yaw=-0.25, above=0.1)
    signpost(post)
    light = Light(
        key_from=(-0.45, -0.55, 0.75),
        key=(1.05, 0.96, 0.78),
        sky=(0.36, 0.38, 0.38),
        bounce=(0.36, 0.34, 0.31),
        rim_from=(-0.8, -0.6, -0.2),
    )
    cast(canvas, post, 552, -0.6, 0.2, (0.16, 0.13, 0.12), 0.5)
    groom(canvas, post, post.lit(light))
    powder(canvas, (682, 730), 554, 60, (0.9, 0.9, 0.92), 3.5, 2)
    form = walking_dog()
    cast(canvas, form, 694, 0.7, 0.2, (0.16, 0.13, 0.12), 0.6)
    light = replace(light, key=(1.12, 1.03, 0.86), rim_from=(0.8, -0.6, -0.2), rim=(1.0, 0.9, 0.6), rim_power=1.0)
    groom(canvas, form, form.lit(light, canvas.cloud(4, tile=canvas.rough), 0.5))
    bokeh(canvas, 30, (0, 0, 768, 420), (3, 9), (1.0, 0.92, 0.6), 0.22)
    snowfall(canvas, 160, 0.9, clear=(220, 290, 130))


def trunks(
    canvas: Canvas,
    count: int,
    base: float,
    width: tuple[float, float],
    dark: Vec,
    light: Vec,
    soft: float,
    gap: tuple[float, float] | None = None,
) -> None:
    """Tall trunks that leave the picture at the top: strokes of bark, lit from the right."""
    rng = canvas.rng
    for x in np.linspace(-10, SIZE + 10, count) + rng.normal(0, 18, count):
        if gap and gap[0] < x < gap[1]:
            continue
        w, n = rng.uniform(*width), 900
        foot, lean = base + rng.uniform(-8, 14), rng.normal(0, 0.02)
        u, y = rng.uniform(-1, 1, n), foot - rng.random(n) * (foot + 30)
        flare = 1 + 0.5 * np.exp(-(foot - y) / 25)
        px = x + u * w / 2 * flare + (foot - y) * lean
        tone = np.clip(0.42 + 0.5 * u - 0.35 * (u > 0.8) + rng.normal(0, 0.16, n), 0, 1)
        length = rng.uniform(8, 30, n) * w / 30 + 8
        points = np.stack([np.stack([px, y], 1), np.stack([px + rng.normal(0, 0.7, n), y + length], 1)], 1)
        canvas.strokes(np.array([[[x, foot], [x + foot * lean, -30]]]), np.array([dark]), np.array([int(w * SCALE)]))
        canvas.strokes(points, mix(dark, light, tone), np.full(n, max(2, int(w / 7))))
    canvas.px = blur(canvas.px, soft * SCALE)


def trail(depth: Array) -> Array:
    """Where the middle of the trail runs, from 0 at the horizon to 1 at our feet."""
    bend = 120 * np.sin(depth * 6.5) * np.exp(-3 * depth)
    return np.asarray(580 - 210 * depth**0.6 + bend)


def forest_floor(canvas: Canvas, horizon: float) -> None:
    """Fallen leaves, moss and a little snow, with a trodden path that winds towards the light."""
    depth = np.clip((canvas.y - horizon) / (SIZE - horizon), 0, 1.2)
    away = 1 / (depth + 0.12)
    u, v = (canvas.x - SIZE / 2) * away * 0.5, away * 160
    coarse, fine = sample(canvas.soft, u, v), sample(canvas.rough, u * 3, v * 3)
    floor = mix((0.36, 0.26, 0.14), (0.74, 0.54, 0.27), np.clip(0.5 + 0.25 * fine, 0, 1))
    floor = mix(floor, (0.40, 0.43, 0.17), smoothstep(0.0, 1.2, -coarse) * 0.8)
    off = np.abs(canvas.x - trail(depth)) / (14 + 250 * depth) + 0.05 * fine
    path = smoothstep(1.05, 0.8, off)
    floor = mix(
        floor, mix((0.52, 0.40, 0.28), (0.82, 0.67, 0.49), np.clip(0.5 + 0.2 * fine + 0.15 * coarse, 0, 1)), path
    )
    snow = smoothstep(0.1, 0.8, coarse + 0.25 * fine - 1.3 * path + 0.75 + 0.6 * smoothstep(1.6, 1.0, off) * (1 - path))
    floor = mix(floor, mix((0.66, 0.72, 0.84), (1.0, 0.97, 0.92), np.clip(0.6 + 0.25 * fine, 0, 1)), snow)
    haze = np.exp(-depth * 7)
    floor = mix(floor, (1.0, 0.92, 0.68), haze * 0.8)
    floor *= (1 - 0.28 * smoothstep(0.2, 1.2, sample(canvas.soft, u * 0.7 + 300, v * 0.7)) * (1 - haze))[
        ..., None
    ]  # leaf shade
    canvas.cover(floor, smoothstep(-3, 10, canvas.y - horizon + 5 * sample(canvas.rough, canvas.x * 2, canvas.y * 0)))
    rng, n = canvas.rng, 5200  # leaves and grass, larger towards us
    d = rng.random(n) ** 0.7
    x, y = rng.uniform(0, SIZE, n), horizon + 12 + d * (SIZE - horizon)
    order = np.argsort(y)
    x, y, d = x[order], y[order], d[order]
    grass = rng.random(n) < 0.5
    angle = np.where(grass, -np.pi / 2 + rng.normal(0, 0.5, n), rng.uniform(0, 6.3, n))
    keep = np.abs(x - trail(d)) > (14 + 250 * d) * np.where(grass, 1.0, 0.2)
    length = np.where(grass, rng.uniform(8, 24, n), rng.uniform(3, 8, n)) * (0.25 + d)
    palette = np.array([(0.48, 0.48, 0.20), (0.78, 0.66, 0.32), (0.86, 0.5, 0.18), (0.62, 0.33, 0.14)])
    ink = palette[np.where(grass, rng.integers(0, 2, n), rng.integers(1, 4, n))] * rng.uniform(0.7, 1.1, (n, 1))
    bend = rng.normal(0, 0.25, n)
    points = np.stack(
        [
            np.stack([x, y], 1),
            np.stack([x + np.cos(angle) * length * 0.6, y + np.sin(angle) * length * 0.6], 1),
            np.stack([x + np.cos(angle + bend) * length, y + np.sin(angle + bend) * length], 1),
        ],
        1,
    )
    canvas.strokes(points[keep], ink[keep], np.where(grass, 2, 5)[keep])


def sunbeams(canvas: Canvas, x: float, y: float, colour: Vec, power: float) -> None:
    """Beams of light that fan out from a point."""
    angle = np.arctan2(canvas.x - x, canvas.y - y)
    beam = sample(canvas.soft, angle * 110, np.full_like(angle, 40.0)) + 0.5 * sample(
        canvas.soft, angle * 320, np.full_like(angle, 90.0)
    )
    fall = np.exp(-np.hypot(canvas.x - x, canvas.y - y) / 420)
    canvas.shine(smoothstep(-0.6, 1.8, beam) * fall * power * 2, colour)


def cat_in_rucksack(canvas: Canvas) -> None:
    """A tabby looking out of a rucksack set down in a winter forest."""
    canvas.gradient([(0, (0.60, 0.68, 0.78)), (400, (0.90, 0.90, 0.90)), (768, (0.9, 0.92, 0.96))])
    canvas.glow(120, 240, 200, (1.0, 0.82, 0.55), 0.75)
    forest(canvas, 22, 500, (200, 420), (0.44, 0.53, 0.57), (0.66, 0.72, 0.74), 0.6, 4)
    trunks(canvas, 13, 520, (10, 20), (0.34, 0.35, 0.38), (0.62, 0.60, 0.58), 4)
    forest(canvas, 9, 560, (380, 620), (0.10, 0.19, 0.19), (0.30, 0.40, 0.32), 0.7, 5, (230, 540))
    canvas.glow(90, 330, 140, (1.0, 0.78, 0.45), 0.55)
    bokeh(canvas, 54, (0, 60, 768, 500), (6, 18), (1.0, 0.84, 0.58), 0.26)
    snowfield(canvas, 545, (1.0, 0.98, 0.95), (0.66, 0.75, 0.90))
    form = cat_in_sack()
    cast(canvas, form, 752, 0.8, 0.2, (0.5, 0.6, 0.8), 0.8)
    light = Light(key_from=(-0.5, -0.6, 0.65), rim_from=(-0.9, -0.3, -0.2), rim_power=0.7)
    groom(canvas, form, form.lit(light, canvas.cloud(5, tile=canvas.rough), 0.45))
    whiskers(canvas, form)
    form.place((384, 578, 0), 150)
    stitches(canvas, form)
    powder(canvas, (150, 620), 758, 1200, (0.95, 0.97, 1.0), 6, 7)
    snowfall(canvas, 500, clear=(384, 270, 140))


def children_playing_in_snow(canvas: Canvas) -> None:
    """Three children, a snowman and a sledge on a sunny winter hill."""
    canvas.gradient([(0, (0.40, 0.63, 0.90)), (200, (0.74, 0.86, 0.96)), (330, (1.0, 0.93, 0.84)), (768, (1, 1, 1))])
    puffs = smoothstep(0.2, 1.6, canvas.cloud(0.9, 40, 2.2) + 0.25 * canvas.cloud(2.5, 7, 1.5, canvas.rough))
    canvas.cover((1.0, 0.98, 0.95), puffs * 0.75 * smoothstep(330, 60, canvas.y))
    canvas.glow(80, 60, 120, (1.0, 0.93, 0.74), 0.8)
    snowfield(canvas, 250, (0.95, 0.95, 0.98), (0.72, 0.80, 0.94), 0.6, 44, seed=3)
    forest(canvas, 60, 285, (34, 70), (0.36, 0.48, 0.54), (0.58, 0.68, 0.70), 0.5, 1.0, spread=22)
    snowfield(canvas, 318, (1.0, 0.98, 0.95), (0.70, 0.79, 0.94), 0.8, 26, seed=11)
    forest(canvas, 16, 350, (110, 215), (0.10, 0.25, 0.24), (0.32, 0.48, 0.38), 0.75, 1.2, (150, 600), 14)
    cottage(canvas, 300, 350, 1.0)
    snowfield(canvas, 392, (1.0, 0.985, 0.96), (0.64, 0.75, 0.94), 1.0, 16, seed=5)
    canvas.glow(110, 520, 260, (1.0, 0.9, 0.75), 0.12)
    light = Light(
        key_from=(-0.6, -0.6, 0.55),
        key=(1.08, 1.0, 0.86),
        sky=(0.36, 0.42, 0.52),
        bounce=(0.40, 0.44, 0.54),
        rim_from=(-0.8, -0.5, -0.2),
        rim_power=0.5,
    )
    blue, red, yellow, teal = (0.17, 0.45, 0.80), (0.86, 0.19, 0.16), (0.98, 0.74, 0.18), (0.16, 0.52, 0.48)
    white, pink = (0.96, 0.95, 0.92), (0.92, 0.36, 0.50)
    stand: Joints = [[(-0.2, -0.85, 0), (-0.26, -0.2, 0)], [(0.2, -0.85, 0), (0.3, -0.2, 0.05)]]
    ride: Joints = [
        [(-0.2, -0.85, 0.1), (0.25, -0.8, 0.5), (0.75, -0.62, 0.5)],
        [(0.2, -0.85, 0.1), (0.55, -0.85, 0.55), (1.0, -0.6, 0.55)],
    ]
    hop: Joints = [
        [(-0.22, -0.85, 0), (-0.5, -0.5, 0.1), (-0.62, -0.12, -0.1)],
        [(0.2, -0.85, 0), (0.42, -0.5, 0.25), (0.3, -0.14, 0.1)],
    ]

    def group(ground: float, model: Callable[[Sculpture], None], snow: tuple[float, float]) -> None:
        form = Sculpture()
        model(form)
        cast(canvas, form, ground, 1.0, 0.24, (0.46, 0.58, 0.86), 0.75)
        groom(canvas, form, form.lit(light, canvas.cloud(4, tile=canvas.rough), 0.3), density=0.8)
        powder(canvas, snow, ground + 3, int((snow[1] - snow[0]) * 2), (0.96, 0.97, 1.0), 3.5, 2.5)

    def thrower(form: Sculpture) -> None:
        arms = [[(-0.75, -1.85, 0.1), (-0.95, -2.45, 0.15)], [(0.85, -1.65, 0.2), (1.2, -2.0, 0.3)]]
        child(form, (300, 620, 0), 104, 0.4, red, white, yellow, (0.45, 0.26, 0.12), arms, hop, -0.05)

    def builder(form: Sculpture) -> None:
        arms = [[(-0.75, -1.5, 0.25), (-1.15, -1.8, 0.35)], [(0.75, -1.3, 0.1), (0.8, -0.95, 0.3)]]
        child(form, (668, 672, 0), 98, -0.55, blue, pink, white, (0.2, 0.13, 0.1), arms, stand)

    def rider(form: Sculpture) -> None:
        arms = [[(-0.75, -1.8, 0.1), (-0.9, -2.4, 0.15)], [(0.7, -1.25, 0.3), (0.8, -1.0, 0.6)]]
        sledge(form, (165, 704, 0), 98, -0.3)
        child(form, (140, 738, 20), 98, 0.3, yellow, teal, (0.86, 0.26, 0.3), (0.85, 0.6, 0.3), arms, ride)

    group(626, lambda form: snowman(form, (505, 622, 0), 104), (420, 590))
    group(640, thrower, (240, 350))
    group(672, builder, (625, 715))
    group(714, rider, (40, 305))
    flying = Sculpture()
    flying.ball((408, 300, 0), 13, Skin((0.97, 0.98, 1.0)))
    groom(canvas, flying, flying.lit(light, canvas.cloud(4, tile=canvas.rough), 0.5))
    canvas.cover(
        (1, 1, 1),
        canvas.discs(
            canvas.rng.normal(385, 14, 30), canvas.rng.normal(312, 7, 30), canvas.rng.uniform(0.8, 2.2, 30), 0.6
        )
        * 0.9,
    )
    snowfall(canvas, 600)


def cottage(canvas: Canvas, x: float, y: float, size: float) -> None:
    """A far cottage with a snowy roof, lit windows and smoke."""

    def part(points: Sequence[tuple[float, float]], colour: Vec, soft: float = 0.5) -> None:
        canvas.cover(colour, canvas.polygon([(x + a * size, y + b * size) for a, b in points], soft))

    part([(-44, 4), (-44, -34), (34, -34), (34, 4)], (0.52, 0.30, 0.20))
    part([(34, 4), (34, -34), (52, -58), (70, -34), (70, 4)], (0.40, 0.22, 0.16))
    part([(-24, -50), (-24, -78), (-12, -78), (-12, -50)], (0.42, 0.26, 0.22))
    part([(-26, -76), (-26, -82), (-10, -82), (-10, -76)], (1, 1, 1))
    part([(-52, -30), (-34, -64), (53, -64), (36, -30)], (0.97, 0.97, 1.0), 0.8)
    part([(53, -66), (36, -30), (40, -28), (53, -56), (70, -28), (76, -32)], (0.86, 0.90, 0.98), 0.6)
    for a in (-32, -6, 46):
        part([(a, -10), (a, -24), (a + 13, -24), (a + 13, -10)], (1.0, 0.80, 0.38))
        canvas.glow(x + (a + 6) * size, y - 17 * size, 9, (1.0, 0.7, 0.3), 0.5)
    t = np.linspace(0, 1, 26)
    smoke = canvas.discs(x - 18 + 46 * t**1.5 + 7 * np.sin(t * 9), y - 84 - 95 * t, 3 + 12 * t, 4, 1 - 0.85 * t)
    canvas.cover((0.97, 0.96, 0.97), smoke * 0.6)


def snowy_street_at_night(canvas: Canvas) -> None:
    """Lit houses along a snowy street, lamps, a parked car and falling snow."""
    Street(canvas).paint()


def dimmed(colour: Vec, by: float) -> Vec:
    """A colour, darker or lighter."""
    return colour[0] * by, colour[1] * by, colour[2] * by


class Street:
    """A street in one-point perspective, painted flat first and then lit by its lamps and windows."""

    horizon, middle, ground = 420.0, 372.0, 260.0
    walls = ((0.62, 0.40, 0.30), (0.72, 0.62, 0.42), (0.42, 0.50, 0.52), (0.66, 0.48, 0.50), (0.55, 0.55, 0.45))

    def __init__(self, canvas: Canvas) -> None:
        self.canvas, self.rng = canvas, canvas.rng
        self.albedo, self.shine = Image.new("RGB", (FULL, FULL)), Image.new("RGB", (FULL, FULL))
        self.paint_on, self.light_on = ImageDraw.Draw(self.albedo), ImageDraw.Draw(self.shine)

    def spot(self, x: float, y: float, d: float) -> tuple[float, float]:
        """A point of the street (x across, y down from the eye, d away) on the large canvas."""
        return (self.middle + x / d) * SCALE, (self.horizon + y / d) * SCALE

    def face(self, corners: Sequence[Vec], colour: Vec, glow: Vec = (0, 0, 0)) -> None:
        """Fill a polygon of the street, and what light it gives."""
        points = [self.spot(*c) for c in corners]
        self.paint_on.polygon(points, fill=tuple(int(255 * min(1, c)) for c in colour))
        self.light_on.polygon(points, fill=tuple(int(255 * c) for c in glow))

    def window(self, at: Callable[[float, float], Vec], u: float, y: float, du: float, dy: float) -> None:
        """A window with a frame, bars, a curtain of light and a sill of snow; at(u, y) gives points of the wall."""
        warm = (0.0, 0.0, 0.0)
        if self.rng.random() < 0.72:
            tint, power = self.rng.random(), self.rng.uniform(0.7, 1.0)
            warm = (power, (0.62 + 0.18 * tint) * power, (0.22 + 0.23 * tint) * power)

        def pane(a: float, b: float, c: float, d: float, colour: Vec, glow: Vec = (0, 0, 0)) -> None:
            self.face([at(a, b), at(c, b), at(c, d), at(a, d)], colour, glow)

        pane(u - 0.02, y - 8, u + du + 0.02, y + dy + 8, (0.85, 0.82, 0.76))
        pane(u, y, u + du, y + dy, (0.15, 0.18, 0.28), warm)
        pane(u + du / 2 - 0.008, y, u + du / 2 + 0.008, y + dy, (0.5, 0.4, 0.3))
        pane(u, y + dy * 0.36, u + du, y + dy * 0.36 + 5, (0.5, 0.4, 0.3))
        pane(u - 0.04, y + dy + 4, u + du + 0.04, y + dy + 16, (0.96, 0.97, 1.0))

    def house(self, side: int, near: float, far: float, height: float, wall: Vec) -> None:
        """A house on one side: the end wall with its gable, the front with windows and door, the snowy roof."""
        edge, top, ridge = side * 330.0, self.ground - height, self.ground - height - 150
        back = edge + side * 300
        self.face(
            [
                (edge, self.ground, near),
                (back, self.ground, near),
                (back, top, near),
                (edge + side * 150, ridge, near),
                (edge, top, near),
            ],
            dimmed(wall, 0.72),
        )

        def end(u: float, y: float) -> Vec:
            return edge + side * 300 * u, y, near

        def front(u: float, y: float) -> Vec:
            return edge, y, near + (far - near) * u

        for y in np.arange(top + 50, self.ground - 120, 130):
            self.window(end, 0.25, y, 0.22, 70)
        self.face([(edge, self.ground, near), (edge, self.ground, far), (edge, top, far), (edge, top, near)], wall)
        for y in np.arange(top + 45, self.ground - 150, 135):
            for u in (0.12, 0.44, 0.74):
                self.window(front, u, y, 0.15, 78)
        for u in (0.14, 0.72):
            self.window(front, u, self.ground - 130, 0.17, 80)
        self.face(
            [
                front(0.44, self.ground),
                front(0.58, self.ground),
                front(0.58, self.ground - 130),
                front(0.44, self.ground - 130),
            ],
            (0.40, 0.16, 0.12),
        )
        eave = edge - side * 26
        roof = [
            (eave, top + 14, near),
            (eave, top + 14, far),
            (edge + side * 150, ridge, far),
            (edge + side * 150, ridge, near),
        ]
        self.face(roof, (0.93, 0.95, 1.0))
        self.face(
            [(eave, top + 14, near), (eave, top + 14, far), (eave, top - 4, far), (eave, top - 4, near)],
            (1.0, 1.0, 1.0),
        )
        chimney, d = edge + side * 120, near + (far - near) * 0.6
        self.face(
            [
                (chimney, ridge + 40, d),
                (chimney + side * 34, ridge + 40, d),
                (chimney + side * 34, ridge - 50, d),
                (chimney, ridge - 50, d),
            ],
            (0.36, 0.22, 0.2),
        )
        self.face(
            [
                (chimney - side * 4, ridge - 46, d),
                (chimney + side * 38, ridge - 46, d),
                (chimney + side * 34, ridge - 64, d),
                (chimney, ridge - 64, d),
            ],
            (1, 1, 1),
        )

    def lamp(self, x: float, d: float) -> tuple[float, float, float]:
        """A lamp post; returns where its light is on the finished picture and how far away it stands."""
        post = (0.10, 0.11, 0.14)
        for half, low, high in ((7, 262, -150), (14, 262, 225), (10, 60, 50)):
            self.face(
                [(x - half, low, d), (x + half, low, d), (x + half * 0.7, high, d), (x - half * 0.7, high, d)], post
            )
        self.face([(x - 20, -150, d), (x + 20, -150, d), (x + 30, -215, d), (x - 30, -215, d)], post, (1.0, 0.86, 0.55))
        self.face([(x - 36, -213, d), (x + 36, -213, d), (x + 8, -245, d), (x - 8, -245, d)], post)
        self.face(
            [(x - 38, -218, d), (x + 38, -218, d), (x + 22, -240, d), (x + 4, -254, d), (x - 20, -242, d)],
            (0.95, 0.97, 1.0),
        )
        px, py = self.spot(x, -180, d)
        return px / SCALE, py / SCALE, d

    def church(self, d: float = 9.5) -> None:
        """A church with a spire where the street ends."""
        stone, snow = (0.44, 0.40, 0.42), (0.95, 0.96, 1.0)
        self.face([(-80, 240, d), (-80, -500, d), (190, -500, d), (190, 240, d)], stone)
        self.face([(-100, -490, d), (55, -720, d), (210, -490, d)], snow)
        self.face([(-70, 240, d), (-70, -900, d), (70, -900, d), (70, 240, d)], dimmed(stone, 1.15))
        self.face([(-90, -890, d), (0, -1600, d), (90, -890, d)], snow)
        for x, y, w, h in ((-26, -760, 52, 110), (-26, -380, 52, 130), (110, -330, 44, 130), (-32, 60, 64, 180)):
            self.face(
                [(x, y, d), (x + w / 2, y - 40, d), (x + w, y, d), (x + w, y + h, d), (x, y + h, d)],
                (0.3, 0.25, 0.2),
                (1.0, 0.72, 0.36),
            )

    def paint(self) -> None:
        """Paint everything flat, light it, then add what shines or stands in front."""
        canvas = self.canvas
        canvas.gradient(
            [(0, (0.05, 0.08, 0.22)), (250, (0.14, 0.18, 0.38)), (430, (0.40, 0.33, 0.44)), (768, (0.1, 0.1, 0.2))]
        )
        canvas.px *= (1 + 0.16 * canvas.cloud(0.5, stretch=2.5))[..., None]
        sky = canvas.px.copy()
        snowfield(canvas, self.horizon, (0.98, 0.98, 1.0), (0.60, 0.66, 0.84), 1.1, 0)
        self.tracks()
        self.albedo.paste(to_image(canvas.px))
        self.church()
        for k, (near, far) in enumerate(((5.6, 8.0), (3.9, 5.3), (2.75, 3.7), (1.9, 2.6), (1.16, 1.75))):
            self.house(-1, near, far, (430, 520, 450, 560, 470)[k], self.walls[k])
            self.house(1, near * 1.06, far * 1.06, (500, 440, 540, 430, 520)[k], self.walls[(k + 2) % 5])
        lamps = [self.lamp(s * 235, d * (1.0 if s < 0 else 1.14)) for d in (6.0, 4.0, 2.7, 1.75) for s in (-1, 1)]
        self.light(sky, lamps)
        self.tree()
        for x, y, d in lamps:
            cone = [(x, y), (x - 95 / d, y + 440 / d), (x + 95 / d, y + 440 / d)]
            beam = canvas.polygon(cone, 14 / d) * smoothstep(y + 460 / d, y, canvas.y)
            canvas.shine(beam * 0.3, (1.0, 0.74, 0.42))
        self.garlands()
        self.walker()
        self.car()
        for x, y, d in lamps:
            canvas.glow(x, y, 13 / d, (1.0, 0.92, 0.7), 1.0)
            canvas.glow(x, y, 60 / d, (1.0, 0.72, 0.36), 0.5)
            canvas.glow(x, y, 150 / d, (1.0, 0.6, 0.28), 0.22)
        snowfall(canvas, 1100, 0.95, (0.95, 0.93, 0.95))

    def tree(self) -> None:
        """A lit Christmas tree before the church."""
        canvas, rng = self.canvas, self.rng
        x, base, height = self.middle + 16, self.horizon + 62, 122
        pine(canvas, x, base, height, (0.03, 0.09, 0.07), (0.12, 0.24, 0.15), 0.12, (0.6, 0.6, 0.7), 0.26)
        t = rng.uniform(0.08, 1, 60)
        bx, by = x + rng.uniform(-1, 1, 60) * t * height * 0.26, base - height * (1 - t) + 3
        for colour, part in (((1.0, 0.85, 0.5), slice(None, 40)), ((1.0, 0.35, 0.25), slice(40, None))):
            bulbs = canvas.discs(bx[part], by[part], np.full(len(bx[part]), 1.5), 0.7)
            canvas.shine(bulbs + blur(bulbs, 6) * 2, colour)
        canvas.glow(x, base - height + 2, 4, (1.0, 0.95, 0.7), 1.0)
        canvas.glow(x, base - height * 0.5, 50, (1.0, 0.75, 0.4), 0.3)

    def walker(self) -> None:
        """Someone on the way home under an umbrella."""
        form = Sculpture()
        form.place((286, 566, 0), 41, yaw=2.9, above=0.1)
        coat, dark, brolly = Skin((0.30, 0.34, 0.46), 2), Skin((0.10, 0.10, 0.13)), Skin((0.80, 0.16, 0.16))
        for s, z in ((-0.2, 0.15), (0.2, -0.15)):
            form.tube([(s, -1.0, 0), (s, -0.1, z)], (0.19, 0.15), dark, blend=2)
        form.tube([(0, -2.2, 0), (0, -0.8, 0)], (0.42, 0.6), coat, comb=(0, 1, 0), blend=3)
        form.tube([(0.4, -2.1, 0), (0.62, -1.6, 0.2), (0.4, -1.75, 0.4)], (0.2, 0.17, 0.15), coat, blend=2)
        form.tube([(-0.4, -2.1, 0), (-0.62, -1.3, 0.1)], (0.2, 0.15), coat, blend=2)
        form.ball((0, -2.65, 0), 0.32, Skin((0.25, 0.16, 0.12), 2), blend=1)
        form.tube(ring(0.3, -2.3), [0.14] * 22, Skin((0.85, 0.65, 0.25), 2), blend=2)
        form.tube([(0.4, -1.7, 0.4), (0.35, -3.4, 0.3)], (0.04, 0.04), dark, blend=1)
        form.ball((0.3, -2.95, 0.2), (1.25, 0.82, 1.25), brolly, blend=1, below=0.05)
        for k in range(-2, 3):
            form.ball((0.3 + 0.5 * k, -2.92, 0.9), (0.26, 0.12, 0.2), brolly, blend=3)
        form.ball((0.3, -3.3, 0.25), (0.9, 0.5, 0.9), Skin((0.95, 0.96, 1.0)), blend=1, below=0.1)
        cast(self.canvas, form, 568, 0.3, -0.4, (0.10, 0.11, 0.22), 0.55)
        groom(self.canvas, form, form.lit(self.glow_light))

    glow_light = Light(
        key_from=(-0.4, -0.8, 0.3),
        key=(0.85, 0.60, 0.36),
        sky=(0.28, 0.30, 0.46),
        bounce=(0.30, 0.27, 0.32),
        rim_from=(-0.5, -0.6, -0.2),
        rim=(1.0, 0.75, 0.4),
        rim_power=0.8,
    )

    def tracks(self) -> None:
        """Wheel tracks down the street and footprints along it."""
        canvas = self.canvas
        depth = np.maximum(canvas.y - self.horizon, 1) / self.ground  # 1 / d
        across = (canvas.x - self.middle) / depth
        for x in (-60, 40, 95):
            rut = np.exp(-(((across - x - 6 * np.sin(1 / depth)) / 9) ** 2)) * (canvas.y > self.horizon + 2)
            canvas.cover((0.55, 0.60, 0.74), rut * 0.6)
        k = np.arange(40)
        d = 1.0 / np.linspace(0.25, 1.3, 40)
        x = self.middle + (-150 + 9 * (-1.0) ** k + 14 * np.sin(k / 6)) / d
        y = self.horizon + self.ground / d
        for drop, colour, alpha in ((0.0, (0.42, 0.48, 0.66), 0.75), (2.5, (1.0, 1.0, 1.0), 0.25)):
            canvas.cover(colour, canvas.discs(x, y + drop / d, 6 / d, 0.8) * alpha)

    def light(self, sky: Array, lamps: Sequence[tuple[float, float, float]]) -> None:
        """Light the flat painting: blue night, warm pools under the lamps, light spilt by the windows."""
        canvas = self.canvas
        albedo, shine = (np.asarray(i, np.float32) / 255 for i in (self.albedo, self.shine))
        mood = np.zeros_like(albedo) + np.array((0.20, 0.26, 0.46), np.float32)
        warm = np.array((1.0, 0.68, 0.36), np.float32)
        for x, y, d in lamps:
            below = canvas.y - (self.horizon + self.ground / d)
            pool = np.exp(-(((canvas.x - x) * d / 190) ** 2) - (below * d / 70) ** 2)
            halo = np.exp(-np.hypot(canvas.x - x, canvas.y - y) * d / 130)
            mood += ((pool * 0.75 + halo * 0.6) * (canvas.y > 0))[..., None] * warm
        spill = blur(shine, 26 * SCALE) * 1.1 + blur(shine, 8 * SCALE) * 0.6
        texture = (1 + 0.07 * canvas.cloud(3, tile=canvas.rough))[..., None]
        flat = albedo * (mood + spill) * texture
        open_sky = (np.abs(albedo - sky).max(-1) < 0.02) & (canvas.y < self.horizon)
        flat = mix(flat, sky + spill * 0.3, open_sky.astype(np.float32))
        haze = np.exp(-(((canvas.x - self.middle) / 150) ** 2) - (((canvas.y - self.horizon + 10) / 80) ** 2))
        flat = mix(flat, (0.62, 0.48, 0.46), haze * 0.4)
        canvas.px = flat * (1 - shine.max(-1, keepdims=True) * 0.8) + shine * (0.9 + 0.1 * texture)
        haloes = blur(shine, 5 * SCALE) * 0.35 + blur(shine, 20 * SCALE) * 0.3
        canvas.px = 1 - (1 - np.clip(canvas.px, 0, 1)) * (1 - np.clip(haloes, 0, 1))

    def car(self) -> None:
        """A small parked car, seen from behind, capped with snow."""
        form = Sculpture()
        form.place((588, 648, 0), 78, yaw=0.3, above=0.2)
        body, glass = Skin((0.66, 0.12, 0.12), gloss=0.5), Skin((0.10, 0.13, 0.2), gloss=0.7)
        tyre, snow, chrome = Skin((0.06, 0.06, 0.07)), Skin((0.97, 0.98, 1.0)), Skin((0.62, 0.62, 0.64), gloss=0.8)
        form.box((0, 0.18, -0.3), (0.92, 0.28, 1.75), tyre, power=5)  # the dark underneath
        for s in (-1, 1):
            for z in (0.75, -1.3):
                form.box((s * 0.86, 0.28, z), (0.15, 0.36, 0.36), tyre, power=2.6)
        form.box((0, -0.12, -0.3), (1.0, 0.4, 1.85), body, power=5)
        form.box((0, -0.62, -0.35), (0.84, 0.5, 1.2), body, power=3.6)
        form.box((0, -0.68, 0.72), (0.66, 0.26, 0.22), glass, tilt=(0, 0.25, 0), power=4)
        for s in (-1, 1):
            form.box((s * 0.78, -0.66, -0.35), (0.1, 0.26, 0.85), glass, power=5)
            form.box((s * 0.78, -0.16, 1.5), (0.13, 0.12, 0.07), Skin((1.5, 0.2, 0.12), gloss=0.8), power=3)
        form.box((0, -0.02, 1.55), (0.32, 0.1, 0.04), Skin((0.88, 0.86, 0.78)), power=5)
        form.box((0, 0.2, 1.5), (0.96, 0.08, 0.12), chrome, power=4)
        form.box((0, -1.12, -0.4), (0.82, 0.17, 1.12), snow, power=2.8)
        form.box((0, -0.5, 1.18), (0.86, 0.13, 0.36), snow, power=2.8)
        light = replace(self.glow_light, key_from=(-0.5, -0.75, 0.4), key=(1.0, 0.74, 0.46))
        cast(self.canvas, form, 684, 0.6, 0.2, (0.08, 0.10, 0.24), 0.7)
        groom(self.canvas, form, form.lit(light, self.canvas.cloud(4, tile=self.canvas.rough), 0.3))
        for s in (-1, 1):
            x, y, _ = form.spot((s * 0.78, -0.16, 1.55))
            self.canvas.glow(x, y, 13, (1.0, 0.16, 0.1), 0.4)
        powder(self.canvas, (500, 680), 704, 200, (0.40, 0.42, 0.62), 4, 2.5)

    def garlands(self) -> None:
        """Strings of small warm lights across the street."""
        canvas = self.canvas
        for d in (1.5, 2.3, 3.4):
            t = np.linspace(0, 1, 15)
            x, y = self.middle + (-330 + 660 * t) / d, self.horizon + (-400 + 320 * t * (1 - t)) / d
            wire = np.stack([x, y], 1)[None]
            canvas.strokes(wire, np.array([(0.08, 0.08, 0.12)]), np.array([2]))
            for px, py in zip(x[1:-1], y[1:-1], strict=True):
                canvas.glow(px, py, 3.4 / d, (1.0, 0.9, 0.6), 1.0)
            bulbs = canvas.discs(x, y, np.full(15, 11 / d), 7 / d)
            canvas.shine(bulbs, (1.0, 0.66, 0.3))


SCENES: dict[str, Callable[[Canvas], None]] = {
    "hiking-golden-retriever": hiking_golden_retriever,
    "children-playing-in-snow": children_playing_in_snow,
    "cat-in-rucksack": cat_in_rucksack,
    "snowy-street-at-night": snowy_street_at_night,
    "golden-retriever-in-snow": golden_retriever_in_snow,
}


def paint(name: str) -> Image.Image:
    """Paint one scene; the seed comes from its name, so each is the same however many are painted."""
    canvas = Canvas(zlib.crc32(name.encode()))
    SCENES[name](canvas)
    return canvas.finish()


def main(argv: Sequence[str] | None = None) -> None:
    """Paint the named scenes, or all of them, into a folder."""
    parser = argparse.ArgumentParser(description="Paint the bundled example pictures.")
    parser.add_argument("scene", nargs="*", help=f"what to paint (default: everything): {', '.join(SCENES)}")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder for the pictures")
    args = parser.parse_args(argv)
    unknown = [name for name in args.scene if name not in SCENES]
    if unknown:
        parser.error(f"no scene called {', '.join(unknown)}; there are {', '.join(SCENES)}")
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.scene or SCENES:
        paint(name).save(args.out / f"{name}.jpg", quality=QUALITY, optimize=True)


if __name__ == "__main__":
    main()
