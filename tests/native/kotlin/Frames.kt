import android.content.res.AssetManager
import android.graphics.ImageFormat
import android.graphics.PixelFormat
import androidx.camera.core.ImageInfo
import androidx.camera.core.ImageProxy
import dev.edgeshift.Edgeshift
import dev.edgeshift.EdgeshiftException
import dev.edgeshift.Format
import dev.edgeshift.Image
import dev.edgeshift.Plane
import dev.edgeshift.Recognizer
import dev.edgeshift.android.FrameAnalyzer
import dev.edgeshift.android.load
import dev.edgeshift.android.toImage
import java.io.File
import java.nio.ByteBuffer

/** A frame as CameraX gives it: U and V are two views of one buffer, of which one begins a byte later. */
private class Frame(
    override val format: Int, override val width: Int, override val height: Int, views: List<Triple<ByteBuffer, Int, Int>>,
    degrees: Int, nanoseconds: Long,
) : ImageProxy {
    var closed = false
    override val planes: Array<ImageProxy.PlaneProxy> = views.map { (bytes, row, pixel) ->
        object : ImageProxy.PlaneProxy {
            override val buffer = bytes
            override val rowStride = row
            override val pixelStride = pixel
        }
    }.toTypedArray()
    override val imageInfo = object : ImageInfo {
        override val timestamp = nanoseconds
        override val rotationDegrees = degrees
    }

    override fun close() {
        closed = true
    }
}

private fun bytes(size: Int, step: Int) = ByteBuffer.allocateDirect(size).also { buffer ->
    for (index in 0 until size) buffer.put(index, (index * step % 251).toByte())
}

private fun hex(bytes: ByteArray) = bytes.joinToString("") { "%02x".format(it) }

/** The camera adapter beside images that are described by hand; then frames through the analyzer, one of them bad. */
internal fun printCamera(model: Edgeshift) {
    val (luma, chroma) = bytes(38 * 64, 37) to bytes(19 * 64, 53)
    val views = listOf(
        Triple(luma, 64, 1), Triple(chroma.duplicate(), 64, 2), Triple(chroma.duplicate().position(1), 64, 2),
    )
    val nv12 = listOf(Plane(luma, 64), Plane(chroma, 64))
    val frame = Frame(ImageFormat.YUV_420_888, 50, 38, views, degrees = 270, nanoseconds = 1_500_000_000)
    println(hex(model.fit(frame.toImage())) == hex(model.fit(Image(Format.NV12, 50, 38, nv12, rotation = 270))))
    val mirrored = Image(Format.NV12, 50, 38, nv12, rotation = 270, mirrored = true)
    println(hex(model.fit(frame.toImage(mirrored = true))) == hex(model.fit(mirrored)))
    val rgba = bytes(38 * 256, 91)
    val packed = Frame(PixelFormat.RGBA_8888, 50, 38, listOf(Triple(rgba, 256, 4)), degrees = 0, nanoseconds = 0)
    println(hex(model.fit(packed.toImage())) == hex(model.fit(Image(Format.RGBA, 50, 38, listOf(Plane(rgba, 256))))))
    val failures = mutableListOf<EdgeshiftException>()
    Recognizer(model).use { recognizer ->
        val analyzer = FrameAnalyzer(recognizer, mirrored = false, failures::add)
        analyzer.analyze(frame)
        println(frame.closed && failures.isEmpty() && recognizer.predictions.value!!.logits.size == model.labels.size)
        val short = Frame(ImageFormat.YUV_420_888, 50, 38, views.map { it.copy(second = 128) }, 0, 0)
        analyzer.analyze(short)
        println(short.closed && failures.size == 1)
        val jpeg = Frame(ImageFormat.JPEG, 50, 38, views, 0, 0)
        analyzer.analyze(jpeg)
        println(jpeg.closed && failures[1].message!!.startsWith("frames of format 256"))
    }
}

/** An artifact from the assets of an app. The variable EDGESHIFT_LITERT names LiteRT's library. */
internal fun printAsset(path: String) {
    val assets = object : AssetManager() {
        override fun open(fileName: String) = File(path).parentFile.resolve(fileName).inputStream()
    }
    Edgeshift.load(assets, File(path).name).use { println(it.labels.joinToString("|")) }
}
