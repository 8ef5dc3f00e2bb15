package dev.edgeshift

/** Whether a prediction contains a sound, or why not. Without one, it contains the logits of a quiet room. */
enum class Heard {
    /** The prediction contains the sound. */
    HEARD,

    /** No samples were given so far, or since [Stream.deafen]. */
    DEAF,

    /** There are not enough samples since the beginning or since a gap. */
    WAITING,

    /** The newest sample is more than 0.5 s older than the frame. */
    LATE,

    /** The microphone gives one value only. */
    SILENT,

    /** Many samples are at the largest value that the microphone can give. */
    CLIPPED,
}

/**
 * The result for one frame.
 *
 * @property label label with the largest logit.
 * @property index position of that label.
 * @property score its softmax probability.
 * @property logits one per label, not smoothed over frames.
 * @property fresh false: the frame was not due, or no answer was due, so the previous prediction is repeated.
 * @property pre seconds from frame to input tensor.
 * @property infer seconds in the runtime.
 * @property post seconds from the runtime's answer to the prediction.
 * @property heard whether it contains a sound, or why not; null: the network has no sound segment.
 */
class Prediction internal constructor(
    val label: String,
    val index: Int,
    val score: Float,
    val logits: FloatArray,
    val fresh: Boolean,
    val pre: Double,
    val infer: Double,
    val post: Double,
    val heard: Heard?,
) {
    /** Seconds of the whole step. */
    val seconds: Double get() = pre + infer + post

    override fun toString(): String = "$label ($score)"

    internal companion object {
        /** How many numbers the native code writes. */
        const val NUMBERS = 7

        fun of(numbers: DoubleArray, logits: FloatArray, labels: List<String>): Prediction {
            val index = numbers[0].toInt()
            val fresh = numbers[2] != 0.0
            return Prediction(
                labels[index], index, numbers[1].toFloat(), logits, fresh,
                pre = numbers[3], infer = numbers[4], post = numbers[5],
                // The C interface counts from 1, because 0 is a network without a sound segment.
                heard = Heard.entries.getOrNull(numbers[6].toInt() - 1),
            )
        }
    }
}

/**
 * A detection by an event rule.
 *
 * @property label the label.
 * @property index position of the label.
 * @property score 0 to 1.
 * @property timestamp seconds: time of the frame that completed the event.
 */
data class Event(val label: String, val index: Int, val score: Double, val timestamp: Double)

/**
 * The result of a self-check. A comparison that the artifact does not have is NaN.
 *
 * @property ok whether the artifact computes here what it computed where it was converted.
 * @property frames test frames, or windows of a clip.
 * @property repeatable a second run gave the same logits.
 * @property version version of the artifact's description; version 1 accepts larger errors.
 * @property error of the logits: what was found.
 * @property tolerance of the logits: the most that is accepted.
 * @property stateError of the state that differs most, in its standard deviations: what was found.
 * @property stateTolerance of the states: the most that is accepted.
 */
data class SelfCheck(
    val ok: Boolean,
    val frames: Int,
    val repeatable: Boolean,
    val version: Int,
    val error: Double,
    val tolerance: Double,
    val stateError: Double,
    val stateTolerance: Double,
)
