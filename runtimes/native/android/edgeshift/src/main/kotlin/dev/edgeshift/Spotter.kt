package dev.edgeshift

/**
 * Applies the artifact's event rule to the predictions of one stream. Made by [Edgeshift.spotter]. Close it after use.
 */
class Spotter internal constructor(private val labels: List<String>, address: Long) : AutoCloseable {
    private val handle = Handle(address, "spotter", Native::freeSpotter)

    /**
     * Take a prediction. One that is not fresh changes nothing.
     *
     * @param timestamp time of its frame in seconds.
     * @return a detection, or null.
     */
    fun feed(prediction: Prediction, timestamp: Double): Event? =
        if (prediction.fresh) feed(prediction.logits, timestamp) else null

    /** Take the logits of a fresh prediction. */
    fun feed(logits: FloatArray, timestamp: Double): Event? = handle.use { spotter ->
        if (logits.size != labels.size) {
            throw badArgument("${logits.size} logits for ${labels.size} labels: give those of a prediction")
        }
        Native.feed(spotter, logits, timestamp)?.let { (index, score, time) ->
            Event(labels[index.toInt()], index.toInt(), score, time)
        }
    }

    /** Forget all predictions. */
    fun reset() = handle.use(Native::resetSpotter)

    override fun close() = handle.close()
}
