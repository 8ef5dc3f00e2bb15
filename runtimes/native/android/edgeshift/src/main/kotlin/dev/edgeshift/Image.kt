package dev.edgeshift

import java.nio.ByteBuffer

/** How the pixels of an image are stored. The order is that of es_format in edgeshift.h. */
enum class Format(internal val bytes: Int) {
    /** 3 bytes per pixel. */
    RGB(3),

    /** 3 bytes per pixel. */
    BGR(3),

    /** 4 bytes per pixel; the last is not used. */
    RGBA(4),

    /** 4 bytes per pixel; the last is not used. */
    BGRA(4),

    /** Two planes: Y, then U and V in turns. */
    NV12(1),

    /** Two planes: Y, then V and U in turns. */
    NV21(1),

    /** Three planes: Y, U and V. */
    I420(1),
}

/** How Y, U and V become red, green and blue. The order is that of es_yuv in edgeshift.h. */
enum class Colours {
    /** Y from 0 to 255. Android's cameras give these colours. */
    BT601_FULL,

    /** Y from 16 to 235. */
    BT601_VIDEO,

    /** Y from 0 to 255. */
    BT709_FULL,

    /** Y from 16 to 235. */
    BT709_VIDEO,
}

/**
 * One plane of an image.
 *
 * @property buffer a direct buffer, whose position is the first byte of the plane.
 * @property rowStride bytes from a row to the next.
 */
class Plane(val buffer: ByteBuffer, val rowStride: Int)

/**
 * An image in memory. The pixels are not copied, so the buffers must keep them until the call that takes the image
 * returns.
 *
 * @property format how the pixels are stored.
 * @property width columns as stored, before the rotation.
 * @property height rows as stored, before the rotation.
 * @param planes 1 plane for RGB, BGR, RGBA and BGRA, 2 for NV12 and NV21, 3 for I420.
 * @param pixelStride of I420: bytes from one U or V value to the next, 1 or 2.
 * @param rotation degrees, clockwise, after which the image is upright: 0, 90, 180 or 270.
 * @param mirrored true: left and right are exchanged after the rotation.
 * @param colours of NV12, NV21 and I420: how the values become red, green and blue.
 * @throws EdgeshiftException a plane is missing, is not a direct buffer, or is smaller than the image.
 */
class Image(
    val format: Format,
    val width: Int,
    val height: Int,
    planes: List<Plane>,
    pixelStride: Int = 1,
    rotation: Int = 0,
    mirrored: Boolean = false,
    colours: Colours = Colours.BT601_FULL,
) {
    /** The first byte of each plane. */
    internal val buffers: Array<ByteBuffer?> = arrayOfNulls(PLANES)

    /** Format, width, height, three row strides, pixel stride, rotation, mirrored and colours, as numbers. */
    internal val layout = IntArray(LAYOUT)

    init {
        val rows = rowsOfPlanes(format, width, height, pixelStride)
        if (planes.size != rows.size) throw badArgument("$format needs ${rows.size} planes, not ${planes.size}")
        planes.forEachIndexed { index, plane ->
            requireWhole(plane, rows[index], index)
            buffers[index] = plane.buffer.slice()
            layout[3 + index] = plane.rowStride
        }
        layout[0] = format.ordinal
        layout[1] = width
        layout[2] = height
        layout[6] = pixelStride
        layout[7] = rotation
        layout[8] = if (mirrored) 1 else 0
        layout[9] = colours.ordinal
    }

    /** Check that the native code will not read past the end of a plane. All other values are checked by that code. */
    private fun requireWhole(plane: Plane, rows: Rows, index: Int) {
        val (buffer, stride) = plane.buffer to plane.rowStride
        if (!buffer.isDirect) throw badArgument("plane $index is not a direct buffer: use ByteBuffer.allocateDirect")
        if (stride < 0) throw badArgument("plane $index has the row stride $stride: give bytes from a row to the next")
        val bytes = stride.toLong() * (rows.count - 1) + rows.bytes
        if (buffer.remaining() < bytes) {
            throw badArgument("plane $index has ${buffer.remaining()} of $bytes bytes: give the whole image")
        }
    }

    companion object {
        internal const val PLANES = 3
        internal const val LAYOUT = 10

        /** An image in RGB of 3 bytes per pixel without padding. */
        fun rgb(buffer: ByteBuffer, width: Int, height: Int): Image =
            Image(Format.RGB, width, height, listOf(Plane(buffer, 3 * width)))
    }
}

/** Number of rows of a plane, and bytes of its last row. */
private class Rows(val count: Long, val bytes: Long)

/** The rows of each plane of an image. */
private fun rowsOfPlanes(format: Format, width: Int, height: Int, pixelStride: Int): List<Rows> {
    val first = Rows(height.toLong(), width.toLong() * format.bytes)
    val halfWidth = (width.toLong() + 1) / 2
    val halfHeight = (height.toLong() + 1) / 2
    return when (format) {
        Format.RGB, Format.BGR, Format.RGBA, Format.BGRA -> listOf(first)
        Format.NV12, Format.NV21 -> listOf(first, Rows(halfHeight, 2 * halfWidth))
        Format.I420 -> Rows(halfHeight, (halfWidth - 1) * maxOf(pixelStride, 1) + 1).let { listOf(first, it, it) }
    }
}
