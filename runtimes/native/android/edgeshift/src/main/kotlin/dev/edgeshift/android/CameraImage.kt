package dev.edgeshift.android

import android.graphics.ImageFormat
import android.graphics.PixelFormat
import androidx.camera.core.ImageProxy
import dev.edgeshift.EdgeshiftException
import dev.edgeshift.Format
import dev.edgeshift.Image
import dev.edgeshift.Plane

/**
 * A frame of CameraX as an image. Nothing is copied, so use the image before the frame is closed.
 *
 * The frame is rotated so that it is upright. CameraX gives YUV_420_888 unless the app asks for RGBA_8888; both are
 * read.
 *
 * @param mirrored exchange left and right. Do this for the front camera, so that the network sees what the user sees on
 *   the screen. `edgeshift phone` does the same.
 */
fun ImageProxy.toImage(mirrored: Boolean = false): Image {
    val rotation = imageInfo.rotationDegrees
    val views = planes.map { Plane(it.buffer, it.rowStride) }
    return when (format) {
        ImageFormat.YUV_420_888 ->
            Image(Format.I420, width, height, views, planes[1].pixelStride, rotation, mirrored)
        PixelFormat.RGBA_8888 -> Image(Format.RGBA, width, height, views, rotation = rotation, mirrored = mirrored)
        else -> throw EdgeshiftException(
            EdgeshiftException.Status.BAD_ARGUMENT,
            "frames of format $format: ask the camera for YUV_420_888 or RGBA_8888",
        )
    }
}

/** Time of the frame in seconds, from the clock of the camera. */
val ImageProxy.seconds: Double get() = imageInfo.timestamp / 1e9
