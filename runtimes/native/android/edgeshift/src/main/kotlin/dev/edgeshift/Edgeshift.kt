package dev.edgeshift

import java.nio.ByteBuffer

/**
 * A loaded artifact. It never changes, and may be used from several threads.
 *
 *     Edgeshift.open("gestures.tflite").use { model ->
 *         model.stream().use { stream -> println(stream.step(image)?.label) }
 *     }
 *
 * On Android, `Edgeshift.load(context.assets, "gestures.tflite")` reads an asset. Close the model after use. Its
 * streams and spotters can be used after that; close each of them as well.
 */
class Edgeshift private constructor(address: Long) : AutoCloseable {
    private val handle = Handle(address, "model", Native::closeModel)
    private val info = Native.info(address)

    /** Height of the frames that the network takes. Frames of other sizes are fitted. */
    val height: Int get() = info[0].toInt()

    /** Width of the frames that the network takes. */
    val width: Int get() = info[1].toInt()

    /** Frames that the graph takes in one call: 1, or the frames of a clip. */
    val frames: Int get() = info[3].toInt()

    /** Frames from one answer of a clip artifact to the next; null: it is a stream artifact. */
    val hop: Int? get() = info[4].toInt().takeIf { it > 0 }

    /** Number of states. */
    val states: Int get() = info[5].toInt()

    /** Seconds from one frame to the next, as in training; null: not known. */
    val frameSpacing: Double? get() = info[6].takeIf { it > 0 }

    /** Lowest samples per second that [Stream.hear] takes; null: the network has no sound segment. */
    val soundRate: Int? get() = info[8].toInt().takeIf { it > 0 }

    /** Seconds of sound that an answer to a sound needs; null: the network has no sound segment. */
    val soundSeconds: Double? get() = info[7].takeIf { it > 0 }

    /** The labels, in the order of the logits. */
    val labels: List<String> = List(info[2].toInt()) { Native.label(address, it).decodeToString() }

    /** The whole description of the artifact, JSON. */
    val description: String get() = handle.use { Native.description(it).decodeToString() }

    /** Name of the runtime and how it runs, such as "LiteRT (compiled, 1 thread)". */
    val runtime: String get() = handle.use { Native.runtime(it).decodeToString() }

    /** Start a stream with its own states. */
    fun stream(): Stream = Stream(labels, handle.use(Native::newStream))

    /** Start a spotter with the artifact's event rule, or the default rule if it has none. */
    fun spotter(): Spotter = Spotter(labels, handle.use(Native::newSpotter))

    /** Run the self-check twice, as `edgeshift verify` does. */
    fun selfCheck(): SelfCheck {
        val numbers = handle.use(Native::selfCheck)
        return SelfCheck(
            ok = numbers[0] != 0.0,
            frames = numbers[1].toInt(),
            repeatable = numbers[2] != 0.0,
            version = numbers[3].toInt(),
            error = numbers[4],
            tolerance = numbers[5],
            stateError = numbers[6],
            stateTolerance = numbers[7],
        )
    }

    /** Fit an image to the network's size, as a step does: height x width x 3 bytes, in the network's channel order. */
    fun fit(image: Image): ByteArray = handle.use { model ->
        ByteArray(height * width * 3).also { Native.fit(model, image.layout, image.buffers, it) }
    }

    override fun close() = handle.close()

    companion object {
        /** Version of the native library. */
        val version: String get() = Native.version().decodeToString()

        /**
         * Open the artifact in a file.
         *
         * @param threads threads of the runtime, 1 to 64; a .qnn.onnx has none to choose.
         * @param library path of LiteRT's shared library, or for a .qnn.onnx of ONNX Runtime's; null: the usual names.
         * @throws EdgeshiftException there is no file, it is not an artifact, or the runtime cannot run it here.
         */
        fun open(path: String, threads: Int = 1, library: String? = null): Edgeshift =
            Edgeshift(Native.openFile(path.toCString("the path"), threads, library?.toCString("the library's path")))

        /**
         * Open an artifact in memory, from the position of a direct buffer to its limit. The bytes are copied.
         *
         * @param name how messages call it, such as its file name.
         */
        fun open(data: ByteBuffer, name: String, threads: Int = 1, library: String? = null): Edgeshift {
            if (!data.isDirect) throw badArgument("$name is not in a direct buffer: use ByteBuffer.allocateDirect")
            val bytes = data.slice()
            val (cName, cLibrary) = name.toCString("the name") to library?.toCString("the library's path")
            return Edgeshift(Native.openMemory(bytes, bytes.remaining().toLong(), cName, threads, cLibrary))
        }
    }
}
