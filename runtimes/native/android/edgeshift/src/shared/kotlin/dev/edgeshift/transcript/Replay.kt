package dev.edgeshift.transcript

import dev.edgeshift.Edgeshift
import dev.edgeshift.Event
import dev.edgeshift.Prediction
import dev.edgeshift.Spotter
import dev.edgeshift.Stream
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.security.MessageDigest
import kotlin.io.encoding.Base64
import kotlin.math.abs
import kotlin.math.max
import kotlin.math.sqrt

/**
 * Makes the calls of a golden transcript and compares the results. docs/reference/transcript.md describes the format.
 *
 *     val differences = Replay(model, text).run()      // empty: everything is equal
 *
 * @throws IllegalArgumentException the transcript has another version, or belongs to another artifact.
 */
class Replay(private val model: Edgeshift, text: String) {
    private val transcript = Json(text).read().fields()
    private val description = Json(model.description).read().fields()
    private val bounds = transcript["bounds"].fields()
    private val exact: Boolean
    private val pictures = Picture(transcript["seed"].number().toLong().toInt())
    private val sounds = Sound(transcript["seed"].number().toLong().toInt())
    private val differences = mutableListOf<String>()
    private var squares = 0.0
    private var values = 0

    init {
        val version = transcript["version"]
        require(version == 1.0 || version == 2.0) { "the transcript has version $version, not 1 or 2" }
        val made = transcript["artifact"].fields()
        for (name in listOf("target", "precision", "mode", "body_sha256")) {
            require(made[name] == description[name]) { "the transcript belongs to an artifact of $name ${made[name]}" }
        }
        val kind = (transcript["runtime"] as String).substringBefore(' ')
        exact = transcript["exact"] == true && model.runtime.substringBefore(' ') == kind
    }

    /** Return one line per difference. */
    fun run(): List<String> {
        model.stream().use { stream ->
            model.spotter().use { spotter ->
                var saved = ByteArray(0)
                transcript["calls"].items().forEachIndexed { index, entry ->
                    val call = entry.fields()
                    val name = call["call"]
                    when (name) {
                        "step" -> step("call $index", call, stream, spotter)
                        "hear" -> hear(call, stream)
                        "deafen" -> stream.deafen()
                        "save" -> saved = stream.save()
                        "reset" -> stream.reset().also { spotter.reset() }
                        "restore" -> stream.restore(saved).also { spotter.reset() }
                        else -> throw IllegalArgumentException("call $index is $name, which this program does not know")
                    }
                    if ("states" in call && name != "step") compareStates("call $index", call, stream)
                }
                if (!exact) compareSamples(stream)
            }
        }
        if (!exact && values > 0) atMost("the error of the logits", sqrt(squares / values), bounds["logits"].number())
        replayRule()
        return differences
    }

    private fun hear(call: Map<String, Any?>, stream: Stream) {
        val samples = sounds.samples(call["sound"] as String, call["first"].int(), call["samples"].int())
        stream.hear(samples, call["time"].number(), call["rate"].int())
    }

    private fun step(where: String, call: Map<String, Any?>, stream: Stream, spotter: Spotter) {
        val picture = pictures.image(call["picture"].int(), call["height"].int(), call["width"].int())
        val time = call["time"]?.number()
        val prediction = stream.step(picture, time ?: Double.NaN)
        val answer = if (prediction == null) "none" else if (prediction.fresh) "fresh" else "repeated"
        if (answer != call["answer"]) {
            differences += "$where: the answer is $answer, not ${call["answer"]}"
            return
        }
        if (prediction == null) return
        val heard = prediction.heard?.name?.lowercase()
        if (heard != call["heard"]) differences += "$where: what was heard is $heard, not ${call["heard"]}"
        if (exact && prediction.index != call["index"].int()) {
            differences += "$where: label ${prediction.index}, not ${call["index"].int()}"
        }
        if (!prediction.fresh) return
        compareLogits(where, call, prediction)
        compareStates(where, call, stream)
        val event = if (time == null) null else spotter.feed(prediction, time)
        compareEvent(where, call["event"], event, if (exact) SCORE_ERROR else bounds["logits"].number())
    }

    private fun compareLogits(where: String, call: Map<String, Any?>, prediction: Prediction) {
        val expected = floats(call["logits"] as String)
        if (exact && !expected.contentEquals(prediction.logits)) differences += "$where: the logits differ"
        for ((one, other) in expected.zip(prediction.logits)) squares += ((one - other).toDouble()).let { it * it }
        values += expected.size
    }

    /** The bytes of a clip artifact's states are frames, which do not depend on the runtime. */
    private fun compareStates(where: String, call: Map<String, Any?>, stream: Stream) {
        if (!exact && model.hop == null) return
        val digest = MessageDigest.getInstance("SHA-256").digest(stateBytes(stream))
        val hash = digest.joinToString("") { "%02x".format(it) }
        if (hash != call["states"]) differences += "$where: the states differ"
    }

    /** Compare the real values of the last states at positions that are spread over each state. */
    private fun compareSamples(stream: Stream) {
        val samples = transcript["samples"].fields()
        val bytes = ByteBuffer.wrap(stateBytes(stream)).order(ByteOrder.LITTLE_ENDIAN)
        for (state in if (samples.isEmpty()) emptyList() else description["states"].items().map { it.fields() }) {
            val stored = StateReader(state, bytes)
            val count = stored.count
            val expected = samples[state["name"]].items().map { it.number() }
            val mean = expected.average()
            val deviation = sqrt(expected.sumOf { (it - mean) * (it - mean) } / expected.size)
            val spread = max(max(deviation, 0.01 * expected.maxOf(::abs)), 1e-6)
            val errors = expected.indices.map { stored[7919L * it % count] - expected[it] }
            val error = sqrt(errors.sumOf { it * it } / expected.size)
            atMost("the error of ${state["name"]}", error / spread, bounds["states"].number())
        }
    }

    /** The states without what stands before them in a saved copy; of a clip artifact, only frames that were given. */
    private fun stateBytes(stream: Stream): ByteArray {
        val saved = stream.save()
        val frame = 3 * model.height * model.width
        val size = if (model.hop != null) {
            val count = ByteBuffer.wrap(saved).order(ByteOrder.LITTLE_ENDIAN).getLong(saved.size - Long.SIZE_BYTES)
            minOf(count, model.frames.toLong()).toInt() * frame + Long.SIZE_BYTES
        } else {
            description["states"].items().sumOf { stateSize(it.fields()) }
        }
        return saved.copyOfRange(saved.size - size, saved.size)
    }

    private fun replayRule() = model.spotter().use { spotter ->
        transcript["rule_calls"].items().forEachIndexed { index, entry ->
            val call = entry.fields()
            val event = spotter.feed(floats(call["logits"] as String), call["time"].number())
            compareEvent("rule call $index", call["event"], event, SCORE_ERROR)
        }
    }

    private fun compareEvent(where: String, expected: Any?, event: Event?, scoreError: Double) {
        val fields = expected?.fields()
        val same = if (fields == null || event == null) fields == null && event == null else
            fields["index"].int() == event.index && fields["label"] == event.label &&
                fields["timestamp"].number() == event.timestamp &&
                abs(fields["score"].number() - event.score) <= scoreError
        if (!same) differences += "$where: the event is $event, not $fields"
    }

    private fun atMost(what: String, found: Double, bound: Double) {
        if (!(found <= bound)) differences += "$what is $found, more than $bound"
    }

    private companion object {
        /** Exponential functions differ in their last digit. */
        const val SCORE_ERROR = 1e-9
    }
}

/** Real values of one state in the bytes of all states. */
private class StateReader(state: Map<String, Any?>, bytes: ByteBuffer) {
    val count = valuesOf(state)
    private val dtype = state["dtype"] as String
    private val scale = state["scale"]?.number() ?: 1.0
    private val zero = state["zero_point"]?.number() ?: 0.0
    private val start = bytes.position()
    private val data = bytes

    init {
        bytes.position(start + stateSize(state))
    }

    operator fun get(index: Long): Double {
        val at = index.toInt()
        return if (dtype == "int8") scale * (data.get(start + at) - zero) else data.getFloat(start + 4 * at).toDouble()
    }
}

private fun valuesOf(state: Map<String, Any?>) =
    state["shape"].items().fold(1) { product, side -> product * side.int() }

private fun stateSize(state: Map<String, Any?>) = valuesOf(state) * if (state["dtype"] == "int8") 1 else 4

/** Little-endian float32 numbers in base64. Kotlin's reader is used, because Android 7 has no java.util.Base64. */
private fun floats(base64: String): FloatArray {
    val bytes = ByteBuffer.wrap(Base64.decode(base64)).order(ByteOrder.LITTLE_ENDIAN)
    return FloatArray(bytes.remaining() / 4) { bytes.getFloat(4 * it) }
}

@Suppress("UNCHECKED_CAST")
private fun Any?.fields(): Map<String, Any?> = this as? Map<String, Any?> ?: emptyMap()

private fun Any?.items(): List<Any?> = this as? List<Any?> ?: emptyList()

private fun Any?.number(): Double = this as Double

private fun Any?.int(): Int = number().toInt()
