import dev.edgeshift.Colours
import dev.edgeshift.Edgeshift
import dev.edgeshift.EdgeshiftException
import dev.edgeshift.Format
import dev.edgeshift.Image
import dev.edgeshift.Plane
import dev.edgeshift.Recognizer
import dev.edgeshift.transcript.Replay
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.async
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking

/** Calls the Kotlin classes as an app does, for tests/native/test_kotlin.py, which compares what is printed. */
fun main(arguments: Array<String>) {
    val (command, library) = arguments
    val files = arguments.drop(2)
    if (command == "errors") return printErrors(files[0], library)
    if (command == "asset") return printAsset(files[0])
    Edgeshift.open(files[0], library = library).use { model ->
        when (command) {
            "facts" -> printFacts(model)
            "replay" -> Replay(model, File(files[1]).readText()).run().forEach(::println)
            "steps" -> printSteps(model, File(files[1]))
            "hear" -> printHeard(model, File(files[1]), files[2].toInt())
            "events" -> printEvents(model, File(files[1]))
            "fit" -> printFits(model)
            "camera" -> printCamera(model)
            "microphone" -> printMicrophone(model)
            else -> error(command)
        }
    }
}

private fun printFacts(model: Edgeshift) {
    val sizes = listOf(model.height, model.width, model.frames, model.hop, model.states, model.frameSpacing)
    println((listOf(Edgeshift.version, model.runtime) + sizes).joinToString("|"))
    println(model.labels.joinToString("|"))
    println(model.description)
    val check = model.selfCheck()
    println(listOf(check.ok, check.frames, check.repeatable, check.version).joinToString("|"))
    println(listOf(check.error, check.tolerance, check.stateError, check.stateTolerance).joinToString("|"))
}

/** The frames of a file: rows of 240 x 320 pixels in RGB. */
private fun frames(file: File): Sequence<Image> {
    val bytes = file.readBytes()
    val size = 240 * 320 * 3
    return (0 until bytes.size / size).asSequence().map { index ->
        val buffer = ByteBuffer.allocateDirect(size).put(bytes, index * size, size)
        Image.rgb(buffer.flip(), 320, 240)
    }
}

private fun line(logits: FloatArray) = logits.joinToString(" ") { "%08x".format(it.toRawBits()) }

/** Logits of every frame; again after a reset; and after a restore of the states in the middle, in another stream. */
private fun printSteps(model: Edgeshift, file: File) {
    model.stream().use { stream ->
        var middle = ByteArray(0)
        val half = frames(file).count() / 2
        repeat(2) {
            frames(file).forEachIndexed { index, image ->
                if (index == half) middle = stream.save()
                println(line(stream.step(image)!!.logits))
            }
            stream.reset()
        }
        model.close() // streams keep their model
        stream.restore(middle)
        frames(file).drop(half).forEach { println(line(stream.step(it)!!.logits)) }
    }
}

/** What a stream hears and answers to gray frames every 0.25 s, with samples of a file in pieces between them. */
private fun printHeard(model: Edgeshift, file: File, rate: Int) = model.stream().use { stream ->
    println("${model.soundSeconds}|${model.soundRate}")
    val bytes = ByteBuffer.wrap(file.readBytes()).order(ByteOrder.LITTLE_ENDIAN)
    val samples = FloatArray(bytes.remaining() / 4) { bytes.getFloat(4 * it) }
    val gray = Image.rgb(ByteBuffer.allocateDirect(3).put(byteArrayOf(90, 100, 110)).flip(), 1, 1)
    val piece = FloatArray(rate)
    for (index in 0..8) {
        val begin = (index - 1) * rate / 4
        if (index > 0) {
            samples.copyInto(piece, 0, begin, begin + rate / 4)
            stream.hear(piece, begin.toDouble() / rate, rate, count = rate / 4)
        }
        if (index == 7) stream.deafen()
        val prediction = stream.step(gray, index * 0.25)!!
        println("${prediction.heard}|${line(prediction.logits)}")
    }
}

/** Events of a recognizer, collected from its flow by another coroutine. Frames come every 0.25 s. */
@OptIn(ExperimentalCoroutinesApi::class)
private fun printEvents(model: Edgeshift, file: File) = runBlocking {
    Recognizer(model).use { recognizer ->
        val expected = model.stream().use { stream ->
            model.spotter().use { spotter ->
                frames(file).toList().mapIndexedNotNull { index, image ->
                    stream.step(image, index * 0.25)?.let { spotter.feed(it, index * 0.25) }
                }
            }
        }
        val collected = async(Dispatchers.Unconfined) { recognizer.events.take(expected.size).toList() }
        frames(file).forEachIndexed { index, image -> recognizer.feed(image, index * 0.25) }
        if (collected.await() != expected) error("the flow has other events than the spotter")
        expected.forEach { println("${it.label}|${it.index}|${it.score}|${it.timestamp}") }
        println(recognizer.predictions.value)
    }
}

/** One picture in YUV as phones store it, in four ways that must give the same bytes. */
private fun printFits(model: Edgeshift) {
    val (width, height) = 50 to 38
    val luma = ByteBuffer.allocateDirect(height * 64)
    for (index in 0 until luma.capacity()) luma.put(index, (index * 37 % 251).toByte())
    val (u, v) = List(2) { plane -> ByteArray(19 * 25) { (it * (53 + 20 * plane) % 241).toByte() } }

    fun interleaved(first: ByteArray, second: ByteArray, stride: Int) = ByteBuffer.allocateDirect(19 * stride).also {
        for (index in first.indices) {
            it.put(index / 25 * stride + 2 * (index % 25), first[index])
            it.put(index / 25 * stride + 2 * (index % 25) + 1, second[index])
        }
    }

    fun planar(values: ByteArray) = ByteBuffer.allocateDirect(values.size).also { it.put(values).flip() }

    fun image(
        format: Format, vararg chroma: Plane, pixelStride: Int = 1, mirrored: Boolean = false,
        colours: Colours = Colours.BT601_FULL,
    ) = Image(format, width, height, listOf(Plane(luma, 64), *chroma), pixelStride, 90, mirrored, colours)
    val uv = interleaved(u, v, 64)
    val images = listOf(
        image(Format.NV12, Plane(uv, 64)),
        image(Format.NV21, Plane(interleaved(v, u, 50), 50)),
        image(Format.I420, Plane(planar(u), 25), Plane(planar(v), 25)),
        // As CameraX gives it: two views into one buffer, of which the second begins one byte later.
        image(Format.I420, Plane(uv.duplicate(), 64), Plane(uv.duplicate().position(1), 64), pixelStride = 2),
        image(Format.NV12, Plane(uv, 64), mirrored = true),
        image(Format.NV12, Plane(uv, 64), colours = Colours.BT709_VIDEO),
    )
    images.forEach { image -> println(model.fit(image).joinToString("") { "%02x".format(it) }) }
}

private fun printErrors(path: String, library: String) {
    fun refused(what: String, run: () -> Unit) = try {
        run()
        println("$what: accepted")
    } catch (error: EdgeshiftException) {
        println("$what: ${error.status}: ${error.message}")
    }
    refused("missing") { Edgeshift.open("/no/such/\uD83D\uDE00.tflite", library = library) }
    refused("null character") { Edgeshift.open("a\u0000b", library = library) }
    refused("library") { Edgeshift.open(path, library = "/no/such/library.so") }
    refused("threads") { Edgeshift.open(path, threads = 65, library = library) }
    val half = File(path).readBytes().let { ByteBuffer.allocateDirect(it.size / 2).put(it, 0, it.size / 2).flip() }
    refused("half") { Edgeshift.open(half, "half.tflite", library = library) }
    refused("heap buffer") { Edgeshift.open(ByteBuffer.allocate(8), "heap.tflite", library = library) }
    val model = Edgeshift.open(path, library = library)
    val stream = model.stream()
    refused("small buffer") { stream.step(Image.rgb(ByteBuffer.allocateDirect(3 * 320 * 240 - 1), 320, 240)) }
    refused("heap image") { stream.step(Image.rgb(ByteBuffer.allocate(3 * 320 * 240), 320, 240)) }
    refused("planes") { Image(Format.NV12, 4, 4, listOf(Plane(ByteBuffer.allocateDirect(16), 4))) }
    refused("no rows") { stream.step(Image.rgb(ByteBuffer.allocateDirect(9), 3, 0)) }
    val pixel = listOf(Plane(ByteBuffer.allocateDirect(3), 3))
    refused("rotation") { stream.step(Image(Format.RGB, 1, 1, pixel, rotation = 45)) }
    refused("time") { stream.step(Image.rgb(ByteBuffer.allocateDirect(3), 1, 1), Double.POSITIVE_INFINITY) }
    refused("state") { stream.restore(ByteArray(3)) }
    refused("logits") { model.spotter().use { it.feed(FloatArray(1), 0.0) } }
    refused("sound") { stream.hear(FloatArray(4), 0.0, 16000) }
    refused("deafen") { stream.deafen() }
    refused("samples") { stream.hear(FloatArray(4), 0.0, 16000, count = 5) }
    refused("clip") { stream.clip(List(8) { Image.rgb(ByteBuffer.allocateDirect(3), 1, 1) }) }
    stream.close()
    stream.close()
    refused("closed stream") { stream.reset() }
    model.close()
    refused("closed model") { model.stream() }
}
