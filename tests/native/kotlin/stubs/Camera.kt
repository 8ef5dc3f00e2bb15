package androidx.camera.core

import java.nio.ByteBuffer

/** CameraX's interfaces, as far as the library uses them, for tests without Android. */
interface ImageInfo {
    val timestamp: Long
    val rotationDegrees: Int
}

interface ImageProxy : AutoCloseable {
    interface PlaneProxy {
        val rowStride: Int
        val pixelStride: Int
        val buffer: ByteBuffer
    }

    val format: Int
    val width: Int
    val height: Int
    val planes: Array<PlaneProxy>
    val imageInfo: ImageInfo
}

class ImageAnalysis {
    interface Analyzer {
        fun analyze(image: ImageProxy)
    }
}
