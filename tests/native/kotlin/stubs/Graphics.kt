package android.graphics

/** Android's constants, with the values of its documentation. */
object ImageFormat {
    const val YUV_420_888 = 35
    const val JPEG = 256
}

object PixelFormat {
    const val RGBA_8888 = 1
}
