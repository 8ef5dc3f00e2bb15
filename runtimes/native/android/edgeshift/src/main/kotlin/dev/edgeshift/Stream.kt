package dev.edgeshift

/**
 * One sequence of frames with its states. Made by [Edgeshift.stream]. Close it after use.
 *
 * Calls from different threads take turns. The frames of a sequence must come in their order, so use one thread.
 */
class Stream internal constructor(private val labels: List<String>, address: Long) : AutoCloseable {
    private val handle = Handle(address, "stream", Native::freeStream)
    private val numbers = DoubleArray(Prediction.NUMBERS)

    /**
     * Run one frame of any size, which is fitted to the size that the network takes.
     *
     * @param timestamp time of the frame in seconds. If it is given and the artifact knows its frame spacing, a frame
     *   that is not due is not run, and the previous prediction is returned with `fresh = false`. NaN: there is no
     *   time.
     * @return the prediction; null: a clip artifact has too few frames so far. A stream artifact never returns null.
     */
    fun step(image: Image, timestamp: Double = Double.NaN): Prediction? = handle.use { stream ->
        answer { logits -> Native.step(stream, image.layout, image.buffers, timestamp, numbers, logits) }
    }

    /**
     * Take the next samples of a microphone, for a network with a sound segment. Give the samples up to the time of a
     * frame before the frame. The sound runs inside [step] when it is due.
     *
     * @param samples one channel, from -1 to 1. They are copied.
     * @param timestamp time of the first sample in seconds, on the clock of the frames. A piece that begins more than
     *   0.03 s before or after the end of the piece before it comes after a gap: the sound so far is forgotten.
     * @param rate samples per second, from [Edgeshift.soundRate] to 384,000. A sound is not resampled.
     * @param count how many of the samples are taken, from the first on.
     */
    fun hear(samples: FloatArray, timestamp: Double, rate: Int, count: Int = samples.size) = handle.use { stream ->
        if (count !in 0..samples.size) throw badArgument("$count of ${samples.size} samples: give at most as many")
        Native.hear(stream, samples, count, timestamp, rate)
    }

    /** Forget all samples, for example when the microphone is switched off. [reset] does this as well. */
    fun deafen() = handle.use(Native::deafen)

    /**
     * Run one whole clip with a clip artifact: of these images, the middle one of each of its T equal parts is used.
     * The frames that [step] keeps stay as they are.
     */
    fun clip(images: List<Image>): Prediction = handle.use { stream ->
        val layouts = IntArray(images.size * Image.LAYOUT)
        images.forEachIndexed { index, image -> image.layout.copyInto(layouts, index * Image.LAYOUT) }
        val planes = images.flatMap { it.buffers.asList() }.toTypedArray()
        answer { logits -> Native.clip(stream, layouts, planes, numbers, logits) }
            ?: throw EdgeshiftException(EdgeshiftException.Status.FAILED, "a whole clip gave no answer: this is a bug")
    }

    /** Start a new sequence. */
    fun reset() = handle.use(Native::resetStream)

    /** Copy the states, so that [restore] continues from the same point. They contain no time. */
    fun save(): ByteArray = handle.use(Native::save)

    /** Continue from states that [save] returned for a stream of the same artifact. */
    fun restore(state: ByteArray) = handle.use { Native.restore(it, state) }

    override fun close() = handle.close()

    private inline fun answer(run: (FloatArray) -> Int): Prediction? {
        val logits = FloatArray(labels.size)
        return if (run(logits) == OK) Prediction.of(numbers, logits, labels) else null
    }

    private companion object {
        /** ES_OK of edgeshift.h. */
        const val OK = 0
    }
}
