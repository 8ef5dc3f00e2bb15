package dev.edgeshift

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
) {
    /** Seconds of the whole step. */
    val seconds: Double get() = pre + infer + post

    override fun toString(): String = "$label ($score)"

    internal companion object {
        /** How many numbers the native code writes. */
        const val NUMBERS = 6

        fun of(numbers: DoubleArray, logits: FloatArray, labels: List<String>): Prediction {
            val index = numbers[0].toInt()
            val fresh = numbers[2] != 0.0
            return Prediction(
                labels[index], index, numbers[1].toFloat(), logits, fresh,
                pre = numbers[3], infer = numbers[4], post = numbers[5],
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
