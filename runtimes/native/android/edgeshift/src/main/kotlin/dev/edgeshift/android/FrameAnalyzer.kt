package dev.edgeshift.android

import androidx.camera.core.ImageAnalysis
import androidx.camera.core.ImageProxy
import dev.edgeshift.EdgeshiftException
import dev.edgeshift.Recognizer

/**
 * Gives the frames of CameraX to a recognizer.
 *
 *     val analysis = ImageAnalysis.Builder().build()
 *     analysis.setAnalyzer(executor, FrameAnalyzer(recognizer, mirrored = isFrontCamera) { show(it) })
 *
 * @param mirrored true for the front camera; see [toImage].
 * @param failed is called with the error of a frame, on the thread of the executor.
 */
class FrameAnalyzer(
    private val recognizer: Recognizer,
    private val mirrored: Boolean,
    private val failed: (EdgeshiftException) -> Unit,
) : ImageAnalysis.Analyzer {
    /** The clock of the frames' times; null: there was no frame yet. A [Microphone] needs it. */
    @Volatile
    var clock: FrameClock? = null
        private set

    override fun analyze(image: ImageProxy) {
        // CameraX gives no other frame until this one is closed.
        if (clock == null) clock = FrameClock.of(image.imageInfo.timestamp)
        image.use {
            try {
                recognizer.feed(it.toImage(mirrored), it.seconds)
            } catch (error: EdgeshiftException) {
                failed(error)
            }
        }
    }
}
