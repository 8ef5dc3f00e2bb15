package dev.edgeshift.android

import android.content.res.AssetManager
import dev.edgeshift.Edgeshift
import java.nio.ByteBuffer

/**
 * Open an artifact from the app's assets.
 *
 * @param name name of the asset, such as "gestures.tflite".
 * @param threads threads of the runtime, 1 to 64.
 * @throws java.io.IOException there is no such asset.
 * @throws dev.edgeshift.EdgeshiftException it is not an artifact, or the runtime cannot run it here.
 */
fun Edgeshift.Companion.load(assets: AssetManager, name: String, threads: Int = 1): Edgeshift {
    val bytes = assets.open(name).use { it.readBytes() }
    val data = ByteBuffer.allocateDirect(bytes.size).put(bytes)
    data.flip()
    return open(data, name, threads)
}
