package dev.edgeshift.transcript

/** The sounds of transcripts: square waves with noise, whose pitch and level change every 800 samples. */
internal class Sound(private val seed: Int) {
    /** Samples of a sound that is "drawn", "silent" or "clipped", from number [first] on. */
    fun samples(kind: String, first: Int, count: Int): FloatArray = when (kind) {
        "drawn" -> FloatArray(count) { value(first + it) / 32768f }
        "silent" -> FloatArray(count)
        "clipped" -> FloatArray(count) { if (value(first + it) < 0) -1f else 1f }
        else -> throw IllegalArgumentException("the transcript has a sound of the kind $kind")
    }

    /** Kotlin's shr rounds down, also of negative numbers. */
    private fun value(index: Int): Int {
        val noise = 256 * goldenByte(seed + 2 * index) + goldenByte(seed + 2 * index + 1) - 32768
        val part = index / PART
        val period = 8 + goldenByte(seed + PITCHES + part) % 120
        val level = 2 + goldenByte(seed + LEVELS + part) % 8
        val square = if (index / period % 2 == 1) 16384 else -16384
        return (square + (noise shr 2)) shr level
    }

    private companion object {
        const val PART = 800
        const val PITCHES = 1073741824
        const val LEVELS = 1610612736
    }
}
